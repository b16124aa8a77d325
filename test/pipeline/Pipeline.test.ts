import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import { Confirmation } from "../../src/pipeline/Confirmation.ts"
import * as Basis from "../../src/pipeline/Basis.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import * as Plan from "../../src/pipeline/Plan.ts"
import { note, progress, type RunEvent, RunEvents } from "../../src/pipeline/RunEvent.ts"
import * as Task from "../../src/pipeline/Task.ts"

class First extends Schema.TaggedError<First>()("First", { message: Schema.String }) {}
class Second extends Schema.TaggedError<Second>()("Second", { message: Schema.String }) {}
class Ledger extends Context.Service<Ledger, Ref.Ref<ReadonlyArray<string>>>()("test/Ledger") {}
class Clock extends Context.Service<Clock, string>()("test/Clock") {}

const write = (line: string) => Effect.flatMap(Ledger, (ledger) => Ref.update(ledger, (lines) => [...lines, line]))
const written = Effect.flatMap(Ledger, Ref.get)
const withLedger = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideServiceEffect(effect, Ledger, Ref.make<ReadonlyArray<string>>([]))

/** A task that writes its name when it begins and when it ends, and does something in between. */
const step = <const Name extends string, E = never, R = never>(
  name: Name,
  options: {
    readonly session?: string
    readonly after?: ReadonlyArray<string>
    readonly body?: Effect.Effect<void, E, R>
  } = {}
) =>
  Task.make(name, {
    title: `Do ${name}`,
    ...(options.session === undefined ? {} : { session: options.session }),
    ...(options.after === undefined ? {} : { after: options.after }),
    plan: () =>
      Effect.succeed({
        value: name,
        rows: [Plan.row(`do ${name}`)],
        run: () =>
          Effect.gen(function* () {
            yield* write(`${name} begins`)
            yield* options.body ?? Effect.void
            yield* write(`${name} ends`)
            return name
          })
      })
  })

const run = <T extends Task.Any>(pipeline: Pipeline.Pipeline<T>) =>
  Effect.flatMap(Pipeline.plan(pipeline), (planned) => planned.run)

const problem = (build: () => unknown): string => {
  try {
    build()
  } catch (error) {
    if (error instanceof Pipeline.PipelineInvalid) return error.message
    throw error
  }
  return assert.fail("the pipeline was built")
}

describe("building", () => {
  it("orders tasks by what they need, and keeps the given order otherwise", () => {
    const { tasks } = Pipeline.make("p", [
      step("d", { after: ["b"] }),
      step("c"),
      step("b", { after: ["a"] }),
      step("a")
    ])
    assert.deepStrictEqual(
      tasks.map(({ name }) => name),
      ["c", "a", "b", "d"]
    )
  })

  it("names the circle, the missing need and the duplicate", () => {
    const circle = problem(() =>
      Pipeline.make("p", [step("a", { after: ["c"] }), step("b", { after: ["a"] }), step("c", { after: ["b"] })])
    )
    assert.match(circle, /^Pipeline "p": its tasks need each other in a circle: .+ -> .+/)
    for (const name of ["a", "b", "c"]) assert.include(circle.slice(circle.indexOf("circle:")), name)
    assert.strictEqual(
      problem(() => Pipeline.make("p", [step("a", { after: ["ghost"] })])),
      'Pipeline "p": task "a" needs "ghost", which is not in it.'
    )
    assert.strictEqual(
      problem(() => Pipeline.make("p", [step("a"), step("a")])),
      'Pipeline "p": two tasks are named "a".'
    )
    assert.include(
      problem(() => Pipeline.make("p", [step("a", { after: ["a"] })])),
      "circle"
    )
    Pipeline.make("p", [step("a", { after: ["outer"] })], ["outer"])
  })

  it("chains the tasks of one session", () => {
    const { waits } = Pipeline.make("p", [
      step("a", { session: "target" }),
      step("x", { session: "source" }),
      step("b", { session: "target" }),
      step("c", { session: "target", after: ["b", "x"] })
    ])
    assert.deepStrictEqual(
      [...waits],
      [
        ["a", []],
        ["x", []],
        ["b", ["a"]],
        ["c", ["b", "x"]]
      ]
    )
  })
})

describe("planning", () => {
  it.effect("changes nothing, hands on what is known, and gives rows and needs as data", () =>
    Effect.gen(function* () {
      const survey = Task.read("survey", {
        title: "Survey",
        session: "target",
        plan: () => Effect.as(write("surveyed"), { tables: 3 }),
        rows: ({ tables }) => [Plan.row(`found ${tables} tables`)]
      })
      const clean = Task.make("clean", {
        title: "Clean",
        session: "target",
        needs: { survey },
        plan: ({ survey }) =>
          Effect.succeed({
            value: undefined,
            rows: [Plan.row(`drop ${survey.tables} tables`, { destroys: true, sql: "DROP TABLE …" })],
            run: (results: { readonly survey: { readonly tables: number } }) =>
              Effect.as(write(`dropped ${results.survey.tables}`), results.survey.tables)
          })
      })
      const planned = yield* Pipeline.plan(Pipeline.make("p", [clean, survey]))
      assert.deepStrictEqual(yield* written, ["surveyed"])
      assert.deepStrictEqual(planned.plan, {
        pipeline: "p",
        scope: [],
        tasks: [
          {
            name: "survey",
            title: "Survey",
            needs: [],
            session: "target",
            rows: [{ what: "found 3 tables", destroys: false }]
          },
          {
            name: "clean",
            title: "Clean",
            needs: ["survey"],
            session: "target",
            rows: [{ what: "drop 3 tables", destroys: true, sql: "DROP TABLE …" }]
          }
        ],
        basis: {},
        digest: Basis.digest({})
      })
      assert.deepStrictEqual(
        Plan.destructive(planned.plan).map(({ what }) => what),
        ["drop 3 tables"]
      )
      assert.deepStrictEqual(yield* Schema.decodeEffect(Plan.Plan)(planned.plan), planned.plan)

      const results = yield* planned.run
      assert.deepStrictEqual(results, { survey: { tables: 3 }, clean: 3 })
      // The run does not survey again: what was planned is what is done.
      assert.deepStrictEqual(yield* written, ["surveyed", "dropped 3"])
    }).pipe(withLedger)
  )

  it.effect("a task that cannot be planned stops the plan", () =>
    Effect.gen(function* () {
      const refuses = Task.read("refuses", { title: "", plan: () => Effect.fail(new First({ message: "no" })) })
      const error = yield* Effect.flip(Pipeline.plan(Pipeline.make("p", [step("a"), refuses])))
      assert.strictEqual(error._tag, "First")
      assert.deepStrictEqual(yield* written, [])
    }).pipe(withLedger)
  )
})

describe("running", () => {
  it.effect("runs each task after its needs", () =>
    Effect.gen(function* () {
      const results = yield* run(
        Pipeline.make("p", [step("c", { after: ["a", "b"] }), step("b", { after: ["a"] }), step("a")])
      )
      assert.deepStrictEqual(results, { a: "a", b: "b", c: "c" })
      assert.deepStrictEqual(yield* written, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"])
    }).pipe(withLedger)
  )

  it.effect("two tasks on one session never overlap, with no edge between them", () =>
    Effect.gen(function* () {
      const body = Effect.yieldNow.pipe(Effect.repeat({ times: 20 }), Effect.asVoid)
      yield* run(
        Pipeline.make(
          "p",
          ["a", "b", "c"].map((name) => step(name, { session: "target", body }))
        )
      )
      assert.deepStrictEqual(yield* written, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"])
    }).pipe(withLedger)
  )

  it.effect("independent tasks run at the same time", () =>
    Effect.gen(function* () {
      const [left, right] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      // Each waits for the other: one after the other this would never end.
      const meet = (mine: Deferred.Deferred<void>, other: Deferred.Deferred<void>) =>
        Effect.andThen(Deferred.succeed(mine, undefined), Deferred.await(other))
      yield* run(
        Pipeline.make("p", [
          step("left", { session: "source", body: meet(left, right) }),
          step("right", { session: "target", body: meet(right, left) })
        ])
      )
    }).pipe(withLedger)
  )

  it.effect("a failure interrupts the others, waits for their finalizers, and begins nothing more", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const slow = step("slow", {
        body: Deferred.succeed(begun, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, write("slow cleaned up")))
        )
      })
      const fails = step("fails", {
        body: Effect.andThen(Deferred.await(begun), new First({ message: "no" }))
      })
      const exit = yield* Effect.exit(run(Pipeline.make("p", [slow, fails, step("later", { after: ["fails"] })])))
      if (!Exit.isFailure(exit)) return assert.fail("it succeeded")
      const error = Cause.squash(exit.cause)
      assert.instanceOf(error, First)
      assert.deepStrictEqual(yield* written, ["slow begins", "fails begins", "slow cleaned up"])
    }).pipe(withLedger)
  )

  it.effect("interrupting a run interrupts its tasks and waits for them", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const body = Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => write("cleaned up"))
      )
      const fiber = yield* Effect.forkChild(run(Pipeline.make("p", [step("a", { body })])))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* written, ["a begins", "cleaned up"])
    }).pipe(withLedger)
  )

  it.effect("tells what happens", () =>
    Effect.gen(function* () {
      const events: Array<RunEvent> = []
      const chatty = step("chatty", {
        body: Effect.andThen(note("skipped one"), progress({ what: "copied", rows: { done: 5, total: 10 }, parts: [] }))
      })
      const fails = step("fails", { after: ["chatty"], body: Effect.fail(new First({ message: "no right" })) })
      yield* Effect.exit(run(Pipeline.make("p", [chatty, fails]))).pipe(
        Effect.provideService(RunEvents, (event) => Effect.sync(() => void events.push(event)))
      )
      assert.deepStrictEqual(
        events.map((event) => ({ ...event })),
        [
          { _tag: "TaskStarted", task: "chatty", title: "Do chatty" },
          { _tag: "TaskNote", task: "chatty", note: "skipped one" },
          { _tag: "TaskProgress", task: "chatty", what: "copied", rows: { done: 5, total: 10 }, parts: [] },
          { _tag: "TaskFinished", task: "chatty", title: "Do chatty", milliseconds: 0 },
          { _tag: "TaskStarted", task: "fails", title: "Do fails" },
          { _tag: "TaskFailed", task: "fails", title: "Do fails", milliseconds: 0, message: "no right" }
        ]
      )
    }).pipe(withLedger)
  )
})

describe("what destroys", () => {
  const drop = Task.make("drop", {
    title: "Drop",
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("drop 18 tables", { destroys: true })],
        run: () => write("dropped")
      })
  })
  const asked: Array<string> = []
  const confirm = (answer: Effect.Effect<void>) => (plan: Plan.Plan) =>
    Effect.andThen(
      Effect.sync(() => void asked.push(plan.pipeline)),
      answer
    )

  it.effect("is confirmed before anything runs, and only then", () =>
    Effect.gen(function* () {
      yield* Pipeline.run(Pipeline.make("harmless", [step("a")])).pipe(
        Effect.provideService(Confirmation, confirm(Effect.die("asked")))
      )
      const stopped = yield* Effect.exit(
        Pipeline.run(Pipeline.make("stopped", [step("b"), drop])).pipe(
          Effect.provideService(Confirmation, confirm(Effect.interrupt))
        )
      )
      assert.isTrue(Exit.hasInterrupts(stopped))
      assert.deepStrictEqual(yield* written, ["a begins", "a ends"])
      const { plan } = yield* Pipeline.run(Pipeline.make("agreed", [drop])).pipe(
        Effect.provideService(Confirmation, confirm(Effect.void))
      )
      assert.strictEqual(plan.pipeline, "agreed")
      assert.deepStrictEqual(yield* written, ["a begins", "a ends", "dropped"])
      assert.deepStrictEqual(asked, ["stopped", "agreed"])
    }).pipe(withLedger)
  )
})

describe("a pipeline as one task", () => {
  it.effect("brackets its run, shows the inner rows, and lets inner tasks need outer ones", () =>
    Effect.gen(function* () {
      const outer = Task.read("outer", { title: "Outer", plan: () => Effect.succeed(7) })
      const inner = Task.make("inner", {
        title: "Inner",
        needs: { outer },
        plan: (planned) =>
          Effect.succeed({
            value: undefined,
            rows: [Plan.row(`use ${planned.outer}`)],
            run: (results: { readonly outer: number }) => Effect.as(write("inner runs"), results.outer * 6)
          })
      })
      const bracketed = Pipeline.asTask("transaction", {
        title: "In one transaction",
        session: "target",
        needs: [outer],
        pipeline: Pipeline.make("inside", [inner], ["outer"]),
        around: (inside) =>
          Effect.gen(function* () {
            yield* write("BEGIN")
            const results = yield* inside
            yield* write("COMMIT")
            return results.inner
          })
      })
      const pipeline = Pipeline.make("p", [outer, bracketed, step("after", { after: ["transaction"] })])
      const planned = yield* Pipeline.plan(pipeline)
      assert.deepStrictEqual(
        planned.plan.tasks.map(({ name, rows }) => [name, ...rows.map(({ what }) => what)]),
        [["outer"], ["transaction"], ["inner", "use 7"], ["after", "do after"]]
      )
      const results = yield* planned.run
      assert.deepStrictEqual(results, { outer: 7, transaction: 42, after: "after" })
      assert.deepStrictEqual(yield* written, ["BEGIN", "inner runs", "COMMIT", "after begins", "after ends"])
    }).pipe(withLedger)
  )
})

describe("types", () => {
  it("errors and services of a pipeline are the union of its tasks'", () => {
    const a = step("a", { body: Effect.fail(new First({ message: "" })) })
    const b = Task.make("b", {
      title: "",
      plan: () =>
        Effect.as(Clock, {
          value: "planned" as const,
          rows: [],
          run: () => (Math.random() < 2 ? Effect.succeed(1) : Effect.fail(new Second({ message: "" })))
        })
    })
    const pipeline = Pipeline.make("p", [a, b])
    const planned = Pipeline.plan(pipeline)
    type Planned = Effect.Success<typeof planned>
    expectTypeOf<Effect.Error<Planned["run"]>>().toEqualTypeOf<First | Second>()
    expectTypeOf<Effect.Services<Planned["run"]>>().toEqualTypeOf<Ledger | Clock>()
    expectTypeOf<Effect.Error<typeof planned>>().toEqualTypeOf<First | Second>()
    expectTypeOf<Effect.Success<Planned["run"]>>().toEqualTypeOf<{ readonly a: "a"; readonly b: number }>()
    expectTypeOf<Task.Planned<typeof b>>().toEqualTypeOf<"planned">()
  })
})
