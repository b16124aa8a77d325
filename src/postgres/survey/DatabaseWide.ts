/** What belongs to the database and stands in no schema, and the data that a dump may replace there. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { qualified } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"

/** An object of one of the kinds in `databaseWide` of {@link file://../ObjectName.ts}. */
export interface DatabaseObject {
  /** `classid:oid`. */
  readonly key: string
  readonly kind: string
  /** Of a user mapping: `role on server`. */
  readonly name: string
  readonly owner: string
  /** This role may drop it: it has the owner's rights, and no extension owns the object. */
  readonly droppable: boolean
}

/** A large object of the target. */
export interface LargeObject {
  readonly oid: string
  readonly owner: string
  /** This role may unlink it. */
  readonly droppable: boolean
}

/**
 * A table of an extension whose rows belong to the user, as far as `condition` (a WHERE clause, or empty) says: a dump
 * holds them and CREATE EXTENSION does not.
 *
 * @see https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
 */
export interface ConfigTable {
  readonly schema: string
  readonly name: string
  readonly owner: string
  readonly extension: string
  readonly condition: string
  /** Whether such rows are there; unknown where this role may not read them. */
  readonly rows: boolean | "unknown"
  /** Whether this role may delete them. */
  readonly deletable: boolean
}

/** All objects of the database that stand in no schema, less what the server itself came with. */
export const readDatabaseWide = Effect.fnUntraced(function* (
  versionNumber: number
): Effect.fn.Return<ReadonlyArray<DatabaseObject>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // Of pg_subscription only some columns are everybody's to read, its OID since 14; the view has it before.
  const subscription = sql.literal(
    versionNumber >= 140000 ? "oid" : "(select min(subid) from pg_stat_subscription v where v.subname = s.subname)"
  )
  return yield* sql<DatabaseObject>`
    with found(kind, classid, objid, name, owner) as (
      select 'PUBLICATION', 'pg_publication'::regclass, oid, pubname::text, pubowner from pg_publication
      union all
      select 'SUBSCRIPTION', 'pg_subscription'::regclass, ${subscription}, subname::text, subowner
      from pg_subscription s
      where subdbid = (select oid from pg_database where datname = current_database())
      union all
      select 'EVENT TRIGGER', 'pg_event_trigger'::regclass, oid, evtname::text, evtowner from pg_event_trigger
      union all
      select 'LANGUAGE', 'pg_language'::regclass, oid, lanname::text, lanowner from pg_language where lanispl
      union all
      select 'FOREIGN DATA WRAPPER', 'pg_foreign_data_wrapper'::regclass, oid, fdwname::text, fdwowner
      from pg_foreign_data_wrapper
      union all
      select 'SERVER', 'pg_foreign_server'::regclass, oid, srvname::text, srvowner from pg_foreign_server
      union all
      select 'USER MAPPING', 'pg_user_mapping'::regclass, m.umid, format('%s on %s', m.usename, m.srvname), s.srvowner
      from pg_user_mappings m join pg_foreign_server s on s.oid = m.srvid
      union all
      -- Access methods have no owner and are the superuser's.
      select 'ACCESS METHOD', 'pg_am'::regclass, oid, amname::text, 10 from pg_am where oid >= 16384
    )
    select
      f.classid::oid::int8::text || ':' || f.objid::int8::text as "key", f.kind as "kind", f.name as "name", pg_get_userbyid(f.owner)::text as "owner",
      pg_has_role(f.owner, 'USAGE') and not exists (
        select from pg_depend d where d.classid = f.classid and d.objid = f.objid and d.deptype = 'e'
      ) as "droppable"
    from found f
    order by 2, 3`.pipe(Effect.mapError(fromSqlError))
})

/** Those of the large objects with these OIDs that are there. */
export const readLargeObjects = Effect.fnUntraced(function* (
  oids: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<LargeObject>, DatabaseError, SqlClient.SqlClient> {
  if (oids.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  return yield* sql<LargeObject>`
    select oid::text as "oid", pg_get_userbyid(lomowner)::text as "owner", pg_has_role(lomowner, 'USAGE') as "droppable"
    from pg_largeobject_metadata
    where oid = any(string_to_array(${oids.join(",")}::text, ',')::oid[])
    order by pg_largeobject_metadata.oid`.pipe(Effect.mapError(fromSqlError))
})

/** Those of these tables whose rows extensions leave to the user. */
export const readConfigTables = Effect.fnUntraced(function* (
  tables: ReadonlyArray<{ readonly schema: string; readonly name: string }>
): Effect.fn.Return<ReadonlyArray<ConfigTable>, DatabaseError, SqlClient.SqlClient> {
  if (tables.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<Omit<ConfigTable, "rows"> & { readonly readable: boolean }>`
    select n.nspname::text as "schema", c.relname::text as "name", pg_get_userbyid(c.relowner)::text as "owner",
      e.extname::text as "extension", trim(x.condition) as "condition",
      has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT') as "readable",
      has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT')
        and has_table_privilege(c.oid, 'DELETE') as "deletable"
    from pg_extension e
    cross join unnest(e.extconfig, e.extcondition) as x(oid, condition)
    join pg_class c on c.oid = x.oid and c.relkind in ('r', 'p')
    join pg_namespace n on n.oid = c.relnamespace
    order by 1, 2`.pipe(Effect.mapError(fromSqlError))
  const named = new Set(tables.map(({ schema, name }) => qualified(schema, name)))
  const hasRows = (table: string, condition: string) =>
    sql
      .unsafe<{ readonly rows: boolean }>(`select exists(select from only ${table} ${condition}) as "rows"`)
      .pipe(Effect.mapBoth({ onFailure: fromSqlError, onSuccess: (rows) => rows[0]?.rows ?? false }))
  const configured: Array<ConfigTable> = []
  for (const { readable, ...table } of found) {
    const name = qualified(table.schema, table.name)
    if (!named.has(name)) continue
    configured.push({ ...table, rows: readable ? yield* hasRows(name, table.condition) : "unknown" })
  }
  return configured
})
