/** The connections of a restore: the main one, and others to the same database that work beside it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ConnectionFailed, type DatabaseError } from "../../../postgres/DatabaseError.ts"
import type { PoolerInBetween } from "../../../postgres/Pooler.ts"
import * as ServerMark from "../../../postgres/ServerMark.ts"
import * as Session from "../../../postgres/Session.ts"
import * as TargetLock from "../../../postgres/TargetLock.ts"
import type { Statements } from "../Statements.ts"
import type { Settings } from "./ReadAhead.ts"

/** A connection, and what of the dump's settings is in force on it. */
export interface Connection {
  readonly session: Session.SessionService
  settings: Settings | undefined
}

const elsewhere = (database: string) =>
  new ConnectionFailed({
    message: `A second connection to "${database}" has met another server than the first.`,
    detail: "They were started at different times: something between here and the server hands connections around.",
    suggestion: "Name the server itself in the URL, or restore over one connection (--jobs 1).",
    state: "rolled-back"
  })

/** So many connections, the first of which is the main one. Closing the scope closes the others. */
export const open = Effect.fn("Connections.open")(function* (
  main: Session.SessionService,
  jobs: number
): Effect.fn.Return<ReadonlyArray<Connection>, DatabaseError | PoolerInBetween, Scope.Scope> {
  const others = yield* Effect.forEach(Array.from({ length: jobs - 1 }), () =>
    Effect.gen(function* () {
      const session = yield* Session.open(main.url, {
        application: "pgark restore",
        allowPooler: main.pooler !== undefined
      })
      yield* TargetLock.help(session)
      if (ServerMark.compare(main.server, session.server) !== "same") return yield* elsewhere(main.url.database)
      return session
    })
  )
  return [main, ...others].map((session) => ({ session, settings: undefined }))
})

/** Puts what the dump has set by then in force, within the open transaction. */
export const set = Effect.fnUntraced(function* (
  connection: Connection,
  settings: Settings,
  statements: Statements
): Effect.fn.Return<void, DatabaseError> {
  const { session, settings: before } = connection
  if (before === settings) return
  for (const [name, read] of settings) {
    if (before?.get(name) !== read) yield* statements.execute(session, read)
  }
  connection.settings = settings
})

/**
 * One transaction on it, in which the dump's settings are in force. What is rolled back takes its settings along.
 */
export const transaction = <A, E, R>(
  connection: Connection,
  body: Effect.Effect<A, E, R>,
  options: Pick<Session.TransactionOptions, "lockTimeout">
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.suspend(() => {
    const before = connection.settings
    return Effect.onError(connection.session.transaction(body, options), () =>
      Effect.sync(() => {
        connection.settings = before
      })
    )
  })
