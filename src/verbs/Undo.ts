/** The verb undo: brings back what the last restore has replaced, from the dump that it made of it. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { DumpMissing } from "../dumps/DumpError.ts"
import { DumpStore } from "../dumps/DumpStore.ts"
import type { Journal } from "../dumps/RestoreJournal.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import { note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import type { PgDump } from "../postgres/PgDump.ts"
import { Session } from "../postgres/Session.ts"
import type { RestoreError, RestoreOptions } from "./Restore.ts"
import * as Course from "./restore/Course.ts"
import * as DumpProof from "./restore/DumpProof.ts"
import * as Journaling from "./restore/Journaling.ts"
import { report, RestoreReport } from "./restore/Report.ts"
import { settled } from "./restore/RestoreOptions.ts"
import { otherwiseInSeveral } from "./restore/several/Fallback.ts"
import * as Leftover from "./restore/several/Leftover.ts"
import { takeBack } from "./restore/several/WayBack.ts"
import { recover } from "./undo/Recovery.ts"
import { hold, holding } from "./TargetHold.ts"
import * as Exchange from "./undo/Exchange.ts"
import * as Replaced from "./undo/Replaced.ts"

/** As of a restore, as far as there is something to choose. */
export type UndoOptions = Pick<
  RestoreOptions,
  "analyze" | "backupFirst" | "cascadeOutside" | "jobs" | "lockTimeout" | "several" | "verify" | "wait" | "whileInUse"
>

/** The restore that was taken back: when it began, and the dump that it had restored. */
export const Undone = Schema.Struct({
  at: Schema.String.annotateKey({ description: "When it began, in ISO 8601, UTC." }),
  file: Schema.String.annotateKey({ description: "Path of the dump that it had restored." }),
  by: Schema.Literals(["restore", "undo"]).annotateKey({ description: "The command that it was run by." })
})
export type Undone = typeof Undone.Type

const undoneKey = Undone.annotateKey({ description: "The restore that was taken back." })

/** What an undoing did. */
export const UndoReport = Schema.Struct({ undone: undoneKey, ...RestoreReport.fields })
export interface UndoReport extends RestoreReport {
  readonly undone: Undone
}

/** A restore in several transactions had been cut short, and what was there before it is back. */
export const RecoveryReport = Schema.Struct({
  undone: undoneKey,
  recovered: Schema.Literals(["aside", "batches"]).annotateKey({
    description:
      "How that restore had gone about it: the old schemas set aside meanwhile, or in batches behind a safety dump."
  })
})
export type RecoveryReport = typeof RecoveryReport.Type

const Renamed = Schema.Struct({
  schema: Schema.String.annotateKey({ description: "The schema's own name." }),
  aside: Schema.String.annotateKey({ description: "Its name while it is kept." })
})

/** The restore had kept what it replaced, and both have changed places. */
export const ExchangeReport = Schema.Struct({
  undone: undoneKey,
  back: Schema.Array(Renamed).annotateKey({ description: "Schemas that have their own names again." }),
  kept: Schema.Array(Renamed).annotateKey({
    description: "What was there instead, and stays until the next restore; empty where it was dropped."
  })
})
export type ExchangeReport = typeof ExchangeReport.Type

const nothing = (file: string, message: string, suggestion: string) =>
  new DumpMissing({ message, suggestion, state: "untouched", file })

/** Which restore it is that is taken back: who is in the wrong folder sees it before anything goes. */
const tell = Effect.fnUntraced(function* ({ at, by, file, target: { host, port } }: Journal) {
  const { url } = yield* Session
  const elsewhere = host === url.host && port === url.port ? "" : `, which was run at ${host}:${port}`
  const what = by === "restore" ? `the restore of ${file}` : "the last undo"
  yield* note(`Takes back ${what} of ${DateTime.formatIso(at)}${elsewhere}.`)
})

/** The safety dump of the restore to take back. Fails with DumpMissing where there is none. */
const saved = Effect.fnUntraced(function* (journal: Journal | undefined) {
  const past = yield* Effect.flatMap(DumpStore, (store) => store.beforeRestore)
  if (journal === undefined) {
    return yield* nothing(
      past.directory,
      `No restore into this database is noted in ${past.directory}.`,
      "Name the folder of dumps that was used then (--dir)."
    )
  }
  const file = Journaling.backupOf(past, journal)
  if (file !== undefined) {
    const { form } = yield* Effect.catchTag(past.find(file), "DumpMissing", () =>
      nothing(
        file,
        `The dump of what was there before ${journal.file} was restored is gone: ${file}.`,
        "Bring it back to its folder, with its manifest; or restore another dump (`pgark list`)."
      )
    )
    yield* tell(journal)
    return { journal, file, divided: form.format === "directory" }
  }
  const at = DateTime.formatIso(journal.at)
  const named = `The last restore into this database, of ${journal.file} (${at}),`
  return journal.replaces
    ? yield* nothing(
        past.journals.path(journal),
        `${named} was run with --no-backup-first: what it replaced was not saved.`,
        "Restore another dump (`pgark list`)."
      )
    : yield* nothing(
        past.journals.path(journal),
        `${named} replaced nothing: there is nothing to bring back.`,
        "`pgark clean` empties schemas."
      )
})

/** The restore to take back, and its safety dump. Fails with DumpMissing where there is none. */
export const find = Effect.fn("Undo.find")(function* () {
  return yield* saved(yield* Journaling.last())
})

const undone = ({ at, by, file }: Journal): Undone => ({ at: DateTime.formatIso(at), file, by })

const names = (renamed: ExchangeReport["back"]): ExchangeReport["back"] =>
  renamed.map(({ aside, schema }) => ({ schema, aside }))

/** What {@link find} gives. */
export interface Found {
  readonly journal: Journal
  /** Path of the safety dump. */
  readonly file: string
  /** Its rows are in files of their own, so that several connections can restore it. */
  readonly divided: boolean
}

/** Everything that an undoing does, as a graph of tasks. */
export const pipeline = (
  { divided, file, journal }: Found,
  { jobs = 1, ...asked }: UndoOptions & Pick<RestoreOptions, "exact"> = {}
) => {
  const options = settled({ ...asked, file, clean: true, jobs: divided ? jobs : 1 })
  const proof = DumpProof.task(options)
  const surveyed = Task.holding(Replaced.task(journal, proof, options), hold(options))
  return Course.pipeline("undo", {
    proof,
    surveyed,
    options,
    drops: true,
    undoes: journal,
    tasks: [],
    recover: recover(options.jobs)
  })
}

/** The same where the restore has kept what it replaced. */
const exchange = (journal: Journal, asked: UndoOptions) => Exchange.pipeline(journal, settled(asked))

type TasksOf<P> = P extends Pipeline.Pipeline<infer T> ? T : never
/** One or the other. */
type Undoing = Pipeline.Pipeline<TasksOf<ReturnType<typeof exchange | typeof pipeline>>>

/**
 * What {@link undo} would do, as a pipeline to be planned. Fails with DumpMissing where there is nothing to bring back,
 * and with RestoreUnfinished where the restore was cut short: that is brought back by other steps.
 */
export const planned = Effect.fn("Undo.planned")(function* (options: UndoOptions = {}) {
  const journal = yield* Journaling.last(true)
  if (journal?.state === "replacing") {
    const { journals } = yield* Effect.flatMap(DumpStore, (store) => store.beforeRestore)
    return yield* Journaling.unfinished(journal, journals.path(journal))
  }
  const undoing: Undoing =
    journal !== undefined && Journaling.keeps(journal)
      ? exchange(journal, options)
      : pipeline(yield* saved(journal), options)
  return undoing
})

/**
 * Brings back what the last restore into the session's database has replaced: it happens, or the target is as it was.
 *
 * What it takes away for that is saved before, so that undoing again takes the undoing back. Fails as `Restore.restore`
 * does, and with DumpMissing where there is nothing to bring back.
 */
export const undo = Effect.fn("Undo.undo")(function* (
  options: UndoOptions = {}
): Effect.fn.Return<
  ExchangeReport | RecoveryReport | UndoReport,
  RestoreError,
  DumpStore | PgDump | Session | SqlClient.SqlClient
> {
  const undoing = Effect.gen(function* () {
    const journal = yield* Journaling.last()
    if (journal?.state === "replacing" && journal.way !== "transaction") {
      yield* takeBack(journal, recover(options.jobs ?? 1))
      return { recovered: journal.way, undone: undone(journal) }
    }
    yield* Leftover.settle()
    if (journal !== undefined && Journaling.keeps(journal)) {
      yield* tell(journal)
      const { drop, transaction } = (yield* Pipeline.run(exchange(journal, options))).results
      return {
        undone: undone(journal),
        back: names(transaction.back),
        kept: drop === true ? [] : names(transaction.away)
      }
    }
    const found = yield* saved(journal)
    const { results } = yield* otherwiseInSeveral(options.several === true, (several) =>
      Pipeline.run(pipeline(found, { ...options, several }))
    )
    return { ...report(results), undone: undone(found.journal) }
  })
  // Which restore was the last one is known for certain only when no other is at work.
  return yield* holding(options)(undoing)
})
