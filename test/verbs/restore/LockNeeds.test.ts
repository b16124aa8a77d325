/** Estimates of lock entries, held against what the server's lock table really has. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as SqlClient from "effect/sql/SqlClient"
import * as JournalDatabase from "../../../src/demo/JournalDatabase.ts"
import { DumpReading } from "../../../src/dumps/DumpReading.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../../src/postgres/Session.ts"
import { dropStatements } from "../../../src/postgres/survey/DropOrder.ts"
import { readLockWeights } from "../../../src/postgres/survey/LockWeights.ts"
import { survey } from "../../../src/postgres/survey/Survey.ts"
import { type LockNeeds, lockNeeds } from "../../../src/verbs/restore/LockNeeds.ts"
import { emptied } from "../../../src/verbs/restore/Replacement.ts"
import { catalogEntries } from "../../../src/verbs/restore/Way.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import { entriesHeld } from "../../support/LocksHeld.ts"
import { backends } from "../../support/Restores.ts"
import * as Tier from "../../support/Tier.ts"
import * as WasmPgDump from "../../support/WasmPgDump.ts"

/** Partitions that refer to partitions, and tables with sequences, each second one with a foreign key. */
const trees = `
CREATE TABLE ref (id int, at int, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE fact (id bigserial, r int, at int NOT NULL, note text DEFAULT 'x', PRIMARY KEY (id, at),
  FOREIGN KEY (r, at) REFERENCES ref) PARTITION BY RANGE (at);
CREATE INDEX ON fact (r);
CREATE VIEW seen AS SELECT * FROM fact;
CREATE VIEW again AS SELECT * FROM seen;
DO $$ BEGIN
  FOR i IN 0..4 LOOP
    EXECUTE format('CREATE TABLE ref_%s PARTITION OF ref FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10);
    EXECUTE format('CREATE TABLE fact_%s PARTITION OF fact FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10);
  END LOOP;
  CREATE TABLE fact_rest PARTITION OF fact DEFAULT;
  FOR i IN 1..40 LOOP
    EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, code text UNIQUE, other int %s)', i,
      CASE WHEN i % 2 = 0 THEN format('REFERENCES t%s', i - 1) END);
  END LOOP;
END $$`

interface Case {
  readonly name: string
  readonly sql: (role: string) => string
  readonly schemas: ReadonlyArray<string>
  /** What the estimate of what is created may be above the truth, in per cent. */
  readonly above: number
}

const partitioned: Case = { name: "partitions and sequences", sql: () => trees, schemas: ["public"], above: 10 }

const cases: ReadonlyArray<Case> = [
  partitioned,
  { name: "the sample database", sql: () => JournalDatabase.schemaSql, schemas: ["public"], above: 10 },
  {
    name: "every kind",
    // A database with a subscription cannot be dropped; what event triggers need would be in the way.
    sql: (role) => `${EveryKind.sql(role)}; DROP SUBSCRIPTION listening; DROP EVENT TRIGGER watched`,
    schemas: ["kinds"],
    // Few of each kind, and tables without a TOAST table.
    above: 50
  }
]

/** The most that other sessions of the database are seen to hold while an effect runs. */
const watched = Effect.fnUntraced(function* <A, E>(admin: DatabaseUrl, body: Effect.Effect<A, E>) {
  const watcher = yield* Session.open(admin)
  const [own] = yield* watcher.sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
  const most = yield* Ref.make(0)
  const look = Effect.gen(function* () {
    const pids = (yield* backends(admin)).filter((pid) => pid !== own?.pid)
    const held = yield* entriesHeld(watcher, pids)
    yield* Ref.update(most, (before) => Math.max(before, held))
  })
  const watching = yield* Effect.forkChild(Effect.forever(look))
  const given = yield* body
  yield* Fiber.interrupt(watching)
  return { given, most: yield* Ref.get(most) }
})

/** A dump without its rows, as one transaction can take it from a string. */
const applicable = (dump: Buffer) =>
  dump
    .toString()
    .replaceAll(/^COPY .* FROM stdin;\n[^]*?^\\\.$/gm, "")
    .replaceAll(/^(\\.*|BEGIN;|COMMIT;|SET transaction_timeout.*|.*plmine.*)$/gm, "")

const everywhere = cases.flatMap((one) => Clusters.majors.map((major) => ({ ...one, major })))
/** Server 15 has what pg_dump does otherwise before 18. */
const usual = everywhere.filter(({ major, sql }) => major === Clusters.sourceMajor || sql === partitioned.sql)

Tier.each(
  everywhere,
  usual,
  ({ major, name }) => `lock entries on PostgreSQL ${major}: ${name}`,
  ({ above, major, schemas, sql }) => {
    it.live("are as many as estimated", () =>
      Effect.gen(function* () {
        const { name: role } = yield* Clusters.makeRole(major)
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, sql(role))
        const dumped = yield* watched(admin, WasmPgDump.dump(admin))
        const reading = new DumpReading()
        reading.push(dumped.given)
        const contents = reading.finish()

        const session = yield* Session.open(admin)
        const { needs, going, dependencies } = yield* Effect.gen(function* () {
          const found = yield* survey({ schemas })
          const going = emptied(contents, found)
          const weights = yield* readLockWeights(schemas, found.server.versionNumber)
          const needs = lockNeeds({ survey: found, weights, going, contents, backupFirst: true })
          return { needs, going: going.objects, dependencies: found.dependencies }
        }).pipe(Effect.provideService(SqlClient.SqlClient, session.sql))

        const tables = going.filter(({ kind }) => kind === "TABLE").map(({ identity }) => identity)
        yield* session.execute(`BEGIN; LOCK TABLE ${tables.join(", ")} IN EXCLUSIVE MODE`)
        assert.strictEqual(yield* entriesHeld(session), needs.lock)
        for (const { sql } of dropStatements(going, dependencies)) yield* session.execute(sql)
        const dropped = yield* entriesHeld(session)
        assert.isAtLeast(needs.drop, dropped)
        assert.isAtMost(needs.drop, dropped * 1.1)
        yield* session.execute("ROLLBACK")

        // All tables from the beginning, the rest one by one until the end.
        assert.isAtLeast(dumped.most, needs.lock)
        assert.isAtLeast(needs.lock + needs.backup, dumped.most)

        const other = yield* Session.open(yield* Clusters.makeDatabase(major))
        yield* other.execute(`BEGIN; ${applicable(dumped.given)}`)
        const created = yield* entriesHeld(other)
        assert.isAtLeast(needs.create, created)
        assert.isAtMost(needs.create, created * (1 + above / 100))
      })
    )
  }
)

describe.each(Clusters.majors)("lock entries on PostgreSQL %i", (major) => {
  it.live("of the catalogues are no more than what is set aside for them, with a survey in the transaction", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(admin, JournalDatabase.schemaSql)
      const session = yield* Session.open(admin)
      yield* session.execute("BEGIN")
      yield* survey({ schemas: ["public"], definitions: true, largeObjects: ["1"] }).pipe(
        Effect.provideService(SqlClient.SqlClient, session.sql)
      )
      const [row] = yield* session.sql<{ held: number }>`
        SELECT count(*)::int4 AS held FROM pg_locks WHERE pid = pg_backend_pid()`
      assert.isAtMost(row?.held ?? Infinity, catalogEntries)
      assert.isAtLeast(row?.held ?? 0, catalogEntries / 2)
    })
  )

  it.live("of tables that are needed outside of the scope, or need something there, are counted", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA beyond;
         CREATE TABLE beyond.ref (id int PRIMARY KEY);
         CREATE TABLE beyond.parent (id int, note text) PARTITION BY RANGE (id);
         CREATE TABLE refers (id int PRIMARY KEY REFERENCES beyond.ref, note text);
         CREATE TABLE part PARTITION OF beyond.parent FOR VALUES FROM (0) TO (10);
         CREATE VIEW beyond.seen AS SELECT * FROM refers;
         CREATE TABLE beyond.user_of (id serial REFERENCES refers)`
      )
      const session = yield* Session.open(admin)
      const { found, weights } = yield* Effect.gen(function* () {
        const found = yield* survey({ schemas: ["public"] })
        const outside = found.outside.map(({ key }) => key)
        return { found, weights: yield* readLockWeights(["public"], found.server.versionNumber, outside) }
      }).pipe(Effect.provideService(SqlClient.SqlClient, session.sql))
      const { objects, outside } = found
      assert.deepStrictEqual(
        outside.map(({ kind }) => kind),
        ["CONSTRAINT", "VIEW"]
      )
      const none: LockNeeds = lockNeeds({
        survey: found,
        weights,
        going: { objects, largeObjects: [], databaseWide: [] },
        outside,
        contents: new DumpReading().finish(),
        backupFirst: false
      })
      assert.strictEqual(none.backup, 0)
      assert.strictEqual(none.create, 0)
      yield* session.execute("BEGIN")
      for (const { sql } of dropStatements([...objects, ...outside], found.dependencies)) yield* session.execute(sql)
      const dropped = yield* entriesHeld(session)
      assert.isAtLeast(none.drop, dropped)
      // The table with the foreign key counts as a whole, with its sequence: what of it goes is not looked at.
      assert.isAtMost(none.drop, dropped + 10)
    })
  )
})
