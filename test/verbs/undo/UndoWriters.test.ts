/** The wrong dump is restored while an app writes: undo brings back the last row that was committed. */
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Client } from "pg"
import * as Connecting from "../../../src/postgres/Connecting.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import * as Undoing from "../../support/Undoing.ts"
import { ofRun } from "../../support/Tier.ts"

const schema = `
  CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
  CREATE TABLE entry (id bigserial PRIMARY KEY, writer int NOT NULL, n int NOT NULL, text text,
    account int REFERENCES account, UNIQUE (writer, n));
  INSERT INTO account SELECT i, 0 FROM generate_series(0, 9) i`

/** An app's connection that commits one transaction after the other until it is refused. */
const write = async (url: DatabaseUrl, writer: number, committed: Set<string>) => {
  const client = new Client(Connecting.toPgConfig(url, false))
  // The server ends it at the end of the test at the latest.
  client.on("error", () => undefined)
  await client.connect()
  for (let n = 1; ; n++) {
    try {
      await client.query("BEGIN")
      await client.query("INSERT INTO entry (writer, n, text, account) VALUES ($1, $2, repeat('x', $2), $2 % 10)", [
        writer,
        n
      ])
      await client.query("UPDATE account SET balance = balance + 1 WHERE id = $1 % 10", [n])
      await client.query("COMMIT")
      committed.add(`${writer}:${n}`)
    } catch (error) {
      await client.end()
      return error
    }
  }
}

/** What the tables hold, as far as it can be told from what the writers know. */
const held = (admin: DatabaseUrl) =>
  Effect.map(
    Clusters.query<{ entries: ReadonlyArray<string>; balance: number }>(
      admin,
      `SELECT (SELECT coalesce(array_agg(writer || ':' || n), '{}') FROM entry WHERE text = repeat('x', n)) AS entries,
         (SELECT sum(balance)::int FROM account) AS balance`
    ),
    ([row]) => ({ entries: new Set(row?.entries), balance: row?.balance })
  )

describe("the wrong dump, restored over an app at work", () => {
  for (const clean of ofRun([true, false], [true])) {
    it.live(`${clean ? "--clean" : "by its own DROPs"}: undo brings back the last row that was committed`, () =>
      Effect.gen(function* () {
        const from = yield* Clusters.makeDatabase(Clusters.sourceMajor)
        // Writers of the app meet no table that they could write to.
        yield* Clusters.query(from, "CREATE TABLE account (wrong text); CREATE TABLE entry (wrong text)")
        const { file } = yield* Restores.dump(from, yield* Restores.folder)
        const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
        yield* Clusters.query(url, schema)

        const committed = new Set<string>()
        const writers = [1, 2, 3].map((writer) => write(url, writer, committed))
        yield* Restores.until(
          Effect.sync(() => committed.size),
          (size) => size > 50,
          "20 seconds"
        )
        const { backup } = yield* Undoing.restore(url, file, { clean, lockTimeout: "10 seconds" })
        assert.isDefined(backup)
        for (const error of yield* Effect.promise(() => Promise.all(writers))) assert.instanceOf(error, Error)

        yield* Undoing.undo(url, dirname(file))
        const { balance, entries } = yield* held(admin)
        // Not one that was confirmed is missing, and none is there that was not.
        assert.deepStrictEqual([...entries].toSorted(), [...committed].toSorted())
        assert.strictEqual(balance, committed.size)
        // And the app goes on where it was, by the sequence too.
        yield* Clusters.query(url, "INSERT INTO entry (writer, n, account) VALUES (4, 1, 1)")
      })
    )
  }
})

describe("a writer that takes the tables in another order", () => {
  it.live("has a restore take its locks again, and is not lost", () =>
    Effect.gen(function* () {
      const from = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(from, "CREATE TABLE account (wrong text); CREATE TABLE entry (wrong text)")
      const { file } = yield* Restores.dump(from, yield* Restores.folder)
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE account (id int); CREATE TABLE entry (id int)")
      const client = new Client(Connecting.toPgConfig(url, false))
      yield* Effect.promise(() => client.connect())
      yield* Effect.addFinalizer(() => Effect.promise(() => client.end()))
      yield* Effect.promise(() => client.query("BEGIN; INSERT INTO entry VALUES (1)"))
      const restoring = yield* Effect.forkChild(Undoing.restore(url, file, { clean: true }))
      // The restore has the one table by then, and waits for the other; it is the first that the server finds waiting.
      yield* Restores.until(
        Clusters.query(admin, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'entry'::regclass"),
        (waiting) => waiting.length > 0,
        "20 seconds"
      )
      yield* Effect.promise(() => client.query("INSERT INTO account VALUES (1); COMMIT"))
      yield* Fiber.join(restoring)
      yield* Undoing.undo(url, dirname(file))
      const rows = yield* Clusters.query(admin, "SELECT id FROM account UNION ALL SELECT id FROM entry")
      assert.deepStrictEqual(rows, [{ id: 1 }, { id: 1 }])
    })
  )
})
