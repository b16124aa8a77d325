/** A command's help: what it does, its flags, examples, and the exit codes. */
import * as Option from "effect/Option"
import type { ArgDoc, FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import { meanings } from "./ExitCode.ts"
import { bold, columns, wrap } from "./Text.ts"

/** A term and what it means. */
type Entry = readonly [term: string, meaning: string]

/** Terms wider than this have their meaning on the line below. */
const widest = 24

const indented = (text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line) => wrap(line, columns - 2).map((part) => `  ${part}`))

/** Two columns; the second is as far left as the terms allow. */
const entries = (list: ReadonlyArray<Entry>): ReadonlyArray<string> => {
  const width = Math.max(...list.map(([term]) => term.length).filter((length) => length <= widest), 0)
  return list.flatMap(([term, meaning]) => {
    const [first = "", ...rest] = wrap(meaning, columns - width - 4)
    const below = (line: string) => `${" ".repeat(width + 4)}${line}`
    return term.length > width
      ? [`  ${term}`, ...[first, ...rest].map(below)]
      : [`  ${term.padEnd(width)}  ${first}`, ...rest.map(below)]
  })
}

const described = (description: Option.Option<string>): string => Option.getOrElse(description, () => "")

const flag = ({ aliases, description, name, type }: FlagDoc): Entry => [
  [[`--${name}`, ...aliases].join(", "), ...(type === "boolean" ? [] : [type])].join(" "),
  // The choices stand in the term already.
  described(description).replace(/ \(choices: .*\)$/, "")
]

const argument = ({ description, name }: ArgDoc): Entry => [name.toUpperCase(), described(description)]

const usage = ({ args = [], usage }: HelpDoc): string =>
  args
    .reduce((text, { name }) => text.replace(`<${name}`, `<${name.toUpperCase()}`), usage)
    .replaceAll(/<([A-Z]+)([.]*)>/g, "$1$2")

/** The page, in at most 80 columns. */
export const render = (doc: HelpDoc, colors: boolean): string => {
  const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : [`${colors ? bold(title) : title}\n${lines.join("\n")}`]
  return [
    ...indented(doc.description).map((line) => line.slice(2)),
    "",
    [
      ...section("USAGE", indented(usage(doc))),
      ...(doc.subcommands ?? []).flatMap(({ commands, group }) =>
        section(
          (group ?? "commands").toUpperCase(),
          entries(commands.map(({ description, name, shortDescription }) => [name, shortDescription ?? description]))
        )
      ),
      ...section("ARGUMENTS", entries((doc.args ?? []).map(argument))),
      ...section("FLAGS", entries(doc.flags.map(flag))),
      ...section("FLAGS OF EVERY COMMAND", entries((doc.globalFlags ?? []).map(flag))),
      ...section(
        "EXAMPLES",
        (doc.examples ?? []).flatMap(({ command, description }) => [
          `  ${command}`,
          ...(description === undefined ? [] : [`      ${description}`])
        ])
      ),
      ...section("EXIT CODES", entries(meanings.map(([code, meaning]) => [String(code), meaning])))
    ].join("\n\n")
  ].join("\n")
}
