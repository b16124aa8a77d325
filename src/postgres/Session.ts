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
import type { Completed, Notice } from "./Completed.ts"
import { type DatabaseError, isDatabaseError, StatementFailed, withFields } from "./DatabaseError.ts"
import * as DatabaseUrl from "./DatabaseUrl.ts"
import { quote } from "./Identifier.ts"
import * as Pooler from "./Pooler.ts"
import * as PoolerProbe from "./connecting/PoolerProbe.ts"
import * as SessionClient from "./SessionClient.ts"
import * as ServerMark from "./ServerMark.ts"
import { SimpleQuery } from "./SimpleQuery.ts"
import { traced } from "./SqlSpan.ts"
import { fromSqlError, type Place, toDatabaseError } from "./Sqlstate.ts"

/** Sends COPY data; returns when the socket can take more. */
export type WriteCopyData = (chunk: Uint8Array) => Effect.Effect<void, DatabaseError>

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
  readonly copyIn: <E, R>(
    sql: Uint8Array,
    place: Place,
    body: (write: WriteCopyData) => Effect.Effect<void, E, R>
  ) => Effect.Effect<number, DatabaseError | E, R>
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

/** Lets happen what an uninterruptible region around it keeps from being interrupted. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Returns when something has happened to the query: data wanted, socket drained, settled. */
const progress = (query: SimpleQuery) =>
  Effect.callback<void>((resume) => {
    if (query.settled !== undefined) resume(Effect.void)
    else query.onProgress(() => resume(Effect.void))
  })

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
  const notices: Array<Notice> = []
  client.on("notice", (notice) => {
    notices.push({ sqlstate: notice.code ?? "", message: notice.message ?? "" })
  })

  /**
   * Waits for the end of a query; interrupting it cancels the statement on the server and waits for that. A query is
   * started where nothing can interrupt, so that none is under way without somebody who waits for it.
   */
  const finish = (query: SimpleQuery, place: Place, restore: Restore = (effect) => effect) => {
    const settled: Effect.Effect<string, DatabaseError> = Effect.suspend(() => {
      const state = query.settled
      if (state === undefined) return Effect.andThen(progress(query), settled)
      return "error" in state
        ? Effect.fail(toDatabaseError(Connecting.causeOf(client, state.error), place))
        : Effect.succeed(state.tag)
    })
    return Effect.onInterrupt(restore(settled), () =>
      Effect.gen(function* () {
        if (query.settled !== undefined) return
        yield* Connecting.cancel(client)
        const answered = yield* Effect.timeoutOption(Effect.exit(settled), patience)
        if (answered._tag === "None") yield* Connecting.destroy(client)
      })
    )
  }

  const start = (sql: string | Uint8Array, copies: boolean): SimpleQuery => {
    notices.length = 0
    const query = new SimpleQuery(typeof sql === "string" ? Buffer.from(sql) : sql, copies)
    client.query(query)
    return query
  }

  /** What the open transaction does around a statement that may wait for a lock. */
  let watched: ReturnType<typeof Blockers.watch> = identity

  const execute: SessionService["execute"] = (sql, place = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const query = start(sql, false)
        const at = withStatement(place, sql)
        // The server calls a COPY that is given up "cancelled", as if it were a timeout.
        return Effect.mapError(watched(finish(query, at, restore)), (error) =>
          query.unfed
            ? new StatementFailed({
                message: "This COPY wants data, and none follows it.",
                suggestion: "The file is not what pg_dump writes: make the dump again.",
                ...at
              })
            : error
        ).pipe(traced(at.statement ?? ""))
      })
    ).pipe(Effect.map((tag) => ({ tag, notices: [...notices] })))

  const copyIn: SessionService["copyIn"] = (sql, given, body) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const place = withStatement(given, sql)
        const query = start(sql, true)
        const answered: Effect.Effect<void> = Effect.suspend(() =>
          query.settled !== undefined || query.isCopying ? Effect.void : Effect.andThen(progress(query), answered)
        )
        const write: WriteCopyData = (chunk) =>
          Effect.suspend(() => {
            if (query.settled !== undefined) return Effect.asVoid(finish(query, place))
            return query.writeCopyData(chunk) ? Effect.void : progress(query)
          })
        // Only a server that has asked for data reads CopyFail, and one that is busy with a row (a trigger, a lock) does
        // not; it is cancelled when the time is up. Waiting for data, on the other hand, it hears of no cancelling.
        const abandon = answered.pipe(
          Effect.timeoutOption("500 millis"),
          Effect.andThen(Effect.sync(() => query.failCopy("the client stopped"))),
          Effect.andThen(Effect.exit(finish(query, place)).pipe(Effect.timeoutOption("500 millis")))
        )
        return Effect.andThen(answered, body(write)).pipe(
          restore,
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : abandon)),
          Effect.andThen(
            Effect.suspend(() => {
              query.endCopy()
              return finish(query, place, restore)
            })
          ),
          Effect.flatMap((tag) => {
            const rows = /^COPY (\d+)$/.exec(tag)?.[1]
            return rows === undefined
              ? Effect.fail(
                  new StatementFailed({
                    message: `The server answered "${tag}" to a COPY.`,
                    suggestion: "Only COPY … FROM STDIN is followed by data: make the dump again.",
                    ...place
                  })
                )
              : Effect.succeed(Number(rows))
          }),
          traced(place.statement ?? "")
        )
      })
    )

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

  return { sql, url, backend, pooler, server, status, execute, copyIn, transaction, renew, savepoint }
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

const withStatement = (place: Place, sql: string | Uint8Array): Place =>
  place.statement === undefined
    ? {
        ...place,
        statement: typeof sql === "string" ? sql : Buffer.from(sql.subarray(0, 2000)).toString("utf8")
      }
    : place
