/** What pgark has to work with on this machine: Node, and PostgreSQL's client programs. */
import { freemem } from "node:os"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Compression from "../../dumps/Compression.ts"
import { bytes } from "../../pipeline/Words.ts"
import * as ClientProgram from "../../postgres/ClientProgram.ts"
import * as WasmPgDump from "../../postgres/pgdump/WasmPgDump.ts"
import { newestReader, newestWriter, readsUpTo } from "../../postgres/pgrestore/PgRestore.ts"
import { about, everything } from "./Check.ts"
import type { Visit } from "./Visit.ts"

/** The oldest Node that pgark runs on, as in `package.json`. */
const oldest = [20, 20] as const

/** Bytes that a dump of a large database takes at its height: pg_dump as WebAssembly with pgark around it. */
const needed = 250_000_000

const isOld = (version: string): boolean => {
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number)
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1])
}

/** What may still be taken, in bytes: of a container with a limit, of the machine otherwise. */
const memory = (): number => ("availableMemory" in process ? process.availableMemory() : freemem())

const node = Effect.fnUntraced(function* (visit: Visit) {
  const { version } = process
  const what = about("machine", "node", "Node")
  if (isOld(version)) {
    visit.tell(
      what.problem(`${version} is older than what pgark runs on`, {
        stops: everything,
        mend: `Install Node ${oldest.join(".")} or later.`
      })
    )
    return
  }
  const zstd = yield* Effect.result(Compression.check("zstd"))
  const free = memory()
  const room = `${bytes(free)} of memory free`
  visit.tell(
    zstd._tag === "Success"
      ? what.ok(`${version} with zstd, ${room}`)
      : what.note(`${version} has no zstd: dumps packed by it can be neither written nor read`, zstd.failure.suggestion)
  )
  if (free < needed) {
    visit.tell(about("machine", "memory", "memory").note(`${room}, and a large dump takes ${bytes(needed)}`))
  }
})

/** One of each version, as the others of it are the same, and where it is. */
const named = (programs: ReadonlyArray<ClientProgram.ClientProgram>, program: string): ReadonlyArray<string> =>
  programs
    .filter(({ version }, index) => programs.findIndex((other) => other.version === version) === index)
    .map(({ name, version }) => (name === program ? `${version} (on PATH)` : `${version} (${name})`))

const pgDump = Effect.fnUntraced(function* (visit: Visit) {
  const what = about("machine", "pg_dump", "pg_dump")
  const programs = yield* visit.ask(what, ClientProgram.find("pg_dump"))
  if (programs === undefined) return
  const own = yield* Effect.result(WasmPgDump.parts)
  const found = named(programs, "pg_dump")
  if (own._tag === "Success") {
    visit.tell(what.ok([`${own.success.version} (WebAssembly)`, ...found].join(", ")))
  } else {
    visit.tell(what.failure(own.failure, found.length === 0 ? everything : []))
  }
})

const pgRestore = Effect.fnUntraced(function* (visit: Visit) {
  const what = about("machine", "pg_restore", "pg_restore")
  const programs = yield* visit.ask(what, ClientProgram.find("pg_restore"))
  if (programs === undefined) return
  const reads = readsUpTo(Math.max(0, ...programs.map(({ major }) => major)))
  const found = named(programs, "pg_restore").join(", ")
  const mend = `Install PostgreSQL's client programs (Debian and Ubuntu: apt-get install postgresql-client-${newestReader}; macOS: brew install libpq).`
  visit.tell(
    reads === undefined
      ? what.note("none that reads archives (-Fc, -Ft, -Fd): only plain SQL dumps can be restored", mend)
      : what.ok(
          `${found}: reads archives of pg_dump up to ${reads}${reads === newestWriter ? "" : `, not of ${newestWriter}`}`
        )
  )
})

/** Tells it. */
export const look = Effect.fn("doctor.Machine.look")(function* (
  visit: Visit
): Effect.fn.Return<void, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> {
  yield* node(visit)
  yield* pgDump(visit)
  yield* pgRestore(visit)
})
