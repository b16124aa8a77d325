/** The pg_dump that a server is dumped with. */
import * as Effect from "effect/Effect"
import { PgDump, type PgDumpProgram } from "../../postgres/PgDump.ts"
import { majorOf } from "../../postgres/version/ServerVersion.ts"
import type { ToolMissing } from "../../postgres/ToolMissing.ts"
import { VersionMismatch } from "../VerbError.ts"

/** Which pg_dump it is, for people. */
export const describe = ({ tool }: PgDumpProgram): string =>
  `${tool.version} (${tool.kind === "wasm" ? "WebAssembly" : tool.name})`

/**
 * Chooses one. Fails with VersionMismatch where it is older than the server, which it would refuse.
 *
 * @param versionNumber `server_version_num`
 */
export const chosen = Effect.fn("Tool.chosen")(function* (
  versionNumber: number
): Effect.fn.Return<PgDumpProgram, ToolMissing | VersionMismatch, PgDump> {
  const pgDump = yield* PgDump
  const major = majorOf(versionNumber)
  const program = yield* pgDump.choose(major)
  if (program.tool.major >= major) return program
  return yield* new VersionMismatch({
    message: `The server is PostgreSQL ${major}, but the newest pg_dump here is ${describe(program)}: it refuses newer servers.`,
    suggestion: `Install the client programs of PostgreSQL ${major} or later, and use --pg-dump auto or native.`,
    state: "untouched"
  })
})
