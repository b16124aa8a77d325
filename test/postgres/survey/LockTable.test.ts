import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Session from "../../../src/postgres/Session.ts"
import { readLockTable } from "../../../src/postgres/survey/LockTable.ts"
import { readServer } from "../../../src/postgres/survey/Server.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import * as Tier from "../../support/Tier.ts"

const read = (session: Session.SessionService) =>
  Effect.gen(function* () {
    const { server } = yield* readServer()
    return yield* readLockTable(server.versionNumber)
  }).pipe(Effect.provideService(SqlClient.SqlClient, session.sql))

Tier.each(
  [...Clusters.majors, ...Clusters.moreMajors],
  Clusters.majors,
  (major) => `lock table of PostgreSQL ${major}`,
  (major) => {
    it.live("has the entries that the server has reserved, as any role reads it", () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        const table = yield* Effect.flatMap(Session.open(url), read)
        // One item of 12 bytes for each session that there may be, after 12 bytes (BTVacInfo in nbtutils.c).
        const [row] = yield* Clusters.query<{ sessions: number; prepared: number }>(
          admin,
          `SELECT (size - 12)::int / 12 AS sessions, current_setting('max_prepared_transactions')::int AS prepared
         FROM pg_shmem_allocations WHERE name = 'BTree Vacuum State'`
        )
        assert.strictEqual(table.sessions, (row?.sessions ?? 0) + (row?.prepared ?? 0))
        assert.strictEqual(table.capacity, table.sessions * table.perTransaction)
        assert.strictEqual(table.free, table.capacity - table.used)
      })
    )

    it.live("counts once what several sessions hold", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const [reader, one, two] = [yield* Session.open(url), yield* Session.open(url), yield* Session.open(url)]
        // Other tests hold locks on this server, too, and may take or drop many at any moment: a thousand stand out.
        const many = "SELECT count(pg_advisory_xact_lock_shared(4711, i)) FROM generate_series(1, 1000) i"
        const measured = Effect.gen(function* () {
          const before = (yield* read(reader)).used
          yield* one.execute(`BEGIN; ${many}`)
          const once = (yield* read(reader)).used
          yield* two.execute(`BEGIN; ${many}`)
          const twice = (yield* read(reader)).used
          for (const session of [one, two]) yield* session.execute("ROLLBACK")
          return { first: once - before, second: Math.abs(twice - once) }
        })
        yield* Restores.until(measured, ({ first, second }) => first >= 700 && second <= 300, "10 seconds")
      })
    )
  }
)
