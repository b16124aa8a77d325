/** Completion scripts for shells, from the pages of the commands. */
import * as Completions from "effect/cli/Completions"
import * as Bash from "./CompletionBash.ts"
import * as Fish from "./CompletionFish.ts"
import type { ArgumentPage, CommandPage, FlagPage } from "./CommandPage.ts"

export type Shell = "bash" | "zsh" | "fish"

/** What can be completed of a value. */
export type Value = "anything" | "file" | "folder" | ReadonlyArray<string>

export interface FlagWords {
  /** As they are typed. */
  readonly names: ReadonlyArray<string>
  readonly description: string
  /** Absent where it takes none. */
  readonly value?: Value
}

export interface CommandWords {
  readonly name: string
  readonly description: string
  readonly flags: ReadonlyArray<FlagWords>
  /** Of its arguments, the last one as often as there are words. */
  readonly values: ReadonlyArray<{ readonly description: string; readonly value: Value }>
}

/** What a script completes. */
export interface Program {
  readonly name: string
  readonly globals: ReadonlyArray<FlagWords>
  readonly commands: ReadonlyArray<CommandWords>
}

export interface Pages {
  readonly program: CommandPage
  readonly commands: ReadonlyArray<CommandPage>
}

/** What stands for a value says what it is. */
const paths: Record<string, "file" | "folder"> = { FILE: "file", FOLDER: "folder", PATH: "file" }

const valueOf = (name: string, choices: ReadonlyArray<string> | undefined): Value =>
  choices ?? paths[name] ?? "anything"

/** A description as a list of completions has room for it. */
const brief = (description: string): string => description.replace(/( \((default|environment|config)|; |: ).*/s, "")

const flag = ({ aliases, choices, description, name, value }: FlagPage): FlagWords => ({
  names: [name, ...aliases],
  description: brief(description),
  ...(value === undefined ? {} : { value: valueOf(value, choices) })
})

const argument = ({ choices, description, name }: ArgumentPage, names: ReadonlyArray<string>) => ({
  description: brief(description),
  value: name === "COMMAND" ? names : valueOf(name, choices)
})

/** The words of the pages. */
export const words = ({ commands, program }: Pages): Program => {
  const listed = program.commands.flatMap(({ commands }) => commands)
  const names = listed.map(({ name }) => name)
  return {
    name: program.command,
    globals: program.globalFlags.map(flag),
    commands: listed.flatMap(({ description, name }) =>
      commands
        .filter(({ command }) => command === `${program.command} ${name}`)
        .map((page) => ({
          name,
          description,
          flags: page.flags.map(flag),
          values: page.arguments.map((page) => argument(page, names))
        }))
    )
  }
}

const zshType = (value: Value | undefined): Completions.FlagType => {
  if (value === undefined) return { _tag: "Boolean" }
  if (value === "anything") return { _tag: "String" }
  if (value === "file" || value === "folder") {
    return { _tag: "Path", pathType: value === "folder" ? "directory" : "file" }
  }
  return { _tag: "Choice", values: value }
}

const zshFlag = ({ description, names: [name = "", ...aliases], value }: FlagWords): Completions.FlagDescriptor => ({
  name: name.slice(2),
  aliases: aliases.map((alias) => alias.replace(/^-+/, "")),
  description,
  type: zshType(value),
  // A flag has the name that changes something: --no-verify, and no --no-dry-run.
  negation: false
})

/** The parser's own script, which is right for zsh; those for bash and fish lose their way in values and folders. */
const zsh = ({ commands, globals, name }: Program): string =>
  Completions.generate(name, "zsh", {
    name,
    description: undefined,
    flags: globals.map(zshFlag),
    arguments: [],
    subcommands: commands.map(({ description, flags, name, values }) => ({
      name,
      description,
      flags: [...flags, ...globals].map(zshFlag),
      arguments: values.map(({ description, value }, index) => ({
        name: String(index),
        description,
        required: false,
        variadic: index === values.length - 1,
        type: zshType(value) as Completions.ArgumentType
      })),
      subcommands: []
    }))
    // It tells to install it by a flag that pgark does not have.
  }).replace(/^# Installation:\n(#.*\n)+/m, "#\n")

const generators = { bash: Bash.script, zsh, fish: Fish.script }

/** The script for a shell. It holds all there is to complete, and does not call pgark. */
export const script = (shell: Shell, pages: Pages): string => generators[shell](words(pages))
