/**
 * What the sequences of a dump are at, as statements that set them to it.
 *
 * It is read from each sequence itself, as pg_dump did before 18: the server then refuses where the right is missing,
 * and does not answer as if the sequence had never been used.
 */
import { chunksOf } from "effect/Array"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { closing, entryComment, opening } from "../../dumps/directory/PgDumpText.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { literal, qualified } from "../../postgres/Identifier.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import type { PatternInvalid } from "../VerbError.ts"
import * as WantedRelations from "./WantedRelations.ts"

interface Sequence {
  readonly schema: string
  readonly name: string
  readonly owner: string
}

/** A sequence, and what `setval` is to make of it. */
export interface SequenceValue extends Sequence {
  /** A 64-bit integer, so text. */
  readonly value: string
  /** False where the next value is `value` itself. */
  readonly called: boolean
}

/** How many sequences one statement reads. */
const together = 250

/**
 * Those of a dump with these options, by schema and name. Sequences know no snapshot: read them when the rows' snapshot
 * has been taken, so that none is behind a row. In a transaction each stays locked against DROP until its end.
 */
export const read = Effect.fn("SequenceValues.read")(function* (
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<ReadonlyArray<SequenceValue>, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  if (options.schemaOnly === true) return []
  const sql = yield* SqlClient.SqlClient
  const sequences = yield* sql<Sequence>`
    with ${yield* WantedRelations.read(options, database)}
    select nspname::text as "schema", relname::text as "name", pg_get_userbyid(relowner)::text as "owner"
    from wanted where relkind = 'S' and data
    order by nspname::text collate "C", relname::text collate "C"`.pipe(Effect.mapError(fromSqlError))
  const values = yield* Effect.forEach(chunksOf(sequences, together), (some) =>
    sql
      .unsafe<Pick<SequenceValue, "called" | "value">>(
        some
          .map(
            ({ schema, name }, index) =>
              `select ${index} as n, last_value::text as "value", is_called as "called" from ${qualified(schema, name)}`
          )
          .join(" union all ") + " order by n"
      )
      .pipe(Effect.mapError(fromSqlError))
  )
  const read = values.flat()
  return sequences.map((sequence, index) => ({ ...sequence, ...read[index]! }))
})

/** A script that sets them. Its text is in this encoding: UTF8, or SQL_ASCII where the server knows no characters. */
export const script = (values: ReadonlyArray<SequenceValue>, encoding: string): string => {
  const statements = values.map(({ called, name, owner, schema, value }) => {
    const sequence = literal(qualified(schema, name))
    return `${entryComment({ name, type: "SEQUENCE SET", schema, owner })}SELECT pg_catalog.setval(${sequence}, ${value}, ${called});`
  })
  return `${opening(encoding)}${statements.join("")}${closing}`
}
