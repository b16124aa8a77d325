/**
 * Settings: values that a flag gives, else a variable of the environment, else the configuration file, else a default.
 *
 * One definition says all of it, and the flag's description is made from it, so that help, completions and the reference
 * cannot say anything else.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Context from "effect/Context"
import * as Flag from "effect/cli/Flag"
import type { Output } from "../output/Output.ts"
import { chosen, loaded, type Needs, tell } from "./Chosen.ts"
import { type ConfigurationInvalid, invalid } from "./ConfigurationInvalid.ts"
import type { Configuration, Database } from "./Configuration.ts"
import { variable } from "./Environment.ts"

/** Where a value comes from. */
export type Source = "flag" | "variable" | "file" | "default"

export interface Chosen<A> {
  readonly value: A
  readonly source: Source
  /** The place, in words: `PGARK_DIR`, `databases.staging.schemas in pgark.config.json`. */
  readonly from: string
}

/** A setting of a command line. */
export interface Setting<A> {
  /** What stands on the command line. */
  readonly flag: Option.Option<A>
  /** Which value it has: found out, and told, when a command asks. */
  readonly chosen: Effect.Effect<Chosen<A>, ConfigurationInvalid, Needs | Context.Service.Identifier<typeof Output>>
}

/** A key of the file, at its top or of the database that was chosen. */
export type Key<A> =
  | { readonly of: "file"; readonly key: string; readonly get: (configuration: Configuration) => A | undefined }
  | { readonly of: "database"; readonly key: string; readonly get: (database: Database) => A | undefined }

export interface Definition<A> {
  /** Its name, without the dashes. */
  readonly name: string
  readonly description: string
  readonly otherwise: A
  /** The default in words, where the description does not say it. */
  readonly standard?: string
  readonly variable?: {
    readonly name: string
    /** The value of its text; undefined where it is none. */
    readonly read: (text: string) => A | undefined
    /** What may stand there, in words. */
    readonly expected: string
  }
  readonly key?: Key<A>
  /** For people; `String` unless told. */
  readonly show?: (value: A) => string
}

/** The first that says it, as a function without effects. */
export const first = <A>(
  flag: Option.Option<A>,
  environment: Option.Option<A>,
  file: Option.Option<A>
): readonly [Source, Option.Option<A>] =>
  Option.isSome(flag)
    ? ["flag", flag]
    : Option.isSome(environment)
      ? ["variable", environment]
      : Option.isSome(file)
        ? ["file", file]
        : ["default", Option.none()]

const fromVariable = Effect.fnUntraced(function* <A>({ expected, name, read }: NonNullable<Definition<A>["variable"]>) {
  const text = yield* variable(name)
  if (text === undefined) return Option.none<A>()
  const value = read(text)
  if (value !== undefined) return Option.some(value)
  return yield* invalid(`The variable ${name} has a value that it cannot have.`, `It may be: ${expected}.`)
})

const fromFile = Effect.fnUntraced(function* <A>(key: Key<A>) {
  if (key.of === "file") {
    const file = yield* loaded
    return { value: file && key.get(file.configuration), place: `${key.key} in ${file?.file}` }
  }
  const { choice, file } = yield* chosen
  const { named } = choice
  return {
    value: named && key.get(named.database),
    place: `databases.${named?.name}.${key.key} in ${file?.file}`
  }
})

/** Finds out the value of what was or was not given. */
const settle = Effect.fnUntraced(function* <A>(definition: Definition<A>, flag: Option.Option<A>) {
  const { key, name, otherwise, show = String } = definition
  const given = Option.isSome(flag)
  const environment =
    given || definition.variable === undefined ? Option.none<A>() : yield* fromVariable(definition.variable)
  const filed = given || Option.isSome(environment) || key === undefined ? undefined : yield* fromFile(key)
  const [source, found] = first(flag, environment, Option.fromUndefinedOr(filed?.value))
  const value = Option.getOrElse(found, () => otherwise)
  const places = {
    flag: `--${name}`,
    variable: definition.variable?.name ?? "",
    file: filed?.place ?? "",
    default: "default"
  }
  const from = places[source]
  // Where the outcome is what it would have been without them there is nothing to tell.
  const elsewhere = (source === "variable" || source === "file") && show(value) !== show(otherwise)
  if (elsewhere) yield* tell({ setting: name, value: show(value), from })
  const settled: Chosen<A> = { value, source, from }
  return settled
})

const described = <A>({ description, key, standard, variable }: Definition<A>): string => {
  const more = [
    ...(standard === undefined ? [] : [`default: ${standard}`]),
    ...(variable === undefined ? [] : [`environment: ${variable.name}`]),
    ...(key === undefined ? [] : [`config: ${key.of === "database" ? `databases.NAME.${key.key}` : key.key}`])
  ]
  return more.length === 0 ? description : `${description} (${more.join("; ")})`
}

/** The setting of what stands on the command line otherwise than as a flag of this name, or does not stand there. */
export const unflagged = <A>(definition: Definition<A>, flag: Option.Option<A> = Option.none()): Setting<A> => ({
  flag,
  chosen: settle(definition, flag)
})

/**
 * The flag of a setting. What it gives to a command is found out later, so that help and wrong usage read no file.
 *
 * @param flag none where it does not stand on the command line; without a description
 */
export const setting = <A>(flag: Flag.Flag<Option.Option<A>>, definition: Definition<A>): Flag.Flag<Setting<A>> =>
  flag.pipe(
    Flag.withDescription(described(definition)),
    Flag.map((flag) => unflagged(definition, flag))
  )

type Values<S> = { readonly [K in keyof S]: S[K] extends Setting<infer A> ? A : never }

/** The values of several. */
export const values = <S extends Readonly<Record<string, Setting<unknown>>>>(settings: S) =>
  Effect.map(
    Effect.forEach(Object.entries(settings), ([key, { chosen }]) => Effect.map(chosen, ({ value }) => [key, value])),
    (entries) => Object.fromEntries(entries) as Values<S>
  )

/** Those that stand on the command line, and the default of the others. */
export const flagged = <A>({ flag }: Setting<A>, otherwise: A): A => Option.getOrElse(flag, () => otherwise)
