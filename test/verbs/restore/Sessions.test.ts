/** Tasks on one session are a chain, tasks on different ones run at the same time: seen on the server. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import * as Plan from "../../../src/pipeline/Plan.ts"
import * as Task from "../../../src/pipeline/Task.ts"
import { fromSqlError } from "../../../src/postgres/Sqlstate.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Clusters from "../../support/Clusters.ts"

/** A task that keeps its session busy, and gives when it began and ended by the server's clock, in seconds. */
const busy = <const Name extends string>(
  name: Name,
  session: string,
  { sql, savepoint, status }: Session.SessionService
) =>
  Task.make(name, {
    title: `Keep ${session} busy`,
    session,
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("sleep")],
        run: () => {
          const work = Effect.gen(function* () {
            const now = sql<{ at: number }>`SELECT extract(epoch FROM clock_timestamp())::float8 AS at`
            const [begun] = yield* now
            yield* sql`SELECT pg_sleep(0.2)`
            const [ended] = yield* now
            return { session, begun: begun!.at, ended: ended!.at }
          }).pipe(Effect.mapError(fromSqlError))
          return status() === "I" ? work : savepoint(name, work)
        }
      })
  })

describe("tasks without an edge between them", () => {
  it.live("overlap between sessions and never on one", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(18)
      const [source, target] = [yield* Session.open(url), yield* Session.open(url)]
      const { results } = yield* Pipeline.run(
        Pipeline.make("p", [
          busy("s1", "source", source),
          busy("t1", "target", target),
          busy("t2", "target", target),
          busy("s2", "source", source)
        ])
      )
      const all = Object.values(results)
      const overlaps = all.flatMap((one, index) =>
        all
          .slice(index + 1)
          .filter((other) => one.begun < other.ended && other.begun < one.ended)
          .map((other) => [one.session, other.session].toSorted().join(" and "))
      )
      assert.isTrue(overlaps.includes("source and target"))
      assert.isTrue(
        overlaps.every((pair) => pair === "source and target"),
        overlaps.join()
      )
    })
  )

  it.live("within one transaction have their savepoints one after the other", () =>
    Effect.gen(function* () {
      const session = yield* Session.open(yield* Clusters.makeDatabase(18))
      const inner = Pipeline.make("inner", [busy("a", "target", session), busy("b", "target", session)])
      const together = Pipeline.asTask("together", {
        title: "In one transaction",
        needs: [],
        pipeline: inner,
        around: (run) => session.transaction(run)
      })
      // It names no session itself and works on that of its parts: the task beside it waits.
      const pipeline = Pipeline.make("p", [together, busy("beside", "target", session)])
      const { results } = yield* Pipeline.run(pipeline)
      const { a, b } = results.together
      assert.isTrue(a.ended <= b.begun && b.ended <= results.beside.begun)
    })
  )
})
