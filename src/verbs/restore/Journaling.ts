/**
 * Notes beside the safety dumps what a restore is about to do and how far it came, and finds out afterwards what became
 * of it.
 */
import { dirname, join } from "node:path"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as SqlClient from "effect/sql/SqlClient"
import type { DiskFull, DumpDamaged, DumpUnreadable, FolderUnusable } from "../../dumps/DumpError.ts"
import { DumpStore, type DumpStoreService } from "../../dumps/DumpStore.ts"
import type { Journal, Target } from "../../dumps/RestoreJournal.ts"
import { undoCommand } from "../../dumps/UndoCommand.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as CommitOutcome from "../../postgres/CommitOutcome.ts"
import { type DatabaseError, StatementFailed } from "../../postgres/DatabaseError.ts"
import type { Ask } from "../../postgres/ServerMark.ts"
import { Session } from "../../postgres/Session.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { RestoreUnfinished } from "../VerbError.ts"
import * as SetAside from "./several/SetAside.ts"

/** How many safety dumps of a target are kept. */
export const kept = 3

/** What the running restore has noted, as far as it has come to that. */
interface Entry {
  journal?: Journal
}

/** Set around a run by {@link within}. */
const Current = Context.Reference<Entry | undefined>("pgark/verbs/restore/Journaling", {
  defaultValue: () => undefined
})

/** Which database the session is connected to. */
export const target = Effect.fn("Journaling.target")(function* (): Effect.fn.Return<
  Target,
  DatabaseError,
  Session | SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const { server, url } = yield* Session
  const [row] = yield* sql<{ readonly oid: string; readonly database: string }>`
    select oid::text as "oid", datname::text as "database" from pg_database
    where datname = current_database()`.pipe(Effect.mapError(fromSqlError))
  return {
    system: server.history?.system ?? "",
    oid: row?.oid ?? "",
    database: row?.database ?? "",
    host: url.host,
    port: url.port
  }
})

const past = Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)

/** The safety dump of a journal, where it has one. */
export const backupOf = (store: DumpStoreService, { backup }: Journal): string | undefined =>
  backup === undefined ? undefined : join(store.directory, backup)

/** Writes the journal of the running restore, or writes it anew. */
export const write = Effect.fn("Journaling.write")(function* (
  journal: Journal
): Effect.fn.Return<void, DiskFull | FolderUnusable, DumpStore> {
  const { journals } = yield* past
  const entry = yield* Current
  // Known before it is there: what is interrupted meanwhile leaves nothing.
  if (entry !== undefined) entry.journal = journal
  yield* journals.write(journal)
})

/** Changes the journal of the running restore; nothing where it has none. */
export const update = Effect.fnUntraced(function* (change: Partial<Journal>) {
  const entry = yield* Current
  if (entry?.journal !== undefined) yield* write({ ...entry.journal, ...change })
})

/** Notes that this transaction, whose COMMIT is next, sets the schemas aside, where it does. */
export const replacing = Effect.fnUntraced(function* (transaction: CommitOutcome.Numbered) {
  if ((yield* current)?.way === "aside") yield* update({ ...transaction, state: "replacing" })
})

/** Notes that from here on the target is not as it was. */
export const replacingNow = Effect.fnUntraced(function* () {
  if ((yield* current)?.state === "begun") yield* update({ state: "replacing" })
})

/** Notes that the new state is complete. What was set aside is kept under its new names, where it is kept. */
export const complete = Effect.fnUntraced(function* (keeps: boolean) {
  const aside = (yield* current)?.aside ?? []
  yield* update({ state: "done", ...(keeps ? { keeps, aside: aside.map(SetAside.kept) } : {}) })
})

/** Journals of this database whose restores have kept what they replaced, newest first. */
export const keeping = Effect.fn("Journaling.keeping")(function* (): Effect.fn.Return<
  ReadonlyArray<Journal>,
  DatabaseError | DumpDamaged | DumpUnreadable,
  DumpStore | Session | SqlClient.SqlClient
> {
  return (yield* of(yield* past, yield* target())).filter(keeps)
})

/**
 * Whether there is a way back from it once it has begun to replace something: schemas that are set aside, a safety dump,
 * or nothing that was there before.
 */
export const leadsBack = ({ backup, replaces, way }: Journal): boolean =>
  way === "aside" || backup !== undefined || !replaces

/**
 * What helps where a restore has been cut short.
 *
 * @param file the journal's path
 */
export const remedy = (journal: Journal, file: string): string =>
  leadsBack(journal)
    ? `Bring back what was there with \`${undoCommand(dirname(dirname(file)))}\`; then restore again.`
    : "What was there was not saved (--no-backup-first). Restore a dump with --clean (`pgark list`)."

/**
 * Fails where the last restore into this database was cut short between its transactions, and there is a way back. Where
 * there is none another restore is all that helps.
 *
 * @param looking as of {@link last}
 */
export const refuseUnfinished = Effect.fn("Journaling.refuseUnfinished")(function* (
  looking = false
): Effect.fn.Return<
  void,
  DatabaseError | DiskFull | DumpDamaged | DumpUnreadable | FolderUnusable | RestoreUnfinished,
  DumpStore | Session | SqlClient.SqlClient
> {
  const journal = yield* last(looking)
  if (journal?.state !== "replacing") return
  const found = unfinished(journal, (yield* past).journals.path(journal))
  if (leadsBack(journal)) return yield* found
  yield* note(`${found.message} What was there was not saved (--no-backup-first).`)
})

/** What is known of a restore that was cut short. */
export const unfinished = (journal: Journal, file: string): RestoreUnfinished =>
  new RestoreUnfinished({
    message: `The restore of ${journal.file} (${DateTime.formatIso(journal.at)}) was cut short: the target is between its old and its new state.`,
    detail: [
      `It took several transactions, ${journal.way === "aside" ? "with the old schemas set aside" : "in batches behind a safety dump"}.`,
      ...(journal.aside ?? []).map(({ schema, aside }) => `Schema ${schema} as it was is called ${aside} meanwhile.`),
      ...(journal.backup === undefined ? [] : [`What was there is saved in ${journal.backup}, beside the journal.`])
    ].join("\n"),
    suggestion: remedy(journal, file),
    state: "changed",
    file
  })

/** The journal of the running restore, as far as it has come to one. */
export const current: Effect.Effect<Journal | undefined> = Effect.map(
  Effect.service(Current),
  (entry) => entry?.journal
)

/** Takes a journal away, and its safety dump: what it tells of never happened, or is too long ago. */
const discard = Effect.fnUntraced(function* (store: DumpStoreService, journal: Journal) {
  const entry = yield* Current
  if (entry?.journal?.at === journal.at) delete entry.journal
  const file = backupOf(store, journal)
  // The journal last: without it nobody would know whose the rest is.
  if (file !== undefined) yield* store.remove(file)
  yield* store.journals.remove(journal)
})

/** Whether what it has replaced stands in the database, under other names. */
export const keeps = ({ aside = [], keeps, state }: Journal): boolean =>
  keeps === true && aside.length > 0 && state === "done"

const sameTarget = (a: Target, b: Target): boolean =>
  a.oid === b.oid &&
  (a.system === "" || b.system === "" ? a.host === b.host && a.port === b.port : a.system === b.system)

/** Journals of a target, newest first. */
const of = Effect.fnUntraced(function* (store: DumpStoreService, target: Target) {
  return (yield* store.journals.list).filter((journal) => sameTarget(journal.target, target))
})

/** Removes what lies behind the newest safety dumps of a target. A journal without one says something while it is the last. */
const retain = Effect.fnUntraced(function* (store: DumpStoreService, target: Target) {
  let backups = 0
  for (const [index, journal] of (yield* of(store, target)).entries()) {
    // What one keeps is dropped before nobody knows of it any more.
    const useless = backups >= kept || (index > 0 && journal.backup === undefined && !keeps(journal))
    if (useless && journal.state === "done") yield* discard(store, journal)
    if (journal.backup !== undefined) backups++
  }
})

/** The newest journal of this database, as it stands there; see {@link last} for what became of it. */
export const newest = Effect.fn("Journaling.newest")(function* (): Effect.fn.Return<
  Journal | undefined,
  DatabaseError | DumpDamaged | DumpUnreadable,
  DumpStore | Session | SqlClient.SqlClient
> {
  return (yield* of(yield* past, yield* target()))[0]
})

const told = (what: string) => (error: { readonly message: string }) => note(`${what}: ${error.message}`)

/** How far a restore has come when its transaction is committed, and nothing is known of what came then. */
const stateBehindCommit = ({ state, way }: Journal): Journal["state"] =>
  way === "transaction" || state === "done" ? "done" : "replacing"

/** Removes the journal of a restore that has been taken back, and its safety dump. */
export const forget = Effect.fn("Journaling.forget")(function* (
  journal: Journal
): Effect.fn.Return<void, DiskFull | DumpUnreadable | FolderUnusable, DumpStore> {
  yield* discard(yield* past, journal)
})

/** What became of the transaction that a journal has noted, as the session's server says; aborted where it has noted none. */
export const outcomeOf = Effect.fn("Journaling.outcomeOf")(function* ({
  server,
  xid
}: Pick<Journal, "server" | "xid">): Effect.fn.Return<
  CommitOutcome.Outcome | CommitOutcome.Pending,
  DatabaseError,
  Session | SqlClient.SqlClient
> {
  if (xid === undefined) return { _tag: "Aborted" }
  const sql = yield* SqlClient.SqlClient
  const session = yield* Session
  const ask: Ask = <Row extends object>(text: string, values: ReadonlyArray<unknown> = []) =>
    sql.unsafe<Row>(text, values).pipe(
      Effect.mapError(fromSqlError),
      Effect.map(([row]) => row!)
    )
  return yield* CommitOutcome.answer(ask, session.server, { xid, server: server ?? session.server })
})

/** Whether the failure says that the target may not be as it was. */
const mayHaveHappened = (error: unknown): boolean =>
  Predicate.hasProperty(error, "state") && (error.state === "unknown" || error.state === "changed")

/**
 * What became of a run that has not succeeded. An interruption hides how the COMMIT has ended that was under way, so the
 * server is asked; where it does not answer, whoever reads the journal next asks again.
 */
const unsuccessful = Effect.fnUntraced(function* <A, E>(journal: Journal, exit: Exit.Exit<A, E>) {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (error !== undefined) return mayHaveHappened(error) ? "Unknown" : "Aborted"
  return yield* outcomeOf(journal).pipe(
    Effect.map(({ _tag }) => _tag),
    Effect.catch(({ message }) =>
      Effect.as(
        Effect.logDebug(`The outcome of transaction ${journal.xid} is left open: ${message}`),
        "Unknown" as const
      )
    )
  )
})

/**
 * Runs a restore that notes what it does. When the target is as it was, nothing is left of that; when the restore has
 * happened older safety dumps go. Neither changes how it ended.
 */
export const within = <A, E, R>(
  run: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | DumpStore | Session | SqlClient.SqlClient> =>
  Effect.suspend(() => {
    const entry: Entry = {}
    const ended = (exit: Exit.Exit<A, E>) =>
      Effect.gen(function* () {
        const { journal } = entry
        if (journal === undefined) return
        const store = yield* past
        const outcome = Exit.isSuccess(exit) ? "Committed" : yield* unsuccessful(journal, exit)
        if (outcome === "Committed") {
          const state = Exit.isSuccess(exit) ? "done" : stateBehindCommit(journal)
          yield* store.journals
            .write({ ...journal, state })
            .pipe(Effect.andThen(retain(store, journal.target)), Effect.catch(told("The journal was not finished")))
        } else if (outcome === "Aborted" && journal.state === "begun") {
          yield* Effect.catch(discard(store, journal), told("The safety dump of a restore that failed was left"))
        }
      })
    return Effect.onExit(Effect.provideService(run, Current, entry), ended)
  })

const undecided = (journal: Journal, file: string, why: string) =>
  new StatementFailed({
    message: `The server cannot tell whether the restore of ${journal.file} was committed (transaction ${journal.xid}).`,
    detail: why,
    suggestion:
      `Look at the target: \`pgark verify ${journal.file}\` holds it against that dump. Where it was not, remove ${file}; ` +
      "where it was, change its state from begun to done.",
    state: "unknown"
  })

/**
 * The last restore into this database, as the journals tell it; undefined where there is none. What was begun and never
 * committed is removed on the way.
 *
 * @param looking only look, and leave all as it is: another pgark may be at work
 */
export const last = Effect.fn("Journaling.last")(function* (
  looking = false
): Effect.fn.Return<
  Journal | undefined,
  DatabaseError | DiskFull | DumpDamaged | DumpUnreadable | FolderUnusable,
  DumpStore | Session | SqlClient.SqlClient
> {
  const store = yield* past
  for (const journal of yield* of(store, yield* target())) {
    if (journal.state === "done" || (journal.state === "replacing" && journal.xid === undefined)) return journal
    const outcome = yield* outcomeOf(journal)
    if (outcome._tag === "Aborted") {
      if (!looking) yield* discard(store, journal)
      continue
    }
    if (outcome._tag !== "Committed") return yield* undecided(journal, store.journals.path(journal), outcome.why)
    if (journal.state === "replacing") return journal
    const state = stateBehindCommit(journal)
    if (!looking) yield* store.journals.write({ ...journal, state })
    return { ...journal, state }
  }
  return undefined
})
