import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Clusters from "../../../support/Clusters.ts"
import { twin } from "../../../support/Restores.ts"
import * as Restores from "../../../support/Restores.ts"
import * as Several from "../../../support/Several.ts"
import { snapshot } from "../../../support/Snapshot.ts"

const cases: ReadonlyArray<{
  readonly kind: Clusters.RoleKind
  readonly way: Several.Way
  readonly extension?: boolean
  readonly publication?: boolean
}> = [
  { kind: "superuser", way: "aside" },
  { kind: "databaseOwner", way: "aside" },
  { kind: "superuser", way: "batches", extension: true },
  { kind: "databaseOwner", way: "batches", extension: true },
  { kind: "schemaOwner", way: "batches" },
  { kind: "someTablesOwner", way: "batches" },
  { kind: "superuser", way: "batches", publication: true }
]

describe("a restore in several transactions", () => {
  for (const { kind, way, ...options } of cases) {
    const with_ = Object.keys(options).join()
    it.live(`leaves what one leaves, and can be undone: ${way} as ${kind} ${with_}`, () =>
      Effect.gen(function* () {
        const target = yield* Several.prepare(kind, options)
        const before = yield* snapshot(target.admin)
        const other = yield* twin(target)
        const one = yield* Restores.restore(other.url, target.file, { clean: true })
        assert.strictEqual(one.way, "transaction")
        const expected = yield* snapshot(other.admin)
        assert.notStrictEqual(expected, before)

        const report = yield* Several.restore(target, target.file)
        assert.strictEqual(report.way, way)
        assert.strictEqual(yield* snapshot(target.admin), expected)
        assert.deepStrictEqual(yield* Several.asides(target.admin), [])

        const undone = yield* Several.undo(target.url, target.directory, { several: true })
        assert.isFalse("recovered" in undone)
        assert.strictEqual(yield* snapshot(target.admin), before)
      })
    )
  }
})
