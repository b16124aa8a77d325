/** The reference of the commands in Markdown: `docs/commands.md`. */
import { type ArgumentPage, type CommandPage, type FlagPage, term } from "./CommandPage.ts"

/** Text in a cell of a table; a word that looks like a tag would be taken for one. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;")

/** Code in a cell: there, too, a bar ends the cell. */
const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``

const table = (
  head: readonly [string, string],
  rows: ReadonlyArray<readonly [term: string, meaning: string]>
): ReadonlyArray<string> => [
  `| ${head.join(" | ")} |`,
  "| --- | --- |",
  ...rows.map(([term, meaning]) => `| ${term} | ${meaning} |`)
]

const flag = (page: FlagPage) => [code(term(page)), cell(page.description)] as const

const argument = ({ description, name, repeatable, required }: ArgumentPage) =>
  [code(`${name}${repeatable ? "..." : ""}`), cell(`${description}${required ? "; required" : ""}`)] as const

const block = (lines: ReadonlyArray<string>): string => ["```sh", ...lines, "```"].join("\n")

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`${title}\n\n${lines.join("\n")}`]

const sideEffects = ({ sideEffects }: CommandPage): ReadonlyArray<string> =>
  sideEffects === undefined
    ? []
    : [
        ...sideEffects.reads.map((text) => `- reads: ${text}`),
        ...sideEffects.writes.map((text) => `- writes: ${text}`),
        `- the database: ${sideEffects.database}`
      ]

const command = (page: CommandPage): string =>
  [
    `## ${page.command}`,
    page.description.replace(/\.?$/, "."),
    block([page.usage]),
    ...section("Arguments:", page.arguments.length === 0 ? [] : table(["argument", ""], page.arguments.map(argument))),
    ...section("Flags:", page.flags.length === 0 ? [] : table(["flag", ""], page.flags.map(flag))),
    ...section("What it touches:", sideEffects(page)),
    ...section("Examples:", [block(page.examples.flatMap(({ command, description }) => [`# ${description}`, command]))])
  ].join("\n\n")

/**
 * The whole page.
 *
 * @param pages of the program and of its commands
 */
export const reference = (pages: {
  readonly program: CommandPage
  readonly commands: ReadonlyArray<CommandPage>
}): string => {
  const { program } = pages
  return `${[
    "# Commands",
    "<!-- Written by `npm run docs` from the commands themselves. -->",
    `${program.description} \`${program.command} help <command>\` shows the same in the terminal, and with \`--json\` as a document ([Schemas of all documents](json)).`,
    ...program.commands.flatMap(({ commands, group }) =>
      section(
        `**${group}**`,
        commands.map(({ description, name }) => `- [${name}](#${program.command}-${name}): ${description}`)
      )
    ),
    ...pages.commands.map(command),
    ...section("## Flags of every command", table(["flag", ""], program.globalFlags.map(flag))),
    ...section(
      "## Exit codes",
      table(
        ["code", "meaning"],
        program.exitCodes.map(({ code, meaning }) => [String(code), cell(meaning)])
      )
    )
  ].join("\n\n")}\n`
}
