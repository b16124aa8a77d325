/** What is known of a command and its flags, as data: help, reference and completions are written from it. */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ArgDoc, FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import { meanings } from "../ExitCode.ts"
import { SideEffects } from "./SideEffects.ts"

export const FlagPage = Schema.Struct({
  name: Schema.String.annotateKey({ description: "With its dashes, as it is typed: `--no-verify`." }),
  aliases: Schema.Array(Schema.String).annotateKey({ description: "Other names of it: `-y`." }),
  value: Schema.optionalKey(Schema.String).annotateKey({
    description: "What stands for its value; absent where it takes none."
  }),
  choices: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "The words that its value may be, or may begin with; absent where any will do."
  }),
  description: Schema.String.annotateKey({ description: "What it does, with its default and where else it is set." })
})
export type FlagPage = typeof FlagPage.Type

export const ArgumentPage = Schema.Struct({
  name: Schema.String.annotateKey({ description: "What stands for it: `FILE`." }),
  required: Schema.Boolean.annotateKey({ description: "Whether the command does not do without." }),
  repeatable: Schema.Boolean.annotateKey({ description: "Whether several may be given." }),
  choices: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "The words that it may be; absent where any will do."
  }),
  description: Schema.String.annotateKey({ description: "What it is." })
})
export type ArgumentPage = typeof ArgumentPage.Type

/** All that help, reference and completions know of a command. */
export const CommandPage = Schema.Struct({
  command: Schema.String.annotateKey({ description: "As it is typed: `pgark dump`." }),
  description: Schema.String.annotateKey({ description: "What it does." }),
  usage: Schema.String.annotateKey({ description: "A line that shows what may stand where." }),
  commands: Schema.Array(
    Schema.Struct({
      group: Schema.String.annotateKey({ description: "Heading of the group." }),
      commands: Schema.Array(
        Schema.Struct({
          name: Schema.String.annotateKey({ description: "Name of the command." }),
          description: Schema.String.annotateKey({ description: "What it does, in a few words." })
        })
      ).annotateKey({ description: "The commands of the group." })
    })
  ).annotateKey({ description: "Commands below it, in groups." }),
  arguments: Schema.Array(ArgumentPage).annotateKey({ description: "Its arguments." }),
  flags: Schema.Array(FlagPage).annotateKey({ description: "Its own flags." }),
  globalFlags: Schema.Array(FlagPage).annotateKey({ description: "Flags that every command has." }),
  examples: Schema.Array(
    Schema.Struct({
      command: Schema.String.annotateKey({ description: "A command line." }),
      description: Schema.String.annotateKey({ description: "What it is for." })
    })
  ).annotateKey({ description: "Examples." }),
  sideEffects: Schema.optionalKey(
    Schema.Struct({
      reads: Schema.Array(Schema.String).annotateKey({ description: "Files that it reads." }),
      writes: Schema.Array(Schema.String).annotateKey({ description: "Files that it writes." }),
      database: Schema.String.annotateKey({ description: "What it does to a database." })
    })
  ).annotateKey({ description: "What it reads, writes and changes, in Markdown." }),
  exitCodes: Schema.Array(
    Schema.Struct({
      code: Schema.Int.annotateKey({ description: "The exit code." }),
      meaning: Schema.String.annotateKey({ description: "What it means." })
    })
  ).annotateKey({ description: "The exit codes, the same for every command." })
})
export type CommandPage = typeof CommandPage.Type

/** Alternatives of one word each take the place of the value where they are not longer than this. */
const widest = 24

/** The parser puts the choices behind the description. */
const choicesBehind = / ?\(choices: (.*)\)$/

const described = (description: Option.Option<string>) => {
  const text = Option.getOrElse(description, () => "")
  return { text: text.replace(choicesBehind, ""), choices: choicesBehind.exec(text)?.[1]?.split(", ") }
}

/** `none|gzip|zstd[:LEVEL]` gives none, gzip and zstd. */
const alternatives = (value: string): ReadonlyArray<string> | undefined =>
  value.includes("|") ? value.replaceAll(/^<|>$|\[.*?\]/g, "").split("|") : undefined

const flagPage = ({ aliases, description, name, type }: FlagDoc): FlagPage => {
  const { text, choices = alternatives(type) } = described(description)
  const flag = { name: `--${name}`, aliases, description: text }
  if (type === "boolean") return flag
  if (choices === undefined) return { ...flag, value: type.toUpperCase() }
  const joined = type.includes("|") ? type.replaceAll(/^<|>$/g, "") : choices.join("|")
  if (joined.length <= widest) return { ...flag, value: joined, choices }
  // A list that long is told in the description; the last word of the name says what it is of.
  const value = name.slice(name.lastIndexOf("-") + 1).toUpperCase()
  return { ...flag, value, choices, description: `${text}: ${choices.join(", ")}` }
}

const argumentPage = ({ description, name, required, type, variadic }: ArgDoc): ArgumentPage => {
  const { text, choices = alternatives(type) } = described(description)
  return {
    name: name.toUpperCase(),
    required,
    repeatable: variadic,
    ...(choices === undefined ? {} : { choices }),
    description: text
  }
}

const usage = (command: string, { args = [], subcommands = [] }: HelpDoc): string =>
  [
    command,
    ...(subcommands.length === 0 ? [] : ["<command>"]),
    ...args.map(argumentPage).map(({ name, repeatable, required }) => {
      const word = repeatable ? `${name}...` : name
      return required ? word : `[${word}]`
    }),
    "[flags]"
  ].join(" ")

/** Flags that the parser brings, which everybody knows, come last. */
const last = new Set(["log-level", "help", "version"])

/** The page of a command, from what the parser tells of it. */
export const fromHelpDoc = (doc: HelpDoc): CommandPage => {
  const command = (doc.commandPath ?? []).join(" ")
  const sideEffects = Context.getOption(doc.annotations as Context.Context<SideEffects>, SideEffects)
  const globals = doc.globalFlags ?? []
  return {
    command,
    description: doc.description,
    usage: usage(command, doc),
    commands: (doc.subcommands ?? []).map(({ commands, group }) => ({
      group: group ?? "Commands",
      commands: commands.map(({ description, name, shortDescription }) => ({
        name,
        description: shortDescription ?? description
      }))
    })),
    arguments: (doc.args ?? []).map(argumentPage),
    flags: doc.flags.map(flagPage),
    globalFlags: [
      ...globals.filter(({ name }) => !last.has(name)),
      ...globals.filter(({ name }) => last.has(name)).reverse()
    ].map(flagPage),
    examples: (doc.examples ?? []).map(({ command, description = "" }) => ({ command, description })),
    ...(Option.isNone(sideEffects) ? {} : { sideEffects: sideEffects.value }),
    exitCodes: meanings.map(([code, meaning]) => ({ code, meaning }))
  }
}

/** A flag as it is typed: `-y, --yes`, `--dir FOLDER`. */
export const term = ({ aliases, name, value }: FlagPage): string =>
  [[...aliases, name].join(", "), ...(value === undefined ? [] : [value])].join(" ")
