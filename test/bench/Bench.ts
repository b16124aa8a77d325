/** What the benchmarks share: the server, the database, and where figures go. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"

/** The bundled program. */
export const main = resolve(import.meta.dirname, "../../dist/main.js")

export const uri = (url: DatabaseUrl.DatabaseUrl) => Redacted.value(DatabaseUrl.toUri(url))

/** A server with a database that these statements have filled, and a folder; they go with the scope. */
export const prepare = Effect.fnUntraced(function* (statements: ReadonlyArray<string>) {
  const server = yield* EmbeddedServer.start({
    major: 15,
    settings: {
      shared_buffers: "1GB",
      max_wal_size: "8GB",
      maintenance_work_mem: "256MB",
      // As safe as a server that is to last.
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on"
    }
  })
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pgark-bench-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const admin = yield* Session.open(server.superuser)
  const source = DatabaseUrl.withDatabase(server.superuser, "source")
  yield* admin.execute("CREATE DATABASE source")
  const databaseBytes = yield* Effect.scoped(
    Effect.gen(function* () {
      const session = yield* Session.open(source)
      // What the first reader would do for all that come behind it.
      for (const sql of [...statements, "VACUUM ANALYZE"]) yield* session.execute(sql)
      const [size] = yield* session.sql<{ bytes: string }>`SELECT pg_database_size(current_database()) AS bytes`
      return Number(size?.bytes)
    })
  )
  return { server, folder, admin, source, databaseBytes }
})

/** Writes the figures to `results/<name>.json` and shows them. */
export const report = (name: string, figures: unknown): void => {
  const results = resolve(import.meta.dirname, "results")
  const text = `${JSON.stringify(figures, undefined, 2)}\n`
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, `${name}.json`), text)
  process.stdout.write(text)
}
