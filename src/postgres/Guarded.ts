/** Questions whose failure is an answer, and must not break the transaction that may be open around them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { Session } from "./Session.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** What was asked for, or the reason why it is not known. */
export type Answer<A> = { readonly value: A } | { readonly unknown: string }

/** How many items one query asks about. */
const batchSize = 100

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

/** Who wants to know how far many questions are. */
export interface Asking<in A> {
  /** What is asked by a query of its own, as it may take long. */
  readonly alone: (item: A) => boolean
  /** A query begins that is about these; so many items before them have their answers. */
  readonly begun: (items: ReadonlyArray<A>, answered: number) => void
}

/** The items in their order, as many a query as it takes; those that are to be alone by themselves. */
const inBatches = <A>(items: ReadonlyArray<A>, alone: (item: A) => boolean): ReadonlyArray<ReadonlyArray<A>> => {
  const batches: Array<Array<A>> = []
  let open: Array<A> = []
  for (const item of items) {
    if (alone(item)) {
      batches.push([item])
      open = []
      continue
    }
    if (open.length === 0 || open.length === batchSize) batches.push((open = []))
    open.push(item)
  }
  return batches
}

/**
 * One value per item, many items a query. An item whose query fails (a damaged page, a table dropped meanwhile) gets
 * the server's words, also within a transaction; only a lost connection fails the whole.
 *
 * @param select a query of one row with the text column `value`
 */
export const askEach = Effect.fnUntraced(function* <A>(
  items: ReadonlyArray<A>,
  select: (item: A) => string,
  asking?: Asking<A>
): Effect.fn.Return<ReadonlyArray<Answer<string>>, DatabaseError, SqlClient.SqlClient> {
  const askBatch = (
    batch: ReadonlyArray<A>
  ): Effect.Effect<ReadonlyArray<Answer<string>>, DatabaseError, SqlClient.SqlClient> =>
    ask<{ readonly item: number; readonly value: string }>(
      batch
        .map((item, index) => `select ${index}::int4 as "item", q.value from (${select(item)}) q`)
        .join(" union all ")
    ).pipe(
      Effect.map((rows) => {
        const answers = new Map(rows.map(({ item, value }) => [item, value]))
        return batch.map((_, index) => ({ value: answers.get(index) ?? "" }))
      }),
      Effect.catch((error) => {
        if (error._tag === "ConnectionFailed") return Effect.fail(error)
        if (batch.length === 1) return Effect.succeed([{ unknown: error.message }])
        return Effect.map(
          Effect.forEach(batch, (item) => askBatch([item])),
          (answers) => answers.flat()
        )
      })
    )
  const answers: Array<Answer<string>> = []
  for (const batch of inBatches(items, asking?.alone ?? (() => false))) {
    asking?.begun(batch, answers.length)
    answers.push(...(yield* askBatch(batch)))
  }
  return answers
})
