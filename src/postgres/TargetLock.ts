/**
 * The lock of which each database has one: whoever changes it as a whole holds it, so that two never do so at once.
 *
 * An advisory lock keeps nobody out but those who ask for it. It belongs to a session and goes with its connection, so
 * that none is left behind by a process that was killed.
 *
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { columns, type OtherSession } from "./Blockers.ts"
import { patience } from "./Connecting.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type { SessionService } from "./Session.ts"
import { fromSqlError } from "./Sqlstate.ts"

/**
 * Its key, "pgar" and "k" in ASCII. In `pg_locks` these are `classid` and `objid` of a row whose `locktype` is
 * `advisory` and whose `objsubid` is 2.
 */
export const key = [1885823346, 107] as const

/** What came of asking for the lock. */
export type Taken =
  | { readonly _tag: "Held" }
  /** Others have it, at least one. */
  | { readonly _tag: "Busy"; readonly holders: ReadonlyArray<OtherSession> }
  /** Another backend answers now: a pooler gives the server's session, and with it the lock, to somebody else. */
  | { readonly _tag: "Pooled" }

const ofKey = `(${key.join(", ")})`

/** The key of what further connections of the one that has the lock hold, each for itself. */
const helpersKey = [key[0], key[1] + 1] as const

/** The rows of `pg_locks` (as `l`) that are the lock of a key, granted. */
const grantedOf = ([first, second]: readonly [number, number]) => `
  l.locktype = 'advisory' AND l.granted AND l.classid = ${first} AND l.objid = ${second} AND l.objsubid = 2
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())`

const granted = grantedOf(key)

const holdersOf = (which: string) => `
  SELECT coalesce(l.pid, 0) AS pid, ${columns}
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  WHERE ${which} ORDER BY 1`

const query = <Row extends object>({ sql }: SessionService, text: string) =>
  Effect.mapError(sql.unsafe<Row>(text), fromSqlError)

/**
 * Within a transaction the lock is the transaction's, and goes with its end: nobody else may come in between what was
 * done and the commit of it, and a transaction that has failed can release nothing.
 */
const family = ({ status }: SessionService) => (status() === "I" ? "lock" : "xact_lock")

/** The sessions that have the lock. Asking takes nothing. */
export const holders = (session: SessionService): Effect.Effect<ReadonlyArray<OtherSession>, DatabaseError> =>
  query<OtherSession>(session, holdersOf(granted))

/** Lets go of it once, where the session itself has it. */
const unlock = (session: SessionService): Effect.Effect<void> =>
  query(
    session,
    `SELECT pg_catalog.pg_advisory_unlock${ofKey}
     WHERE EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND ${granted})`
  ).pipe(
    // A request to cancel the statement before may arrive late and hit this one.
    Effect.retry({ times: 1, while: ({ sqlstate }) => sqlstate === "57014" }),
    Effect.asVoid,
    // The server has let go of it with the connection.
    Effect.catchTag("ConnectionFailed", () => Effect.void),
    Effect.catch(({ message }) => kept(message)),
    Effect.timeoutOrElse({ duration: patience, orElse: () => kept("no answer") })
  )

const kept = (why: string) =>
  Effect.logWarning(`The lock on the target could not be released (${why}): it goes with the connection.`)

/**
 * Asks for the lock without waiting, and keeps it until the scope closes. A session that has it gets it once more, and
 * has it until it has let go of it as often.
 */
export const take = Effect.fn("TargetLock.take")(function* (
  session: SessionService
): Effect.fn.Return<Taken, DatabaseError, Scope.Scope> {
  const kind = family(session)
  const ask = query<{ readonly got: boolean | null }>(
    session,
    `SELECT CASE WHEN pg_catalog.pg_backend_pid() = ${session.backend}
                 THEN pg_catalog.pg_try_advisory_${kind}${ofKey} END AS got`
  ).pipe(Effect.map((rows) => rows[0]?.got ?? null))
  while (true) {
    const got = yield* Effect.acquireRelease(ask, (got) =>
      got === true && kind === "lock" ? unlock(session) : Effect.void
    )
    if (got === null) return { _tag: "Pooled" }
    if (got) return { _tag: "Held" }
    const found = yield* holders(session)
    // None where they let go of it between the two questions.
    if (found.length > 0) return { _tag: "Busy", holders: found }
  }
})

/** Waits for the lock, which the session does not have, as long as it takes, and keeps it until the scope closes. */
export const wait = Effect.fn("TargetLock.wait")(function* (
  session: SessionService
): Effect.fn.Return<void, DatabaseError, Scope.Scope> {
  const kind = family(session)
  // Before, as a lock may be granted at the very moment when the wait for it is interrupted.
  if (kind === "lock") yield* Effect.addFinalizer(() => unlock(session))
  yield* session.execute(`SELECT pg_catalog.pg_advisory_${kind}${ofKey}`)
})

/**
 * Marks a session as a further connection of a run whose main one has the lock, until it is closed. Of a run that was
 * killed it may outlive that one: a server notices only after a while that the client of a long statement is gone.
 */
export const help = Effect.fn("TargetLock.help")(function* (
  session: SessionService
): Effect.fn.Return<void, DatabaseError> {
  yield* session.execute(`SELECT pg_catalog.pg_advisory_lock_shared(${helpersKey.join(", ")})`)
})

/** Further connections, for whoever has the lock: those of a run that has ended. */
export const helpers = (session: SessionService): Effect.Effect<ReadonlyArray<OtherSession>, DatabaseError> =>
  query<OtherSession>(session, holdersOf(grantedOf(helpersKey)))
