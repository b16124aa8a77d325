/** Questions whose failure is an answer, and must not break the transaction that may be open around them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { Session } from "./Session.ts"
import { fromSqlError } from "./Sqlstate.ts"

/**
 * Rows of a query under a savepoint where a transaction is open, by itself where none is.
 *
 * A session knows its transaction from the server's answers; any other client knows those that it opened itself.
 */
export const ask = Effect.fnUntraced(function* <Row extends object>(
  text: string
): Effect.fn.Return<ReadonlyArray<Row>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const query = Effect.mapError(sql.unsafe<Row>(text).unprepared, fromSqlError)
  const session = Option.filter(yield* Effect.serviceOption(Session), (session) => session.sql === sql)
  if (Option.isSome(session)) {
    const { savepoint, status } = session.value
    return yield* status() === "I" ? query : savepoint("pgark question", query)
  }
  const within = yield* Effect.serviceOption(sql.transactionService)
  if (Option.isNone(within)) return yield* query
  return yield* Effect.catchTag(sql.withTransaction(query), "SqlError", (error) => Effect.fail(fromSqlError(error)))
})
