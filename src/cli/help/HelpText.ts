/** The page of a command for people: what it does, its flags, examples, and the exit codes. */
import { type ArgumentPage, type CommandPage, type FlagPage, term } from "./CommandPage.ts"
import { bold, columns, wrap } from "../output/Text.ts"

/** A term and what it means. */
type Entry = readonly [term: string, meaning: string]

/** Terms wider than this have their meaning on the line below. */
const widestTerm = 24

/** Two columns; the second is as far left as the terms allow. */
const entries = (list: ReadonlyArray<Entry>, width: number): ReadonlyArray<string> => {
  const left = Math.max(...list.map(([term]) => term.length).filter((length) => length <= widestTerm), 0)
  return list.flatMap(([term, meaning]) => {
    const [first = "", ...rest] = wrap(meaning, width - left - 4)
    const below = (line: string) => `${" ".repeat(left + 4)}${line}`
    return term.length > left
      ? [`  ${term}`, ...[first, ...rest].map(below)]
      : [`  ${term.padEnd(left)}  ${first}`, ...rest.map(below)]
  })
}

const flag = (page: FlagPage): Entry => [term(page), page.description]

const argument = ({ description, name }: ArgumentPage): Entry => [name, description]

/**
 * The page, in lines of at most `width` columns.
 *
 * @param bright whether headings are bold
 */
export const render = (page: CommandPage, bright: boolean, width: number = columns): string => {
  const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : [`${bright ? bold(title) : title}\n${lines.join("\n")}`]
  return [
    wrap(page.description, width).join("\n"),
    ...section("USAGE", [`  ${page.usage}`]),
    ...page.commands.flatMap(({ commands, group }) =>
      section(
        group.toUpperCase(),
        entries(
          commands.map(({ description, name }) => [name, description]),
          width
        )
      )
    ),
    ...section("ARGUMENTS", entries(page.arguments.map(argument), width)),
    ...section("FLAGS", entries(page.flags.map(flag), width)),
    ...section("FLAGS OF EVERY COMMAND", entries(page.globalFlags.map(flag), width)),
    ...section(
      "EXAMPLES",
      page.examples.flatMap(({ command, description }) => [`  ${command}`, `      ${description}`])
    ),
    ...section(
      "EXIT CODES",
      entries(
        page.exitCodes.map(({ code, meaning }) => [String(code), meaning]),
        width
      )
    )
  ].join("\n\n")
}
