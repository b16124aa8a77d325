/** The order of work: nothing before what it needs, nothing beside what it must not meet, all of it once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Item, Schedule } from "../../../../src/verbs/restore/parallel/Schedule.ts"

const item = (id: string, weight: number, more: Partial<Item> = {}): Item => ({ id, weight, needs: [], ...more })

const Small = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
/** Each needs some of those before it, by distance. */
const Drawn = Schema.Array(
  Schema.Struct({ weight: Small, needs: Schema.Array(Small), holds: Schema.Array(Small), gate: Schema.Boolean })
)

describe("a schedule", () => {
  it.effect.prop(
    "gives out everything once, in an order that keeps what is asked for",
    [Drawn, Small],
    ([drawn, jobs]) =>
      Effect.sync(() => {
        const items = drawn.map(({ gate, holds, needs, weight }, index) =>
          item(String(index), weight, {
            needs: needs.flatMap((by) => (by > 0 && by <= index ? [String(index - by)] : [])),
            ...(gate ? { gate: true as const } : { holds: holds.map((key) => String(key % 3)) })
          })
        )
        const schedule = new Schedule(items)
        const [running, done] = [new Set<Item>(), new Set<string>()]
        const gates = new Set(items.filter(({ gate }) => gate === true).map(({ id }) => id))
        const isDone = (id: string): boolean =>
          done.has(id) || (gates.has(id) && items[Number(id)]!.needs.every((needed) => isDone(needed)))
        while (!schedule.finished) {
          const next = running.size <= jobs ? schedule.take() : undefined
          if (next !== undefined) {
            assert.isFalse(done.has(next.id) || gates.has(next.id))
            assert.isTrue(next.needs.every((needed) => isDone(needed)))
            const held = new Set([...running].flatMap(({ holds = [] }) => holds))
            assert.isFalse((next.holds ?? []).some((key) => held.has(key)))
            running.add(next)
            continue
          }
          const [first] = running
          if (first === undefined) throw new Error("nothing runs, and nothing can be begun")
          running.delete(first)
          done.add(first.id)
          schedule.done(first)
          assert.strictEqual(schedule.running, running.size)
        }
        assert.strictEqual(done.size + gates.size, items.length)
      })
  )

  it("begins with what keeps everything waiting longest, not with what is largest itself", () => {
    const schedule = new Schedule([
      item("large", 10),
      item("small", 4),
      item("behind small", 9, { needs: ["small"] }),
      item("beside", 11)
    ])
    const taken = [schedule.take()?.id, schedule.take()?.id, schedule.take()?.id, schedule.take()?.id]
    assert.deepStrictEqual(taken, ["small", "beside", "large", undefined])
  })

  it("refuses what cannot end", () => {
    assert.throws(() => new Schedule([item("a", 1, { needs: ["b"] }), item("b", 1, { needs: ["a"] })]), /one another/)
    assert.throws(() => new Schedule([item("a", 1, { needs: ["b"] })]), /not there/)
    assert.throws(() => new Schedule([item("a", 1), item("a", 1)]), /one id/)
  })
})
