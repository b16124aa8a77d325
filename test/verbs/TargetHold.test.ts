/** The lock of a target in apps that compose verbs: on one session, in a transaction, in pipelines of their own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as TargetLock from "../../src/postgres/TargetLock.ts"
import * as Clean from "../../src/verbs/Clean.ts"
import * as Grant from "../../src/verbs/Grant.ts"
import { hold } from "../../src/verbs/TargetHold.ts"
import * as Clusters from "../support/Clusters.ts"
import { backends, until } from "../support/Restores.ts"

const schemas = ["public"]

/** A target with one table, two sessions on it, and whether the second one could have the lock at this moment. */
const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* Clusters.query(target.url, "CREATE TABLE public.item AS SELECT 1 AS id")
  const session = yield* Session.open(target.url)
  const other = yield* Session.open(target.admin, { application: "another" })
  const isFree = Effect.scoped(Effect.map(TargetLock.take(other), ({ _tag }) => _tag === "Held"))
  return { ...target, session, other, isFree }
})

/** Does it on that session. */
const on =
  (session: Session.SessionService) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.provideService(Session.Session, session),
      Effect.provideService(SqlClient.SqlClient, session.sql)
    )

describe("on the session that has the lock", () => {
  it.live("verbs do not block themselves, and it is let go of as often as it was taken", () =>
    Effect.gen(function* () {
      const { isFree, role, session } = yield* prepare()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* hold({})
          yield* Clean.clean({ schemas })
          yield* Grant.grant({ roles: [role.name], profile: "all", schemas, wait: true })
          assert.isFalse(yield* isFree)
        })
      ).pipe(on(session))
      assert.isTrue(yield* isFree)
    })
  )

  it.live("it is the transaction's where one is open, until its commit or its end", () =>
    Effect.gen(function* () {
      const { isFree, session } = yield* prepare()
      yield* session
        .transaction(
          Effect.gen(function* () {
            yield* Clean.clean({ schemas })
            // Nobody else may plan on what is not committed.
            assert.isFalse(yield* isFree)
          })
        )
        .pipe(on(session))
      assert.isTrue(yield* isFree)

      const failed = yield* session
        .transaction(Effect.andThen(Clean.clean({ schemas }), session.execute("SELECT 1 / 0")))
        .pipe(on(session), Effect.flip)
      assert.strictEqual(failed._tag, "StatementFailed")
      assert.isTrue(yield* isFree)
    })
  )
})

describe("while another session has the lock", () => {
  it.live("a pipeline can be planned, and not be run: by itself, planned before, or as a task of another", () =>
    Effect.gen(function* () {
      const { other, session } = yield* prepare()
      const alone = Clean.pipeline({ schemas })
      const within = Pipeline.make("all", [
        Pipeline.asTask("within", { title: "Within", needs: [], pipeline: alone, around: (run) => run })
      ])
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* on(other)(hold({}))
          const planned = yield* Pipeline.plan(alone)
          assert.isAbove(planned.plan.tasks.length, 0)
          const runs = [
            Effect.asVoid(Pipeline.run(alone)),
            Effect.asVoid(planned.run),
            Effect.asVoid(Pipeline.run(within))
          ]
          for (const run of runs) {
            const busy = yield* Effect.flip(run)
            assert.strictEqual(busy._tag, "TargetBusy")
            if (busy._tag !== "TargetBusy") return
            assert.deepInclude(busy.holders[0], { pid: other.backend, application: "another" })
          }
        })
      ).pipe(on(session))
      yield* Pipeline.run(within).pipe(on(session))
    })
  )

  it.live("a wait that is interrupted leaves the session usable and without the lock", () =>
    Effect.gen(function* () {
      const { admin, isFree, other, session } = yield* prepare()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* on(other)(hold({}))
          const waiting = yield* Clean.clean({ schemas, wait: true }).pipe(on(session), Effect.forkChild)
          yield* until(backends(admin, "SELECT pg_catalog.pg_advisory_lock%"), (pids) => pids.length > 0, "5 seconds")
          yield* Fiber.interrupt(waiting)
        })
      )
      assert.isTrue(yield* isFree)
      yield* Clean.clean({ schemas }).pipe(on(session))
      assert.isTrue(yield* isFree)
    })
  )
})

describe("behind a pooler", () => {
  it.live("a session that was moved to another backend gets no lock, and leaves none there", () =>
    Effect.gen(function* () {
      const { isFree, session } = yield* prepare()
      const moved = { ...session, backend: session.backend + 1 }
      const error = yield* Effect.flip(Effect.scoped(hold({}).pipe(on(moved))))
      assert.strictEqual(error._tag, "PoolerInBetween")
      assert.isTrue(yield* isFree)
    })
  )
})

describe("of a run whose main connection is gone", () => {
  it.live("what is left keeps the next one waiting, and nobody else", () =>
    Effect.gen(function* () {
      const { other, session } = yield* prepare()
      yield* TargetLock.help(other)
      assert.lengthOf(yield* TargetLock.helpers(session), 1)
      const waiting = yield* Effect.forkScoped(Effect.scoped(hold({})).pipe(on(session)))
      yield* Effect.sleep("300 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* other.execute("SELECT pg_catalog.pg_advisory_unlock_all()")
      yield* Fiber.join(waiting)
    })
  )
})
