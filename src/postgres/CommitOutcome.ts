/**
 * COMMIT, and what became of one that was never answered.
 *
 * The server numbers a transaction that changes something, and keeps in its commit log how each has ended. So the number
 * is noted before COMMIT is sent, and where the connection is lost meanwhile a new one asks for it.
 *
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT (`pg_xact_status`)
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Completed } from "./Completed.ts"
import * as Connecting from "./Connecting.ts"
import * as Hosts from "./connecting/Hosts.ts"
import { ConnectionFailed, type DatabaseError, StatementFailed } from "./DatabaseError.ts"
import type * as DatabaseUrl from "./DatabaseUrl.ts"
import * as ServerMark from "./ServerMark.ts"

/** A transaction that has changed something, as plain data. */
export interface Numbered {
  /** Its number as `xid8`, in decimal. */
  readonly xid: string
  /** Whose number that is. */
  readonly server: ServerMark.ServerMark
}

/** How a transaction has ended. */
export type Outcome =
  | { readonly _tag: "Committed" }
  | { readonly _tag: "Aborted" }
  | { readonly _tag: "Unknown"; readonly why: string }

/** There is no outcome yet. */
export interface Pending {
  readonly _tag: "Pending"
  readonly why: string
}

/** How long a server is asked for an outcome: it may be starting, or the lost session still at work. */
export const Limit = Context.Reference<Duration.Input>("pgark/postgres/CommitOutcome/Limit", {
  defaultValue: () => "30 seconds"
})

/** Run where an outcome could not be found out, while nothing interrupts: an interruption hides the error from then on. */
export const WhenUnknown = Context.Reference<Effect.Effect<void>>("pgark/postgres/CommitOutcome/WhenUnknown", {
  defaultValue: () => Effect.void
})

/** The pauses between two questions: from a quarter of a second up to four seconds, less or more by chance. */
const pauses = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("4 seconds")]).pipe(Schedule.jittered)

const committed: Outcome = { _tag: "Committed" }
const aborted: Outcome = { _tag: "Aborted" }
const unknown = (why: string): Outcome => ({ _tag: "Unknown", why })
const pending = (why: string): Pending => ({ _tag: "Pending", why })

/** Asks until there is an outcome. `Unknown`, when the {@link Limit} is reached, says what stood in the way last. */
export const persist = Effect.fnUntraced(function* (ask: Effect.Effect<Outcome | Pending>) {
  const limit = Duration.fromInputUnsafe(yield* Limit)
  let latest = "The server has not answered."
  return yield* ask.pipe(
    Effect.flatMap((answer) => {
      if (answer._tag !== "Pending") return Effect.succeed(answer)
      latest = answer.why
      return Effect.fail(answer)
    }),
    Effect.retry(pauses),
    Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(pending(latest)) }),
    Effect.catch(({ why }) => Effect.succeed(unknown(`${why} It was asked for ${Duration.format(limit)}.`)))
  )
})

/** What `pg_xact_status` says: null of a transaction so old that the log no longer has it. */
export type Status = "committed" | "aborted" | "in progress" | null

/**
 * What a commit log's word is worth. That of a promoted standby is right about what it does not have; what it has under
 * the number may be a transaction of its own. A standby may not have heard of it yet.
 */
export const judge = (kinship: ServerMark.Kinship, status: Status): Outcome | Pending => {
  if (kinship === "other") return unknown("Another server answers at this address now.")
  if (kinship === "unclear") {
    return unknown(
      "The server was restarted, or another one answers at this address: which cluster it is this role may not read."
    )
  }
  if (kinship === "standby") return pending("A standby answers, which has not been promoted.")
  if (status === "in progress") return pending("The server has not ended the transaction yet.")
  if (status === null) return unknown("The server's commit log no longer goes back so far.")
  if (status === "aborted") return aborted
  return kinship === "same"
    ? committed
    : unknown("A standby has taken over, on which the number may be that of another transaction.")
}

/** A number that is not given yet was forgotten with all that was done under it: by a crash, or by a late standby. */
export const forgotten = "22023"

const question = "SELECT pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8) AS status"

/** What the server `now` says of it, over a connection to it; not to be asked within a transaction. */
export const answer = Effect.fn("CommitOutcome.answer")(function* (
  ask: ServerMark.Ask,
  now: ServerMark.ServerMark,
  { server, xid }: Numbered
): Effect.fn.Return<Outcome | Pending, DatabaseError> {
  const status = yield* ask<{ status: Status }>(question, [xid]).pipe(
    Effect.map(({ status }) => status),
    Effect.catchIf(
      ({ sqlstate }) => sqlstate === forgotten,
      () => Effect.succeed("aborted" as const)
    )
  )
  return judge(ServerMark.compare(server, now), status)
})

const ask = Effect.fnUntraced(function* (
  url: DatabaseUrl.DatabaseUrl,
  transaction: Numbered
): Effect.fn.Return<Outcome | Pending, DatabaseError> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const row = Connecting.asking(yield* Connecting.acquire(Hosts.orMoved(url)))
      return yield* answer(row, yield* ServerMark.read(row), transaction)
    })
  )
})

const inWords = ({ detail, message }: DatabaseError): string =>
  detail === undefined ? message : `${message} (${detail})`

/** How a transaction has ended, asked over new connections for as long as {@link Limit} says. */
export const find = Effect.fn("CommitOutcome.find")(
  (url: DatabaseUrl.DatabaseUrl, transaction: Numbered): Effect.Effect<Outcome> =>
    persist(
      Effect.catch(ask(url, transaction), (error) =>
        Effect.succeed((error._tag === "ConnectionFailed" ? pending : unknown)(inWords(error)))
      )
    )
)

/** What can be said of the open transaction before its COMMIT is sent: whether it can be committed, and its number. */
type Noted = "unchanging" | "broken" | Numbered

/** The number of the open transaction, none where it has changed nothing. Servers up to 12 have no such numbers. */
export const note = Effect.fn("CommitOutcome.note")(function* (
  ask: ServerMark.Ask,
  server: ServerMark.ServerMark
): Effect.fn.Return<Numbered | undefined, DatabaseError> {
  const { xid } = yield* ask<{ xid: string | null }>(
    "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text AS xid"
  )
  return xid === null ? undefined : { xid, server }
})

const notCommitted = (answer: string) =>
  new StatementFailed({
    message: `The server answered "${answer}" to COMMIT: the transaction was rolled back.`,
    suggestion: "A statement in it had failed, which the server's log names: correct that and try again.",
    state: "rolled-back"
  })

/** Finds out what became of a COMMIT, and succeeds where it is done, or where it makes no difference. */
const settle = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, noted: Noted, lost: ConnectionFailed) {
  // Committed or rolled back, with nothing changed both are the same.
  if (noted === "unchanging") return
  if (noted === "broken") return yield* notCommitted("nothing")
  yield* Effect.logWarning(`The connection was lost during COMMIT: asking what became of transaction ${noted.xid} …`)
  const outcome = yield* find(url, noted)
  switch (outcome._tag) {
    case "Committed":
      return yield* Effect.logWarning(`Transaction ${noted.xid} was committed, the server says.`)
    case "Aborted":
      return yield* new StatementFailed({
        message: "The connection was lost during COMMIT, and the server has not committed the transaction.",
        detail: inWords(lost),
        suggestion: "Run it again.",
        state: "rolled-back"
      })
    case "Unknown":
      yield* yield* WhenUnknown
      return yield* new ConnectionFailed({
        message: "The connection was lost during COMMIT: it is not known whether the transaction was committed.",
        detail: `${inWords(lost)}\n${outcome.why}`,
        suggestion:
          `When the server answers again, ask it: SELECT pg_catalog.pg_xact_status('${noted.xid}');\n` +
          '"committed": it is done. "aborted": the target is as it was, run it again. Where another server has taken ' +
          "over, or it says nothing, `pgark verify` holds the target against the dump.",
        state: "unknown"
      })
  }
})

/**
 * Commits the open transaction. Not to be interrupted.
 *
 * Fails, with nothing changed, where the connection is lost before COMMIT is sent (ConnectionFailed), or the transaction
 * was rolled back instead (StatementFailed). Where it is lost afterwards, the outcome is found out: committed is a
 * success, aborted StatementFailed, and only what cannot be found out ConnectionFailed with the state `unknown`.
 */
export const commit = Effect.fn("CommitOutcome.commit")(function* (session: {
  readonly url: DatabaseUrl.DatabaseUrl
  /** Over the connection that has the transaction open. */
  readonly ask: ServerMark.Ask
  readonly server: ServerMark.ServerMark
  /** Sends COMMIT and waits for the answer. */
  readonly send: Effect.Effect<Completed, DatabaseError>
}): Effect.fn.Return<void, DatabaseError> {
  const noted: Noted = yield* note(session.ask, session.server).pipe(
    Effect.map((numbered) => numbered ?? "unchanging"),
    Effect.catchIf(
      ({ sqlstate }) => sqlstate === "25P02",
      () => Effect.succeed("broken" as const)
    ),
    Effect.catchTag("ConnectionFailed", (lost) =>
      Effect.fail(
        new ConnectionFailed({
          message: "The connection was lost before COMMIT: the server has rolled the transaction back.",
          detail: inWords(lost),
          suggestion: "Try again when the server is back.",
          state: "rolled-back"
        })
      )
    )
  )
  yield* session.send.pipe(
    Effect.flatMap(({ tag }) => (tag === "COMMIT" ? Effect.void : Effect.fail(notCommitted(tag)))),
    Effect.catchTag("ConnectionFailed", (lost) => settle(session.url, noted, lost))
  )
})
