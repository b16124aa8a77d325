import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { type DropBatch, dropBatches, dropEntries } from "../../../src/postgres/survey/DropBatches.ts"
import { type Dependency, type Droppable, dropStatements } from "../../../src/postgres/survey/DropOrder.ts"
import { type ForeignKey, readForeignKeys } from "../../../src/postgres/survey/ForeignKeys.ts"
import { readLockTable } from "../../../src/postgres/survey/LockTable.ts"
import { dropWeightOf, readLockWeights } from "../../../src/postgres/survey/LockWeights.ts"
import { survey } from "../../../src/postgres/survey/Survey.ts"
import * as Session from "../../../src/postgres/Session.ts"
import { makeRole, makeTarget, query } from "../../support/Clusters.ts"
import { entriesHeld } from "../../support/LocksHeld.ts"

const object = (key: string, kind = "TABLE"): Droppable => ({ key, kind, identity: key })

const foreignKey = (from: string, to: string, droppable = true): ForeignKey => ({
  key: `fk ${from} ${to}`,
  kind: "CONSTRAINT",
  identity: `${to} of ${from}`,
  drop: `ALTER TABLE ${from} DROP CONSTRAINT ${to}`,
  links: [[from, to]],
  entries: 5,
  droppable
})

const sqlOf = (batches: ReadonlyArray<DropBatch>) => batches.map(({ statements }) => statements.map(({ sql }) => sql))

describe("dropBatches", () => {
  const tables = ["a", "b", "c"].map((key) => object(key))
  const ring = ["ab", "bc", "ca"].map(([dependent = "", on = ""]) => ({ dependent, on, foreignKeys: true as const }))
  const keys = ring.map(({ dependent, on }) => foreignKey(dependent, on))
  const weightOf = () => 10

  it("is one transaction with the same statements where the budget is enough", () => {
    const [only, ...more] = dropBatches(tables, ring, { budget: 30, foreignKeys: keys, weightOf })
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(only?.statements, dropStatements(tables, ring))
    assert.strictEqual(only?.weight, 30)
    assert.strictEqual(dropEntries(tables, ring, weightOf), 30)
  })

  it("takes tables apart by their foreign keys, where they are too many for one transaction", () => {
    const batches = dropBatches(tables, ring, { budget: 20, foreignKeys: keys, weightOf })
    assert.deepStrictEqual(sqlOf(batches), [
      ["ALTER TABLE a DROP CONSTRAINT b", "ALTER TABLE b DROP CONSTRAINT c", "ALTER TABLE c DROP CONSTRAINT a"],
      ["DROP TABLE a, b"],
      ["DROP TABLE c"]
    ])
    assert.deepStrictEqual(
      batches.map(({ weight }) => weight),
      // Three constraints and their tables; tables.
      [18, 20, 10]
    )
  })

  it("leaves foreign keys that the role may not drop, and the tables together", () => {
    const kept = keys.map((key) => ({ ...key, droppable: false }))
    const batches = dropBatches(tables, ring, { budget: 20, foreignKeys: kept, weightOf })
    assert.deepStrictEqual(sqlOf(batches), [["DROP TABLE a, b, c"]])
  })

  it("counts the table that another transaction drops and this one locks", () => {
    const chain = [
      { dependent: "a", on: "b" },
      { dependent: "b", on: "c" }
    ]
    const batches = dropBatches(tables, chain, { budget: 21, foreignKeys: [], weightOf })
    assert.deepStrictEqual(sqlOf(batches), [["DROP TABLE a, b"], ["DROP TABLE c"]])
    assert.strictEqual(batches[0]?.weight, 21)
  })

  const count = 12
  const place = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: count - 1 }))
  const reason = Schema.Literals(["other", "foreign key", "foreign key of another role"])
  it.effect.prop(
    "each object goes once, after what needs it, and within the budget",
    [
      Schema.Array(Schema.Tuple([place, place, reason])),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))
    ],
    ([edges, budget]) =>
      Effect.sync(() => {
        const kinds = ["TABLE", "TABLE", "VIEW", "OPERATOR CLASS"]
        const objects = Array.from({ length: count }, (_, i) => object(`o${i}`, kinds[i % kinds.length]))
        const byKey = new Map(objects.map((each) => [each.key, each]))
        const isTable = (key: string) => byKey.get(key)?.kind === "TABLE"
        const reasons = new Map<string, Set<typeof reason.Type>>()
        for (const [a, b, why] of edges) {
          const [from, to] = [`o${a}`, `o${b}`]
          if (from === to) continue
          const key = `${from} ${to}`
          reasons.set(key, (reasons.get(key) ?? new Set()).add(isTable(from) && isTable(to) ? why : "other"))
        }
        const pairs = [...reasons].map(([key, why]) => ({ key, why, from: key.split(" ")[0]!, to: key.split(" ")[1]! }))
        const dependencies: ReadonlyArray<Dependency> = pairs.map(({ from, to, why }) => ({
          dependent: from,
          on: to,
          ...(why.has("other") ? {} : { foreignKeys: true as const })
        }))
        const foreignKeys = pairs.flatMap(({ from, to, why }) => [
          ...(why.has("foreign key") ? [foreignKey(from, to)] : []),
          ...(why.has("foreign key of another role")
            ? [{ ...foreignKey(from, to, false), key: `kept ${from} ${to}` }]
            : [])
        ])
        const weightOf = ({ key }: Droppable) => 1 + (Number(key.slice(1)) % 5) * 4

        let standing = dependencies
        const dropped = new Set<string>()
        /** Whatever CASCADE would take with an object, by the server's rule. */
        const taken = (key: string, seen = new Set<string>()): Set<string> => {
          if (seen.has(key)) return seen
          seen.add(key)
          for (const { dependent, on } of standing) if (on === key) taken(dependent, seen)
          return seen
        }
        const alive = new Set(byKey.keys())
        const named: Array<string> = []
        for (const batch of dropBatches(objects, dependencies, { budget, foreignKeys, weightOf })) {
          const inside = batch.statements.flatMap(({ objects }) => objects)
          const keys = new Set(inside.map(({ key }) => key))
          const constraints = inside.flatMap((each) => foreignKeys.filter(({ key }) => key === each.key))
          const touched = constraints.flatMap(({ links }) => links.flat())
          for (const { dependent, on } of standing) {
            if (keys.has(dependent) && !keys.has(on) && isTable(dependent) && isTable(on)) touched.push(on)
          }
          const own = inside.reduce((sum, each) => sum + (byKey.has(each.key) ? weightOf(each) : 5), 0)
          assert.strictEqual(batch.weight, own + new Set(touched).size)
          const together = inside.every(({ key }) => inside.every((other) => taken(key).has(other.key)))
          if (batch.weight > budget) assert.isTrue(inside.length === 1 || together, [...keys].join(", "))
          for (const statement of batch.statements) {
            for (const { key } of statement.objects) {
              if (!byKey.has(key)) {
                assert.isTrue(foreignKeys.some((one) => one.key === key && one.droppable))
                assert.isFalse(dropped.has(key))
                dropped.add(key)
                continue
              }
              named.push(key)
              if (!statement.cascade) assert.isTrue(alive.has(key), `${statement.sql}: ${key} is gone`)
              for (const other of taken(key)) {
                if (!alive.has(other) || statement.objects.some((each) => each.key === other)) continue
                assert.isTrue(statement.cascade, `${statement.sql}: ${other} is in the way`)
                assert.isTrue(taken(other).has(key), `${statement.sql} takes ${other}, which does not need it back`)
              }
            }
            for (const { key } of statement.objects) {
              for (const other of statement.cascade ? taken(key) : [key]) alive.delete(other)
            }
            standing = dependencies.filter(
              ({ dependent, on, foreignKeys: only }) =>
                only !== true ||
                foreignKeys.some(({ key, links }) => !dropped.has(key) && `${links[0]}` === `${[dependent, on]}`)
            )
          }
        }
        assert.deepStrictEqual(named.sort(), [...byKey.keys()].sort())
        assert.strictEqual(alive.size, 0)
      })
  )
})

/** Tables in a ring of foreign keys; a transaction for each, because all at once are too many as well. */
const entangled = `
DO $$ BEGIN
  FOR i IN 0..99 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, next int)', i); COMMIT; END LOOP;
  FOR i IN 0..99 LOOP
    EXECUTE format('ALTER TABLE t%s ADD CONSTRAINT "to next" FOREIGN KEY (next) REFERENCES t%s', i, (i + 1) % 100);
    COMMIT;
  END LOOP;
END $$`

/** Partitioned tables that refer to each other, and a view on both. */
const partitioned = `
CREATE TABLE left_one (id int PRIMARY KEY, other int) PARTITION BY RANGE (id);
CREATE TABLE right_one (id int PRIMARY KEY, other int REFERENCES left_one) PARTITION BY RANGE (id);
ALTER TABLE left_one ADD FOREIGN KEY (other) REFERENCES right_one;
CREATE TABLE left_1 PARTITION OF left_one FOR VALUES FROM (0) TO (10);
CREATE TABLE left_rest PARTITION OF left_one DEFAULT;
CREATE TABLE right_1 PARTITION OF right_one FOR VALUES FROM (0) TO (10);
CREATE VIEW seen AS SELECT * FROM t0 NATURAL JOIN left_one`

/** What stands in schema public and what it weighs, read over a session of its own. */
const look = Effect.fnUntraced(function* (url: DatabaseUrl) {
  const session = yield* Session.open(url)
  return yield* Effect.gen(function* () {
    const { dependencies, objects, server } = yield* survey({ schemas: ["public"] })
    return {
      session,
      objects,
      dependencies,
      table: yield* readLockTable(server.versionNumber),
      foreignKeys: yield* readForeignKeys(["public"]),
      weightOf: dropWeightOf(yield* readLockWeights(["public"], server.versionNumber))
    }
  }).pipe(Effect.provideService(SqlClient.SqlClient, session.sql))
})

describe("dropping in batches", () => {
  it.live("empties a schema that one transaction cannot, on a server with a small lock table", () =>
    Effect.gen(function* () {
      const { superuser } = yield* EmbeddedServer.start({
        settings: {
          max_locks_per_transaction: "10",
          max_connections: "10",
          max_worker_processes: "1",
          max_wal_senders: "0",
          wal_level: "minimal",
          autovacuum: "off",
          autovacuum_worker_slots: "1"
        }
      })
      yield* query(superuser, entangled)
      yield* query(superuser, partitioned)
      const { dependencies, foreignKeys, objects, session, table, weightOf } = yield* look(superuser)
      assert.strictEqual(table.capacity, 10 * (10 + 1 + 1 + 0 + 2))

      const statements = dropStatements(objects, dependencies).map(({ sql }) => sql)
      const failed = yield* Effect.flip(session.execute(["BEGIN", ...statements].join(";\n")))
      assert.strictEqual(failed.sqlstate, "53200")
      yield* session.execute("ROLLBACK")

      const budget = Math.floor(table.capacity / 2)
      const batches = dropBatches(objects, dependencies, { budget, foreignKeys, weightOf })
      assert.isAbove(batches.length, 10)
      for (const { statements, weight } of batches) {
        assert.isAtMost(weight, budget)
        yield* session.execute(["BEGIN", ...statements.map(({ sql }) => sql)].join(";\n"))
        assert.isAtMost(yield* entriesHeld(session), weight)
        yield* session.execute("COMMIT")
      }
      assert.deepStrictEqual((yield* look(superuser)).objects, [])
    })
  )

  it.live("takes a role that may not alter some of the tables as it is", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* makeTarget(15, "schemaOwner")
      yield* query(url, "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int)")
      yield* query(
        url,
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; ALTER TABLE b ADD FOREIGN KEY (a) REFERENCES a"
      )
      assert.deepStrictEqual(
        (yield* look(url)).foreignKeys.map(({ droppable }) => droppable),
        [true, true]
      )
      const other = yield* makeRole(15)
      yield* query(admin, `ALTER TABLE b OWNER TO ${other.name}`)
      const { dependencies, foreignKeys, objects, weightOf } = yield* look(url)
      assert.deepStrictEqual(
        foreignKeys.map(({ drop, droppable }) => [drop, droppable]),
        [
          ['ALTER TABLE "public"."a" DROP CONSTRAINT "a_b_fkey"', true],
          ['ALTER TABLE "public"."b" DROP CONSTRAINT "b_a_fkey"', false]
        ]
      )
      assert.isTrue(
        objects.every(({ droppable }) => droppable),
        role.name
      )
      const batches = dropBatches(objects, dependencies, { budget: 1, foreignKeys, weightOf })
      for (const batch of batches) for (const { sql } of batch.statements) yield* query(url, sql)
      assert.deepStrictEqual(
        batches.map(({ statements }) => statements.length),
        [1, 1, 1]
      )
      assert.deepStrictEqual((yield* look(url)).objects, [])
    })
  )
})
