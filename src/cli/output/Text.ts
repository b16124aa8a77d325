/** Text in lines that fit a terminal. */

/** Columns that help is written for: the narrowest terminal in common use. */
export const columns = 80

/** Longer lines are hard to read, however wide the terminal is. */
const widest = 100

/** Columns of what a command tells: those of the terminal, of which there are 80 where there is none. */
export const width = (
  streams: ReadonlyArray<{ readonly columns?: number }> = [process.stdout, process.stderr]
): number => Math.min(streams.map((stream) => stream.columns ?? 0).find((found) => found > 0) ?? columns, widest)

/** Breaks between words into lines of at most `width` columns. A longer word has a line of its own. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line === "") line = word
    else if (line.length + 1 + word.length <= width) line += ` ${word}`
    else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line]
}

const short: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const escaped = (character: string): string => {
  const hex = character.charCodeAt(0).toString(16)
  return short[character] ?? (hex.length > 2 ? `\\u${hex.padStart(4, "0")}` : `\\x${hex.padStart(2, "0")}`)
}

/**
 * What does something to a terminal or to the text around it, or is not to be seen: control characters, other line
 * ends, what turns the direction of writing (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters)
 * and spaces without width. Joiners are not among them, which emoji and Persian are written with.
 */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu

/**
 * Text in which such characters are shown instead of sent: names of a database may hold sequences that rewrite what a
 * terminal shows. Line breaks and tabs stay.
 */
export const visible = (text: string): string =>
  text.replace(unseen, (character) => (character === "\n" || character === "\t" ? character : escaped(character)))

/** The same for what is one line: a line break can only come from a name. */
export const visibleLine = (text: string): string => text.replace(unseen, escaped)

/** A paragraph behind a label; its further lines begin below the first one's text. */
export const hang = (label: string, text: string, columns = width()): string =>
  wrap(visibleLine(text), columns - label.length)
    .map((line, index) => `${index === 0 ? label : " ".repeat(label.length)}${line}`)
    .join("\n")

/** The same on a terminal alone: elsewhere a line stays whole, to be searched for and taken apart. */
export const fitted = (
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  label: string,
  text: string
): string => (stream.isTTY === true ? hang(label, text, width([stream])) : `${label}${visibleLine(text)}`)

/** A list of names in one line, cut behind a comma where it is longer than `width`. The rest is told by `rest`. */
export const clip = (line: string, width: number, rest: string): string => {
  if (line.length <= width) return line
  const comma = line.lastIndexOf(", ", width)
  return `${line.slice(0, comma === -1 ? width : comma + 2).trimEnd()} … ${rest}`
}

/** Whether a stream takes colours: a terminal, and nobody said no (https://no-color.org). */
export const colorful = (
  stream: { readonly isTTY?: boolean },
  wanted: boolean,
  env: Readonly<Record<string, string | undefined>> = process.env
): boolean => wanted && stream.isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb"

/** A heading. */
export const bold = (text: string): string => `\u001B[1m${text}\u001B[22m`

/** Something that must not be overlooked: its first line in red. */
export const alert = (text: string): string => text.replace(/^.*/, (line) => `\u001B[31m${line}\u001B[39m`)
