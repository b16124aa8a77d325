/**
 * pg_dump as WebAssembly: it needs nothing but Node. The `pg` driver opens the connection, so TLS and every way to log
 * in work as they do for the rest of pgark.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { shownLines } from "../ClientProgram.ts"
import { ConnectionFailed, type DatabaseError, withFields } from "../DatabaseError.ts"
import type * as DatabaseUrl from "../DatabaseUrl.ts"
import { toWasmEnvironment } from "../url/DatabaseUrlForms.ts"
import { toDatabaseError } from "../Sqlstate.ts"
import { ToolMissing } from "../ToolMissing.ts"
import * as Assets from "./Assets.ts"
import { argumentsOf, PgDumpFailed, type PgDumpProgram, type PgDumpRun } from "./PgDumpProgram.ts"
import { takeover } from "./Takeover.ts"
import * as WasmThread from "./WasmThread.ts"

/** What pg_dump's failure means: the server's own refusal where it has sent one. */
const explain = (ended: WasmThread.Ended, lines: ReadonlyArray<string>): DatabaseError | PgDumpFailed => {
  const detail = lines.join("\n")
  const shown = { ...(detail === "" ? {} : { detail }), state: "untouched" } as const
  const exitCode = ended.code === undefined ? {} : { exitCode: ended.code }
  const error = ended.refusal === undefined ? undefined : toDatabaseError(ended.refusal)
  const sqlstate = error?.sqlstate === undefined ? {} : { sqlstate: error.sqlstate }
  if (error?._tag === "ConnectionFailed" || (error === undefined && ended.disconnected)) {
    return new ConnectionFailed({
      message: "The server went away while it was being dumped.",
      suggestion: "Dump again when the server is back. No file was left.",
      ...sqlstate,
      ...shown
    })
  }
  if (error !== undefined) {
    if (error._tag !== "StatementFailed" && error._tag !== "ObjectConflict") return withFields(error, shown)
    return new PgDumpFailed({
      message: `The server refused what pg_dump asked: ${error.message}`,
      ...(error.suggestion === undefined ? {} : { suggestion: error.suggestion }),
      ...sqlstate,
      ...exitCode,
      ...shown
    })
  }
  if (ended.code === undefined) {
    const cause = ended.cause instanceof Error ? ended.cause.message : "its thread ended"
    return new PgDumpFailed({
      message: `pg_dump (WebAssembly) broke off: ${cause}.`,
      suggestion:
        "Its memory ends at 2 GB, about 600 MB for one row; a pg_dump of the machine has more: --pg-dump native.",
      ...shown
    })
  }
  return new PgDumpFailed({
    message: `pg_dump ended with exit code ${ended.code}.`,
    suggestion: "Its last lines above say why; --verbose shows its steps.",
    ...exitCode,
    ...shown
  })
}

/**
 * Runs it with the arguments that are given, and streams what it writes. Connection and user come from the URL.
 *
 * Not possible in it: several jobs (`-j`), zstd and lz4, the directory format.
 */
export const run = (
  assets: Assets.Assets,
  url: DatabaseUrl.DatabaseUrl,
  args: ReadonlyArray<string>,
  { onLine = () => Effect.void, settings = {} }: PgDumpRun = {}
): Stream.Stream<Uint8Array, DatabaseError | PgDumpFailed> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const taken = yield* Effect.mapError(takeover(url, settings), (error) =>
        withFields(error, { state: "untouched" })
      )
      // The host is for pg_dump's messages: its connection is open already.
      const env = toWasmEnvironment(url)
      const thread = yield* WasmThread.start(assets, taken, [...args, "--file=/dev/dump"], env)
      const last: Array<string> = []
      const tellLines = Effect.suspend(() => {
        const lines = thread.lines.splice(0)
        last.push(...lines)
        last.splice(0, last.length - shownLines)
        return Effect.forEach(lines, onLine, { discard: true })
      })
      const next: Effect.Effect<[Uint8Array], DatabaseError | PgDumpFailed | Cause.Done> = Effect.gen(function* () {
        for (;;) {
          if (thread.lines.length > 0) yield* tellLines
          const { ended } = thread
          const chunk = thread.take()
          if (chunk !== undefined) return [chunk]
          if (ended === undefined) yield* thread.awake
          else if (ended.code === 0) return yield* Cause.done()
          else return yield* explain(ended, last)
        }
      })
      return Stream.fromPull(Effect.succeed(next))
    })
  )

/** Its parts. Fails where they are not in their place. */
export const parts: Effect.Effect<Assets.Assets, ToolMissing> = Effect.try({
  try: () => Assets.load(),
  catch: (cause) =>
    new ToolMissing({
      message: "The parts of pg_dump as WebAssembly are missing from this installation of pgark.",
      detail: cause instanceof Error ? cause.message : String(cause),
      suggestion: "Install pgark again (`npm ci`, `npm run build`), or use a pg_dump of the machine: --pg-dump native.",
      state: "untouched",
      tool: "pg_dump"
    })
})

/** The program. Fails where its parts are not in their place. */
export const make: Effect.Effect<PgDumpProgram, ToolMissing> = Effect.map(parts, (assets) => ({
  tool: { kind: "wasm", name: "pg_dump", version: assets.version, major: Number.parseInt(assets.version) },
  argv: (options) => ["pg_dump", ...argumentsOf(options)],
  dump: (url, options, settings) => run(assets, url, argumentsOf(options), settings)
}))
