/** Which tables and sequences a dump reads, chosen as pg_dump chooses them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import * as DumpPatterns from "./DumpPatterns.ts"
import type { PatternInvalid } from "../VerbError.ts"

/**
 * All that pg_dump locks or reads, as the common table expression `wanted`: `oid`, `relkind`, `relname`, `relowner`,
 * `schema_oid`, `nspname`, `nspowner`, `configuration` of an extension, and whether its `data` goes into the dump.
 *
 * A sequence that belongs to a column comes with its table, whatever patterns say of the sequence; one behind an identity
 * column only with it. Of an extension's relations it reads those that the extension has marked as configuration, without
 * locking them. What is unlogged has no rows on a standby, and may not be read there. Materialised views, views and foreign tables it neither locks nor reads, and of columns it wants all.
 *
 * Fails with PatternInvalid where pg_dump would refuse a pattern, or would find nothing by it and go on.
 */
export const read = Effect.fn("WantedRelations.read")(function* (
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<Fragment, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const { leftOut, withoutData } = yield* DumpPatterns.read(options, database)
  const whole = options.schemas.length === 0
  const leftOutSchemas = options.excludeSchemas ?? []
  const scope = whole ? sql`not n.nspname = any(${leftOutSchemas}::text[])` : sql.in("n.nspname", options.schemas)
  return sql`
    relation as (
      select c.oid, c.relkind, c.relname, c.relowner, n.oid as schema_oid, n.nspname, n.nspowner, configuration,
        case when member then configuration
          else n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        end and ${scope} and not (${leftOut}) as kept,
        not (${withoutData}) and not ${options.schemaOnly === true}
          and not (c.relpersistence = 'u' and pg_catalog.pg_is_in_recovery()) as data
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral (
        select
          exists (select from pg_catalog.pg_depend d
            where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') as member,
          exists (select from pg_catalog.pg_extension e where c.oid = any(e.extconfig)) as configuration
      ) of_extension
      where c.relkind in ('r', 'p', 'f', 'S') and c.relpersistence <> 't'
    ), wanted as (
      select r.*
      from relation r
      left join (
        pg_catalog.pg_depend d
        join relation owner on owner.oid = d.refobjid
      ) on r.relkind = 'S' and d.classid = 'pg_catalog.pg_class'::regclass and d.objid = r.oid
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
      where case d.deptype when 'i' then owner.kept when 'a' then owner.kept or r.kept else r.kept end
    )`
})
