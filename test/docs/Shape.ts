/** What a page shows of an output, held against a real one: the same words, whatever the numbers, times and widths. */

/** One form for outputs that differ in numbers, sizes, times and line breaks only. */
export const shapeOf = (text: string): string =>
  text
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\b[0-9a-f]{16,}\b/g, "HEX")
    .replaceAll(/(?<=:)-(?=\d)/g, "")
    .replaceAll(/\d+(?:[.,]\d+)*/g, "0")
    .replaceAll(/\b0 (?:B|kB|MB|GB)\b/g, "0 B")
    .replaceAll(/\b0 (?:ms|s|min|h|milliseconds?|seconds?|minutes?|hours?)\b/g, "0 s")
    .replaceAll("just now", "0 s ago")
    .replaceAll(/\b0 ([a-z]+)s\b/g, "0 $1")
    .trim()

/**
 * The first piece of what is shown that does not follow in the output; none where all of it does.
 *
 * A line of `…` stands for any lines, and a `…` at the end of one for the rest of it; the first line is the first one.
 */
export const missing = (shown: string, output: string): string | undefined => {
  const real = shapeOf(output)
  let at = 0
  for (const [index, piece] of shown.split("…").map(shapeOf).entries()) {
    const found = real.indexOf(piece, at)
    if (found === -1 || (index === 0 && found > 0)) return piece
    at = found + piece.length
  }
  return undefined
}
