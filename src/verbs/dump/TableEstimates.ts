/** How much a dump will hold, as the catalogue guesses: by what the last VACUUM or ANALYZE has counted. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import * as DumpPatterns from "./DumpPatterns.ts"
import type { PatternInvalid } from "../VerbError.ts"

/** A table whose rows will be in the dump. */
export interface TableEstimate {
  readonly schema: string
  readonly name: string
  /** `reltuples`; 0 where nothing has counted it yet. */
  readonly rows: number
  /** Bytes of its pages and those of its TOAST table, without indexes; 0 likewise. */
  readonly bytes: number
}

/**
 * The tables of a dump with these options. Only the catalogue is read: the functions that tell sizes would wait for
 * whoever has a table locked.
 */
export const read = Effect.fn("TableEstimates.read")(function* (
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<ReadonlyArray<TableEstimate>, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  if (options.schemaOnly === true) return []
  const sql = yield* SqlClient.SqlClient
  const { leftOut, withoutData } = yield* DumpPatterns.read(options, database)
  const scope =
    options.schemas.length === 0
      ? sql`not n.nspname = any(${options.excludeSchemas ?? []}::text[])`
      : sql.in("n.nspname", options.schemas)
  return yield* sql<TableEstimate>`
    select n.nspname::text as "schema", c.relname::text as "name", greatest(c.reltuples, 0)::float8 as "rows",
      ((c.relpages + coalesce(t.relpages, 0)) * current_setting('block_size')::float8) as "bytes"
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    where c.relkind = 'r' and c.relpersistence <> 't'
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and ${scope} and not (${leftOut}) and not (${withoutData})`.pipe(Effect.mapError(fromSqlError))
})
