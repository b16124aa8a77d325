/** The way back from a restore in several transactions that was cut short, by a failure or by the end of its process. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { DumpMissing } from "../../dumps/DumpError.ts"
import { DumpReading } from "../../dumps/DumpReading.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import { Confirmation } from "../../pipeline/Confirmation.ts"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import * as Task from "../../pipeline/Task.ts"
import * as Session from "../../postgres/Session.ts"
import * as TargetLock from "../../postgres/TargetLock.ts"
import * as Course from "../restore/Course.ts"
import * as DumpProof from "../restore/DumpProof.ts"
import * as FormerRights from "../restore/FormerRights.ts"
import * as Journaling from "../restore/Journaling.ts"
import { settled } from "../restore/RestoreOptions.ts"
import * as Batches from "../restore/several/Batches.ts"
import * as Emptying from "../restore/several/Emptying.ts"
import * as SetAside from "../restore/several/SetAside.ts"
import { alone } from "../TargetHold.ts"
import * as Replaced from "./Replaced.ts"

/** The steps that put a safety dump in the place of what a restore has left half done. */
export const pipeline = (journal: Journal, file: string, jobs: number) => {
  const settings = { clean: true, backupFirst: false, analyze: false, several: true, whileInUse: true }
  const options = settled({ ...settings, file, jobs })
  const proof = DumpProof.task(options)
  const surveyed = Replaced.task(journal, proof, options, true)
  return Course.pipeline("recover", {
    proof,
    surveyed,
    options,
    drops: true,
    undoes: journal,
    recovers: true,
    tasks: []
  })
}

/** The schemas that are out of the way; without them nothing was there before, or all of it is back already. */
const renameBack = Effect.fnUntraced(function* (journal: Journal) {
  const session = yield* Session.Session
  yield* SetAside.bringBack(session, journal.aside ?? [], journal.newSchemas)
  // There were none of these numbers, or schemas would not have been set aside.
  yield* Batches.unlink(session, journal.largeObjects)
  yield* session.transaction(FormerRights.give(journal))
})

/** A dump of nothing. */
const empty: DumpProof.Proven = {
  contents: new DumpReading().finish(),
  against: "structure",
  unproven: [],
  schemas: [],
  file: "",
  leftOut: undefined,
  partialRows: []
}

/** Takes away what a restore has created where nothing was before. */
const emptied = Effect.fnUntraced(function* (journal: Journal) {
  const session = yield* Session.Session
  const proof = Task.read("prove", { title: "Know that nothing was there", plan: () => Effect.succeed(empty) })
  const surveyed = Replaced.task(journal, proof, settled({ backupFirst: false }), true)
  const clean = Emptying.task({
    needs: { surveyed },
    cascadeOutside: false,
    what: ({ surveyed: { cleaning, course, wish } }) => ({ survey: cleaning, wish, course })
  })
  yield* Pipeline.run(Pipeline.make("recover", [proof, surveyed, clean]))
  yield* session.transaction(FormerRights.give(journal))
})

/** What was there comes out of its safety dump. */
const replay = Effect.fnUntraced(function* (journal: Journal, jobs: number) {
  const store = yield* Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)
  const file = Journaling.backupOf(store, journal)
  if (file === undefined && !journal.replaces) return yield* emptied(journal)
  if (file === undefined) {
    return yield* new DumpMissing({
      message: `What was there before ${journal.file} was restored was not saved (--no-backup-first).`,
      suggestion: "Restore a dump with --clean (`pgark list`).",
      state: "changed",
      file: store.journals.path(journal)
    })
  }
  const { form } = yield* store.find(file)
  yield* Pipeline.run(pipeline(journal, file, form.format === "directory" ? jobs : 1))
})

/** Until it is known what became of the transaction that begins to replace, if that is what the journal tells of. */
const settledOutcome = (journal: Journal) =>
  journal.xid === undefined
    ? Effect.succeed({ _tag: "Committed" as const })
    : Journaling.outcomeOf(journal).pipe(
        Effect.repeat({ schedule: Schedule.spaced("250 millis"), until: ({ _tag }) => _tag !== "Pending" })
      )

/** Nobody else may come in between where the lock on the target went with the connection of the restore. */
const hold = Effect.fnUntraced(function* (session: Session.SessionService, restore: Session.SessionService) {
  const taken = yield* TargetLock.take(session)
  if (taken._tag === "Busy" && taken.holders.every(({ pid }) => pid !== restore.backend)) {
    yield* TargetLock.wait(session)
  }
  yield* alone(session)
})

/**
 * Brings back what was there, over connections of its own: that of the restore may be what has failed. It can be begun
 * again when it was cut short itself.
 *
 * @param jobs how many connections restore a safety dump that is a folder
 */
export const recover = (jobs: number) =>
  Effect.fn("Recovery.recover")(function* (journal: Journal) {
    const restore = yield* Session.Session
    yield* Effect.scoped(
      Effect.gen(function* () {
        const session = yield* Session.open(restore.url, { allowPooler: restore.pooler !== undefined })
        yield* hold(session, restore)
        const work = Effect.gen(function* () {
          if ((yield* settledOutcome(journal))._tag === "Aborted") return
          if (journal.way === "aside") yield* renameBack(journal)
          else yield* replay(journal, jobs)
        })
        yield* work.pipe(
          Effect.provideService(Session.Session, session),
          Effect.provideService(SqlClient.SqlClient, session.sql),
          // Whoever has allowed the restore wants no half of it.
          Effect.provideService(Confirmation, () => Effect.void)
        )
      })
    )
  })
