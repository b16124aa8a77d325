/** Which database a command is about: flag before environment before file, as one function without effects. */
import * as Result from "effect/Result"
import { type ConfigurationInvalid, invalid } from "./ConfigurationInvalid.ts"
import type { Loaded } from "./ConfigFile.ts"
import type { Database } from "./Configuration.ts"
import { nearest } from "./Nearest.ts"

/** What the command line and the environment say. */
export interface Asked {
  /** There is a `--database-url`. */
  readonly url: boolean
  /** `--database`. */
  readonly name: string | undefined
  /** The flag that gives the name, where it is not `--database`. */
  readonly flag?: string
  /** `PGARK_DATABASE`. */
  readonly variable: string | undefined
  /** `DATABASE_URL` is in the environment or in `.env`. */
  readonly databaseUrl: boolean
}

/** Variables that say it. */
export const nameVariable = "PGARK_DATABASE"
export const urlVariable = "DATABASE_URL"

/**
 * What decided. `only`: the file names no other. `libpq`: nothing but libpq's own variables, which are defaults for what
 * a connection string leaves open, so that they come last.
 */
export type Why =
  | "--database-url"
  | "--database"
  | typeof nameVariable
  | typeof urlVariable
  | "default"
  | "only"
  | "libpq"

export interface Choice {
  readonly why: Why
  /** The entry of the file whose settings hold; none where the database has no name there. */
  readonly named: { readonly name: string; readonly database: Database } | undefined
  /** The default of the file that something else was put before. */
  readonly passedOver: string | undefined
  /** How many databases the file names. */
  readonly known: number
}

/** What a command does to the database. */
export type Use = "reads" | "grants" | "replaces"

const listed = (names: ReadonlyArray<string>): string =>
  names.length === 0 ? "It names none." : `It names ${names.join(", ")}.`

const unnamed = (name: string, by: string, loaded: Loaded | undefined): ConfigurationInvalid => {
  const takes = `${by === "--database" || by === nameVariable ? "--database-url" : by} takes a URL.`
  if (loaded === undefined) {
    return invalid(
      `${by} names the database ${name}, and there is no configuration in this folder.`,
      `Run it in the folder of pgark.config.json, or write one: pgark init. ${takes}`
    )
  }
  const names = Object.keys(loaded.configuration.databases ?? {})
  const meant = nearest(name, names)
  return invalid(
    `There is no database ${name} in ${loaded.file} (${by}).`,
    meant === undefined ? `${listed(names)} ${takes}` : `Did you mean ${meant}? ${listed(names)}`,
    { file: loaded.file }
  )
}

/**
 * `--database-url`, `--database`, `PGARK_DATABASE`, `DATABASE_URL`, the file's `database`, the only one that the file
 * names, libpq's variables: the first that there is. `DATABASE_URL` is the database of the file that takes its URL from
 * there, with its settings, where there is one.
 */
export const choose = (asked: Asked, loaded: Loaded | undefined): Result.Result<Choice, ConfigurationInvalid> => {
  const databases = loaded?.configuration.databases ?? {}
  const names = Object.keys(databases)
  const standard = loaded?.configuration.database ?? (names.length === 1 ? names[0] : undefined)
  const known = names.length
  const chosen = (why: Why, name: string | undefined) => {
    const database = name === undefined || !Object.hasOwn(databases, name) ? undefined : databases[name]
    const named = name === undefined || database === undefined ? undefined : { name, database }
    return Result.succeed({ why, named, passedOver: standard === name ? undefined : standard, known })
  }
  const byName = (name: string, why: Why, by: string = why) =>
    Object.hasOwn(databases, name) ? chosen(why, name) : Result.fail(unnamed(name, by, loaded))
  if (asked.url && asked.name !== undefined) {
    return Result.fail(invalid("--database-url and --database both name a database.", "Give one of them."))
  }
  if (asked.url) return chosen("--database-url", undefined)
  if (asked.name !== undefined) return byName(asked.name, "--database", asked.flag)
  if (asked.variable !== undefined) return byName(asked.variable, nameVariable)
  if (asked.databaseUrl) {
    return chosen(
      urlVariable,
      names.find((name) => databases[name]?.urlFrom === urlVariable)
    )
  }
  if (standard !== undefined) {
    return chosen(loaded?.configuration.database === undefined ? "only" : "default", standard)
  }
  return chosen("libpq", undefined)
}

/** What people and the environment of a run say for it alone. */
const explicit: ReadonlySet<Why> = new Set<Why>(["--database-url", "--database", nameVariable])

/**
 * Whether a command may do that to what was chosen. One that changes a database guesses none where the file names
 * several: the wrong one may be the one that must not be lost, and a name is typed quickly.
 */
export const permitted = (
  { known, named, why }: Choice,
  use: Use,
  loaded: Loaded | undefined
): Result.Result<void, ConfigurationInvalid> => {
  if (use === "reads" || loaded === undefined) return Result.void
  if (known > 1 && !explicit.has(why)) {
    return Result.fail(
      invalid(
        `${loaded.file} names several databases, and which of them is to be changed is not said.`,
        `Say it: --database NAME (${Object.keys(loaded.configuration.databases ?? {}).join(", ")}), or ${nameVariable}.`,
        { file: loaded.file }
      )
    )
  }
  if (use === "replaces" && named?.database.protected === true) {
    return Result.fail(
      invalid(
        `The database ${named.name} is protected: restore, clone, clean and undo refuse it.`,
        `Take "protected" out of databases.${named.name}, or give another database.`,
        { file: loaded.file }
      )
    )
  }
  return Result.void
}
