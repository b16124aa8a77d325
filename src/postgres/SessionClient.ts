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
import type { DatabaseError } from "./DatabaseError.ts"
import { sqlstateOf } from "./Sqlstate.ts"

/** How a session begins and ends transactions, and what an interrupted query does besides: cancel on the server. */
export interface Control {
  readonly guard: <A>(query: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>
  /** @param statement another way to begin than the session's own */
  readonly begin: (statement: string | undefined) => Effect.Effect<unknown, DatabaseError>
  readonly commit: Effect.Effect<void, DatabaseError>
  readonly rollback: Effect.Effect<void, DatabaseError>
  readonly savepoint: (name: string) => Effect.Effect<unknown, DatabaseError>
  readonly release: (name: string) => Effect.Effect<unknown, DatabaseError>
  readonly rollbackTo: (name: string) => Effect.Effect<void, DatabaseError>
}

/** What transaction control failed with, where `SqlClient` wants an error of its own; `fromSqlError` finds it again. */
const asSqlError = (error: DatabaseError): SqlError => {
  const reason = { cause: error, message: error.message, operation: "transaction" }
  return new SqlError({
    reason: error._tag === "ConnectionFailed" ? new ConnectionError(reason) : new UnknownError(reason)
  })
}

/** A catalogue query written against `SqlClient` then runs inside the session's own transaction. */
export const make = (client: Client, control: Control): Effect.Effect<SqlClient.SqlClient> => {
  const run = (text: string, values: ReadonlyArray<unknown>, rowMode: "array" | undefined) =>
    control.guard(
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
    driver: "pg",
    spanAttributes
  }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.map((sql) =>
      Object.assign(sql, {
        withTransaction: SqlClient.makeWithTransaction({
          transactionService: sql.transactionService,
          spanAttributes,
          acquireConnection: () => Effect.succeed(connection),
          begin: (_, statement) => Effect.asVoid(Effect.mapError(control.begin(statement), asSqlError)),
          commit: () => Effect.mapError(control.commit, asSqlError),
          rollback: () => Effect.mapError(control.rollback, asSqlError),
          savepoint: (_, depth) => Effect.asVoid(Effect.mapError(control.savepoint(savepointOf(depth)), asSqlError)),
          // What keeps a savepoint from being released, a broken transaction or a lost connection, the next statement
          // and the COMMIT tell as errors; here it would become a defect.
          releaseSavepoint: (_, depth) => Effect.ignore(control.release(savepointOf(depth))),
          rollbackSavepoint: (_, depth) => Effect.mapError(control.rollbackTo(savepointOf(depth)), asSqlError)
        })
      })
    )
  )
}

const spanAttributes = [["db.system.name", "postgresql"]] as const

/** Name of the savepoint of a transaction within others, by its depth. */
const savepointOf = (depth: number): string => `pgark transaction ${depth}`
