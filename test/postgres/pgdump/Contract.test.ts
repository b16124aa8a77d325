/** What both ways to pg_dump promise. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import type { PgDumpKind } from "../../../src/postgres/PgDump.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import { dump, everything, program } from "../../support/PgDumpImplementations.ts"
import * as Restores from "../../support/Restores.ts"
import * as Tier from "../../support/Tier.ts"

/** Processes and threads of pg_dump that belong to this process; looked for on Linux only. */
const running = () => {
  const names = (folder: string) =>
    readdirSync(folder).flatMap((id) => {
      try {
        return [readFileSync(`${folder}/${id}/comm`, "utf8").trim()]
      } catch {
        // Ended since the folder was read.
        return []
      }
    })
  if (process.platform !== "linux") return undefined
  const threads = names("/proc/self/task")
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ")
  const processes = children.filter((pid) => pid !== "").map((pid) => names(`/proc/${pid}/task`).join())
  return [...threads, ...processes].filter((name) => name.includes("pg_dump")).length
}

/** The contract, for one implementation and servers of one major. */
const contract = (kind: PgDumpKind, major: Clusters.Major, interruptions: number) => {
  // What a program of the machine leaves out and waits for is its own work, not pgark's.
  const thorough = kind === "wasm" ? describe : Tier.long

  const prepare = Effect.gen(function* () {
    const target = yield* Clusters.makeTarget(major, "tableOwner")
    yield* Restores.fillJournal(target.url)
    const server = DatabaseUrl.withDatabase(target.admin, "postgres")
    const backends = (which: string) =>
      Clusters.query<{ pid: number }>(
        server,
        `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2 AND ${which}`,
        [target.admin.database, target.url.user]
      )
    return { ...target, server, backends }
  })

  /** A dump that waits for a sequence, which another session holds. */
  const stuck = Effect.gen(function* () {
    const { admin, backends, server, url } = yield* prepare
    yield* Clusters.query(url, "CREATE SEQUENCE public.gate")
    const holder = yield* Session.open(admin)
    yield* holder.execute("BEGIN; ALTER SEQUENCE public.gate RENAME TO closed")
    const fiber = yield* Effect.forkChild(dump(kind, major, url))
    const [waiting] = yield* Restores.until(
      backends("wait_event_type = 'Lock'"),
      (rows) => rows.length === 1,
      "10 seconds"
    )
    if (process.platform === "linux") assert.isAbove(running()!, 0)
    const nothingLeft = Effect.gen(function* () {
      yield* Restores.until(backends("true"), (rows) => rows.length === 0, "1 seconds")
      assert.oneOf(running(), [0, undefined])
    })
    const terminate = Clusters.query(server, `SELECT pg_terminate_backend(${waiting!.pid})`)
    return { fiber, nothingLeft, terminate }
  })

  it.live("gives a whole dump and says what it is", () =>
    Effect.gen(function* () {
      const { url } = yield* prepare
      const { tool } = yield* program(kind, major)
      const lines: Array<string> = []
      const text = (yield* dump(
        kind,
        major,
        url,
        {},
        {
          onLine: (line) => Effect.sync(() => void lines.push(line))
        }
      )).toString()
      assert.include(text, `-- Dumped by pg_dump version ${tool.version}`)
      assert.match(text, /^-- PostgreSQL database dump complete$/m)
      assert.match(text, /^DROP TABLE IF EXISTS public\."User";$/m)
      assert.strictEqual(tool.kind, kind)
      assert.isAtLeast(tool.major, major)
      // Nothing is wrong with this database, and pg_dump's search for its own file is not worth a line.
      assert.deepStrictEqual(lines, [])
    })
  )

  thorough("in all", () => {
    it.live("leaves out what it is told to", () =>
      Effect.gen(function* () {
        const { url, admin } = yield* prepare
        yield* Clusters.query(
          admin,
          `CREATE SCHEMA "Od""d*"; CREATE TABLE "Od""d*".t (); ALTER SCHEMA "Od""d*" OWNER TO ${url.user};
         ALTER TABLE "Od""d*".t OWNER TO ${url.user}`
        )
        const tables = (options: object) =>
          Effect.map(dump(kind, major, url, options), (sql) => sql.toString().match(/^(CREATE TABLE|COPY) \S+/gm) ?? [])
        assert.deepStrictEqual(yield* tables({ schemas: [`Od"d*`] }), [`CREATE TABLE "Od""d*".t`, `COPY "Od""d*".t`])
        const without = yield* tables({ excludeTables: [`public."Day"`], excludeTableData: ["public.*"] })
        assert.include(without, `CREATE TABLE public."User"`)
        assert.notInclude(without, `CREATE TABLE public."Day"`)
        assert.deepStrictEqual(
          without.filter((line) => line.startsWith("COPY")),
          [`COPY "Od""d*".t`]
        )
        const structure = yield* tables({ schemaOnly: true })
        assert.isAbove(structure.length, 10)
        assert.isTrue(structure.every((line) => line.startsWith("CREATE")))
      })
    )

    it.live("uses the settings, and tells its steps when asked", () =>
      Effect.gen(function* () {
        const { url } = yield* prepare
        const lines: Array<string> = []
        const onLine = (line: string) => Effect.sync(() => void lines.push(line))
        yield* dump(kind, major, url, { verbose: true }, { onLine })
        assert.include(lines, `pg_dump: dumping contents of table "public.User"`)
        const error = yield* Effect.flip(
          dump(kind, major, url, {}, { settings: { transaction_read_only: "nonsense" } })
        )
        assert.strictEqual(error.state, "untouched")
      })
    )
  })

  it.live("is led nowhere else by the environment", () =>
    Effect.gen(function* () {
      const { url } = yield* prepare
      const misleading = {
        PGHOST: "192.0.2.1",
        PGHOSTADDR: "192.0.2.1",
        PGPORT: "1",
        PGDATABASE: "absent",
        PGUSER: "nobody",
        PGPASSWORD: "wrong",
        PGSERVICE: "none",
        PGOPTIONS: "-c default_transaction_isolation=nonsense",
        PGSSLMODE: "verify-full",
        PGSSLROOTCERT: "/nowhere",
        PGTARGETSESSIONATTRS: "standby",
        PGCLIENTENCODING: "LATIN9"
      }
      const own = { ...process.env }
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(process.env, misleading)),
        () =>
          Effect.sync(() => {
            for (const name of Object.keys(misleading)) delete process.env[name]
            Object.assign(process.env, own)
          })
      )
      const text = (yield* dump(kind, major, url)).toString()
      assert.match(text, /^SET client_encoding = 'UTF8';$/m)
      assert.match(text, /^CREATE TABLE public\."User" \($/m)
    })
  )

  it.live("fails where a table is closed, and names it", () =>
    Effect.gen(function* () {
      const { url, admin } = yield* prepare
      yield* Clusters.query(admin, "CREATE TABLE public.closed ()")
      const error = yield* Effect.flip(dump(kind, major, url))
      assert.deepInclude(error, { state: "untouched" })
      assert.match(error.detail ?? "", /closed/)
      // A program of the machine tells in words only, which are not to be read.
      if (kind === "wasm") assert.deepInclude(error, { _tag: "PermissionDenied", sqlstate: "42501" })
      else assert.deepInclude(error, { _tag: "PgDumpFailed", exitCode: 1 })
    })
  )

  it.live("fails where pg_dump itself refuses, with its exit code", () =>
    Effect.gen(function* () {
      const { url } = yield* prepare
      const error = yield* Effect.flip(dump(kind, major, url, { excludeTables: ["a.b.c.d"] }))
      assert.deepInclude(error, { _tag: "PgDumpFailed", exitCode: 1, state: "untouched" })
      assert.match(error.detail ?? "", /a\.b\.c\.d/)
    })
  )

  it.live("fails where there is no such database, or login", () =>
    Effect.gen(function* () {
      const { url } = yield* prepare
      const absent = yield* Effect.flip(dump(kind, major, { ...url, database: "absent" }))
      assert.strictEqual(absent._tag, kind === "wasm" ? "DatabaseMissing" : "PgDumpFailed")
      const refused = yield* Effect.flip(dump(kind, major, { ...url, user: "nobody" }))
      assert.strictEqual(refused._tag, kind === "wasm" ? "AuthenticationFailed" : "PgDumpFailed")
    })
  )

  thorough("in all", () => {
    it.live("waits for whoever reads the dump", () =>
      Effect.gen(function* () {
        const { backends, url } = yield* prepare
        yield* Clusters.query(
          url,
          `CREATE TABLE public.large AS SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 60000) i`
        )
        const { dump } = yield* program(kind, major)
        let bytes = 0
        yield* Stream.runForEach(dump(url, everything), (chunk) => {
          const first = bytes === 0
          bytes += chunk.length
          const blocked = Restores.until(
            backends("wait_event = 'ClientWrite'"),
            (rows) => rows.length === 1,
            "10 seconds"
          )
          return first ? Effect.asVoid(blocked) : Effect.void
        })
        assert.isAbove(bytes, 60_000 * 960)
      })
    )
  })

  it.live("leaves nothing within a second when it is interrupted", () =>
    Effect.gen(function* () {
      const { fiber, nothingLeft } = yield* stuck
      yield* Fiber.interrupt(fiber).pipe(Effect.timeout("1 second"))
      yield* nothingLeft
    })
  )

  it.live("fails when the server ends its connection", () =>
    Effect.gen(function* () {
      const { fiber, nothingLeft, terminate } = yield* stuck
      yield* terminate
      const error = yield* Effect.flip(Fiber.join(fiber)).pipe(Effect.timeout("5 seconds"))
      if (kind === "wasm")
        assert.deepInclude(error, { _tag: "ConnectionFailed", sqlstate: "57P01", state: "untouched" })
      else assert.deepInclude(error, { _tag: "PgDumpFailed", exitCode: 1, state: "untouched" })
      assert.match((error as { detail?: string }).detail ?? "", /terminating connection/)
      yield* nothingLeft
    })
  )

  thorough("in all", () => {
    it.live(`leaves no backend after ${interruptions} interruptions at random moments`, () =>
      Effect.gen(function* () {
        const { backends, url } = yield* prepare
        yield* Effect.forEach(
          Array.from({ length: interruptions }),
          () =>
            Effect.suspend(() =>
              Effect.timeoutOption(dump(kind, major, url), `${Math.round(Math.random() * 400)} millis`)
            ),
          { concurrency: 2 }
        )
        yield* Restores.until(backends("true"), (rows) => rows.length === 0, "2 seconds")
        assert.oneOf(running(), [0, undefined])
      })
    )
  })
}

const [older, newest] = Clusters.majors
describe(`pg_dump as WebAssembly, server ${newest}`, () => contract("wasm", newest, Tier.isLong(process.env) ? 50 : 15))
Tier.long(`pg_dump as WebAssembly, server ${older}`, () => contract("wasm", older, 50))
for (const major of Clusters.majors) {
  NativePgDump.suite(`pg_dump of this machine, server ${major}`, major, () => contract("native", major, 10))
}
