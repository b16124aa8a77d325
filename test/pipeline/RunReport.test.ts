/** What a run tells about itself: every task ends in exactly one way, as report, stream, spans and metrics say alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { Confirmation } from "../../src/pipeline/Confirmation.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import * as Plan from "../../src/pipeline/Plan.ts"
import { changing, note, progress, RunEvents } from "../../src/pipeline/RunEvent.ts"
import * as RunMetrics from "../../src/pipeline/RunMetrics.ts"
import * as RunReport from "../../src/pipeline/RunReport.ts"
import * as RunStream from "../../src/pipeline/RunStream.ts"
import * as Task from "../../src/pipeline/Task.ts"

class No extends Schema.TaggedError<No>()("No", { message: Schema.String }) {}
const no = Effect.fail(new No({ message: "no" }))

const step = <const Name extends string, E = never>(
  name: Name,
  options: {
    readonly after?: ReadonlyArray<string>
    readonly session?: string
    readonly planning?: Effect.Effect<unknown, E>
    readonly body?: Effect.Effect<unknown, E>
    readonly destroys?: boolean
  } = {}
) =>
  Task.make(name, {
    title: `Do ${name}`,
    ...(options.after === undefined ? {} : { after: options.after }),
    ...(options.session === undefined ? {} : { session: options.session }),
    plan: () =>
      Effect.as(options.planning ?? Effect.void, {
        value: undefined,
        rows: [Plan.row(name, { destroys: options.destroys ?? false })],
        run: () => Effect.as(options.body ?? Effect.void, name)
      })
  })

const look = Task.read("look", { title: "Look", plan: () => Effect.succeed(1) })

/** One read, a bracket of three steps, and one step behind it. */
const pipeline = (
  parts: { readonly second?: Parameters<typeof step<"second", No>>[1]; readonly destroys?: boolean } = {}
) => {
  const inner = Pipeline.make("inner", [
    step("first", { session: "target", ...(parts.destroys === undefined ? {} : { destroys: parts.destroys }) }),
    step("second", { session: "target", ...parts.second }),
    step("third", { session: "target" }),
    Task.when(false, step("off"))
  ])
  const bracket = Pipeline.asTask("bracket", {
    title: "Together",
    needs: [look],
    pipeline: inner,
    around: (run) => run
  })
  return Pipeline.make("p", [look, bracket, step("behind", { session: "target" })])
}

const statuses = ({ tasks }: RunReport.RunReport) => tasks.map(({ task, status }) => `${task} ${status}`)

describe("the report", () => {
  it.effect("of a run that went well has every task once, in the order of their ends", () =>
    Effect.gen(function* () {
      const { exit, report } = yield* RunReport.observe(Pipeline.run(pipeline()))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(statuses(report), [
        "look done",
        "first done",
        "second done",
        "third done",
        "bracket done",
        "behind done"
      ])
      assert.deepStrictEqual(yield* Schema.decodeEffect(RunReport.RunReport)(report), report)
    })
  )

  it.effect("of one that failed says who failed, and what was not begun", () =>
    Effect.gen(function* () {
      const body = Effect.andThen(Effect.sleep("2 seconds"), Effect.andThen(changing("a part").committed, no))
      const fiber = yield* Effect.forkChild(RunReport.observe(Pipeline.run(pipeline({ second: { body } }))))
      yield* Effect.yieldNow
      yield* TestClock.adjust("2 seconds")
      const { exit, report } = yield* Fiber.join(fiber)
      assert.strictEqual((yield* Effect.flip(exit))._tag, "No")
      assert.deepStrictEqual(report.tasks.slice(1), [
        { task: "first", title: "Do first", status: "done", milliseconds: 0 },
        { task: "second", title: "Do second", status: "failed", milliseconds: 2000, message: "no" },
        { task: "third", title: "Do third", status: "skipped", milliseconds: 0 },
        { task: "bracket", title: "Together", status: "failed", milliseconds: 2000, message: "no" },
        { task: "behind", title: "Do behind", status: "skipped", milliseconds: 0 }
      ])
      assert.deepStrictEqual(report.committed, ["a part"])
    })
  )

  it.effect("of one that could not be planned, too", () =>
    Effect.gen(function* () {
      const { report } = yield* RunReport.observe(Pipeline.run(pipeline({ second: { planning: no } })))
      assert.deepStrictEqual(statuses(report), [
        "look done",
        "second failed",
        "first skipped",
        "third skipped",
        "bracket failed",
        "behind skipped"
      ])
    })
  )

  it.effect("of one that was not confirmed: nothing was begun", () =>
    Effect.gen(function* () {
      const { exit, report } = yield* RunReport.observe(Pipeline.run(pipeline({ destroys: true }))).pipe(
        Effect.provideService(Confirmation, () => Effect.interrupt)
      )
      assert.isTrue(Exit.hasInterrupts(exit))
      assert.deepStrictEqual(statuses(report), [
        "look done",
        "first skipped",
        "second skipped",
        "third skipped",
        "bracket skipped",
        "behind skipped"
      ])
    })
  )

  it.effect("of one that was interrupted from outside, after its finalizers", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const body = Deferred.succeed(begun, undefined).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, note("put away")))
      )
      const kept = yield* Ref.make(RunReport.empty)
      const fiber = yield* Effect.forkChild(
        Pipeline.run(pipeline({ second: { body } })).pipe(RunReport.onExit((report) => Ref.set(kept, report)))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      const report = yield* Ref.get(kept)
      assert.deepStrictEqual(statuses(report), [
        "look done",
        "first done",
        "second interrupted",
        "third skipped",
        "bracket interrupted",
        "behind skipped"
      ])
      assert.deepStrictEqual(report.notes, [{ task: "second", note: "put away" }])
    })
  )

  it.effect("of one where a task failed beside others: these were interrupted", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      let running = 0
      const three = Effect.suspend(() => (++running === 3 ? Deferred.succeed(begun, undefined) : Effect.void))
      const others = ["one", "two", "three", "four", "five"].map((name) =>
        step(name, { body: Effect.andThen(three, Effect.never) })
      )
      const fails = step("fails", { body: Effect.andThen(Deferred.await(begun), no) })
      const { report } = yield* RunReport.observe(Pipeline.run(Pipeline.make("p", [fails, ...others])))
      // Four run at once.
      assert.deepStrictEqual(statuses(report).toSorted(), [
        "fails failed",
        "five skipped",
        "four skipped",
        "one interrupted",
        "three interrupted",
        "two interrupted"
      ])
    })
  )
})

describe("sessions", () => {
  it("of a task that consists of others are all of theirs", () => {
    assert.deepStrictEqual(pipeline().waits.get("behind"), ["bracket"])
  })
})

describe("the stream of a run", () => {
  it.effect("has its events in order and its result at the end", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const all = yield* RunStream.make(Pipeline.run(pipeline())).pipe(
        Stream.runCollect,
        Effect.provideService(RunEvents, ({ _tag }) => Effect.sync(() => void heard.push(_tag)))
      )
      const last = all.at(-1)!
      assert.strictEqual(last._tag === "RunEnded" && last.value.results.behind, "behind")
      assert.deepStrictEqual(
        all.slice(0, -1).map(({ _tag }) => _tag),
        heard
      )
      assert.strictEqual(heard.filter((tag) => tag === "TaskFinished").length, 6)
    })
  )

  it.effect("fails as the run does, after its last event", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const error = yield* RunStream.make(Pipeline.run(pipeline({ second: { body: no } }))).pipe(
        Stream.runForEach(({ _tag }) => Effect.sync(() => void heard.push(_tag))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "No")
      assert.deepStrictEqual(heard.slice(-2), ["TaskFailed", "TaskSkipped"])
    })
  )

  it.effect("interrupts the run when nobody reads on, and waits for it", () =>
    Effect.gen(function* () {
      const put = yield* Ref.make(false)
      const body = Effect.onInterrupt(Effect.andThen(note("here"), Effect.never), () =>
        Effect.andThen(Effect.yieldNow, Ref.set(put, true))
      )
      yield* RunStream.make(Pipeline.run(pipeline({ second: { body } }))).pipe(
        Stream.takeUntil(({ _tag }) => _tag === "TaskNote"),
        Stream.runDrain
      )
      assert.isTrue(yield* Ref.get(put))
    })
  )

  it.effect("does not keep the run waiting: only progress is left out where the reader is slow", () =>
    Effect.gen(function* () {
      const many = 10_000
      const body = Effect.gen(function* () {
        for (let done = 1; done <= many; done++) {
          yield* progress({ what: "copied", rows: { done, total: many }, parts: [] })
        }
        for (let n = 0; n < 1000; n++) yield* note(String(n))
      })
      const release = yield* Deferred.make<void>()
      const read: Array<string> = []
      const result = yield* Pipeline.run(pipeline({ second: { body } })).pipe(
        // The run is over before the first event has been read.
        Effect.tap(() => Deferred.succeed(release, undefined)),
        RunStream.read(
          Stream.runForEach((event) =>
            Effect.andThen(
              Deferred.await(release),
              Effect.sync(() => void read.push(event._tag))
            )
          )
        )
      )
      assert.strictEqual(result.results.behind, "behind")
      const count = (tag: string) => read.filter((other) => other === tag).length
      assert.strictEqual(count("TaskNote"), 1000)
      assert.strictEqual(count("TaskFinished"), 6)
      assert.isAtLeast(count("TaskProgress"), 100)
      assert.isAtMost(count("TaskProgress"), 600)
    })
  )

  it.effect("reaches a reader beside the run to the last event of an interruption", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const read: Array<string> = []
      const body = Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
      const fiber = yield* Pipeline.run(pipeline({ second: { body } })).pipe(
        RunStream.read(Stream.runForEach(({ _tag }) => Effect.sync(() => void read.push(_tag)))),
        Effect.forkChild
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(read.slice(-4), ["TaskInterrupted", "TaskSkipped", "TaskInterrupted", "TaskSkipped"])
    })
  )
})

describe("spans and metrics", () => {
  it.effect("there is a span of every task, within that of the task it is a part of", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.withTracer(Pipeline.run(pipeline()), tracer)
      const parents = spans.map(({ name, parent }) => {
        const within = parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : "nothing"
        return `${name} < ${within}`
      })
      assert.includeMembers(parents, [
        "Pipeline.run < nothing",
        "Pipeline.plan < Pipeline.run",
        "plan look < Pipeline.plan",
        "plan bracket < Pipeline.plan",
        "plan second < plan bracket",
        "task bracket < Pipeline.run",
        "task second < task bracket",
        "task behind < Pipeline.run"
      ])
      assert.isFalse(
        parents.some((name) => /task (look|off)/.test(name)),
        "a read is planned, not run"
      )
      const attributes = spans.find(({ name }) => name === "task second")!.attributes
      assert.deepStrictEqual(
        [...attributes],
        [
          ["task", "second"],
          ["session", "target"]
        ]
      )
    })
  )

  it.effect("seconds are measured by task and end, bytes and rows by task", () =>
    Effect.gen(function* () {
      const body = Effect.gen(function* () {
        yield* RunMetrics.add(RunMetrics.bytes, 1000)
        yield* RunMetrics.add(RunMetrics.bytes, 24)
        yield* RunMetrics.add(RunMetrics.rows, 7)
        return yield* no
      })
      yield* RunReport.observe(Pipeline.run(pipeline({ second: { body } })))
      const value = (counter: typeof RunMetrics.bytes) =>
        Effect.map(Metric.value(Metric.withAttributes(counter, { task: "second" })), ({ count }) => count)
      assert.strictEqual(yield* value(RunMetrics.bytes), 1024)
      assert.strictEqual(yield* value(RunMetrics.rows), 7)
      const measured = (yield* Metric.snapshot).filter(({ id }) => id === "pgark_task_seconds")
      assert.deepStrictEqual(
        measured.map(({ attributes }) => `${attributes?.["task"]} ${attributes?.["status"]}`).toSorted(),
        ["bracket failed", "first done", "look done", "second failed"]
      )
      for (const { state } of measured) assert.strictEqual("count" in state && state.count, 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
