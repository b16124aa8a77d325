/** A command line that could not be understood, in the form of every other problem. */
import type * as CliError from "effect/cli/CliError"
import type { CommandDescriptor } from "effect/cli/Completions"
import { nearest } from "../config/Nearest.ts"
import type * as Problem from "../output/Problem.ts"

/** What the flags and commands of the program are called. */
export interface Names {
  /** Flags that every command has, with their dashes. */
  readonly everywhere: ReadonlyArray<string>
  /** Of each command, with its own flags. */
  readonly commands: ReadonlyMap<string, ReadonlyArray<string>>
  /** What each command that takes an argument calls it. */
  readonly arguments: ReadonlyMap<string, string>
}

/** Every spelling of the flags, negations among them. */
export const spellings = ({ flags }: CommandDescriptor): ReadonlyArray<string> =>
  flags.flatMap(({ aliases, name, negation = `no-${name}`, type }) => [
    `--${name}`,
    ...aliases.map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`)),
    ...(type._tag === "Boolean" && negation !== false ? [`--${negation}`] : [])
  ])

/** What people call it elsewhere. */
const otherwise: ReadonlyMap<string, string> = new Map([
  ["backup", "dump"],
  ["check", "verify"],
  ["drop", "clean"],
  ["export", "dump"],
  ["import", "restore"],
  ["load", "restore"],
  ["ls", "list"],
  ["reset", "clean"],
  ["revert", "undo"],
  ["rollback", "undo"],
  ["show", "inspect"],
  ["status", "doctor"]
])

const listed = (words: ReadonlyArray<string>, last: "and" | "or"): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`

/** A URL's password is nobody's business, also where the URL stands in a wrong place. */
const isUrl = (text: string): boolean => /^postgres(ql)?:\/\//i.test(text)

const quoted = (text: string): string => (isUrl(text) ? "a database URL" : JSON.stringify(text))

interface Told {
  readonly message: string
  readonly meant?: string
}

const unknownFlag = (option: string, command: string | undefined, { commands, everywhere }: Names): Told => {
  const message =
    command === undefined
      ? `There is no flag ${option} without a command.`
      : `\`pgark ${command}\` has no flag ${option}.`
  const having = (flag: string) =>
    [...commands].flatMap(([name, flags]) => (flags.includes(flag) ? [`\`pgark ${name}\``] : []))
  const others = having(option)
  if (others.length > 0) return { message, meant: `${option} belongs to ${listed(others, "and")}.` }
  // A letter is like every other letter.
  if (!/^--../.test(option)) return { message }
  const own = [...((command === undefined ? undefined : commands.get(command)) ?? []), ...everywhere]
  // Of two that are as near that of the command itself stands first.
  const near = nearest(
    option,
    [...new Set([...own, ...[...commands.values()].flat()])].filter((flag) => flag.startsWith("--"))
  )
  if (near === undefined) return { message }
  return { message, meant: `Did you mean ${near}${own.includes(near) ? "" : `, of ${listed(having(near), "and")}`}?` }
}

const unknownCommand = (word: string, { commands }: Names): Told => {
  if (isUrl(word))
    return { message: "A database URL stands where a command is wanted.", meant: "Put it behind --database-url." }
  const near = otherwise.get(word) ?? nearest(word, [...commands.keys()])
  const message = `There is no command ${quoted(word)}.`
  return near === undefined ? { message } : { message, meant: `Did you mean ${near}?` }
}

const tooMany = (words: ReadonlyArray<string>, command: string | undefined, names: Names): Told => {
  const who = command === undefined ? "pgark" : `\`pgark ${command}\``
  const message = `${who} does not know what to do with ${listed(words.map(quoted), "and")}.`
  if (words.some(isUrl)) return { message, meant: "Put it behind --database-url." }
  // A dash that a word processor has made longer.
  if (words.some((word) => /^[\u2013\u2014]/.test(word))) return { message, meant: "Flags begin with --." }
  const argument = command === undefined ? undefined : names.arguments.get(command)
  return argument === undefined ? { message } : { message, meant: `It takes one ${argument.toUpperCase()}.` }
}

const invalidValue = ({ expected, kind, option, value }: CliError.InvalidValue): Told => {
  const name = kind === "argument" ? option.toUpperCase() : `--${option}`
  const times = /^(\d+) occurrences$/.exec(value)?.[1]
  if (times !== undefined && expected.startsWith("at most")) {
    return { message: `${name} is given ${times} times, and may be given once.` }
  }
  const negated = /^omit the value and use (--[^ =]+)/.exec(expected)?.[1]
  if (negated !== undefined) return { message: `${negated} takes no value.` }
  const wanted = expected.replace(/^(Expected: )?(Schema validation failed: )?(Expected )?/, "")
  const sentence = expected.includes("Schema validation failed: ") && !/: Expected /.test(expected)
  if (sentence) return { message: `${name} cannot be ${quoted(value)}: ${wanted}.` }
  const choices = wanted.includes("|") ? wanted.split(/ ?\| ?/).map((word) => word.replaceAll(/^["<]|[">]$/g, "")) : []
  if (choices[0] === "true") return { message: `${name} takes no value: it is given, or it is not.` }
  const takes =
    choices.length > 0
      ? listed(choices, "or")
      : wanted.replace(/^(a string representing a finite number|an integer)$/, "a whole number")
  if (value === "" && kind === "flag") return { message: `${name} wants a value: ${takes}.` }
  const message = `${name} cannot be ${quoted(value)}. It takes ${takes}.`
  const near = nearest(value, choices)
  return near === undefined ? { message } : { message, meant: `Did you mean ${near}?` }
}

const told = (error: CliError.NonShowHelpErrors, command: string | undefined, names: Names): Told => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return unknownFlag(error.option, command, names)
    case "UnknownSubcommand":
      return unknownCommand(error.subcommand, names)
    case "UnexpectedArgument":
      return tooMany(error.arguments, command, names)
    case "MissingArgument":
      return { message: `\`pgark ${command}\` wants a ${error.argument.toUpperCase()}.` }
    case "MissingOption":
      return { message: `\`pgark ${command}\` wants --${error.option}.` }
    case "InvalidValue":
      return invalidValue(error)
    default:
      return { message: error.message.replace(/\.?$/, ".") }
  }
}

/** What is wrong with the line, the first mistake first, and what may have been meant. */
export const problem = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  commandPath: ReadonlyArray<string>,
  names: Names
): Problem.Problem => {
  const command = commandPath.slice(1).join(" ") || undefined
  // Of a command that is not known no flag can be.
  const unknown = errors.filter(({ _tag }) => _tag === "UnknownSubcommand")
  const [first = { message: "Wrong usage." }, ...others] = (unknown.length === 0 ? errors : unknown).map((error) =>
    told(error, command, names)
  )
  const further = others.map(({ meant, message }) => [message, ...(meant === undefined ? [] : [meant])].join(" "))
  const help = `See \`${[...commandPath, "--help"].join(" ")}\`.`
  return {
    _tag: "UsageError",
    message: first.message,
    ...(further.length === 0 ? {} : { detail: [...new Set(further)].join("\n") }),
    suggestion: first.meant === undefined ? help : `${first.meant} ${help}`,
    state: "untouched"
  }
}

/**
 * The word of a line that begins with one dash where it is to be two: `-clean`. The parser takes it for as many flags as
 * it has letters, and `-schema` with its `h` for a question for help.
 */
export const singleDash = (argv: ReadonlyArray<string>, { commands, everywhere }: Names): string | undefined => {
  const flags = new Set([...everywhere, ...[...commands.values()].flat()])
  const end = argv.indexOf("--")
  return argv
    .slice(0, end === -1 ? argv.length : end)
    .map((word) => word.replace(/=.*/s, ""))
    .find((word) => /^-[a-z][a-z-]+$/.test(word) && flags.has(`-${word}`))
}
