/** Restores over several connections: what they leave, and the way back from them. */
import { statSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Task from "../../../../src/pipeline/Task.ts"
import * as Restore from "../../../../src/verbs/Restore.ts"
import * as Restores from "../../../support/Restores.ts"
import * as Several from "../../../support/Several.ts"
import { asideCase, batchesCase, cases, titleOf } from "../../../support/Several.ts"
import { snapshot } from "../../../support/Snapshot.ts"
import { each } from "../../../support/Tier.ts"

const over = { clean: true, backupFirst: true, jobs: 2 }

describe("a restore over several connections", () => {
  each(cases, [asideCase, batchesCase], titleOf, ({ kind, way, ...options }) => {
    it.live("leaves what one leaves, and is undone over as many", () =>
      Effect.gen(function* () {
        const target = yield* Several.prepare(kind, { ...options, directory: true })
        const { admin, directory, file, url } = target
        const before = yield* snapshot(admin)
        const other = yield* Restores.twin(target)
        assert.strictEqual((yield* Restores.restore(other.url, file, { clean: true })).way, "transaction")
        const expected = yield* snapshot(other.admin)
        const left = Several.before(directory)

        // It fails when all is in, and the safety dump, or the old schemas, come back.
        const own = Task.make("own", {
          title: "Look",
          session: "target",
          plan: () => Effect.succeed({ value: undefined, rows: [], run: () => Effect.fail("unwanted" as const) })
        })
        const failing = Restore.restore({ ...Restores.restoreOptions, file, ...over, tasks: [own] }).pipe(
          Effect.provide(Restores.restoreLayer(url, directory))
        )
        assert.strictEqual(yield* Effect.flip(failing), "unwanted")
        yield* Restores.same(yield* snapshot(admin), before)
        assert.deepStrictEqual(Several.before(directory), left)

        const report = yield* Restores.restore(url, file, over)
        assert.strictEqual(report.way, way, report.why)
        assert.match(report.why, /2 connections are asked for/)
        assert.isTrue(statSync(report.backup ?? "").isDirectory())
        yield* Restores.same(yield* snapshot(admin), expected)
        assert.deepStrictEqual(yield* Several.asides(admin), [])

        const undone = yield* Several.undo(url, directory, { jobs: 2 })
        if (!("way" in undone)) return assert.fail("It was not restored.")
        assert.notStrictEqual(undone.way, "transaction")
        yield* Restores.same(yield* snapshot(admin), before)
        // Of a folder a single connection takes back all in one transaction.
        const again = yield* Several.undo(url, directory)
        assert.deepInclude(again, { way: "transaction" })
        yield* Restores.same(yield* snapshot(admin), expected)
      })
    )
  })
})
