/**
 * What a terminal shows, as an SVG picture: its text stays text, and it needs no font, script or style of elsewhere, so
 * that it looks the same wherever a page shows it as an image.
 *
 * The packages that do this draw for one theme, without title and description (ansi-to-svg 1.4.4), or need React for it
 * (svg-term 2.0.3).
 */

/** A part of a line that looks the same all along. */
interface Run {
  readonly text: string
  readonly bold: boolean
  /** A foreground colour's number, 30 to 37; none for the usual one. */
  readonly color: number | undefined
}

const escape = "\u001B"

/** A style (SGR), or text up to the next escape. */
const sequence = new RegExp(`${escape}\\[([\\d;]*)m|([^${escape}]+|${escape})`, "g")

/** The lines of a screen. Fails on sequences that move the cursor: of these the order of the text says nothing. */
export const parse = (output: string): ReadonlyArray<ReadonlyArray<Run>> => {
  let bold = false
  let color: number | undefined
  const style: Readonly<Record<string, () => void>> = {
    "0": () => ((bold = false), (color = undefined)),
    "1": () => (bold = true),
    "22": () => (bold = false),
    "39": () => (color = undefined)
  }
  return output
    .replaceAll("\r\n", "\n")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const runs: Array<Run> = []
      for (const [, codes, text] of line.matchAll(sequence)) {
        if (text === undefined) {
          for (const code of (codes ?? "").split(";")) {
            const number = Number(code)
            if (number >= 30 && number <= 37) color = number
            else if (style[code || "0"] !== undefined) style[code || "0"]!()
            else throw new Error(`The picture has no look for the sequence "${code}" (SGR).`)
          }
        } else if (/\p{Cc}/u.test(text)) throw new Error(`The picture cannot show ${JSON.stringify(text)}.`)
        else runs.push({ text, bold, color })
      }
      return runs
    })
}

/** Size of a character and of the frame, in pixels. Fonts differ in width: each line is told how wide it is. */
const size = { font: 14, character: 8.4, line: 20, frame: 20 }

/** Colours on light and on dark ground, with a contrast of 4.5 to 1 and more. */
const names: Readonly<Record<number, { readonly name: string; readonly light: string; readonly dark: string }>> = {
  31: { name: "red", light: "#b3261e", dark: "#ff7b72" },
  32: { name: "green", light: "#1a7f37", dark: "#56d364" },
  33: { name: "yellow", light: "#8a5a00", dark: "#e3b341" },
  36: { name: "cyan", light: "#0b6b78", dark: "#56d4dd" }
}

const ground = {
  light: { back: "#f6f8fa", edge: "#d0d7de", text: "#1f2328" },
  dark: { back: "#161b22", edge: "#30363d", text: "#e6edf3" }
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const classOf = ({ bold, color }: Run): string => {
  const named = color === undefined ? undefined : names[color]
  if (color !== undefined && named === undefined) throw new Error(`The picture has no colour ${color}.`)
  return [...(bold ? ["bold"] : []), ...(named === undefined ? [] : [named.name])].join(" ")
}

const textOf = (line: ReadonlyArray<Run>): string => line.map(({ text }) => text).join("")

const styles = (theme: "light" | "dark"): ReadonlyArray<string> => [
  `rect { fill: ${ground[theme].back}; stroke: ${ground[theme].edge} }`,
  `text { fill: ${ground[theme].text} }`,
  ...Object.values(names).map((color) => `.${color.name} { fill: ${color[theme]} }`)
]

const pixels = (characters: number): number => Math.round(characters * size.character * 10) / 10

/** A line, each of its runs at its place: whatever font there is, columns stand below each other. */
const drawn = (line: ReadonlyArray<Run>, y: number): ReadonlyArray<string> => {
  let column = 0
  return line.flatMap((run) => {
    const shown = run.text.trim()
    const begin = column + run.text.length - run.text.trimStart().length
    column += run.text.length
    if (shown === "") return []
    const looks = classOf(run)
    const x = size.frame + pixels(begin)
    const how = looks === "" ? "" : ` class="${looks}"`
    return [`<text x="${x}" y="${y}" textLength="${pixels(shown.length)}"${how}>${escaped(shown)}</text>`]
  })
}

/**
 * The picture of what a terminal was sent.
 *
 * @param columns of the terminal
 * @param title what it shows, for those who do not see it; the text itself follows as its description
 */
export const picture = (output: string, { columns, title }: { readonly columns: number; readonly title: string }) => {
  const lines = parse(output)
  const width = columns * size.character + 2 * size.frame
  const height = lines.length * size.line + 2 * size.frame
  const font = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="desc">${escaped(lines.map(textOf).join("\n"))}</desc>`,
    "<style>",
    ".bold { font-weight: bold }",
    ...styles("light"),
    "@media (prefers-color-scheme: dark) {",
    ...styles("dark").map((rule) => `  ${rule}`),
    "}",
    "</style>",
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    `<g font-family="${font}" font-size="${size.font}">`,
    ...lines.flatMap((line, index) => drawn(line, size.frame + index * size.line + size.font)),
    "</g>",
    "</svg>",
    ""
  ].join("\n")
}
