/** What tasks hold in a run: taken before anything is planned, given back when all has ended. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import { CurrentTask } from "../../src/pipeline/RunEvent.ts"
import * as RunReport from "../../src/pipeline/RunReport.ts"
import * as Task from "../../src/pipeline/Task.ts"

class Taken extends Schema.TaggedError<Taken>()("Taken", { message: Schema.String }) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", { message: Schema.String }) {}

/** Two tasks, the second of which holds something, and what happens to them. */
const make = (fails?: "hold" | "plan" | "run") => {
  const log: Array<string> = []
  const say = (text: string) => Effect.sync(() => void log.push(text))
  const broken = (when: string) => (fails === when ? Effect.fail(new Broken({ message: "no" })) : Effect.void)
  const task = <const Name extends string>(name: Name) =>
    Task.make(name, {
      title: name,
      plan: () =>
        Effect.gen(function* () {
          yield* say(`plan ${name}`)
          yield* broken("plan")
          const run = () => Effect.andThen(say(`run ${name}`), broken("run"))
          return { value: undefined, rows: [], run }
        })
    })
  const hold = Effect.gen(function* () {
    if (fails === "hold") return yield* new Taken({ message: "taken" })
    yield* Effect.acquireRelease(say(`take for ${yield* CurrentTask}`), () => say("give back"))
  })
  const tasks = [task("first"), Task.holding(task("second"), hold)]
  return { log, pipeline: Pipeline.make("p", tasks, []), tasks }
}

const taken = "take for second"

describe("what a task holds", () => {
  it.effect("is had from before the first plan to the end of the last run", () =>
    Effect.gen(function* () {
      const { log, pipeline } = make()
      yield* Pipeline.run(pipeline)
      assert.deepStrictEqual(log.slice(0, 3), [taken, "plan first", "plan second"])
      assert.sameMembers(log.slice(3, 5), ["run first", "run second"])
      assert.deepStrictEqual(log.slice(5), ["give back"])
    })
  )

  it.effect("is given back where planning or running fails", () =>
    Effect.gen(function* () {
      for (const fails of ["plan", "run"] as const) {
        const { log, pipeline } = make(fails)
        assert.strictEqual((yield* Effect.flip(Pipeline.run(pipeline)))._tag, "Broken")
        assert.deepStrictEqual([log[0], log.at(-1)], [taken, "give back"])
      }
    })
  )

  it.effect("is not had for a plan, and for the run of it", () =>
    Effect.gen(function* () {
      const { log, pipeline } = make()
      const planned = yield* Pipeline.plan(pipeline)
      assert.deepStrictEqual(log.splice(0), ["plan first", "plan second"])
      yield* planned.run
      assert.deepStrictEqual([log[0], log.at(-1)], [taken, "give back"])
    })
  )

  it.effect("is had for a kept plan, before it is compared", () =>
    Effect.gen(function* () {
      const { plan } = yield* Pipeline.plan(make().pipeline)
      const { log, pipeline } = make()
      yield* Pipeline.runExactly(pipeline, plan)
      assert.deepStrictEqual([log[0], log.at(-1)], [taken, "give back"])
    })
  )

  it.effect("is what a pipeline with that task within holds, and not one where the task is left out", () =>
    Effect.gen(function* () {
      const inner = make()
      const within = Pipeline.asTask("within", {
        title: "within",
        needs: [],
        pipeline: inner.pipeline,
        around: (run) => run
      })
      yield* Pipeline.run(Pipeline.make("outer", [within]))
      assert.deepStrictEqual([inner.log[0], inner.log.at(-1)], ["take for within", "give back"])
      const { log, tasks } = make()
      yield* Pipeline.run(Pipeline.make("p", [Task.when(false, tasks[1]!)]))
      assert.deepStrictEqual(log, [])
    })
  )

  it.effect("keeps every task from beginning where it is not to be had", () =>
    Effect.gen(function* () {
      const { log, pipeline } = make("hold")
      const { exit, report } = yield* RunReport.observe(Pipeline.run(pipeline))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(log, [])
      assert.deepStrictEqual(
        report.tasks.map(({ status, task }) => [task, status]),
        [
          ["second", "failed"],
          ["first", "skipped"]
        ]
      )
    })
  )

  it.effect("tells of no task twice where the run of a plan does not get it", () =>
    Effect.gen(function* () {
      const { pipeline } = make("hold")
      const { report } = yield* RunReport.observe(Effect.flatMap(Pipeline.plan(pipeline), ({ run }) => run))
      assert.deepStrictEqual(
        report.tasks.map(({ status, task }) => [task, status]),
        [
          ["first", "skipped"],
          ["second", "skipped"]
        ]
      )
    })
  )

  it.effect("has a scope of its own: what a task acquires stays with whoever runs the pipeline", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (text: string) => Effect.sync(() => void log.push(text))
      const task = Task.make("task", {
        title: "",
        plan: () =>
          Effect.succeed({
            value: undefined,
            rows: [],
            run: () => Effect.acquireRelease(say("open"), () => say("close"))
          })
      })
      const holding = Task.holding(
        task,
        Effect.acquireRelease(say("take"), () => say("give back"))
      )
      yield* Effect.scoped(Effect.andThen(Pipeline.run(Pipeline.make("p", [holding])), say("use")))
      assert.deepStrictEqual(log, ["take", "open", "give back", "use", "close"])
    })
  )
})
