/** What a first configuration says, from what is found in the working directory and the environment. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { defaultDir } from "../../dumps/UndoCommand.ts"
import { urlVariable } from "./Choice.ts"
import type { Configuration } from "./Configuration.ts"
import { secret } from "./Environment.ts"

/** Where editors find the Schema, in an app that has pgark among its dependencies. */
const schemaPath = "./node_modules/pgark/docs/json/config.json"

/** What apps call the variables that hold their URLs; those of Prisma's shadow databases hold nothing. */
const urlVariables = /^(?!SHADOW_)(?:[A-Z0-9_]+_)?(?:DATABASE|DIRECT)_URL(?:_[A-Z0-9_]+)?$/

/** Folders that dumps are in, by habit. */
const folders = [defaultDir, "backups", "backup"]

const files = {
  environment: ".env",
  prisma: ["prisma/schema.prisma", "schema.prisma", "prisma.config.ts", "prisma.config.js", "prisma.config.mjs"]
}

/** What a database is called, from the variable that its URL is in: `STAGING_DATABASE_URL` gives `staging`. */
const nameOf = (variable: string, main: string): string => {
  const rest = variable.replace(/_?DATABASE_URL_?/, "").replace(/_URL_?/, "_")
  return variable === main || rest === ""
    ? "main"
    : rest
        .replaceAll(/^_+|_+$/g, "")
        .replaceAll(/_+/g, "-")
        .toLowerCase()
}

/** Names under which the database is kept that must not be lost. */
const precious = /^(prod|production|live)(-|$)/

/** The text, empty where there is none: a file that cannot be read has nothing to offer here. */
const textOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.orElseSucceed(fs.readFileString(file), () => "")
})

/** Whether a variable holds a PostgreSQL URL. */
const holdsUrl = (name: string) =>
  Effect.match(secret(name), {
    onFailure: () => false,
    onSuccess: (value) => value !== undefined && /^\s*["']?postgres(ql)?:\/\//.test(Redacted.value(value))
  })

/** The variables that a Prisma schema, or its configuration, takes URLs from; `url` first. */
const prismaVariables = (text: string): ReadonlyArray<string> =>
  ["url", "directUrl"].flatMap((key) => {
    const name = new RegExp(`\\b${key}\\s*[=:]\\s*(?:env\\(\\s*["'](\\w+)["']|process\\.env\\.(\\w+))`).exec(text)
    return name?.slice(1).filter((found) => found !== undefined) ?? []
  })

/** The folder that has dumps already. */
const dumpFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.findFirst(folders, (folder) =>
    fs.readDirectory(folder).pipe(
      Effect.map((names) => names.some((name) => /^db_dump_.*\.sql|\.manifest\.json$/.test(name))),
      // Most of them are not there.
      Effect.orElseSucceed(() => false)
    )
  )
  return Option.getOrElse(found, () => defaultDir)
})

/** Whether git would leave out what is in the folder; undefined where there is no repository, or no git. */
const ignored = (folder: string) =>
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const code = yield* spawner.exitCode(
      ChildProcess.make("git", ["check-ignore", "--quiet", "--", `${folder}/db_dump_.sql`], { stdin: "ignore" })
    )
    return code === 0 ? true : code === 1 ? false : undefined
  }).pipe(Effect.orElseSucceed(() => undefined))

/** A database that the file names, and whether its variable is set. */
export interface Named {
  readonly name: string
  readonly urlFrom: string
  readonly set: boolean
  readonly protected: boolean
}

export interface Starter {
  readonly configuration: Configuration
  readonly databases: ReadonlyArray<Named>
  readonly dir: string
  /** Whether git leaves the dumps out; undefined where that is no question. */
  readonly ignored: boolean | undefined
}

/**
 * Looks for variables with URLs in the environment and `.env`, for those of a Prisma schema, and for a folder of dumps.
 * Values of variables are looked at and never repeated.
 */
export const find = Effect.fn("Starter.find")(function* (
  environment: Readonly<Record<string, string | undefined>> = process.env
): Effect.fn.Return<Starter, never, FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner> {
  const dotenv = [...(yield* textOf(files.environment)).matchAll(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/gm)]
  const prisma = prismaVariables((yield* Effect.forEach(files.prisma, textOf)).join("\n"))
  const main = prisma[0] ?? urlVariable
  const candidates = [...dotenv.map(([, name = ""]) => name), ...Object.keys(environment)].filter((name) =>
    urlVariables.test(name)
  )
  const set = new Set(yield* Effect.filter([...new Set([...prisma, ...candidates])], holdsUrl))
  const variables = [...new Set([main, ...prisma, ...[...set].toSorted()])]
  const databases = new Map<string, Named>()
  for (const urlFrom of variables) {
    const name = nameOf(urlFrom, main)
    if (databases.has(name)) continue
    databases.set(name, { name, urlFrom, set: set.has(urlFrom), protected: precious.test(name) })
  }
  const dir = yield* dumpFolder
  const configuration: Configuration = {
    $schema: schemaPath,
    ...(databases.size > 1 ? { database: "main" } : {}),
    databases: Object.fromEntries(
      [...databases.values()].map(({ name, protected: kept, urlFrom }) => [
        name,
        { urlFrom, ...(kept ? { protected: true } : {}) }
      ])
    ),
    dir
  }
  return { configuration, databases: [...databases.values()], dir, ignored: yield* ignored(dir) }
})
