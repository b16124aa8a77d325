/** The `pg` connection of a session as an Effect `SqlClient`. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Client, QueryConfig, QueryResult } from "pg"
import { causeOf } from "./Connecting.ts"
import { sqlstateOf } from "./Sqlstate.ts"

/** How `withTransaction` is bracketed where a transaction is open already. */
export const savepoints = {
  beginTransaction: 'SAVEPOINT "pgark sql"',
  commit: 'RELEASE SAVEPOINT "pgark sql"',
  rollback: 'ROLLBACK TO SAVEPOINT "pgark sql"'
} satisfies Partial<SqlClient.SqlClient.MakeOptions>

/**
 * A catalogue query written against `SqlClient` then runs inside the session's own transaction.
 *
 * @param guard what an interrupted query does besides: cancel on the server.
 * @param brackets the statements around `withTransaction`; BEGIN and COMMIT unless told.
 */
export const make = (
  client: Client,
  guard: <A>(query: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>,
  brackets: Partial<typeof savepoints> = {}
): Effect.Effect<SqlClient.SqlClient> => {
  const run = (text: string, values: ReadonlyArray<unknown>, rowMode: "array" | undefined) =>
    guard(
      Effect.callback<QueryResult, SqlError>((resume) => {
        const answer = (error: Error | null, result: QueryResult) => {
          if (!error) return resume(Effect.succeed(result))
          const cause = causeOf(client, error)
          const reason = { cause, message: error.message, operation: "query" }
          resume(
            Effect.fail(
              new SqlError({
                reason: sqlstateOf(cause) === undefined ? new ConnectionError(reason) : new UnknownError(reason)
              })
            )
          )
        }
        const query = { text, values: [...values], ...(rowMode === undefined ? {} : { rowMode }) }
        client.query(query as QueryConfig, answer)
      })
    )
  const execute: Connection["execute"] = (text, values, transformRows) =>
    Effect.map(run(text, values, undefined), ({ rows }) => (transformRows === undefined ? rows : transformRows(rows)))
  const executeValues: Connection["executeValues"] = (text, values) =>
    Effect.map(run(text, values, "array"), ({ rows }) => rows)
  const connection: Connection = {
    execute,
    executeUnprepared: execute,
    executeRaw: (text, values) => run(text, values, undefined),
    executeValues,
    executeValuesUnprepared: executeValues,
    executeStream: (text, values, transformRows) => Stream.fromIterableEffect(execute(text, values, transformRows))
  }
  return SqlClient.make({
    acquirer: Effect.succeed(connection),
    compiler: PgClient.makeCompiler(),
    ...brackets,
    driver: "pg",
    spanAttributes: [["db.system.name", "postgresql"]]
  }).pipe(Effect.provide(Reactivity.layer))
}
