/**
 * Who holds the lock that a statement waits for.
 *
 * The server tells it only while the statement waits, and the waiting connection cannot ask: so another one does.
 *
 * @see https://www.postgresql.org/docs/current/functions-info.html (`pg_blocking_pids`)
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Connecting from "./Connecting.ts"
import { type DatabaseError, withFields } from "./DatabaseError.ts"
import type * as DatabaseUrl from "./DatabaseUrl.ts"
import { toDatabaseError } from "./Sqlstate.ts"

/** A session that another one waits for. What this role may not see is null. */
export interface OtherSession {
  /** 0 for a prepared transaction, which belongs to no session. */
  readonly pid: number
  readonly user: string | null
  readonly application: string | null
  readonly kind: string | null
  readonly state: string | null
  /** Seconds. */
  readonly sinceState: number | null
  readonly sinceQuery: number | null
}

const question = `
  SELECT b.pid, a.usename AS "user", a.application_name AS application, a.backend_type AS kind, a.state,
         extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::int AS "sinceState",
         extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::int AS "sinceQuery"
  FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS pid) b
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
  ORDER BY b.pid`

const look = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, pid: number) {
  const client = yield* Connecting.acquire(url)
  const { rows } = yield* Effect.tryPromise({
    try: () => client.query<OtherSession>(question, [pid]),
    catch: (cause) => toDatabaseError(cause)
  })
  return rows
}, Effect.scoped)

const time = (seconds: number) => Duration.format(Duration.seconds(Math.max(0, seconds)))

/** For people: which process, whose, and what it does. */
export const describe = ({ application, kind, pid, sinceQuery, sinceState, state, user }: OtherSession): string => {
  if (pid === 0) return "a prepared transaction (SELECT * FROM pg_prepared_xacts)"
  return [
    `process ${pid}`,
    user === null ? kind : `user ${user}`,
    application === null || application === "" ? null : `application "${application}"`,
    state === null ? "state hidden from this role" : `${state}${sinceState === null ? "" : ` for ${time(sinceState)}`}`,
    sinceQuery === null ? null : `its last query began ${time(sinceQuery)} ago`
  ]
    .filter((part) => part !== null)
    .join(", ")
}

const named = (error: DatabaseError, blockers: ReadonlyArray<OtherSession>): DatabaseError => {
  const pids = blockers.map(({ pid }) => pid).filter((pid) => pid !== 0)
  const hidden = blockers.some(({ pid, state }) => pid !== 0 && state === null)
  return withFields(error, {
    detail: [
      ...(error.detail === undefined ? [] : [error.detail]),
      "The lock was held by:",
      ...blockers.map(describe),
      ...(hidden ? ["A member of pg_read_all_stats may see what the others do."] : [])
    ].join("\n"),
    suggestion: [
      "Wait until they have ended and try again, or wait for them longer (--lock-timeout).",
      ...(pids.length === 0
        ? []
        : [
            "Their user, or a superuser, can end them:",
            ...pids.map((pid) => `SELECT pg_catalog.pg_terminate_backend(${pid});`)
          ])
    ].join("\n")
  })
}

/**
 * Runs a statement of backend `pid`, and names in its LockTimeout who held the lock. Whoever was asked too late, or
 * could not be asked, is not named; the error is then the statement's own.
 *
 * @param timeout the session's `lock_timeout`: asked twice as often, no wait that it ends passes unseen
 */
export const watch =
  (url: DatabaseUrl.DatabaseUrl, pid: number, timeout: Duration.Duration) =>
  <A>(statement: Effect.Effect<A, DatabaseError>): Effect.Effect<A, DatabaseError> =>
    Effect.scoped(
      Effect.gen(function* () {
        let seen: ReadonlyArray<OtherSession> = []
        yield* look(url, pid).pipe(
          Effect.tap((blockers) =>
            Effect.sync(() => {
              if (blockers.length > 0) seen = blockers
            })
          ),
          Effect.catch(({ message }) => Effect.logDebug(`Cannot ask who holds a lock: ${message}`)),
          Effect.delay(Duration.divideUnsafe(timeout, 2)),
          Effect.forever,
          Effect.forkScoped
        )
        return yield* Effect.mapError(statement, (error) =>
          error.sqlstate === "55P03" && seen.length > 0 ? named(error, seen) : error
        )
      })
    )
