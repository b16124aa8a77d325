/** The way back from a restore in several transactions that was cut short, by a failure or by the end of its process. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { DumpMissing } from "../../dumps/DumpError.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import { Confirmation } from "../../pipeline/Confirmation.ts"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import * as Session from "../../postgres/Session.ts"
import * as Course from "../restore/Course.ts"
import * as DumpProof from "../restore/DumpProof.ts"
import * as FormerRights from "../restore/FormerRights.ts"
import * as Journaling from "../restore/Journaling.ts"
import { settled } from "../restore/RestoreOptions.ts"
import * as SetAside from "../restore/several/SetAside.ts"
import * as Replaced from "./Replaced.ts"

/** The steps that put a safety dump in the place of what a restore has left half done. */
export const pipeline = (journal: Journal, file: string) => {
  const options = settled({ file, clean: true, backupFirst: false, analyze: false, several: true, whileInUse: true })
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

const renameBack = Effect.fnUntraced(function* (journal: Journal) {
  const session = yield* Session.Session
  yield* SetAside.bringBack(session, journal.aside ?? [], journal.newSchemas)
  yield* session.transaction(FormerRights.give(journal))
})

const replay = Effect.fnUntraced(function* (journal: Journal) {
  const store = yield* Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)
  const file = Journaling.backupOf(store, journal)
  if (file === undefined) {
    return yield* new DumpMissing({
      message: `What was there before ${journal.file} was restored was not saved (--no-backup-first).`,
      suggestion: "Restore a dump with --clean.",
      state: "changed",
      file: store.journals.path(journal)
    })
  }
  // Whoever has allowed the restore wants no half of it.
  yield* Effect.provideService(Pipeline.run(pipeline(journal, file)), Confirmation, () => Effect.void)
})

/**
 * Brings back what was there, over a connection of its own: that of the restore may be what has failed. It can be begun
 * again when it was cut short itself.
 */
export const recover = Effect.fn("Recovery.recover")(function* (journal: Journal) {
  const { url } = yield* Session.Session
  yield* Effect.scoped(
    Effect.gen(function* () {
      const session = yield* Session.open(url)
      const work = Effect.gen(function* () {
        const begun = journal.xid === undefined || (yield* Journaling.outcomeOf(journal))._tag !== "Aborted"
        if (!begun) return
        if (journal.way === "aside") yield* renameBack(journal)
        else yield* replay(journal)
      })
      yield* work.pipe(
        Effect.provideService(Session.Session, session),
        Effect.provideService(SqlClient.SqlClient, session.sql)
      )
    })
  )
})
