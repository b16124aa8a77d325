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
import { type DatabaseError, isDatabaseError, withFields } from "./DatabaseError.ts"
import type * as DatabaseUrl from "./DatabaseUrl.ts"
import { traced } from "./SqlSpan.ts"
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
  /** IP address of its client; none of a local one. */
  readonly client: string | null
}

/** These columns, from `pg_stat_activity` as `a`; beside them the query says the `pid`. */
export const columns = `
  a.usename::pg_catalog.text AS "user", a.application_name AS application, a.backend_type AS kind, a.state,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::pg_catalog.int4 AS "sinceState",
  extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::pg_catalog.int4 AS "sinceQuery",
  pg_catalog.host(a.client_addr) AS client`

const question = `
  SELECT b.pid, ${columns}
  FROM (SELECT DISTINCT pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS pid) b
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
  ORDER BY b.pid`

const look = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, pid: number) {
  const client = yield* Connecting.acquire(url)
  const { rows } = yield* Effect.tryPromise({
    try: () => client.query<OtherSession>(question, [pid]),
    catch: (cause) => toDatabaseError(cause)
  }).pipe(traced(question))
  return rows
}, Effect.scoped)

const time = (seconds: number) => (seconds < 1 ? "less than 1s" : Duration.format(Duration.seconds(seconds)))

/** For people: which process, whose, and what it does. */
export const describe = (session: OtherSession): string => {
  const { application, client, kind, pid, sinceQuery, sinceState, state, user } = session
  if (pid === 0) return "a prepared transaction (SELECT * FROM pg_prepared_xacts)"
  return [
    `process ${pid}`,
    user === null ? kind : `user ${user}`,
    application === null || application === "" ? null : `application "${application}"`,
    state === null ? "state hidden from this role" : `${state}${sinceState === null ? "" : ` for ${time(sinceState)}`}`,
    sinceQuery === null ? null : `its last query began ${time(sinceQuery)} ago`,
    client === null ? null : `connected from ${client}`
  ]
    .filter((part) => part !== null)
    .join(", ")
}

/** The same of several, a line each, and what would help to see more of them. */
export const describeAll = (sessions: ReadonlyArray<OtherSession>): ReadonlyArray<string> => {
  const hidden = sessions.some(({ pid, state }) => pid !== 0 && state === null)
  return [...sessions.map(describe), ...(hidden ? ["A member of pg_read_all_stats may see what the others do."] : [])]
}

/** How they can be ended, in lines. */
export const endings = (sessions: ReadonlyArray<OtherSession>): ReadonlyArray<string> => {
  const pids = sessions.map(({ pid }) => pid).filter((pid) => pid !== 0)
  return pids.length === 0
    ? []
    : [
        "Their user, or a superuser, can end them:",
        ...pids.map((pid) => `SELECT pg_catalog.pg_terminate_backend(${pid});`)
      ]
}

const named = (error: DatabaseError, blockers: ReadonlyArray<OtherSession>): DatabaseError =>
  withFields(error, {
    detail: [
      ...(error.detail === undefined ? [] : [error.detail]),
      "The lock was held by:",
      ...describeAll(blockers)
    ].join("\n"),
    suggestion: [
      "Wait until they have ended and try again, or wait for them longer (--lock-timeout).",
      ...endings(blockers)
    ].join("\n")
  })

/**
 * Runs a statement of backend `pid`, and names in its LockTimeout who held the lock. Whoever was asked too late, or
 * could not be asked, is not named; the error is then the statement's own.
 *
 * @param timeout the session's `lock_timeout`: asked twice as often, no wait that it ends passes unseen
 */
export const watch =
  (url: DatabaseUrl.DatabaseUrl, pid: number, timeout: Duration.Duration) =>
  <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError, R> =>
    Effect.scopedWith((scope) =>
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
          Effect.forkIn(scope)
        )
        return yield* Effect.mapError(statement, (error) =>
          isDatabaseError(error) && error.sqlstate === "55P03" && seen.length > 0 ? named(error, seen) : error
        )
      })
    )
