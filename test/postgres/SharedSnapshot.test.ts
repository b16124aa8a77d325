import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import type { PgDumpOptions } from "../../src/postgres/PgDump.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as SharedSnapshot from "../../src/postgres/SharedSnapshot.ts"
import * as DataTables from "../../src/verbs/dump/DataTables.ts"
import * as Clusters from "../support/Clusters.ts"
import { ofRun } from "../support/Tier.ts"

const everything: PgDumpOptions = { schemas: [], excludeTables: [], excludeTableData: [] }

const found = ({ sql, url }: Session.SessionService) =>
  Effect.provideService(DataTables.find(everything, url.database), SqlClient.SqlClient, sql)

const waiting = (url: DatabaseUrl.DatabaseUrl) =>
  Clusters.query(
    url,
    "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
  ).pipe(
    Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("3 seconds")
  )

/** Rows of a table by COPY, as one text. */
const textOf = Effect.fnUntraced(function* (reader: SharedSnapshot.Reader, name: string) {
  const chunks: Array<Uint8Array> = []
  yield* reader.copyOut({ schema: "public", name }, `COPY public.${name} TO STDOUT`, (chunk) =>
    Effect.sync(() => void chunks.push(chunk))
  )
  return Buffer.concat(chunks).toString()
})

for (const major of ofRun([15, 18] as const, [18])) {
  const prepared = Effect.gen(function* () {
    const url = yield* Clusters.makeDatabase(major)
    yield* Clusters.query(
      url,
      `CREATE TABLE public.a (id int, v float8); CREATE TABLE public.b (id int);
       INSERT INTO public.a VALUES (1, 0.1::float8 + 0.2); INSERT INTO public.b VALUES (1)`
    )
    return { url, session: yield* Session.open(url) }
  })

  describe(`a shared snapshot on PostgreSQL ${major}`, () => {
    it.live("is one view for all of its readers, whatever is committed meanwhile", () =>
      Effect.gen(function* () {
        const { session, url } = yield* prepared
        yield* Clusters.query(url, `ALTER DATABASE ${url.database} SET extra_float_digits = -15`)
        const seen = yield* SharedSnapshot.share(session, { jobs: 3, tables: found(session) }, ({ name, readers }) =>
          Effect.gen(function* () {
            yield* Clusters.query(url, "INSERT INTO public.a VALUES (2, 2); INSERT INTO public.b VALUES (2)")
            assert.strictEqual(readers.length, 3)
            const texts = yield* Effect.forEach(readers, (reader) => textOf(reader, "a"), { concurrency: 3 })
            const others = yield* Effect.forEach(readers, (reader) => textOf(reader, "b"), { concurrency: 3 })
            // Somebody else, pg_dump say, may read it too.
            yield* Clusters.connected(url, (query) =>
              Effect.andThen(
                query("BEGIN ISOLATION LEVEL REPEATABLE READ"),
                query(`SET TRANSACTION SNAPSHOT '${name}'`)
              )
            )
            return [...texts, ...others]
          })
        )
        assert.deepStrictEqual(seen, [...Array(3).fill("1\t0.30000000000000004\n"), ...Array(3).fill("1\n")])
        assert.strictEqual(session.status(), "I")
        const left = yield* Clusters.query(
          url,
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), $1)",
          [session.backend]
        )
        assert.deepStrictEqual(left, [])
      })
    )

    it.live("is taken when no TRUNCATE can come in between, and reads on where somebody waits for a table", () =>
      Effect.gen(function* () {
        const { session, url } = yield* prepared
        const emptying = yield* Deferred.make<void>()
        const text = yield* SharedSnapshot.share(session, { jobs: 2, tables: found(session) }, ({ readers }) =>
          Effect.gen(function* () {
            const truncating = yield* Effect.forkChild(
              Effect.andThen(Clusters.query(url, "TRUNCATE public.a"), Deferred.succeed(emptying, undefined))
            )
            yield* waiting(url)
            // A connection that asked for the table now would wait for the one that waits for the snapshot's.
            const texts = yield* Effect.forEach(readers, (reader) => textOf(reader, "a"), { concurrency: 2 })
            assert.isFalse(Deferred.isDoneUnsafe(emptying))
            return { texts, truncating }
          })
        )
        yield* Fiber.join(text.truncating)
        assert.deepStrictEqual(text.texts, Array(2).fill("1\t0.30000000000000004\n"))
      }).pipe(Effect.timeout("10 seconds"))
    )
  })
}

describe("sharing a snapshot", () => {
  it.live("waits for the tables before it is taken: what is committed until then is seen", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(url, "CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1)")
      const session = yield* Session.open(url)
      const text = yield* Clusters.connected(url, (query) =>
        Effect.gen(function* () {
          yield* query("BEGIN; TRUNCATE public.a; INSERT INTO public.a VALUES (2)")
          const sharing = yield* Effect.forkChild(
            SharedSnapshot.share(session, { jobs: 1, tables: found(session) }, ({ readers }) =>
              textOf(readers[0]!, "a")
            )
          )
          yield* waiting(url)
          yield* query("COMMIT")
          return yield* Fiber.join(sharing)
        })
      )
      assert.strictEqual(text, "2\n")
    })
  )

  it.live("begins again where a table comes or goes before it is locked, and gives up in time", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(url, "CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1)")
      const session = yield* Session.open(url)
      let looks = 0
      const changing = (times: number, change: (look: number) => string) =>
        Effect.tap(found(session), () => (looks++ < times ? Clusters.query(url, change(looks)) : Effect.void))
      const share = (tables: ReturnType<typeof changing>) => {
        looks = 0
        return SharedSnapshot.share(session, { jobs: 2, tables }, ({ readers }) => textOf(readers[1]!, "a"))
      }
      assert.strictEqual(yield* share(changing(1, () => "CREATE TABLE public.b ()")), "1\n")
      const again = "DROP TABLE public.a; CREATE TABLE public.a AS SELECT 2"
      assert.strictEqual(yield* share(changing(1, () => again)), "2\n")
      const renamed =
        "ALTER TABLE public.a RENAME TO was; ALTER TABLE public.b RENAME TO a; ALTER TABLE public.was RENAME TO b"
      assert.strictEqual(yield* share(changing(1, () => renamed)), "")
      assert.strictEqual(looks, 4)
      const error = yield* Effect.flip(share(changing(100, (look) => `CREATE TABLE public.c${look} ()`)))
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "untouched" })
      assert.match(error.message, /change too fast/)
      assert.strictEqual(session.status(), "I")
    })
  )

  it.live("says who keeps a table from it", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(url, "CREATE TABLE public.a (id int)")
      const session = yield* Session.open(url)
      yield* Clusters.connected(url, (query) =>
        Effect.gen(function* () {
          yield* query("BEGIN; LOCK TABLE public.a")
          const options = { jobs: 2, lockTimeout: "100 millis", tables: found(session) } as const
          const error = yield* Effect.flip(SharedSnapshot.share(session, options, () => Effect.void))
          assert.strictEqual(error._tag, "LockTimeout")
        })
      )
    })
  )

  it.live("within a transaction that is open already is of what that one sees", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(url, "CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1)")
      const session = yield* Session.open(url)
      for (const jobs of [1, 2]) {
        yield* session.transaction(
          Effect.gen(function* () {
            yield* session.execute("LOCK TABLE public.a IN EXCLUSIVE MODE; SET LOCAL extra_float_digits = 0")
            const text = yield* SharedSnapshot.share(session, { jobs, tables: found(session) }, ({ readers }) =>
              textOf(readers.at(-1)!, "a")
            )
            assert.strictEqual(text, "1\n")
            const own = yield* session.sql`SELECT current_setting('extra_float_digits') AS digits`
            assert.deepStrictEqual(own, [{ digits: "0" }])
          })
        )
      }
    })
  )
})
