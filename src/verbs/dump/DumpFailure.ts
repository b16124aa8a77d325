/** Why a dump failed, as far as pgark's own session can tell better than pg_dump. */
import * as Effect from "effect/Effect"
import * as Connecting from "../../postgres/Connecting.ts"
import {
  ConnectionFailed,
  type DatabaseError,
  LockTimeout,
  type PermissionDenied,
  withFields
} from "../../postgres/DatabaseError.ts"
import { quote } from "../../postgres/Identifier.ts"
import type { PgDumpFailed, PgDumpOptions } from "../../postgres/PgDump.ts"
import { Session } from "../../postgres/Session.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import * as DumpRights from "./DumpRights.ts"

/** SQLSTATE of a server, a database or a role that has no connection left. */
const tooManyConnections = "53300"

/** pgark has its own connection, but pg_dump gets none. */
const noSecond = (error: DatabaseError, details: ReadonlyArray<string | undefined>): ConnectionFailed => {
  const detail = [...new Set(details)].filter((text) => text !== undefined).join("\n")
  return new ConnectionFailed({
    message: "The server refuses pg_dump the connection that it needs beside pgark's own.",
    ...(detail === "" ? {} : { detail }),
    suggestion:
      "A dump needs two connections: raise the limit (ALTER ROLE … CONNECTION LIMIT, ALTER DATABASE … CONNECTION " +
      "LIMIT, max_connections), close others, or try again later.",
    state: "untouched",
    ...(error.sqlstate === undefined ? {} : { sqlstate: error.sqlstate })
  })
}

/** The same where the server's refusal was of that kind; any other failure as it is. */
export const refusedConnection = (failure: ConnectionFailed): ConnectionFailed =>
  failure.sqlstate === tooManyConnections ? noSecond(failure, [failure.detail]) : failure

/** The server has no connection left for one of those that read rows; any other failure as it is. */
export const refusedReaders = (failure: ConnectionFailed, jobs: number): ConnectionFailed =>
  failure.sqlstate === tooManyConnections && jobs > 1
    ? withFields(failure, {
        message: `The server refuses a connection: ${jobs} for rows, pgark's own and pg_dump's are more than it has left.`,
        suggestion:
          "Dump over fewer connections (--jobs with a smaller number; 1 needs two), close others, or raise the limit " +
          "(ALTER ROLE … CONNECTION LIMIT, ALTER DATABASE … CONNECTION LIMIT, max_connections).",
        state: "untouched"
      })
    : failure

interface Waiting {
  readonly pid: number
  readonly user: string
  readonly query: string
}

/**
 * A session that wants a table to itself waits for this one, which has it locked for those who read its rows, and
 * pg_dump behind it. The server sees no deadlock in that: this session waits for pg_dump without its knowing.
 */
export const behindOthers = Effect.fnUntraced(function* (failure: LockTimeout | PgDumpFailed | PermissionDenied) {
  const { sql } = yield* Session
  const [first, ...others] = yield* sql<Waiting>`
    select a.pid as "pid", a.usename::text as "user", a.query as "query"
    from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
    where not l.granted and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
      and pg_backend_pid() = any(pg_blocking_pids(l.pid))
    order by 1`.pipe(Effect.mapError(fromSqlError))
  if (first === undefined) return failure
  return new LockTimeout({
    message: `Process ${first.pid} of ${quote(first.user)} waits for a table that is dumped, and pg_dump behind it.`,
    detail: [first, ...others].map(({ pid, query }) => `process ${pid}: ${query}`).join("\n"),
    suggestion: "Dump again when it has ended. No file was left.",
    state: "untouched"
  })
})

/**
 * Why pg_dump failed, as far as this session can tell: the server went away, or something was closed to the role while
 * pg_dump was at work.
 */
export const explain = Effect.fnUntraced(function* (
  failure: PgDumpFailed | PermissionDenied,
  options: PgDumpOptions & { readonly allowPartialRows: boolean },
  { database, role }: { readonly database: string; readonly role: string }
) {
  const session = yield* Session
  const detail = failure.detail === undefined ? {} : { detail: failure.detail }
  yield* session.execute("SELECT 1").pipe(
    Effect.mapError(
      () =>
        new ConnectionFailed({
          message: "The server went away while it was being dumped.",
          ...detail,
          suggestion: "Dump again when the server is back. No file was left.",
          state: "untouched"
        })
    )
  )
  const waiting = yield* behindOthers(failure)
  if (waiting._tag === "LockTimeout") return yield* waiting
  // A native pg_dump does not say what kept it from connecting.
  yield* Effect.scoped(Connecting.acquire(session.url)).pipe(
    Effect.mapError((error) => noSecond(error, [failure.detail, error.detail]))
  )
  const denied = DumpRights.denial(yield* DumpRights.survey(options, database), role, options.allowPartialRows)
  if (denied === undefined) return yield* failure
  return yield* withFields(denied, {
    detail: [failure.detail, denied.detail].filter((text) => text !== undefined).join("\n")
  })
})
