/** The pg_dump programs of this machine, run as child processes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ClientProgram from "../ClientProgram.ts"
import { timeoutOf } from "../Connecting.ts"
import * as DatabaseUrl from "../DatabaseUrl.ts"
import { ToolMissing } from "../ToolMissing.ts"
import { argumentsOf, PgDumpFailed, type PgDumpProgram, type PgDumpSettings, type PgDumpTool } from "./PgDumpProgram.ts"

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

const explain = (error: PlatformError.PlatformError | ClientProgram.Ended): PgDumpFailed | ToolMissing => {
  if (error._tag === "Ended") {
    return new PgDumpFailed({
      message: `pg_dump ended with exit code ${error.exitCode}.`,
      detail: error.lines.join("\n"),
      suggestion: "The pg_dump that comes with pgark (--pg-dump wasm) can tell more of a server's refusal.",
      state: "untouched",
      exitCode: error.exitCode
    })
  }
  if (error.reason._tag === "NotFound") return missing()
  return new PgDumpFailed({
    message: `pg_dump could not be run: ${error.message}`,
    suggestion: "Mend that program, or use the pg_dump that comes with pgark: --pg-dump wasm.",
    state: "untouched"
  })
}

/**
 * The caller's variables of libpq, which pg_dump must not read again: what counts of them is in the URL, and they may
 * have been read for another one.
 */
const foreign = (env: NodeJS.ProcessEnv): Record<string, undefined> =>
  Object.fromEntries(
    Object.keys(env)
      .filter((name) => name.startsWith("PG"))
      .map((name) => [name, undefined])
  )

/** What libpq reads: the connection, and the settings behind the URL's own `options`. */
const environment = (url: DatabaseUrl.DatabaseUrl, settings: PgDumpSettings) => {
  const options = [
    url.parameters.get("options"),
    ...Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  ].filter((option) => option !== undefined)
  return {
    ...foreign(process.env),
    ...DatabaseUrl.toLibpqEnvironment(url),
    PGCONNECT_TIMEOUT: String(timeoutOf(url)),
    ...(options.length === 0 ? {} : { PGOPTIONS: options.join(" ") })
  }
}

/**
 * The password of a client's key, which libpq takes from no environment variable: from a file that only this user can
 * read, for as long as the scope lives.
 */
const keyPassword = Effect.fnUntraced(function* (
  url: DatabaseUrl.DatabaseUrl
): Effect.fn.Return<Readonly<Record<string, string>>, PgDumpFailed, Scope.Scope> {
  const password = url.parameters.get("sslpassword")
  if (password === undefined) return {}
  const directory = yield* Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(tmpdir(), "pgark-")),
      catch: (cause) =>
        new PgDumpFailed({
          message: `No folder can be made in ${tmpdir()} for what pg_dump has to read.`,
          detail: String(cause),
          suggestion: "Set TMPDIR to a folder that this user can write to.",
          state: "untouched"
        })
    }),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const file = join(directory, "service")
  yield* Effect.sync(() => writeFileSync(file, `[pgark]\nsslpassword=${password}\n`, { mode: 0o600 }))
  return { PGSERVICEFILE: file, PGSERVICE: "pgark" }
})

/** Every pg_dump of this machine that runs, the one on PATH first. */
export const find: Effect.Effect<
  ReadonlyArray<PgDumpTool>,
  never,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
> = Effect.map(ClientProgram.find("pg_dump"), (programs) =>
  programs.map((program) => ({ kind: "native" as const, ...program }))
)

/** The program behind a tool that {@link find} has found. */
export const make = Effect.fnUntraced(function* (
  tool: PgDumpTool
): Effect.fn.Return<PgDumpProgram, never, ChildProcessSpawner.ChildProcessSpawner> {
  const context = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner>()

  const dump: PgDumpProgram["dump"] = (url, options, { onLine, settings = {} } = {}) =>
    Stream.unwrap(
      Effect.map(keyPassword(url), (more) =>
        ClientProgram.run(tool.name, {
          args: argumentsOf(options),
          env: { ...environment(url, settings), ...more },
          ...(onLine === undefined ? {} : { onLine })
        }).pipe(Stream.mapError(explain), Stream.provideContext(context))
      )
    )

  return { tool, argv: (options) => [tool.name, ...argumentsOf(options)], dump }
})
