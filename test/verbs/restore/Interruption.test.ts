/**
 * Interrupting a restore or a dump, at each of its tasks and at moments by chance: no backend, no open transaction, no
 * child process and no file is left, and the target is as it was, unless the restore says that it was committed.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { type RunEvent, RunEvents } from "../../../src/pipeline/RunEvent.ts"
import * as RunReport from "../../../src/pipeline/RunReport.ts"
import { beforeRestore, DumpStore } from "../../../src/dumps/DumpStore.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { PgDump, type PgDumpKind } from "../../../src/postgres/PgDump.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Dump from "../../../src/verbs/Dump.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { long, ofRun } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

/** Numbers from 0 to 1, the same in every run. */
const chance = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

/** Processes that this one has started and that still are there: on Linux only, elsewhere none are seen. */
const children = (): ReadonlyArray<string> => {
  const threads = `/proc/${process.pid}/task`
  try {
    return readdirSync(threads)
      .flatMap((thread) => readFileSync(`${threads}/${thread}/children`, "utf8").trim().split(" "))
      .filter((pid) => pid !== "")
  } catch {
    return []
  }
}

/** When to interrupt: at the first event that it accepts, or so many milliseconds after the start. */
type Moment = ((event: RunEvent) => boolean) | number

/** Interrupts `run` at that moment; gives its report, or `undefined` where it was over before. */
const interruptedAt = Effect.fnUntraced(function* <A, E>(run: Effect.Effect<A, E>, moment: Moment) {
  const reached = yield* Deferred.make<void>()
  const kept = yield* Ref.make(RunReport.empty)
  let last: RunEvent | undefined
  const listen = (event: RunEvent) => {
    last = event
    return typeof moment === "function" && moment(event)
      ? Effect.asVoid(Deferred.succeed(reached, undefined))
      : Effect.void
  }
  const fiber = yield* run.pipe(
    RunReport.onExit((report) => Ref.set(kept, report)),
    Effect.provideService(RunEvents, listen),
    Effect.forkChild({ startImmediately: true })
  )
  const wait = typeof moment === "number" ? Effect.sleep(moment) : Deferred.await(reached)
  yield* Effect.raceFirst(wait, Effect.exit(Fiber.join(fiber)))
  const interrupted = yield* Fiber.interrupt(fiber).pipe(
    Effect.andThen(Fiber.await(fiber)),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () =>
        Effect.die(new Error(`interrupted at ${moment} it does not end; the last event: ${JSON.stringify(last)}`))
    })
  )
  return { interrupted: Exit.hasInterrupts(interrupted), report: yield* Ref.get(kept) }
})

/** Nothing of ours is on the server or on this machine. */
const nothingLeft = Effect.fnUntraced(function* (
  admin: DatabaseUrl,
  folder: string,
  before: { readonly files: ReadonlyArray<string>; readonly children: ReadonlyArray<string> }
) {
  yield* Restores.until(Restores.backends(admin), (pids) => pids.length === 0, "2 seconds")
  const prepared = yield* Clusters.query(admin, "SELECT gid FROM pg_prepared_xacts")
  assert.deepStrictEqual(prepared, [])
  assert.deepStrictEqual(readdirSync(folder).toSorted(), before.files)
  yield* Restores.until(
    Effect.sync(children),
    (pids) => pids.every((pid) => before.children.includes(pid)),
    "2 seconds"
  )
})

const here = (folder: string) => ({ files: readdirSync(folder).toSorted(), children: children() })

const startOf = (name: string) => (event: RunEvent) => event._tag === "TaskStarted" && event.task === name
const endOf = (name: string) => (event: RunEvent) => event._tag === "TaskFinished" && event.task === name

/** A restore with everything in it, into a database that has an older state of the sample and something of its own. */
const restoring = Effect.gen(function* () {
  const dump = yield* Restores.JournalDump
  const app = yield* Clusters.makeRole(major)
  const target = yield* Clusters.makeTarget(major, "databaseOwner")
  yield* Restores.fillJournal(target.url)
  yield* Clusters.query(target.url, `CREATE TABLE public.kept (id int); INSERT INTO public.kept VALUES (1)`)
  const run = Restores.restore(target.url, dump.file, { clean: true, grantTo: app.name, analyze: true })
  return { admin: target.admin, folder: dirname(dump.file), run }
})

const inTransaction = ["lock", "clean", "apply", "grant"]
const restoreTasks = ["prove", "survey", "transaction", ...inTransaction, "verify", "analyze"]

/** The restore interrupted at one moment after the other; the target is filled again where it was committed. */
const restoreAt = Effect.fnUntraced(function* (moments: ReadonlyArray<Moment>) {
  let { admin, folder, run } = yield* restoring
  let before = yield* snapshot(admin)
  let [interrupted, committed] = [0, 0]
  for (const moment of moments) {
    const was = here(folder)
    const ended = yield* interruptedAt(run, moment)
    // A restore that was committed has its journal there.
    const files =
      ended.report.committed.length === 0 ? was.files : [...new Set([...was.files, beforeRestore])].toSorted()
    yield* nothingLeft(admin, folder, { ...was, files })
    if (ended.interrupted) interrupted++
    if (ended.report.committed.length === 0) {
      assert.isTrue(ended.interrupted)
      assert.strictEqual(yield* snapshot(admin), before)
      const statuses = new Set(ended.report.tasks.map(({ status }) => status))
      assert.isFalse(statuses.has("failed"))
    } else {
      committed++
      assert.notStrictEqual(yield* snapshot(admin), before)
      ;({ admin, folder, run } = yield* restoring)
      before = yield* snapshot(admin)
    }
  }
  return { interrupted, committed }
})

const atRandom = (seed: number, n: number, within: number): ReadonlyArray<number> => {
  const next = chance(seed)
  return Array.from({ length: n }, () => Math.floor(next() * within))
}

describe("an interrupted restore", () => {
  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    it.effect("at the beginning of each task, and at its end within the transaction", () =>
      Effect.gen(function* () {
        const all = [...inTransaction.map(endOf), ...restoreTasks.map(startOf)]
        // Every second one, from the end: the last is the one behind the commit.
        const moments = ofRun(
          all,
          all.filter((_, at) => (all.length - at) % 2 === 1)
        )
        const { committed, interrupted } = yield* restoreAt(moments)
        // Only analyze comes behind the commit.
        assert.deepStrictEqual({ committed, interrupted }, { committed: 1, interrupted: moments.length })
      })
    )

    it.effect("at moments by chance", () => Effect.asVoid(restoreAt(atRandom(4, 4, 400))))
  })
})

/** A dump of a database that takes about a second to dump, by one of the ways to pg_dump, into an empty folder. */
const dumping = Effect.fnUntraced(function* (kind: PgDumpKind) {
  const admin = yield* Clusters.makeDatabase(major)
  yield* Clusters.query(
    admin,
    "CREATE TABLE large AS SELECT i AS id, repeat(md5(i::text), 20) AS text FROM generate_series(1, 50000) i"
  )
  const folder = yield* Restores.folder
  const layer = Layer.mergeAll(Session.layer(admin), DumpStore.layer(folder), PgDump.layer(kind))
  const run = Dump.dump(Restores.dumpOptions).pipe(Effect.provide(Layer.provide(layer, NodeServices.layer)))
  return { admin, folder, run }
})

/** The dump interrupted at one moment after the other; gives how many of them came before its end. */
const dumpAt = Effect.fnUntraced(function* (kind: PgDumpKind, moments: ReadonlyArray<Moment>) {
  const { admin, folder, run } = yield* dumping(kind)
  const before = here(folder)
  let interrupted = 0
  for (const moment of moments) {
    const ended = yield* interruptedAt(run, moment)
    if (ended.interrupted) {
      interrupted++
      yield* nothingLeft(admin, folder, before)
      continue
    }
    // A dump that was done in time is whole: the file and its manifest.
    const files = readdirSync(folder)
    assert.strictEqual(files.length, 2)
    for (const file of files) rmSync(join(folder, file))
    yield* nothingLeft(admin, folder, before)
  }
  return interrupted
})

const inTheMiddle = (event: RunEvent) => event._tag === "TaskProgress" && (event.bytes?.done ?? 0) > 1_000_000

for (const kind of ["wasm", "native"] as const) {
  const suite =
    kind === "native" ? (title: string, body: () => void) => NativePgDump.suite(title, major, body) : describe
  suite(`an interrupted dump (${kind})`, () => {
    it.live("at the beginning of each task, and in the middle of the data", () =>
      Effect.gen(function* () {
        const moments = [startOf("source"), startOf("tool"), startOf("write"), inTheMiddle]
        assert.strictEqual(yield* dumpAt(kind, moments), moments.length)
      })
    )
  })
}

long("interrupted at many moments by chance", () => {
  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    it.effect(
      "a restore",
      () =>
        Effect.gen(function* () {
          const { committed, interrupted } = yield* restoreAt(atRandom(44, 60, 1200))
          assert.isAbove(interrupted, 20)
          assert.isAtMost(committed, 40)
        }),
      { timeout: 300_000 }
    )
  })

  it.live(
    "a dump",
    () =>
      Effect.gen(function* () {
        assert.isAbove(yield* dumpAt("wasm", atRandom(444, 20, 400)), 5)
      }),
    { timeout: 300_000 }
  )
})
