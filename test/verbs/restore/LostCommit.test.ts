/** A restore whose COMMIT is not answered: it happened, or the target is as it was, and it says which. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as RunReport from "../../../src/pipeline/RunReport.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Proxy from "../../support/Proxy.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"

/** An older state of the sample, and the restore of the dump into it over the proxy, with its report. */
const restoring = Effect.fnUntraced(function* (route: Proxy.Route) {
  const { file } = yield* Restores.JournalDump
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* Restores.fillJournal(target.url)
  yield* Clusters.query(target.url, "CREATE TABLE public.kept (id int)")
  const proxy = yield* Proxy.start(target.url, route)
  const kept = yield* Ref.make(RunReport.empty)
  const run = Restores.restore(proxy.url, file, { clean: true, analyze: true }).pipe(
    RunReport.onExit((report) => Ref.set(kept, report))
  )
  return { target, file, run, report: Ref.get(kept) }
})

layer(Restores.JournalDump.layer, { excludeTestServices: true })("a restore whose COMMIT is not answered", (it) => {
  it.effect("and was done is a restore like any other, less what follows on the lost connection", () =>
    Effect.gen(function* () {
      const { file, report, run, target } = yield* restoring({ commit: "unanswered", closed: 500 })
      const twin = yield* Restores.twin(target)
      const before = yield* snapshot(target.admin)
      const { statements } = yield* run
      const { committed, notes, tasks } = yield* report
      assert.deepStrictEqual(committed, ["the restore"])
      assert.match(notes.find(({ task }) => task === "analyze")?.note ?? "", /^Statistics were not gathered/)
      assert.isTrue(tasks.every(({ status }) => status === "done"))
      assert.strictEqual(statements, (yield* Restores.restore(twin.url, file, { clean: true })).statements)
      const after = yield* snapshot(target.admin)
      assert.notStrictEqual(after, before)
      assert.strictEqual(after, yield* snapshot(twin.admin))
    })
  )

  it.effect("and was not done leaves the target as it was", () =>
    Effect.gen(function* () {
      const { report, run, target } = yield* restoring({ commit: "lost" })
      const error = yield* Restores.unchanged(target.admin, Effect.flip(run))
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
      assert.deepStrictEqual((yield* report).committed, [])
    })
  )
})
