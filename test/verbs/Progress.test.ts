/** What a dump and a restore of a real database tell of how far they are. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunEvent, RunEvents } from "../../src/pipeline/RunEvent.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Restores from "../support/Restores.ts"

type Told = Extract<RunEvent, { readonly _tag: "TaskProgress" }>

/** What a run has told, by task. */
const listening = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const told = new Map<string, Array<Told>>()
    const listen = (event: RunEvent) =>
      Effect.gen(function* () {
        if (event._tag !== "TaskProgress") return
        // As another program would read it.
        yield* Effect.orDie(Schema.decodeUnknownEffect(RunEvent)(JSON.parse(JSON.stringify(event))))
        told.set(event.task, [...(told.get(event.task) ?? []), event])
      })
    const value = yield* Effect.provideService(run, RunEvents, listen)
    return { value, told: (task: string): ReadonlyArray<Told> => told.get(task) ?? [] }
  })

const amountsOf = ({ bytes, rows, statements, tables }: Partial<Told>) =>
  [bytes, rows, statements, tables].filter((amount) => amount !== undefined)

/** Whether it only ever grows, and what is counted is never more than there is. */
const checkCounts = (told: ReadonlyArray<Told>) => {
  for (const event of told) {
    for (const { done, estimated, total } of [...amountsOf(event), ...event.parts.flatMap(amountsOf)]) {
      if (estimated !== true && total !== undefined) assert.isAtMost(done, total, JSON.stringify(event))
    }
  }
  const done = told.map(({ bytes }) => bytes?.done ?? 0)
  assert.deepStrictEqual(
    done,
    done.toSorted((one, other) => one - other)
  )
}

describe("what is told of how far it is", () => {
  it.live("a dump by estimates, its restore by the manifest: to the end of all that there is", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* Restores.fillJournal(url)
      yield* Clusters.query(admin, "ANALYZE")
      const folder = yield* Restores.folder
      const dumped = yield* listening(Restores.dump(url, folder))
      const written = dumped.told("write")
      checkCounts(written)
      const { file, manifest } = dumped.value
      const tables = manifest?.tables ?? []
      const rows = tables.reduce((sum, table) => sum + table.rows, 0)
      const last = written.at(-1)
      assert.strictEqual(last?.bytes?.done, manifest?.sql.length)
      // Just analyzed, so that the estimate is what there is.
      assert.deepStrictEqual(last?.rows, { done: rows, total: rows, estimated: true })
      assert.deepStrictEqual(last?.tables, { done: tables.length, total: tables.length })
      assert.deepStrictEqual(last?.parts, [])

      const restored = yield* listening(Restores.restore(url, file, { clean: true, analyze: true }))
      const [proven, applied] = [restored.told("prove"), restored.told("apply")]
      checkCounts(proven)
      assert.strictEqual(proven.at(-1)?.bytes?.total, manifest?.stored.length)
      checkCounts(applied)
      const { bytes, rows: loaded, statements, tables: copied } = applied.at(-1)!
      for (const amount of [bytes, loaded, copied]) assert.strictEqual(amount?.done, amount?.total)
      assert.strictEqual(loaded?.done, rows)
      assert.isAbove(statements?.done ?? 0, tables.length)
      assert.deepStrictEqual(restored.told("analyze").at(-1)?.tables, { done: tables.length, total: tables.length })
      const locking = restored.told("lock").flatMap(({ parts }) => parts.map(({ name }) => name))
      assert.deepStrictEqual(locking, [`LOCK TABLE of ${tables.length} tables: others are at work there`])
    })
  )
})
