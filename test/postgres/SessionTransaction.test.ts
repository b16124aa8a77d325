/** The session's transaction and `sql.withTransaction` know of each other: the inner one is a savepoint. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import { backends, until } from "../support/Restores.ts"

const fresh = Effect.gen(function* () {
  const admin = yield* Clusters.makeDatabase(18)
  yield* Clusters.query(admin, "CREATE TABLE t (id int PRIMARY KEY)")
  const session = yield* Session.open(admin)
  const insert = (id: number) => session.sql`INSERT INTO public.t VALUES (${id})`
  /** The rows that others see. */
  const seen = Effect.map(Clusters.query<{ id: number }>(admin, "SELECT id FROM t ORDER BY id"), (rows) =>
    rows.map(({ id }) => id)
  )
  const open =
    (way: Way) =>
    <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError | SqlError, R> =>
      way === "transaction" ? session.transaction(body) : session.sql.withTransaction(body)
  return { admin, insert, open, seen, ...session }
})

type Way = "transaction" | "sql.withTransaction"

/** The two ways to open a transaction, on the outside and inside. */
const ways: ReadonlyArray<readonly [Way, Way]> = [
  ["transaction", "sql.withTransaction"],
  ["sql.withTransaction", "transaction"],
  ["transaction", "transaction"],
  ["sql.withTransaction", "sql.withTransaction"]
]

describe("a transaction within a transaction", () => {
  for (const [outside, inside] of ways) {
    it.live(`${inside} within ${outside} commits nothing by itself`, () =>
      Effect.gen(function* () {
        const { insert, open, seen, status } = yield* fresh
        const failed = yield* Effect.exit(
          open(outside)(
            Effect.gen(function* () {
              yield* open(inside)(insert(1))
              assert.deepStrictEqual(yield* seen, [])
              assert.strictEqual(status(), "T")
              return yield* Effect.fail("after the inner one")
            })
          )
        )
        assert.deepStrictEqual(failed, Exit.fail("after the inner one"))
        assert.deepStrictEqual(yield* seen, [])
        yield* open(outside)(open(inside)(open(inside)(insert(2))))
        assert.deepStrictEqual(yield* seen, [2])
      })
    )

    it.live(`${inside} within ${outside} takes back only its own when it fails`, () =>
      Effect.gen(function* () {
        const { insert, open, seen, status } = yield* fresh
        yield* open(outside)(
          Effect.gen(function* () {
            yield* insert(1)
            yield* Effect.flip(open(inside)(Effect.andThen(insert(2), insert(1))))
            assert.strictEqual(status(), "T")
            yield* insert(3)
          })
        )
        assert.deepStrictEqual(yield* seen, [1, 3])
        assert.strictEqual(status(), "I")
      })
    )
  }

  it.live("goes together with savepoints by name", () =>
    Effect.gen(function* () {
      const { execute, insert, savepoint, seen, sql, transaction } = yield* fresh
      yield* transaction(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* insert(1)
            yield* Effect.flip(savepoint("attempt", Effect.andThen(insert(2), execute("SELECT 1 / 0"))))
            yield* savepoint("attempt", sql.withTransaction(insert(3)))
            yield* Effect.flip(savepoint("attempt", Effect.andThen(sql.withTransaction(insert(4)), Effect.fail("no"))))
          })
        )
      )
      assert.deepStrictEqual(yield* seen, [1, 3])
    })
  )

  it.live("a transaction that the body has broken unnoticed is not committed", () =>
    Effect.gen(function* () {
      const { execute, insert, seen, sql, transaction } = yield* fresh
      const error = yield* Effect.flip(
        transaction(Effect.andThen(insert(1), sql.withTransaction(Effect.ignore(execute("SELECT 1 / 0")))))
      )
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
      assert.deepStrictEqual(yield* seen, [])
    })
  )

  it.live("what waits for the commit waits for that of the outer one", () =>
    Effect.gen(function* () {
      const { insert, seen, sql, transaction } = yield* fresh
      const found: Array<ReadonlyArray<number>> = []
      const look = sql.afterCommit(Effect.orDie(Effect.map(seen, (rows) => void found.push(rows))))
      yield* transaction(Effect.andThen(sql.withTransaction(Effect.andThen(insert(1), look)), insert(2)))
      assert.deepStrictEqual(found, [[1, 2]])
      yield* Effect.flip(transaction(Effect.andThen(sql.withTransaction(look), Effect.fail("no"))))
      assert.strictEqual(found.length, 1)
    })
  )

  it.live("tells of each that it has begun when it has, and that it was committed behind the outer COMMIT", () =>
    Effect.gen(function* () {
      const { insert, seen, transaction } = yield* fresh
      const told: Array<unknown> = []
      const telling = (name: string) => ({
        begun: Effect.sync(() => void told.push(`${name} begun`)),
        committed: Effect.orDie(Effect.map(seen, (rows) => void told.push([`${name} committed`, ...rows])))
      })
      const inner = transaction(insert(1), { ...telling("inner"), lockTimeout: "1 second" })
      yield* transaction(Effect.andThen(inner, insert(2)), telling("outer"))
      assert.deepStrictEqual(told.splice(0), [
        "outer begun",
        "inner begun",
        ["inner committed", 1, 2],
        ["outer committed", 1, 2]
      ])
      const failing = Effect.andThen(transaction(insert(3), telling("inner")), Effect.fail("no"))
      yield* Effect.flip(transaction(failing, telling("outer")))
      assert.deepStrictEqual(told, ["outer begun", "inner begun"])
    })
  )

  it.live("of a COMMIT that was under way when somebody interrupted everybody hears", () =>
    Effect.gen(function* () {
      const { admin, insert, seen, sql, transaction } = yield* fresh
      yield* Clusters.query(
        admin,
        `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION slow()`
      )
      let heard = false
      const body = Effect.andThen(insert(1), sql.afterCommit(Effect.sync(() => void (heard = true))))
      const fiber = yield* Effect.forkChild(transaction(body))
      yield* until(backends(admin, "COMMIT%"), (pids) => pids.length === 1, "2 seconds")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      assert.deepStrictEqual(yield* seen, [1])
      assert.isTrue(heard)
    })
  )

  it.live("a connection lost within it is an error and no defect", () =>
    Effect.gen(function* () {
      const { admin, insert, seen, sql, transaction } = yield* fresh
      const lose = Effect.gen(function* () {
        const [row] = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
        yield* Clusters.query(admin, "SELECT pg_terminate_backend($1)", [row!.pid])
      })
      const inner = yield* Effect.exit(transaction(sql.withTransaction(Effect.andThen(lose, insert(1)))))
      assert.isTrue(Exit.isFailure(inner) && inner.cause.reasons.every(({ _tag }) => _tag === "Fail"), String(inner))
      assert.deepStrictEqual(yield* seen, [])
    })
  )

  it.live("the session's own begins as it says, the other as it is told", () =>
    Effect.gen(function* () {
      const { sql, transaction } = yield* fresh
      const isolation = Effect.map(
        sql<{ level: string }>`SELECT current_setting('transaction_isolation') AS level`,
        ([row]) => row!.level
      )
      const told = Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE")
      assert.strictEqual(yield* told(transaction(isolation)), "read committed")
      assert.strictEqual(yield* told(sql.withTransaction(isolation)), "serializable")
      assert.strictEqual(yield* sql.withTransaction(isolation), "read committed")
    })
  )
})

describe("a COPY that is interrupted", () => {
  it.live("before the server has asked for its data ends at once", () =>
    Effect.gen(function* () {
      const { admin, copyIn, execute, seen } = yield* fresh
      const other = yield* Session.open(admin)
      const copy = copyIn(Buffer.from("COPY public.t FROM STDIN"), {}, (write) => write(Buffer.from("1\n")))
      yield* other.transaction(
        Effect.gen(function* () {
          yield* other.execute("LOCK TABLE public.t")
          const fiber = yield* Effect.forkChild(copy)
          yield* until(backends(admin, "COPY %"), (pids) => pids.length === 1, "2 seconds")
          yield* Effect.timeout(Fiber.interrupt(fiber), "3 seconds")
        })
      )
      assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
      assert.deepStrictEqual(yield* seen, [])
    })
  )

  it.live("at any moment leaves a session that goes on", () =>
    Effect.gen(function* () {
      const { copyIn, execute, seen, transaction } = yield* fresh
      const copy = copyIn(Buffer.from("COPY public.t FROM STDIN"), {}, (write) => write(Buffer.from("1\n2\n")))
      for (let turns = 0; turns < 40; turns++) {
        const fiber = yield* Effect.forkChild(transaction(Effect.andThen(copy, Effect.fail("enough"))))
        yield* Effect.repeat(
          Effect.promise(() => new Promise((resume) => setImmediate(resume))),
          { times: turns }
        )
        yield* Effect.timeout(Fiber.interrupt(fiber), "3 seconds")
      }
      assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
      assert.deepStrictEqual(yield* seen, [])
    })
  )
})
