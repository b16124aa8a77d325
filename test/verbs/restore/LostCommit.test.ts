/** A restore whose COMMIT is not answered: it happened, or the target is as it was, and it says which. */
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import * as RunEvent from "../../../src/pipeline/RunEvent.ts"
import * as RunReport from "../../../src/pipeline/RunReport.ts"
import * as CommitOutcome from "../../../src/postgres/CommitOutcome.ts"
import * as Undo from "../../../src/verbs/Undo.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Proxy from "../../support/Proxy.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"

/** What is noted of the restores into a database. */
const journalsOf = Effect.fnUntraced(function* ({ url }: Clusters.Target, file: string) {
  const all = yield* Effect.gen(function* () {
    const past = yield* (yield* DumpStore).beforeRestore
    return yield* past.journals.list
  }).pipe(Effect.provide(Restores.restoreLayer(url, dirname(file))))
  return all.filter(({ target }) => target.database === url.database)
})

/** An older state of the sample, and the restore of the dump into it over the proxy, with its report. */
const restoring = Effect.fnUntraced(function* (route: Proxy.Route) {
  const { file } = yield* Restores.JournalDump
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* Restores.fillJournal(target.url)
  yield* Clusters.query(target.url, "CREATE TABLE public.kept (id int)")
  const proxy = yield* Proxy.start(target.url, route)
  const kept = yield* Ref.make(RunReport.empty)
  const run = Restores.restore(proxy.url, file, { clean: true, analyze: true, backupFirst: true }).pipe(
    RunReport.onExit((report) => Ref.set(kept, report))
  )
  const undoable = Undo.find().pipe(Effect.provide(Restores.restoreLayer(target.url, dirname(file))))
  return { target, file, proxy, run, report: Ref.get(kept), undoable }
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
      const { report, run, target, undoable } = yield* restoring({ commit: "lost" })
      const error = yield* Restores.unchanged(target.admin, Effect.flip(run))
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
      assert.deepStrictEqual((yield* report).committed, [])
      assert.strictEqual((yield* Effect.flip(undoable))._tag, "DumpMissing")
    })
  )

  it.effect("and that is interrupted keeps the safety dump, for the journal has the number to ask for", () =>
    Effect.gen(function* () {
      const { proxy, run, undoable } = yield* restoring({ commit: "unanswered", closed: Number.POSITIVE_INFINITY })
      const running = yield* Effect.forkChild(Effect.provideService(run, CommitOutcome.Limit, "200 millis"))
      yield* proxy.cut
      yield* Fiber.interrupt(running)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(running)))
      const { file, journal } = yield* undoable
      assert.deepInclude(journal, { state: "done" })
      assert.match(journal.xid ?? "", /^\d+$/)
      assert.isTrue(existsSync(file))
    })
  )

  it.effect("unless nothing is lost but an interruption comes meanwhile: then it is done", () =>
    Effect.gen(function* () {
      const { file: dump, report, run, target, undoable } = yield* restoring({ commit: "answered" })
      const begun = yield* Deferred.make<void>()
      const listen = (event: RunEvent.RunEvent) =>
        event._tag === "Committed"
          ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.sleep("200 millis"))
          : Effect.void
      const running = yield* Effect.forkChild(Effect.provideService(run, RunEvent.RunEvents, listen))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(running)
      assert.deepStrictEqual((yield* report).committed, ["the restore"])
      const noted = yield* journalsOf(target, dump)
      assert.deepStrictEqual(
        noted.map(({ state }) => state),
        ["done"]
      )
      assert.isTrue(existsSync((yield* undoable).file))
    })
  )
})
