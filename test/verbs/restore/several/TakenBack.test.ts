/** Restores in several transactions that fail: the target is as it was, or it is said what it is. */
import { readdirSync, renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { type RunEvent, RunEvents } from "../../../../src/pipeline/RunEvent.ts"
import * as Task from "../../../../src/pipeline/Task.ts"
import * as Restore from "../../../../src/verbs/Restore.ts"
import * as Clusters from "../../../support/Clusters.ts"
import * as Restores from "../../../support/Restores.ts"
import * as Several from "../../../support/Several.ts"
import { asideCase, batchesCase, cases, titleOf } from "../../../support/Several.ts"
import { snapshot } from "../../../support/Snapshot.ts"
import { each } from "../../../support/Tier.ts"

/** Which way a run takes, by its tasks. */
const waysOf = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const started = yield* Ref.make<ReadonlyArray<string>>([])
    const listen = (event: RunEvent) =>
      event._tag === "TaskStarted" ? Ref.update(started, (tasks) => [...tasks, event.task]) : Effect.void
    const result = yield* Effect.provideService(run, RunEvents, listen)
    return { result, way: (yield* Ref.get(started)).includes("aside") ? "aside" : "batches" }
  })

const missingType = (name: string) => `CREATE TABLE public.${name} (id public.no_such_type);`

/** Nothing that pg_dump would not write, which would keep schemas from being set aside. */
const failures: ReadonlyArray<{
  readonly name: string
  readonly edit: (text: string) => string
  readonly tag: string
}> = [
  {
    name: "the first statement of the dump",
    edit: (text) => text.replace(/^(CREATE (TYPE|TABLE|FUNCTION) )/m, `${missingType("early")}\n$1`),
    tag: "RestoreFailed"
  },
  {
    name: "one in the middle",
    edit: (text) => text.replace(/^(COPY public\.c .*)$/m, "$1\nno number"),
    tag: "RestoreFailed"
  },
  { name: "the last one", edit: Restores.withLast(missingType("late")), tag: "RestoreFailed" },
  {
    name: "verification",
    edit: Restores.withLast("ALTER TABLE public.b RENAME TO renamed;"),
    tag: "VerificationFailed"
  }
]

const nothingLeft = Effect.fnUntraced(function* (target: Several.Prepared, name = "") {
  assert.deepStrictEqual(Several.before(target.directory), [], name)
  assert.deepStrictEqual(yield* Several.asides(target.admin), [], name)
})

describe("a restore in several transactions that fails", () => {
  each(cases, [asideCase], titleOf, ({ kind, way, ...options }) => {
    it.live("leaves the target as it was", () =>
      Effect.gen(function* () {
        const target = yield* Several.prepare(kind, options)
        for (const { name, edit, tag } of failures) {
          const file = target.edited(edit)
          const failing = Effect.flip(Several.restore(target, file))
          const { result: error, way: taken } = yield* waysOf(Restores.unchanged(target.admin, failing))
          assert.strictEqual(taken, way, name)
          assert.strictEqual(error._tag, tag, `${name}: ${error.message}`)
          assert.strictEqual(error.state, "rolled-back", name)
          yield* nothingLeft(target, name)
        }
      })
    )
  })

  class Unwanted extends Data.TaggedError("Unwanted") {}

  each(
    [asideCase, batchesCase],
    [batchesCase],
    ({ way }) => `later, ${way}:`,
    ({ kind, way, ...options }) => {
      it.live(`by a task of the caller, in the last transaction: ${way}`, () =>
        Effect.gen(function* () {
          const target = yield* Several.prepare(kind, options)
          const own = Task.make("own", {
            title: "Look",
            session: "target",
            plan: () => Effect.succeed({ value: undefined, rows: [], run: () => Effect.fail(new Unwanted()) })
          })
          const run = Restore.restore({
            ...Restores.restoreOptions,
            file: target.file,
            clean: true,
            several: true,
            backupFirst: true,
            tasks: [own]
          }).pipe(Effect.provide(Restores.restoreLayer(target.url, target.directory)))
          const { result: error, way: taken } = yield* waysOf(Restores.unchanged(target.admin, Effect.flip(run)))
          assert.deepStrictEqual([error._tag, taken], ["Unwanted", way])
          yield* nothingLeft(target)
        })
      )

      it.live(`where nothing was before, safety dump or not: ${way}`, () =>
        Effect.gen(function* () {
          const { edited } = yield* Several.prepare(kind, options)
          const file = edited(Restores.withLast(missingType("late")))
          const target = yield* Clusters.makeTarget(Clusters.sourceMajor, kind)
          if (way === "batches") yield* Clusters.query(target.admin, "CREATE EXTENSION citext SCHEMA public")
          for (const backupFirst of [true, false]) {
            const failing = Effect.flip(Several.restore(target, file, { backupFirst, clean: backupFirst }))
            const { result: error, way: taken } = yield* waysOf(Restores.unchanged(target.admin, failing))
            assert.deepStrictEqual(
              [error._tag, error.state, taken],
              ["RestoreFailed", "rolled-back", way],
              error.message
            )
            assert.deepStrictEqual(Several.before(Several.folderOf(file)), [])
          }
        })
      )

      it.live(`and cannot be taken back says so, and is taken back by undo: ${way}`, () =>
        Effect.gen(function* () {
          const target = yield* Several.prepare(kind, options)
          const { admin, directory, url } = target
          const before = yield* snapshot(admin)
          // Somebody builds upon what is being restored, or the safety dump is moved away.
          const held = yield* Restores.folder
          const dumps = () =>
            readdirSync(join(directory, "before-restore")).filter((name) => name.startsWith("db_dump"))
          const move = (from: string, to: string) => {
            for (const name of readdirSync(from).filter((name) => name.startsWith("db_dump"))) {
              renameSync(join(from, name), join(to, name))
            }
          }
          const hinder =
            way === "aside"
              ? Clusters.query(admin, "CREATE SCHEMA other; CREATE VIEW other.v AS SELECT * FROM public.parted")
              : Effect.sync(() => move(join(directory, "before-restore"), held))
          const own = Task.make("own", {
            title: "Look",
            session: "target",
            plan: () =>
              Effect.succeed({
                value: undefined,
                rows: [],
                run: () => Effect.andThen(Effect.orDie(hinder), Effect.fail(new Unwanted()))
              })
          })
          const error = yield* Effect.flip(
            Restore.restore({
              ...Restores.restoreOptions,
              file: target.file,
              clean: true,
              several: true,
              backupFirst: true,
              tasks: [own]
            }).pipe(Effect.provide(Restores.restoreLayer(url, directory)))
          )
          if (error._tag !== "RestoreUnfinished") return assert.fail(error._tag)
          assert.strictEqual(error.state, "changed")
          assert.match(error.message, /^The restore of .* failed, and so did bringing back/)
          assert.match(error.suggestion ?? "", /`pgark undo --dir \S+` brings it back/)
          const undoing = yield* Effect.flip(Several.undo(url, directory))
          assert.deepStrictEqual([undoing._tag, undoing.state], ["RestoreUnfinished", "changed"], undoing.message)
          if (way === "aside") yield* Clusters.query(admin, "DROP SCHEMA other CASCADE")
          else move(held, join(directory, "before-restore"))
          assert.strictEqual(dumps().length, 2)
          assert.deepInclude(yield* Several.undo(url, directory), { recovered: way })
          assert.strictEqual(yield* snapshot(admin), before)
          yield* nothingLeft(target)
        })
      )
    }
  )

  it.live("is refused where it would lose, even then, what stands outside", () =>
    Effect.gen(function* () {
      const target = yield* Several.prepare("superuser")
      yield* Clusters.query(target.admin, "CREATE SCHEMA other; CREATE VIEW other.v AS SELECT * FROM public.parted")
      const restoring = Several.restore(target, target.file, { cascadeOutside: true })
      const error = yield* Restores.unchanged(target.admin, Effect.flip(restoring))
      assert.deepInclude(error, { _tag: "CleanBlocked", state: "untouched" })
      assert.match(error.message, /even if the restore failed/)
      yield* nothingLeft(target)
    })
  )

  it.live("in batches without a safety dump says that nothing leads back, and another restore helps", () =>
    Effect.gen(function* () {
      const target = yield* Several.prepare("databaseOwner", { extension: true })
      const file = target.edited(Restores.withLast(missingType("late")))
      const error = yield* Effect.flip(Several.restore(target, file, { backupFirst: false }))
      assert.deepStrictEqual([error._tag, error.state], ["RestoreUnfinished", "changed"])
      assert.include(error.suggestion, "--no-backup-first")
      assert.notInclude(error.suggestion, "undo")
      const undoing = yield* Effect.flip(Several.undo(target.url, target.directory))
      assert.strictEqual(undoing.state, "changed")
      yield* Several.restore(target, target.file)
      assert.deepStrictEqual(yield* Clusters.query(target.url, "SELECT count(*)::int AS n FROM public.parted"), [
        { n: 20 }
      ])
    })
  )
})
