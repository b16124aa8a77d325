/** The pg_dump that comes with pgark, with any arguments. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as WasmPgDump from "../../src/postgres/pgdump/WasmPgDump.ts"

/** What it writes. */
export const dump = (url: DatabaseUrl.DatabaseUrl, ...args: ReadonlyArray<string>): Effect.Effect<Buffer> =>
  Effect.gen(function* () {
    const parts = yield* WasmPgDump.parts
    return Buffer.concat(yield* Stream.runCollect(WasmPgDump.run(parts, url, args)))
  }).pipe(Effect.orDie)
