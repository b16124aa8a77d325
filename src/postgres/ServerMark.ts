/** Which server answers, and whether its commit log is the one in which a transaction was entered before. */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "./DatabaseError.ts"

/** What a server is known by, as plain data. */
export interface ServerMark {
  /** When it was started: seconds since 1970 with six decimals. */
  readonly started: string
  /** Absent where the role, or the provider's build of PostgreSQL, does not allow it to be read. */
  readonly history?: {
    /** The cluster's identifier, made by initdb. Its standbys and physical copies have the same one. */
    readonly system: string
    /** Eight hexadecimal digits; another one from a promotion on. A standby, which follows, has none of its own. */
    readonly timeline?: string
  }
}

/** Puts a question over a connection that nothing else uses at the moment; gives its one row. */
export type Ask = <Row extends object>(
  sql: string,
  values?: ReadonlyArray<unknown>
) => Effect.Effect<Row, DatabaseError>

// The timeline in the control file lags behind a promotion; the name of the WAL file that is written to does not.
const history = `
  SELECT system_identifier::pg_catalog.text AS system,
         CASE WHEN NOT pg_catalog.pg_is_in_recovery()
              THEN pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END AS timeline
  FROM pg_catalog.pg_control_system()`

const start = `
  SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time())::pg_catalog.numeric(20, 6)::pg_catalog.text AS started`

/** The server of a connection. Not to be asked within a transaction, which a refusal would break. */
export const read = Effect.fn("ServerMark.read")(function* (ask: Ask): Effect.fn.Return<ServerMark, DatabaseError> {
  const { started } = yield* ask<{ started: string }>(start)
  return yield* ask<{ system: string; timeline: string | null }>(history).pipe(
    Effect.map(({ system, timeline }) => ({ started, history: timeline === null ? { system } : { system, timeline } })),
    Effect.catchIf(
      ({ _tag }) => _tag !== "ConnectionFailed",
      ({ message }) =>
        Effect.as(Effect.logDebug(`The server does not tell which cluster it is: ${message}`), { started })
    )
  )
})

/**
 * What the server of now is to that of before:
 *
 * - same: its commit log is the same one, grown. Two servers never have one start time, to the microsecond; a server that
 *   was restarted has its cluster's identifier and its timeline.
 * - promoted: it has the log of before up to a moment that is not known; since then its numbers are its own.
 * - standby: it follows, how far behind is not known.
 * - other: it has nothing to do with it.
 * - unclear: it was restarted, or is another one, and at least one of them has not told its history.
 */
export type Kinship = "same" | "promoted" | "standby" | "other" | "unclear"

export const compare = (before: ServerMark, now: ServerMark): Kinship => {
  if (before.started === now.started) return "same"
  if (before.history === undefined || now.history === undefined) return "unclear"
  if (before.history.system !== now.history.system) return "other"
  if (now.history.timeline === undefined) return "standby"
  return before.history.timeline === now.history.timeline ? "same" : "promoted"
}

/**
 * Whether two servers that answer at this moment have the same databases: they are one, or one of them follows the other.
 * A physical copy that has gone its own way has its own, with whatever identifier.
 */
export const shared = (a: ServerMark, b: ServerMark): boolean =>
  a.started === b.started || [compare(a, b), compare(b, a)].includes("standby")
