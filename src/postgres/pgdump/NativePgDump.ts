/** The pg_dump programs of this machine, run as child processes. */
import { homedir } from "node:os"
import { join } from "node:path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import * as DatabaseUrl from "../DatabaseUrl.ts"
import { ToolMissing } from "../ToolMissing.ts"
import {
  argumentsOf,
  PgDumpFailed,
  type PgDumpProgram,
  type PgDumpSettings,
  type PgDumpTool,
  shownLines
} from "./PgDumpProgram.ts"

/** On PATH. */
const onPath = "pg_dump"

/** Folders whose entries, one for each version installed, hold programs in the folder that is named second. */
const installations: ReadonlyArray<readonly [parent: string, names: RegExp, programs: string]> = [
  ["/usr/lib/postgresql", /./, "bin"],
  ["/opt/homebrew/opt", /^(postgresql(@\d+)?|libpq)$/, "bin"],
  ["/usr/local/opt", /^(postgresql(@\d+)?|libpq)$/, "bin"],
  ["/Applications/Postgres.app/Contents/Versions", /./, "bin"],
  [join(homedir(), "Applications/Postgres.app/Contents/Versions"), /./, "bin"]
]

/** No pg_dump could be found or started. */
export const missing = (): ToolMissing =>
  new ToolMissing({
    message: "There is no pg_dump on PATH, nor where PostgreSQL is usually installed.",
    suggestion:
      "Leave out --pg-dump native, or install PostgreSQL's client programs (Debian and Ubuntu: apt-get install " +
      "postgresql-client; macOS: brew install libpq) and see that pg_dump is on PATH.",
    state: "untouched",
    tool: "pg_dump"
  })

const explain = (error: PlatformError.PlatformError): PgDumpFailed | ToolMissing =>
  error.reason._tag === "NotFound"
    ? missing()
    : new PgDumpFailed({
        message: `pg_dump could not be run: ${error.message}`,
        suggestion: "Mend that program, or use the pg_dump that comes with pgark: --pg-dump wasm.",
        state: "untouched"
      })

/**
 * What of the caller's environment libpq must not read: a host, a service or options would lead pg_dump to another
 * server, or into another session, than pgark's own. Where passwords are kept is the same for both.
 */
const foreign = (env: NodeJS.ProcessEnv): Record<string, undefined> =>
  Object.fromEntries(
    Object.keys(env)
      .filter((name) => name.startsWith("PG") && name !== "PGPASSFILE")
      .map((name) => [name, undefined])
  )

/** What libpq reads: the connection, and the settings behind the URL's own `options`. */
const environment = (url: DatabaseUrl.DatabaseUrl, settings: PgDumpSettings) => {
  const options = [
    url.parameters.get("options"),
    ...Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  ].filter((option) => option !== undefined)
  const connection = { ...foreign(process.env), ...DatabaseUrl.toLibpqEnvironment(url) }
  return { ...connection, ...(options.length === 0 ? {} : { PGOPTIONS: options.join(" ") }) }
}

/** What it calls itself; none where it is not there or does not run. */
const inspect = Effect.fnUntraced(function* (file: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const text = yield* Effect.option(spawner.string(ChildProcess.make(file, ["--version"], { stdin: "ignore" })))
  const version = /(\d+)(?:\.\d+)?\S*/.exec(Option.getOrElse(text, () => ""))
  return version === null
    ? Option.none<PgDumpTool>()
    : Option.some<PgDumpTool>({ kind: "native", name: file, version: version[0], major: Number(version[1]) })
})

/** Files beside PATH that may be a pg_dump. */
const installed = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const files = yield* Effect.forEach(installations, ([parent, names, programs]) =>
    fs.readDirectory(parent).pipe(
      // Most of these folders belong to other systems than this one.
      Effect.orElseSucceed((): ReadonlyArray<string> => []),
      Effect.map((entries) => entries.filter((name) => names.test(name)).toSorted()),
      Effect.map((entries) => entries.map((entry) => join(parent, entry, programs, "pg_dump")))
    )
  )
  return files.flat()
})

/** Every pg_dump of this machine that runs, the one on PATH first. */
export const find: Effect.Effect<
  ReadonlyArray<PgDumpTool>,
  never,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
> = Effect.gen(function* () {
  const files = [onPath, ...(yield* installed)]
  return Arr.getSomes(yield* Effect.forEach(files, inspect, { concurrency: 4 }))
})

/** The program behind a tool that {@link find} has found. */
export const make = Effect.fnUntraced(function* (
  tool: PgDumpTool
): Effect.fn.Return<PgDumpProgram, never, ChildProcessSpawner.ChildProcessSpawner> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const dump: PgDumpProgram["dump"] = (url, options, { onLine = () => Effect.void, settings = {} } = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const handle = yield* spawner.spawn(
          ChildProcess.make(tool.name, argumentsOf(options), {
            // LC_ALL: the lines that an error shows are then in English. The dump's text does not depend on it.
            env: { ...environment(url, settings), LC_ALL: "C" },
            extendEnv: true,
            stdin: "ignore",
            killSignal: "SIGTERM",
            forceKillAfter: "5 seconds"
          })
        )
        const stderr = yield* handle.stderr.pipe(
          Stream.decodeText(),
          Stream.splitLines,
          Stream.tap(onLine),
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
            suggestion: "The pg_dump that comes with pgark (--pg-dump wasm) can tell more of a server's refusal.",
            state: "untouched",
            exitCode
          })
        })
        return Stream.concat(handle.stdout, Stream.fromEffectDrain(ended))
      })
    ).pipe(Stream.mapError((error) => (error._tag === "PlatformError" ? explain(error) : error)))

  return { tool, argv: (options) => [tool.name, ...argumentsOf(options)], dump }
})
