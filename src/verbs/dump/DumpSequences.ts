/**
 * Whether a dump sets sequences to what they are.
 *
 * pg_dump asks the server for all of them in one go, and the server answers nothing where the right is missing: some
 * versions then write the first value, as if the sequence had never been used, and inserts collide after a restore.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { qualified } from "../../postgres/Identifier.ts"
import { PgDumpFailed } from "../../postgres/PgDump.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"

/** The last value of each sequence that has given one and that the role may read, by its qualified and quoted name. */
export type LastValues = ReadonlyMap<string, string>

/** Reads those of the schemas, all unless told. Sequences know no snapshot: it is what they are now. */
export const read = Effect.fn("DumpSequences.read")(function* (
  schemas?: ReadonlyArray<string>
): Effect.fn.Return<LastValues, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const scope = schemas === undefined ? sql`true` : sql`n.nspname = any(${schemas}::text[])`
  const rows = yield* sql<{ readonly schema: string; readonly name: string; readonly value: string | null }>`
    select n.nspname::text as "schema", c.relname::text as "name",
      case when has_sequence_privilege(c.oid, 'SELECT') then pg_sequence_last_value(c.oid)::text end as "value"
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'S' and c.relpersistence = 'p' and ${scope}`.pipe(Effect.mapError(fromSqlError))
  return new Map(rows.flatMap(({ schema, name, value }) => (value === null ? [] : [[qualified(schema, name), value]])))
})

/**
 * Fails where a dump has another value of a sequence that nobody used while it was made, or says of one that was in use
 * all the time that it never was.
 *
 * @param before read before pg_dump began
 * @param after read when it had ended
 */
export const check = (
  { sequences }: Pick<Contents, "sequences">,
  before: LastValues,
  after: LastValues
): Effect.Effect<void, PgDumpFailed> => {
  const wrong = sequences.flatMap(({ schema, name, value, called }) => {
    const key = qualified(schema, name)
    const [was, is] = [before.get(key), after.get(key)]
    if (was === undefined || is === undefined || (called && (was !== is || is === value))) return []
    return [`${key}: at ${is}, in the dump ${called ? "at" : "about to begin at"} ${value}`]
  })
  if (wrong.length === 0) return Effect.void
  return Effect.fail(
    new PgDumpFailed({
      message: `pg_dump has written ${plural(wrong.length, "sequence")} with another value than the server has.`,
      detail: listed(wrong).join("\n"),
      suggestion:
        "Dump again. Where it stays so, that pg_dump has a fault: use another one (--pg-dump wasm, or native with a newer " +
        "minor version). No file was left.",
      state: "untouched"
    })
  )
}
