/** How long a dump will be, guessed from what there is of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as DumpProgress from "../../../src/verbs/dump/DumpProgress.ts"

const table = (name: string, rows: number, bytes: number) => ({ schema: "public", name, rows, bytes })

/** Two tables that are the same on the disk, of which one has few rows and the other many. */
const estimates = [table("letters", 100, 50_000), table("numbers", 10_000, 50_000)]

const open = (name: string, rows: number) => ({ schema: "public", name, rows, bytes: rows * 10 })

describe("a dump that is written", () => {
  it.effect("is as long as what there is of it says, each table counted with its size", () =>
    Effect.gen(function* () {
      const told = DumpProgress.make(estimates, yield* Clock.Clock)
      const first = told({ bytes: 20_000, rows: 50, closed: [], table: open("letters", 50) }, "written")
      // Half of one of two tables that are alike: a quarter.
      assert.deepStrictEqual(first.bytes, { done: 20_000, total: 80_000, estimated: true })
      assert.deepStrictEqual(first.rows, { done: 50, total: 10_100, estimated: true })
      assert.deepStrictEqual(first.tables, { done: 0, total: 2 })
      const [letters] = estimates
      const second = told({ bytes: 60_000, rows: 5100, closed: [letters!], table: open("numbers", 5000) }, "written")
      assert.deepStrictEqual(second.bytes, { done: 60_000, total: 80_000, estimated: true })
      assert.deepStrictEqual(second.parts, [
        {
          name: "public.numbers",
          since: 0,
          rows: { done: 5000, total: 10_000, estimated: true },
          bytes: { done: 50_000 }
        }
      ])
    })
  )

  it.effect("is not guessed from next to nothing, nor where nothing was ever counted", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const position = { bytes: 400, rows: 1, closed: [], table: open("letters", 1) }
      assert.deepStrictEqual(DumpProgress.make(estimates, clock)(position, "written").bytes, { done: 400 })
      const unknown = DumpProgress.make([table("letters", 0, 0)], clock)(position, "written")
      assert.deepStrictEqual(unknown.bytes, { done: 400 })
      assert.deepStrictEqual(unknown.rows, { done: 1 })
      assert.deepStrictEqual(unknown.parts[0]?.rows, { done: 1 })
    })
  )

  it.effect("may hold more rows than were guessed: a table is then no more than whole", () =>
    Effect.gen(function* () {
      const told = DumpProgress.make(estimates, yield* Clock.Clock)
      const { bytes } = told({ bytes: 90_000, rows: 900, closed: [], table: open("letters", 900) }, "written")
      assert.deepStrictEqual(bytes, { done: 90_000, total: 180_000, estimated: true })
    })
  )
})
