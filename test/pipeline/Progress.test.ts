/** Telling how far a task is: at its beginning, now and then, at its end. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Progress from "../../src/pipeline/Progress.ts"
import { type RunEvent, RunEvents } from "../../src/pipeline/RunEvent.ts"

type Told = Extract<RunEvent, { readonly _tag: "TaskProgress" }>

/** Runs the work and keeps what it tells. */
const listening = <A, E>(work: Effect.Effect<A, E>) => {
  const told: Array<Told> = []
  const run = Effect.provideService(work, RunEvents, (event) =>
    Effect.sync(() => {
      if (event._tag === "TaskProgress") told.push(event)
    })
  )
  return { run, told }
}

describe("telling", () => {
  it.effect("looks every tenth of a second, however often the counts change, and tells only what has changed", () =>
    Effect.gen(function* () {
      let done = 0
      const counting = Effect.forEach(Array.from({ length: 1000 }), () =>
        Effect.andThen(
          Effect.sync(() => void done++),
          Effect.sleep("1 millis")
        )
      )
      const pause = Effect.sleep("5 seconds")
      const look = () => ({ what: "copied", rows: { done, total: 1000 }, parts: [] })
      const { run, told } = listening(Effect.andThen(counting, pause).pipe(Progress.telling(look)))
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      for (let moment = 0; moment < 1000; moment++) yield* TestClock.adjust("1 millis")
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(fiber)
      const counts = told.map(({ rows }) => rows?.done ?? -1)
      assert.strictEqual(counts[0], 0)
      assert.strictEqual(counts.at(-1), 1000)
      assert.isAtLeast(counts.length, 9)
      assert.isAtMost(counts.length, 12)
      assert.deepStrictEqual(
        counts,
        counts.toSorted((one, other) => one - other)
      )
    })
  )

  it.effect("tells the last state of what fails or is interrupted, and nothing after it", () =>
    Effect.gen(function* () {
      let done = 0
      const look = () => ({ what: "copied", rows: { done }, parts: [] })
      const begin = Effect.sync(() => void (done = 7))
      const failing = listening(Progress.telling(look)(Effect.andThen(begin, Effect.fail("no"))))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(failing.run)))
      assert.deepStrictEqual(
        failing.told.map(({ rows }) => rows?.done),
        [0, 7]
      )
      const hanging = listening(Progress.telling(look)(Effect.andThen(begin, Effect.never)))
      const fiber = yield* Effect.forkChild(hanging.run, { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      done = 8
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        hanging.told.map(({ rows }) => rows?.done),
        [7]
      )
    })
  )

  it.effect("ends with work that nothing interrupts", () =>
    Effect.gen(function* () {
      const look = () => ({ what: "copied", parts: [] })
      const { run } = listening(Effect.uninterruptible(Progress.telling(look)(Effect.sleep("1 second"))))
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isSuccess(yield* Fiber.await(fiber)))
    })
  )
})

describe("one after the other", () => {
  it.effect("tells at which one it is, since when, and at the end that all are done", () =>
    Effect.gen(function* () {
      const steps = { what: "analyzed", unit: "tables", name: (table: string) => table } as const
      const { run, told } = listening(Progress.each(["a", "b", "c"], steps, () => Effect.sleep("2 seconds")))
      const fiber = yield* Effect.forkChild(run, { startImmediately: true })
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(fiber)
      const seen = told.map(({ parts: [part], tables }) => [tables?.done, tables?.total, part?.name, part?.since])
      assert.deepStrictEqual(seen.at(-1), [3, 3, undefined, undefined])
      assert.deepInclude(seen, [1, 3, "b", 2000])
      assert.deepInclude(seen, [2, 3, "c", 4000])
    })
  )
})
