/**
 * `pg_dump`, the one program that knows every corner of PostgreSQL's DDL, behind a service.
 *
 * This implementation runs the one on PATH as a child process.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { problemFields } from "./DatabaseError.ts"
import * as DatabaseUrl from "./DatabaseUrl.ts"
import { ToolMissing } from "./ToolMissing.ts"

/** `pg_dump` ended with an error; `detail` holds its last lines. */
export class PgDumpFailed extends Schema.TaggedError<PgDumpFailed>()("PgDumpFailed", {
  ...problemFields,
  exitCode: Schema.optionalKey(Schema.Int)
}) {}

/** The program that would be used. */
export interface PgDumpTool {
  readonly name: string
  /** As it calls itself, for example `15.18`. */
  readonly version: string
  /** Servers up to this major can be dumped. */
  readonly major: number
}

/** What of the database goes into the dump. Patterns are those of pg_dump. */
export interface PgDumpOptions {
  readonly schemas: ReadonlyArray<string>
  readonly excludeTables: ReadonlyArray<string>
  readonly excludeTableData: ReadonlyArray<string>
}

/** Settings of the server session that pg_dump opens, by name. */
export type PgDumpSettings = Readonly<Record<string, string>>

export interface PgDumpService {
  readonly tool: Effect.Effect<PgDumpTool, ToolMissing>
  /** Program and arguments, for a plan. The connection goes by environment and is not among them. */
  readonly argv: (options: PgDumpOptions) => ReadonlyArray<string>
  /** The dump as plain SQL. Fails at its end unless pg_dump ended with exit code 0. */
  readonly dump: (
    url: DatabaseUrl.DatabaseUrl,
    options: PgDumpOptions,
    settings?: PgDumpSettings
  ) => Stream.Stream<Uint8Array, PgDumpFailed | ToolMissing>
}

const argv = (options: PgDumpOptions): ReadonlyArray<string> => [
  "pg_dump",
  "--format=plain",
  "--clean",
  "--if-exists",
  "--no-password",
  ...options.schemas.map((schema) => `--schema=${pattern(schema)}`),
  ...options.excludeTables.map((table) => `--exclude-table=${table}`),
  ...options.excludeTableData.map((table) => `--exclude-table-data=${table}`)
]

/**
 * A schema's exact name as a pattern of pg_dump: in double quotes case and special characters stand for themselves.
 *
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
 */
const pattern = (name: string): string => `"${name.replaceAll('"', '""')}"`

const missing = () =>
  new ToolMissing({
    message: "pg_dump is not installed, or not on PATH.",
    suggestion:
      "Install PostgreSQL's client programs (Debian and Ubuntu: apt-get install postgresql-client; " +
      "macOS: brew install libpq) and see that pg_dump is on PATH.",
    state: "untouched",
    tool: "pg_dump"
  })

const explain = (error: PlatformError.PlatformError): PgDumpFailed | ToolMissing =>
  error.reason._tag === "NotFound"
    ? missing()
    : new PgDumpFailed({ message: `pg_dump could not be run: ${error.message}`, state: "untouched" })

/** What libpq reads: the connection, and the settings behind the URL's own `options`. */
const environment = (url: DatabaseUrl.DatabaseUrl, settings: PgDumpSettings) => {
  const options = [
    url.parameters.get("options"),
    ...Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  ].filter((option) => option !== undefined)
  return { ...DatabaseUrl.toLibpqEnvironment(url), ...(options.length === 0 ? {} : { PGOPTIONS: options.join(" ") }) }
}

/** Lines of stderr that an error shows. */
const shownLines = 12

const make = Effect.gen(function* () {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const tool = spawner.string(ChildProcess.make("pg_dump", ["--version"], { stdin: "ignore" })).pipe(
    Effect.mapError(missing),
    Effect.flatMap((text) => {
      const version = /(\d+)(?:\.\d+)?\S*/.exec(text)
      return version === null
        ? Effect.fail(missing())
        : Effect.succeed({ name: "pg_dump", version: version[0], major: Number(version[1]) })
    })
  )

  const dump: PgDumpService["dump"] = (url, options, settings = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const [program, ...args] = argv(options)
        const handle = yield* spawner.spawn(
          ChildProcess.make(program!, args, {
            // LC_ALL: the lines that an error shows are then in English. The dump's text does not depend on it.
            env: { ...environment(url, settings), LC_ALL: "C", PGSERVICE: undefined },
            extendEnv: true,
            stdin: "ignore",
            killSignal: "SIGTERM",
            forceKillAfter: "5 seconds"
          })
        )
        const stderr = yield* handle.stderr.pipe(
          Stream.decodeText(),
          Stream.splitLines,
          Stream.takeRight(shownLines),
          Stream.runCollect,
          Effect.forkScoped
        )
        const ended = Effect.gen(function* () {
          const exitCode = yield* handle.exitCode
          const lines = yield* Fiber.join(stderr)
          if (exitCode === 0) return
          return yield* new PgDumpFailed({
            message: `pg_dump ended with exit code ${exitCode}.`,
            detail: lines.join("\n"),
            state: "untouched",
            exitCode
          })
        })
        return Stream.concat(handle.stdout, Stream.fromEffectDrain(ended))
      })
    ).pipe(Stream.mapError((error) => (error._tag === "PlatformError" ? explain(error) : error)))

  return PgDump.of({ tool, argv, dump })
})

/** The way to a dump's SQL text. */
export class PgDump extends Context.Service<PgDump, PgDumpService>()("pgark/postgres/PgDump") {
  /** The `pg_dump` on PATH. */
  static readonly layerNative: Layer.Layer<PgDump, never, ChildProcessSpawner.ChildProcessSpawner> = Layer.effect(
    PgDump,
    make
  )
}
