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

const failures: ReadonlyArray<{
  readonly name: string
  readonly edit: (text: string) => string
  readonly tag: string
}> = [
  {
    name: "the first statement of the dump",
    edit: (text) => text.replace(/^(CREATE (TYPE|TABLE|FUNCTION) )/m, "SELECT 1 / 0;\n$1"),
    tag: "RestoreFailed"
  },
  {
    name: "one in the middle",
    edit: (text) => text.replace(/^(COPY public\.c .*)$/m, "$1\nno number"),
    tag: "RestoreFailed"
  },
  { name: "the last one", edit: Restores.withLast("SELECT 1 / 0;"), tag: "RestoreFailed" },
  { name: "a right", edit: Restores.withLast("SELECT pg_catalog.pg_reload_conf();"), tag: "PermissionDenied" },
  {
    name: "verification",
    edit: Restores.withLast("DROP TABLE public.parted;\nSELECT pg_catalog.lo_create('4799');"),
    tag: "VerificationFailed"
  }
]

describe("a failure of a restore in several transactions", () => {
  for (const { kind, way, ...options } of cases.filter(({ kind }) => kind !== "superuser")) {
    it.live(`leaves the target as it was: ${way} as ${kind}`, () =>
      Effect.gen(function* () {
        const target = yield* Several.prepare(kind, options)
        for (const { name, edit, tag } of failures) {
          const file = target.edited(edit)
          const error = yield* Restores.unchanged(target.admin, Effect.flip(Several.restore(target, file)))
          assert.strictEqual(error._tag, tag, `${name}: ${error.message}`)
          assert.strictEqual(error.state, "rolled-back", name)
          assert.deepStrictEqual(Several.before(target.directory), [], name)
          assert.deepStrictEqual(yield* Several.asides(target.admin), [], name)
        }
      })
    )
  }
})
