/** Restores that keep what they replace: undo renames it back, the next restore drops it. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../../../src/pipeline/Pipeline.ts"
import { destructive } from "../../../../src/pipeline/Plan.ts"
import * as Undo from "../../../../src/verbs/Undo.ts"
import * as Clusters from "../../../support/Clusters.ts"
import * as Restores from "../../../support/Restores.ts"
import * as Several from "../../../support/Several.ts"
import { snapshot } from "../../../support/Snapshot.ts"
import { long } from "../../../support/Tier.ts"

const keeping = { clean: true, backupFirst: true, keepPrevious: true }

/** A target that has changed since its dump, which has no large objects. */
const prepare = Effect.gen(function* () {
  const target = yield* Several.prepare("databaseOwner")
  const { file } = yield* Restores.dump(target.url, target.directory)
  yield* Clusters.query(
    target.url,
    `DROP TABLE app.item; DELETE FROM public.parted WHERE id > 9; CREATE TABLE public.more (id integer REFERENCES public.a);
     INSERT INTO public.more VALUES (1); GRANT SELECT ON public.more TO ${target.reader}`
  )
  return { ...target, file }
})

const kept = (names: ReadonlyArray<string>) => names.every((name) => /^pgark_previous_\d+$/.test(name))

describe("a restore that keeps what it replaces", () => {
  it.live("is undone by names alone, as is that, and the dump of neither is made", () =>
    Effect.gen(function* () {
      const { admin, directory, file, url } = yield* prepare
      const before = yield* snapshot(admin)
      const report = yield* Restores.restore(url, file, keeping)
      assert.deepStrictEqual([report.way, report.backup], ["aside", undefined])
      assert.sameMembers(report.kept?.map(({ schema }) => schema) ?? [], ["public", "app"])
      assert.isTrue(kept(yield* Several.asides(admin)))
      const restored = yield* snapshot(admin)
      const oids = Clusters.query(url, "SELECT 'public.a'::regclass::oid AS a, 'public.b'::regclass::oid AS b")
      const ofRestored = yield* oids

      // What is written now goes with the undoing, which says so, and comes back with the next.
      yield* Clusters.query(url, "INSERT INTO public.a (name) VALUES ('since')")
      const written = yield* snapshot(admin)
      const { plan } = yield* Effect.flatMap(Undo.planned(), Pipeline.plan).pipe(
        Effect.provide(Restores.restoreLayer(url, directory))
      )
      assert.lengthOf(destructive(plan), 2)
      assert.match(destructive(plan)[0]?.what ?? "", /with all that was written there since/)
      assert.strictEqual(plan.stakes?.wayBack?.kept?.length, 2)
      const undone = yield* Several.undo(url, directory)
      if (!("back" in undone)) return assert.fail("It was not done by names.")
      assert.deepStrictEqual(
        undone.back,
        report.kept?.map((one) => one)
      )
      assert.notDeepEqual(yield* oids, ofRestored)
      assert.deepStrictEqual(
        Several.before(directory).filter((name) => !name.startsWith("restore_")),
        []
      )
      yield* Several.undo(url, directory)
      assert.deepStrictEqual(yield* oids, ofRestored)
      yield* Restores.same(yield* snapshot(admin), written)
      assert.notStrictEqual(written, restored)

      const last = yield* Several.undo(url, directory, { backupFirst: false })
      assert.deepInclude(last, { kept: [] })
      yield* Restores.same(yield* snapshot(admin), before)
      const nothing = yield* Effect.flip(Several.undo(url, directory))
      assert.strictEqual(nothing._tag, "DumpMissing")
    })
  )
})

long("a restore that keeps what it replaces,", () => {
  it.live("is outlived by what it keeps until another one has happened", () =>
    Effect.gen(function* () {
      const target = yield* prepare
      const { admin, directory, file, url } = target
      const before = yield* snapshot(admin)
      yield* Restores.restore(url, file, keeping)
      const kept = yield* Several.asides(admin)
      // It is in no dump.
      const { file: again } = yield* Restores.dump(url, directory)
      const broken = target.edited(Restores.withLast("CREATE TABLE public.late (id public.no_such_type);"))
      yield* Effect.flip(Restores.restore(url, broken, { clean: true, backupFirst: true }))
      assert.deepStrictEqual(yield* Several.asides(admin), kept)
      // And still leads back.
      yield* Several.undo(url, directory)
      yield* Several.undo(url, directory)
      assert.deepStrictEqual(yield* Several.asides(admin), kept)
      const next = yield* Restores.restore(url, again, keeping)
      assert.deepStrictEqual(yield* Several.asides(admin), next.kept?.map(({ aside }) => aside).toSorted() ?? [])
      assert.notDeepEqual(yield* Several.asides(admin), kept)
      const { backup, way } = yield* Restores.restore(url, again, { clean: true, backupFirst: true })
      assert.strictEqual(way, "transaction")
      assert.isTrue(existsSync(backup ?? ""))
      assert.deepStrictEqual(yield* Several.asides(admin), [])
      assert.lengthOf(
        Several.before(directory).filter((name) => name.startsWith("restore_")),
        1
      )
      assert.notStrictEqual(yield* snapshot(admin), before)
    })
  )

  it.live("brings back what was there where it was killed before it could say that it is done", () =>
    Effect.gen(function* () {
      const { admin, directory, file, url } = yield* prepare
      const before = yield* snapshot(admin)
      yield* Restores.restore(url, file, keeping)
      const [name = ""] = Several.before(directory)
      const path = join(directory, "before-restore", name)
      const { keeps: _, ...journal } = JSON.parse(readFileSync(path, "utf8"))
      const aside = journal.aside.map((one: { readonly schema: string; readonly aside: string }) => ({
        ...one,
        aside: one.aside.replace("previous", "aside")
      }))
      writeFileSync(path, JSON.stringify({ ...journal, state: "replacing", aside }))
      assert.deepInclude(yield* Several.undo(url, directory), { recovered: "aside" })
      yield* Restores.same(yield* snapshot(admin), before)
      assert.deepStrictEqual(Several.before(directory), [])
    })
  )

  it.live("is refused where schemas cannot be set aside, or something would stay behind", () =>
    Effect.gen(function* () {
      const { admin, directory, file, url } = yield* prepare
      yield* Clusters.query(url, "SELECT lo_from_bytea(4799, 'large')")
      const { file: large } = yield* Restores.dump(url, directory)
      yield* Clusters.query(url, "SELECT lo_unlink(4799)")
      const refused = (file: string) => Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, keeping)))
      const withLarge = yield* refused(large)
      assert.deepStrictEqual([withLarge._tag, withLarge.state], ["TargetUnfit", "untouched"])
      assert.match(withLarge.message, /large object/)
      yield* Clusters.query(admin, "CREATE EXTENSION citext SCHEMA public")
      const withExtension = yield* refused(file)
      assert.match(withExtension.message, /extension citext has objects in schema public/)
      assert.deepStrictEqual(Several.before(directory), [])
    })
  )
})
