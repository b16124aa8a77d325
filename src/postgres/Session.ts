/**
 * One connection that a verb works on: queries through `SqlClient`, a dump's statements as bytes, COPY, and the
 * transaction around them.
 *
 * The session brings the BEGIN, COMMIT and ROLLBACK of `sql.withTransaction` with it, which otherwise lets a ROLLBACK
 * on a dead socket replace the cause of the failure. A rollback that cannot be sent because the connection is gone is
 * still a rollback: the server does it. Being one and the same, {@link SessionService.transaction} and
 * `sql.withTransaction` know of each other: the inner one is a savepoint.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Blockers from "./Blockers.ts"
import { SqlError } from "effect/sql/SqlError"
import * as CommitOutcome from "./CommitOutcome.ts"
import * as Connecting from "./Connecting.ts"
import type { Completed } from "./Completed.ts"
import { type DatabaseError, isDatabaseError, StatementFailed, withFields } from "./DatabaseError.ts"
import type * as Copy from "./copy/Copy.ts"
import * as CopyIn from "./copy/CopyIn.ts"
import * as CopyOut from "./copy/CopyOut.ts"
import * as DatabaseUrl from "./DatabaseUrl.ts"
import { quote } from "./Identifier.ts"
import * as Pooler from "./Pooler.ts"
import * as PoolerProbe from "./connecting/PoolerProbe.ts"
import * as QueryRun from "./QueryRun.ts"
import * as SessionClient from "./SessionClient.ts"
import * as ServerMark from "./ServerMark.ts"
import { SimpleQuery } from "./SimpleQuery.ts"
import { traced } from "./SqlSpan.ts"
import { fromSqlError, type Place } from "./Sqlstate.ts"

export type { CopiedOut, WriteCopyData } from "./copy/Copy.ts"

/** State of the transaction as the last ReadyForQuery told it: idle, in one, or in a failed one. */
export type TransactionStatus = "I" | "T" | "E"

/** How {@link SessionService.transaction} may be varied. */
export interface TransactionOptions<E = never, R = never> {
  /**
   * Run when it is open, and when it is known of the COMMIT of it, or of the one around it, that it is done. Nothing
   * interrupts that.
   */
  readonly begun?: Effect.Effect<void>
  readonly committed?: Effect.Effect<void>
  /** Run where nobody can tell whether its own COMMIT is done, before the error that says so. Nothing interrupts that. */
  readonly uncertain?: Effect.Effect<void>
  /**
   * Run behind the body, before COMMIT is sent, where the transaction has changed something: what is kept of its number
   * tells later, by `CommitOutcome.find`, how it has ended. When it fails the transaction is rolled back. Of a transaction
   * within another one it is the outer one's number, and its COMMIT is still to come.
   */
  readonly committing?: (transaction: CommitOutcome.Numbered) => Effect.Effect<void, E, R>
  /**
   * One unchanging view of the database, and no writing: fit for `pg_export_snapshot()`. Within another transaction it
   * is as that one is.
   */
  readonly snapshot?: boolean
  /** How long a statement waits for a lock; for ever unless told. Its LockTimeout names who held the lock. */
  readonly lockTimeout?: Duration.Input
}

/** What a session offers. */
export interface SessionService {
  /**
   * The connection as an Effect `SqlClient`. Its queries run inside {@link transaction} when that is open;
   * `sql.withTransaction` is a savepoint then, and `sql.afterCommit` waits for the COMMIT.
   */
  readonly sql: SqlClient.SqlClient
  /** Where it is connected to: of several servers the one that answered, alone. */
  readonly url: DatabaseUrl.DatabaseUrl
  /** The process of the server that serves it, as that said when the session was opened. */
  readonly backend: number
  /** What stands in between, and was allowed; it is in session mode. */
  readonly pooler: Pooler.PoolerFound | undefined
  /** Which server it is, as that said when the session was opened. */
  readonly server: ServerMark.ServerMark
  readonly status: () => TransactionStatus
  /** Runs SQL by the simple protocol: one statement, or several as one string. */
  readonly execute: (sql: string | Uint8Array, place?: Place) => Effect.Effect<Completed, DatabaseError>
  /** Runs `COPY … FROM STDIN`, lets `body` write the data, gives the number of rows that the server counted. */
  readonly copyIn: Copy.CopyIn
  /** Runs `COPY … TO STDOUT` and hands its data to `take`, in chunks of some 100 KB that are the taker's to keep. */
  readonly copyOut: Copy.CopyOut
  /**
   * One transaction around `body`: COMMIT when it succeeds, ROLLBACK when it fails or is interrupted. Within another one
   * it is a savepoint.
   */
  readonly transaction: <A, E, R, E2 = never, R2 = never>(
    body: Effect.Effect<A, E, R>,
    options?: TransactionOptions<E2, R2>
  ) => Effect.Effect<A, E | E2 | DatabaseError, R | R2>
  /**
   * Commits the open {@link transaction} and goes on in another one of the same kind. What comes back when its body fails
   * is then only what it did since.
   */
  readonly renew: Effect.Effect<void, DatabaseError>
  /** A savepoint around `body` inside {@link transaction}: released when it succeeds, rolled back to otherwise. */
  readonly savepoint: <A, E, R>(name: string, body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DatabaseError, R>
}

/** How a session is opened. */
export interface SessionOptions {
  /** Its name in `pg_stat_activity`, "pgark" unless told. */
  readonly application?: string
  /** Go through a pooler that leaves each client its backend (session mode). In any other mode none is let through. */
  readonly allowPooler?: boolean
}

/** The database session that tasks named "target" run on. */
export class Session extends Context.Service<Session, SessionService>()("pgark/postgres/Session") {
  /** One session for as long as the layer lives. It gives `SqlClient` too. */
  static readonly layer = (
    url: DatabaseUrl.DatabaseUrl,
    options: SessionOptions = {}
  ): Layer.Layer<Session | SqlClient.SqlClient, DatabaseError | Pooler.PoolerInBetween> =>
    Layer.effectContext(
      Effect.map(open(url, options), (session) =>
        Context.make(Session, session).pipe(Context.add(SqlClient.SqlClient, session.sql))
      )
    )
}

/** Whether it is what BEGIN or COMMIT failed with; other errors of `SqlClient` are the caller's. */
const isOwn = (error: unknown): error is SqlError => error instanceof SqlError && isDatabaseError(error.reason.cause)

/** A restore relies on it, whatever the role's or the database's defaults are. */
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

/** What a dump reads in. */
const beginSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

/** What the server refused within a transaction was rolled back with it. */
const rolledBack = <E>(error: E | DatabaseError): E | DatabaseError =>
  isDatabaseError(error) && error.state === undefined ? withFields(error, { state: "rolled-back" }) : error

/**
 * Opens a session. Closing the scope closes the connection, so the server drops what is still open.
 *
 * The role's own timeouts are switched off (a restore is one long transaction), and where the server can do it
 * (14 and later) it is told to notice within half a second that this client has died.
 *
 * Fails with PoolerInBetween where a pooler is that was not allowed, or that hands the session's backend around. That
 * is found out before anything is set, which would then be set for other clients.
 */
export const open = Effect.fn("Session.open")(function* (
  given: DatabaseUrl.DatabaseUrl,
  { allowPooler = false, application }: SessionOptions = {}
): Effect.fn.Return<SessionService, DatabaseError | Pooler.PoolerInBetween, Scope.Scope> {
  const client = yield* Connecting.acquire(given, application)
  // Whatever else connects for this session shall meet the same server.
  const url = Connecting.urlOf(client) ?? given
  const { patience } = Connecting
  const backend = yield* PoolerProbe.backendPid(url, client)
  const pooler = yield* PoolerProbe.behind(url, client, backend)
  yield* Pooler.refuse(pooler, DatabaseUrl.server(url), allowPooler)
  const queries = QueryRun.make(client)

  /** What the open transaction does around a statement that may wait for a lock. */
  let watched: ReturnType<typeof Blockers.watch> = identity

  const execute: SessionService["execute"] = (sql, place = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const query = queries.start(new SimpleQuery(typeof sql === "string" ? Buffer.from(sql) : sql, false))
        const at = QueryRun.withStatement(place, sql)
        // The server calls a COPY that is given up "cancelled", as if it were a timeout.
        return Effect.mapError(watched(queries.finish(query, at, restore)), (error) =>
          query.unfed
            ? new StatementFailed({
                message: "This COPY wants data, and none follows it.",
                suggestion: "The file is not what pg_dump writes: make the dump again.",
                ...at
              })
            : error
        ).pipe(traced(at.statement ?? ""))
      })
    ).pipe(Effect.map((tag) => ({ tag, notices: [...queries.notices] })))

  const status = () => client.getTransactionStatus() ?? "I"

  /** Undoing on a connection that is gone has been done by the server. */
  const undo = (statement: string): Effect.Effect<void, DatabaseError> =>
    execute(statement).pipe(
      Effect.asVoid,
      // A request to cancel the statement before may arrive late and hit this one.
      Effect.retry({ times: 1, while: ({ sqlstate }) => sqlstate === "57014" }),
      Effect.catchTag("ConnectionFailed", () => Effect.void),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Connecting.destroy(client) })
    )

  yield* execute(ownSettings)
  const ask = Connecting.asking(client)
  const server = yield* ServerMark.read(ask)
  const sql = yield* SessionClient.make(client, {
    guard: (query) => Effect.onInterrupt(query, () => Connecting.cancel(client)),
    begin: (statement) => execute(statement ?? begin),
    commit: CommitOutcome.commit({ url, ask, server, send: execute("COMMIT") }),
    rollback: undo("ROLLBACK"),
    savepoint: (name) => execute(`SAVEPOINT ${quote(name)}`),
    release: (name) => execute(`RELEASE SAVEPOINT ${quote(name)}`),
    rollbackTo: (name) => undo(`ROLLBACK TO SAVEPOINT ${quote(name)}`)
  })

  /** What the open transaction has set for itself. */
  let local: string | undefined

  const limited = <A, E, R>(limit: Duration.Duration, body: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = { watched, local }
        watched = Blockers.watch(url, backend, limit)
        local = `SET LOCAL lock_timeout = ${Math.ceil(Duration.toMillis(limit))}`
        return before
      }),
      () =>
        Effect.andThen(
          Effect.suspend(() => execute(local ?? "")),
          body
        ),
      (before) => Effect.sync(() => void ({ watched, local } = before))
    )

  const renew = Effect.gen(function* () {
    yield* execute("SET CONSTRAINTS ALL IMMEDIATE")
    yield* execute("COMMIT AND CHAIN")
    if (local !== undefined) yield* execute(local)
  })

  const numbered = <E, R>(use: (transaction: CommitOutcome.Numbered) => Effect.Effect<void, E, R>) =>
    Effect.flatMap(CommitOutcome.note(ask, server), (noted) => (noted === undefined ? Effect.void : use(noted)))

  const transaction: SessionService["transaction"] = <A, E, R, E2 = never, R2 = never>(
    body: Effect.Effect<A, E, R>,
    options: TransactionOptions<E2, R2> = {}
  ) => {
    const { begun = Effect.void, committed = Effect.void, committing, lockTimeout } = options
    return Effect.flatMap(SqlClient.BeginTransaction, (others) => {
      const inner = begun.pipe(
        Effect.andThen(Effect.provideService(body, SqlClient.BeginTransaction, others)),
        Effect.tap(() => (committing === undefined ? Effect.void : numbered(committing))),
        Effect.tap(() => sql.afterCommit(committed))
      )
      return sql
        .withTransaction(lockTimeout === undefined ? inner : limited(Duration.fromInputUnsafe(lockTimeout), inner))
        .pipe(
          Effect.provideService(SqlClient.BeginTransaction, options.snapshot === true ? beginSnapshot : begin),
          Effect.provideService(CommitOutcome.WhenUnknown, options.uncertain ?? Effect.void)
        )
    }).pipe(Effect.mapError((error) => rolledBack<E | E2>(isOwn(error) ? fromSqlError(error) : (error as E | E2))))
  }

  const savepoint: SessionService["savepoint"] = (name, body) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* execute(`SAVEPOINT ${quote(name)}`)
        const exit = yield* Effect.exit(restore(body))
        if (Exit.isFailure(exit)) {
          // Released, too: within a savepoint no snapshot can be exported.
          yield* undo(`ROLLBACK TO SAVEPOINT ${quote(name)}; RELEASE SAVEPOINT ${quote(name)}`)
          return yield* exit
        }
        yield* execute(`RELEASE SAVEPOINT ${quote(name)}`)
        return exit.value
      })
    )

  return {
    sql,
    url,
    backend,
    pooler,
    server,
    status,
    execute,
    copyIn: CopyIn.make(queries),
    copyOut: CopyOut.make(queries),
    transaction,
    renew,
    savepoint
  }
})

/**
 * The settings that a verb relies on, whatever the role, the database or a dump's header says. The 500 ms are those
 * of `client_connection_check_interval`, which servers up to 13 do not know.
 */
export const ownSettings = [
  "SET statement_timeout = 0",
  "SET lock_timeout = 0",
  "SET idle_in_transaction_session_timeout = 0",
  "SET client_min_messages = warning",
  "SET client_encoding = 'UTF8'",
  "SET standard_conforming_strings = on",
  "SET row_security = off",
  "SET jit = off",
  "SET search_path = pg_catalog",
  `SELECT pg_catalog.set_config(name, CASE name WHEN 'client_connection_check_interval' THEN '500' ELSE '0' END, false)
     FROM pg_catalog.pg_settings
     WHERE name IN ('client_connection_check_interval', 'idle_session_timeout', 'transaction_timeout')`
].join("; ")

/** Puts the settings back to what they were when the role connected: its own, its database's, the URL's. */
export const roleSettings = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL"
