/** What tables are made of, in numbers: whatever stands in CREATE TABLE, of which a dump has no statements to count. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { isOfExtension } from "./Scope.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** A table, partitioned or foreign ones too. */
export interface TableParts {
  readonly schema: string
  readonly name: string
  readonly columns: number
  readonly notNulls: number
  /** Defaults, and expressions of generated columns. */
  readonly defaults: number
  readonly checks: number
}

/** Of the tables of people in all schemas, or in those named; extensions' are left out. One query. */
export const read = Effect.fn("TableParts.read")(function* (
  schemas: ReadonlyArray<string> | undefined
): Effect.fn.Return<ReadonlyArray<TableParts>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const scope =
    schemas === undefined
      ? sql.literal(`n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
      : sql`n.nspname = any(${schemas}::text[])`
  return yield* sql<TableParts>`
    select
      n.nspname::text as "schema", c.relname::text as "name",
      count(a.attnum)::int4 as "columns",
      count(*) filter (where a.attnotnull)::int4 as "notNulls",
      count(*) filter (where a.atthasdef)::int4 as "defaults",
      coalesce(k.checks, 0)::int4 as "checks"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join (
      select conrelid, count(*) as checks from pg_constraint where contype = 'c' group by 1
    ) k on k.conrelid = c.oid
    where c.relkind in ('r', 'p', 'f') and c.relpersistence <> 't' and ${scope}
      and not ${sql.literal(isOfExtension("pg_class", "c.oid"))}
    group by 1, 2, k.checks
    order by 1, 2`.pipe(Effect.mapError(fromSqlError))
})
