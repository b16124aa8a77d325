/** A page of the documentation: its fenced blocks, in order, and the commands in them. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

/** The pages that users read, from the folder of the repository. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
    .sort()
]

/** Written by `npm run docs`; what stands there is examples for anybody's files. */
export const generated = ["docs/commands.md"]

export const read = (page: string): string => readFileSync(join(root, page), "utf8")

/** A fenced block. */
export interface Block {
  /** First word behind the fence; none where there is none. */
  readonly language: string
  /** Second word: the file that the block shows. */
  readonly file: string | undefined
  readonly text: string
  /** Number of its first line, behind the fence. */
  readonly line: number
}

/**
 * The blocks of a page. What a page takes for granted, a file that the reader has, and what it promises without showing
 * it, stands in a comment: `<!-- run` and commands on lines of their own, which become a block of `sh`.
 */
export const blocksOf = (markdown: string): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let open: (Omit<Block, "text"> & { readonly end: string }) | undefined
  let lines: Array<string> = []
  for (const [index, text] of markdown.split("\n").entries()) {
    const line = index + 2
    if (open !== undefined) {
      if (text === open.end) {
        const { end: _, ...block } = open
        blocks.push({ ...block, text: lines.join("\n") })
        open = undefined
      } else lines.push(text)
    } else if (text.startsWith("```")) {
      const [language = "", file] = text.slice(3).trim().split(/\s+/)
      open = { language, file, line, end: "```" }
      lines = []
    } else if (text === "<!-- run") {
      open = { language: "sh", file: undefined, line, end: "-->" }
      lines = []
    }
  }
  return blocks
}

/** Whether nothing but empty lines stands between two blocks. */
export const follows = (block: Block, before: Block): boolean =>
  block.line - (before.line + before.text.split("\n").length) <= 3

/** One command of a block, which may be several lines. */
export interface Command {
  readonly text: string
  readonly line: number
  /** The exit code that its comment announces (`# … exit code 5`), else 0. */
  readonly code: number
}

const code = (text: string) => Number(/#.*\bexit code (\d+)/.exec(text)?.[1] ?? 0)

/** A line that goes on behind a `\`, is indented, or ends a loop belongs to the command before it. */
const goesOn = (line: string, before: string) => before.endsWith("\\") || /^(\s|(done|fi|esac|\})\b)/.test(line)

export const commandsOf = ({ line, text }: Pick<Block, "line" | "text">): ReadonlyArray<Command> => {
  const commands: Array<{ text: string; line: number }> = []
  for (const [index, one] of text.split("\n").entries()) {
    const last = commands.at(-1)
    if (last !== undefined && goesOn(one, last.text)) last.text += `\n${one}`
    else if (!/^\s*(#|$)/.test(one)) commands.push({ text: one, line: line + index })
  }
  return commands.map((command) => ({ ...command, code: code(command.text) }))
}

const unindented = (lines: ReadonlyArray<string>) => lines.map((line) => line.trim()).join("\n")

/** The commands in a file that something else runs: a crontab, units of systemd, a workflow of GitHub. */
export const scheduled = ({ language, line, text }: Block): ReadonlyArray<Command> => {
  const found: Array<string> = []
  if (language === "crontab") {
    for (const one of text.split("\n")) {
      const command = /^(?:@\w+|(?:[\d*,/-]+\s+){5})\s*(.+)$/.exec(one)?.[1]
      if (command !== undefined) found.push(command)
    }
  }
  if (language === "ini") for (const [, command] of text.matchAll(/^ExecStart=(.+)$/gm)) found.push(command!)
  if (language === "yaml") {
    for (const [, , one, many] of text.matchAll(/^( *)- run: (?:\|\n((?:\1 {3,}.*\n?)+)|(.+))$/gm)) {
      found.push(many ?? unindented(one!.trimEnd().split("\n")))
    }
  }
  return found.flatMap((text) => commandsOf({ text, line }))
}

/** Puts outputs in place of what their blocks show. */
export const rewrite = (
  page: string,
  changes: ReadonlyArray<{ readonly block: Block; readonly output: string }>
): void => {
  const lines = read(page).split("\n")
  for (const { block, output } of changes.toReversed()) {
    lines.splice(block.line - 1, block.text.split("\n").length, ...output.trimEnd().split("\n"))
  }
  writeFileSync(join(root, page), lines.join("\n"))
}
