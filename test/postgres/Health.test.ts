import { assert, describe, it } from "@effect/vitest"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import type { Answer } from "../../src/postgres/Guarded.ts"
import * as Health from "../../src/postgres/Health.ts"
import * as Migrations from "../../src/postgres/Migrations.ts"
import { open, Session } from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"

const prisma = `CREATE TABLE public."_prisma_migrations" (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL,
  finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0);
  INSERT INTO public."_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES ('a', '', '1_init', now())`

/** Tables of that name that Prisma did not make, and what is said of them. */
const shapes = [
  {
    name: "without its columns",
    sql: `CREATE TABLE public."_prisma_migrations" (id int, logs text)`,
    foreign: "columns",
    says: "not Prisma's table: it has no column migration_name, finished_at, rolled_back_at"
  },
  {
    name: "with no column at all",
    sql: `CREATE TABLE public."_prisma_migrations" ()`,
    foreign: "columns",
    says: "not Prisma's table: it has no column migration_name, finished_at, rolled_back_at, logs"
  },
  {
    name: "with columns of other types",
    sql: `CREATE TABLE public."_prisma_migrations" (migration_name json, finished_at boolean, rolled_back_at date, logs text)`,
    foreign: "types",
    says: "not Prisma's table: its column migration_name is of type json, its column finished_at is of type boolean"
  }
] as const

/** Within a transaction of the session, and whether it still works afterwards. */
const within = <A, E, R>(url: DatabaseUrl.DatabaseUrl, body: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const session = yield* Session
    return yield* session.transaction(
      Effect.gen(function* () {
        yield* session.execute("CREATE TABLE public.before (); SET LOCAL lock_timeout = 100")
        const answer = yield* body
        yield* session.execute("DROP TABLE public.before")
        return answer
      })
    )
  }).pipe(Effect.provide(Session.layer(url)))

const migrations = Effect.flatMap(Health.tables(["public"]), Migrations.migrations)

for (const major of [15, 18] as const) {
  describe(`health on PostgreSQL ${major}`, () => {
    for (const { name, sql, foreign, says } of shapes) {
      it.live(`says in words that a _prisma_migrations ${name} is not Prisma's`, () =>
        Effect.gen(function* () {
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, sql)
          const table = `"public"."_prisma_migrations"`
          const expected = [{ table, foreign, migrations: { unknown: says } }]
          assert.deepStrictEqual(yield* within(admin, migrations), expected)
          assert.deepStrictEqual(yield* migrations.pipe(Effect.provide(Session.layer(admin))), expected)
        })
      )
    }

    it.live("goes on within a transaction where rows or a sequence cannot be read", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(
          admin,
          `${prisma}; CREATE TABLE public.broken (); CREATE TABLE public.whole AS SELECT 1 AS one;
           CREATE SEQUENCE public.lost; CREATE SEQUENCE public.kept;
           UPDATE pg_class SET relfilenode = 2147483647
           WHERE oid IN ('public.broken'::regclass, 'public.lost'::regclass, 'public."_prisma_migrations"'::regclass)`
        )
        const { tables, counts, sequences, read } = yield* within(
          admin,
          Effect.gen(function* () {
            const tables = (yield* Health.tables(["public"])).filter(({ name }) => name !== "before")
            const counts = yield* Health.rowCounts(tables)
            return { tables, counts, sequences: yield* Health.sequences(["public"]), read: yield* migrations }
          })
        )
        const known = (answer: Answer<unknown>) => "value" in answer
        assert.deepStrictEqual(
          tables.map(({ name }, index) => [name, known(counts[index]!)]),
          [
            ["_prisma_migrations", false],
            ["broken", false],
            ["whole", true]
          ]
        )
        assert.deepStrictEqual(
          sequences.map(({ name, state }) => [name, known(state)]),
          [
            ["kept", true],
            ["lost", false]
          ]
        )
        assert.deepStrictEqual(
          read.map(({ foreign, migrations }) => [foreign, known(migrations)]),
          [[undefined, false]]
        )
      })
    )

    it.live("goes on within a transaction where another session holds the table", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, prisma)
        const other = yield* open(admin)
        yield* other.execute(`BEGIN; LOCK TABLE public."_prisma_migrations" IN ACCESS EXCLUSIVE MODE`)
        const [found] = yield* within(admin, migrations)
        assert.deepStrictEqual(found?.migrations, { unknown: "canceling statement due to lock timeout" })
      })
    )

    it.live("breaks no transaction of another SqlClient either", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(
          admin,
          `${prisma}; UPDATE pg_class SET relfilenode = 2147483647 WHERE oid = 'public."_prisma_migrations"'::regclass`
        )
        const rows = yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          return yield* sql.withTransaction(Effect.andThen(migrations, sql`SELECT 1::int4 AS "one"`))
        }).pipe(Effect.provide(PgClient.layer({ url: DatabaseUrl.toUri(admin), maxConnections: 1 })))
        assert.deepStrictEqual([...rows], [{ one: 1 }])
      })
    )
  })
}
