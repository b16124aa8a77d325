/** Retry policy and time limit belong to a task; the clock is the test's. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { expectTypeOf } from "vitest"
import type { TaskTimeout } from "../../src/pipeline/Limits.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import { type RunEvent, RunEvents } from "../../src/pipeline/RunEvent.ts"
import * as RunReport from "../../src/pipeline/RunReport.ts"
import * as Task from "../../src/pipeline/Task.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {
  message: Schema.String,
  state: Schema.optionalKey(Schema.String)
}) {}
class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { message: Schema.String }) {}

/** A task whose run fails with these, one after the other, and then succeeds; `at` gets the time of each attempt. */
const failing = <E>(failures: ReadonlyArray<E>, at: Array<number> = []) =>
  Task.make("flaky", {
    title: "Do it",
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [],
        run: () =>
          Effect.gen(function* () {
            at.push(yield* Clock.currentTimeMillis)
            const failure = failures[at.length - 1]
            if (failure !== undefined) return yield* Effect.fail(failure)
            return "done" as const
          })
      })
  })

/** Runs one task while the clock goes on for an hour. */
const run = <T extends Task.Any>(task: T) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(Pipeline.run(Pipeline.make("p", [task]))), {
      startImmediately: true
    })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const seconds = { schedule: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 })) }

describe("a task with a retry policy", () => {
  it.effect("is tried again at the times of its schedule, and tells of every failure", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const events: Array<RunEvent> = []
      const task = Task.withLimits(failing([new Busy({ message: "busy" }), new Busy({ message: "still" })], at), {
        retry: seconds
      })
      const exit = yield* Effect.provideService(run(task), RunEvents, (event) =>
        Effect.sync(() => void events.push(event))
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(at, [0, 1000, 3000])
      assert.deepStrictEqual(
        events.map((event) => ({ ...event })),
        [
          { _tag: "TaskStarted", task: "flaky", title: "Do it" },
          { _tag: "TaskRetried", task: "flaky", attempt: 1, milliseconds: 1000, message: "busy" },
          { _tag: "TaskRetried", task: "flaky", attempt: 2, milliseconds: 2000, message: "still" },
          { _tag: "TaskFinished", task: "flaky", title: "Do it", milliseconds: 3000 }
        ]
      )
    })
  )

  it.effect("fails with the last failure when the schedule is at its end", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const failures = ["1", "2", "3", "4", "5"].map((message) => new Busy({ message }))
      const { exit, report } = yield* RunReport.observe(
        Effect.flatMap(run(Task.withLimits(failing(failures, at), { retry: seconds })), (exit) => exit)
      )
      assert.deepInclude(yield* Effect.flip(exit), { _tag: "Busy", message: "4" })
      assert.strictEqual(at.length, 4)
      assert.deepStrictEqual(report.tasks, [
        { task: "flaky", title: "Do it", status: "failed", milliseconds: 7000, retries: 3, message: "4" }
      ])
    })
  )

  it.effect("is tried again only after the failures that the policy names", () =>
    Effect.gen(function* () {
      const at: Array<number> = []
      const task = Task.withLimits(failing([new Busy({ message: "busy" }), new Wrong({ message: "wrong" })], at), {
        retry: { ...seconds, while: (error) => error._tag === "Busy" }
      })
      assert.strictEqual((yield* Effect.flip(yield* run(task)))._tag, "Wrong")
      assert.deepStrictEqual(at, [0, 1000])
    })
  )

  it.effect("is never tried again where the target is not as it was, or nobody knows", () =>
    Effect.gen(function* () {
      for (const state of ["changed", "unknown"]) {
        const at: Array<number> = []
        const failure = new Busy({ message: "busy", state })
        const exit = yield* run(Task.withLimits(failing([failure], at), { retry: seconds }))
        assert.deepInclude(yield* Effect.flip(exit), { _tag: "Busy", state })
        assert.deepStrictEqual(at.length, 1)
      }
      const at: Array<number> = []
      const harmless = new Busy({ message: "busy", state: "rolled-back" })
      assert.isTrue(Exit.isSuccess(yield* run(Task.withLimits(failing([harmless], at), { retry: seconds }))))
    })
  )

  it.effect("is planned again, too", () =>
    Effect.gen(function* () {
      const attempts = yield* Ref.make(0)
      const read = Task.read("read", {
        title: "Read",
        plan: () =>
          Effect.filterOrFail(
            Ref.updateAndGet(attempts, (n) => n + 1),
            (n) => n === 3,
            () => new Busy({ message: "busy" })
          )
      })
      const { exit, report } = yield* RunReport.observe(
        Effect.flatMap(run(Task.withLimits(read, { retry: seconds })), (exit) => exit)
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(report.tasks, [
        { task: "read", title: "Read", status: "done", milliseconds: 3000, retries: 2 }
      ])
    })
  )
})

describe("a task with a time limit", () => {
  it.effect("fails with TaskTimeout, and what it did is interrupted first", () =>
    Effect.gen(function* () {
      const interrupted = yield* Ref.make(false)
      const endless = Task.make("endless", {
        title: "Wait",
        plan: () =>
          Effect.succeed({
            value: undefined,
            rows: [],
            run: () => Effect.onInterrupt(Effect.never, () => Ref.set(interrupted, true))
          })
      })
      const exit = yield* run(Task.withLimits(endless, { timeout: "90 seconds" }))
      const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : assert.fail("it succeeded")
      assert.strictEqual(error._tag, "TaskTimeout")
      assert.deepInclude({ ...error }, { task: "endless", milliseconds: 90_000 })
      assert.strictEqual(error.message, 'The task "endless" was not done within 1m 30s.')
      assert.isTrue(yield* Ref.get(interrupted))
    })
  )

  it.effect("has that time for all of its attempts together, for planning, and for running", () =>
    Effect.gen(function* () {
      const always = Array.from({ length: 100 }, () => new Busy({ message: "busy" }))
      const at: Array<number> = []
      const tried = Task.withLimits(failing(always, at), {
        retry: { schedule: Schedule.spaced("4 seconds") },
        timeout: "10 seconds"
      })
      const exit = yield* run(tried)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(at, [0, 4000, 8000])
      const slow = Task.make("slow", {
        title: "Slow",
        plan: () =>
          Effect.as(Effect.sleep("9 seconds"), {
            value: 0,
            rows: [],
            run: () => Effect.as(Effect.sleep("9 seconds"), 1)
          })
      })
      assert.isTrue(Exit.isSuccess(yield* run(Task.withLimits(slow, { timeout: "10 seconds" }))))
      const planned = yield* run(Task.withLimits(slow, { timeout: "8 seconds" }))
      assert.isTrue(Exit.isFailure(planned))
    })
  )

  it("has its error in the type, and one without has not", () => {
    const task = failing([new Busy({ message: "" })])
    expectTypeOf<Task.Failure<typeof task>>().toEqualTypeOf<Busy>()
    const limited = Task.withLimits(task, { timeout: "1 second" })
    expectTypeOf<Task.Failure<typeof limited>>().toEqualTypeOf<Busy | TaskTimeout>()
    const tried = Task.withLimits(task, { retry: seconds })
    expectTypeOf(tried).toEqualTypeOf(task)
    const both = Task.withLimits(task, { retry: seconds, timeout: 100 })
    expectTypeOf<Task.Failure<typeof both>>().toEqualTypeOf<Busy | TaskTimeout>()
    expectTypeOf<Task.Result<typeof both>>().toEqualTypeOf<"done">()
  })
})
