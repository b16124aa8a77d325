import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { dirname } from "node:path"
import { expectTypeOf } from "vitest"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import * as Plan from "../../../src/pipeline/Plan.ts"
import * as Task from "../../../src/pipeline/Task.ts"
import { quote } from "../../../src/postgres/Identifier.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { ofRun } from "../../support/Tier.ts"

class Unwilling extends Schema.TaggedError<Unwilling>()("Unwilling", { message: Schema.String }) {}

/** A task that does `body` over the `SqlClient` it is given. */
const own = <const Name extends string, A, E, R = never>(
  name: Name,
  body: (sql: SqlClient.SqlClient) => Effect.Effect<A, E, R>,
  after: ReadonlyArray<string> = []
) =>
  Task.make(name, {
    title: `Do ${name}`,
    after,
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row(`do ${name}`)],
        run: () => Effect.flatMap(SqlClient.SqlClient, body)
      })
  })

const settingNames = ["search_path", "statement_timeout", "row_security", "lock_timeout", "role"] as const

const settings = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<{ readonly setting: string }>`
      SELECT current_setting(name) AS setting FROM unnest(${[...settingNames]}::text[]) AS name`,
    (rows) => rows.map(({ setting }) => setting)
  )

/** A dump of the sample, and the same database with rows that the dump has not. Every test leaves it restored, or so. */
class Refreshed extends Context.Service<Refreshed, Clusters.Target & { readonly file: string }>()("test/Refreshed") {
  static readonly layer = Layer.effect(
    Refreshed,
    Effect.suspend(() => Effect.orDie(refreshed))
  )
}

const refreshed = Effect.gen(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* Restores.fillJournal(target.url)
  const directory = yield* Restores.folder
  const { file } = yield* Restores.dump(target.url, directory)
  yield* Clusters.query(target.url, `UPDATE public."User" SET email = 'of the target ' || id`)
  return Refreshed.of({ ...target, file })
})

const restore = <const T extends Task.Any>(
  { url, file }: { readonly url: Clusters.Target["url"]; readonly file: string },
  tasks: ReadonlyArray<T>
) =>
  Restore.restore({ file, clean: true, analyze: false, tasks }).pipe(
    Effect.provide(Restores.restoreLayer(url, dirname(file)))
  )

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

layer(Refreshed.layer, { excludeTestServices: true })("the caller's tasks in a restore", (it) => {
  it.effect(
    "see the restored rows in the role's settings, give their results, and pgark's settings are back after",
    () =>
      Effect.gen(function* () {
        const target = yield* Refreshed
        yield* Clusters.query(
          target.admin,
          `ALTER ROLE ${quote(target.role.name)} SET statement_timeout = '77s';
         ALTER ROLE ${quote(target.role.name)} SET search_path = "$user", public, pg_temp`
        )
        const before = own("settings", settings)
        const addresses = own(
          "addresses",
          (sql) => sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM "User" WHERE email LIKE '%@example.org'`
        )
        const mask = own("mask", (sql) => sql`UPDATE "User" SET email = id || '@staging.invalid'`, ["addresses"])
        const after = yield* Effect.gen(function* () {
          const { tasks } = yield* Restore.restore({ file: target.file, clean: true, tasks: [mask, addresses, before] })
          expectTypeOf(tasks.addresses).toEqualTypeOf<ReadonlyArray<{ readonly n: number }>>()
          assert.deepStrictEqual(tasks.addresses, [{ n: 3 }])
          assert.deepStrictEqual(tasks.settings, ['"$user", public, pg_temp', "77s", "on", "0", "none"])
          return yield* settings((yield* Session).sql)
        }).pipe(Effect.provide(Restores.restoreLayer(target.url, dirname(target.file))))
        assert.deepStrictEqual(after, ["pg_catalog", "0", "off", "0", "none"])
        const left = yield* Clusters.query(
          target.admin,
          `SELECT FROM public."User" WHERE email NOT LIKE '%@staging.invalid'`
        )
        assert.lengthOf(left, 0)
      })
  )

  it.effect("take all back with them when one fails, with its own error", () =>
    Effect.gen(function* () {
      const target = yield* Refreshed
      const unwilling = own("unwilling", () => Effect.fail(new Unwilling({ message: "no" })))
      const mask = own("mask", (sql) => sql`UPDATE "User" SET email = id || '@staging.invalid'`)
      const error = yield* Restores.unchanged(target.admin, failure(restore(target, [mask, unwilling])))
      expectTypeOf(error).toEqualTypeOf<Restore.RestoreError | Unwilling | SqlError>()
      assert.strictEqual(error._tag, "Unwilling")
    })
  )

  it.effect("have savepoints for transactions", () =>
    Effect.gen(function* () {
      const target = yield* Refreshed
      const nested = own("nested", (sql) =>
        Effect.gen(function* () {
          yield* sql`UPDATE "User" SET email = id || '@kept'`.pipe(sql.withTransaction)
          const undone = sql`UPDATE "User" SET email = id || '@undone'`.pipe(
            Effect.andThen(sql`SELECT 1 / 0`),
            sql.withTransaction
          )
          yield* Effect.exit(undone.pipe(sql.withTransaction))
        })
      )
      const failing = own("failing", () => Effect.fail(new Unwilling({ message: "no" })))
      yield* Restores.unchanged(target.admin, failure(restore(target, [nested, failing])))
      yield* restore(target, [nested])
      const addresses = yield* Clusters.query(
        target.admin,
        `SELECT DISTINCT substr(email, strpos(email, '@')) AS at FROM public."User"`
      )
      assert.deepStrictEqual(addresses, [{ at: "@kept" }])
    })
  )

  it.effect("are told when they end the transaction, and that the target's state is not known", () =>
    Effect.gen(function* () {
      const target = yield* Refreshed
      for (const statements of ofRun(["COMMIT", "COMMIT; BEGIN"], ["COMMIT; BEGIN"])) {
        const commit = own("commit", () => Effect.flatMap(Session, (session) => session.execute(statements)))
        const failing = own("failing", () => Effect.fail(new Unwilling({ message: "no" })), ["commit"])
        for (const tasks of [[commit], [commit, failing]]) {
          const error = yield* failure(restore(target, tasks))
          assert.include(error.message, "has ended the transaction")
          assert.deepInclude(error, { _tag: "StatementFailed", state: "unknown" })
        }
      }
    })
  )

  it.effect("may not go on after a failed statement, nor leave a deferred constraint broken", () =>
    Effect.gen(function* () {
      const target = yield* Refreshed
      const goesOn = own("goes on", (sql) => Effect.exit(sql`SELECT FROM nowhere`))
      const error = yield* Restores.unchanged(target.admin, failure(restore(target, [goesOn])))
      assert.deepInclude(error, { _tag: "StatementFailed", state: "rolled-back" })
      assert.include(error.message, "went on after one of its statements had failed")
      const breaks = own("breaks", (sql) =>
        Effect.andThen(
          sql`CREATE TABLE child (parent text REFERENCES "User" DEFERRABLE INITIALLY DEFERRED)`,
          sql`SET CONSTRAINTS ALL DEFERRED`.pipe(Effect.andThen(sql`INSERT INTO child VALUES ('nobody')`))
        )
      )
      const broken = yield* Restores.unchanged(target.admin, failure(restore(target, [breaks])))
      assert.deepInclude(broken, { _tag: "StatementFailed", sqlstate: "23503", state: "rolled-back" })
    })
  )

  it.effect(
    "stand in the plan behind the verification, within the transaction, on the session target, and read there",
    () =>
      Effect.gen(function* () {
        const target = yield* Refreshed
        const looks = Task.read("looks", {
          title: "Look at the users",
          session: "another",
          plan: () =>
            Effect.flatMap(
              SqlClient.SqlClient,
              (sql) => sql<{ readonly n: number }>`SELECT count(*)::int AS n FROM "User"`
            ),
          rows: ([counted]) => [Plan.row(`look at ${counted?.n} users`)]
        })
        const mask = Task.make("mask", {
          title: "Mask",
          needs: { looks },
          plan: ({ looks: [counted] }) =>
            Effect.succeed({
              value: undefined,
              rows: [Plan.row(`mask ${counted?.n} addresses`, { sql: "UPDATE" })],
              run: () => Effect.void
            })
        })
        const before = yield* snapshot(target.admin)
        const { plan } = yield* Pipeline.plan(
          Restore.pipeline({ file: target.file, clean: true, tasks: [mask, looks] })
        ).pipe(Effect.provide(Restores.restoreLayer(target.url, dirname(target.file))))
        assert.strictEqual(yield* snapshot(target.admin), before)
        assert.deepStrictEqual(
          plan.tasks.map(({ name, within, session }) => [name, within, session]),
          [
            ["prove", undefined, undefined],
            ["survey", undefined, "target"],
            ["transaction", undefined, "target"],
            ["lock", "transaction", "target"],
            ["backup", "transaction", "target"],
            ["clean", "transaction", "target"],
            ["apply", "transaction", "target"],
            ["verify", "transaction", "target"],
            ["tasks", "transaction", "target"],
            ["looks", "tasks", "target"],
            ["mask", "tasks", "target"],
            ["analyze", undefined, "target"]
          ]
        )
        assert.deepStrictEqual(
          plan.tasks.filter(({ within }) => within === "tasks").flatMap(({ rows }) => rows.map(({ what }) => what)),
          ["look at 3 users", "mask 3 addresses"]
        )
        assert.include([...(plan.tasks.find(({ name }) => name === "tasks")?.needs ?? [])], "verify")
      })
  )

  it.effect("may not have the name of one of the restore's", () =>
    Effect.gen(function* () {
      const target = yield* Refreshed
      const exit = yield* Effect.exit(restore(target, [own("apply", () => Effect.void)]))
      assert.isTrue(
        Exit.isFailure(exit) && String(exit.cause).includes('A task of the restore itself is named "apply"')
      )
    })
  )
})
