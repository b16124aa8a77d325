/** What of a database goes, as pg_dump is told to take it and nothing else of the same schemas. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { quote } from "../../postgres/Identifier.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import type { Going } from "./Going.ts"

/** Options of pg_dump, and how much it is. */
export interface Selection {
  readonly schemas: ReadonlyArray<string>
  readonly excludeSchemas: ReadonlyArray<string>
  readonly excludeTables: ReadonlyArray<string>
  readonly largeObjects: boolean
  /** Bytes of the tables on the server's disk, without their indexes. */
  readonly bytes: number
}

/** The number of `pg_class` itself, with which keys of relations begin. */
const relation = /^1259:(\d+)$/

/** How long one argument may be, in characters: Linux takes 128 KiB. */
const longest = 60_000

/** A pattern for all of these tables of a schema: in double quotes names stand for themselves. */
const patterns = (schema: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const groups: Array<string> = []
  for (const name of names.map(quote)) {
    const last = groups.at(-1)
    if (last === undefined || last.length + name.length > longest) groups.push(name)
    else groups[groups.length - 1] = `${last}|${name}`
  }
  return groups.map((group) => `${quote(schema)}.(${group})`)
}

interface Row {
  readonly schema: string
  readonly name: string
  readonly goes: boolean
  readonly bytes: string
}

/**
 * Reads what stands beside what goes. Partitions go with their table, and sequences with the column that owns them. Of
 * what is no relation (functions, types) the dump has all that stands in the schemas.
 */
export const select = Effect.fn("Selection.select")(function* (
  going: Going
): Effect.fn.Return<Selection, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const numbers = going.objects.flatMap(({ key }) => relation.exec(key)?.[1] ?? []).join(",")
  const schemas = [...new Set([...going.schemas, ...going.configTables.map(({ schema }) => schema)])]
  const others = yield* sql<{ readonly name: string }>`
    select nspname::text as "name" from pg_namespace
    where not nspname = any(${schemas}::text[]) and nspname !~ '^pg_' and nspname <> 'information_schema'
    order by 1`.pipe(Effect.mapError(fromSqlError))
  const rows = yield* sql<Row>`
    with recursive named(oid) as (
      select unnest(string_to_array(${numbers}::text, ',')::oid[])
      union
      select i.inhrelid from named join pg_inherits i on i.inhparent = named.oid
      join pg_class c on c.oid = i.inhrelid and c.relispartition
    ), going(oid) as (
      select oid from named
      union
      select d.objid from named join pg_depend d on d.refobjid = named.oid
      where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
        and d.deptype in ('a', 'i')
    )
    select n.nspname::text as "schema", c.relname::text as "name", g.oid is not null as "goes",
      (case when g.oid is not null and c.relkind in ('r', 'm') then pg_table_size(c.oid) else 0 end)::text as "bytes"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join going g on g.oid = c.oid
    cross join lateral (
      select
        exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') as member,
        exists (select from pg_extension e where c.oid = any(e.extconfig)) as configuration
    ) of_extension
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't'
      and case when member then configuration else n.nspname = any(${schemas}::text[]) end
    order by 1, 2`.pipe(Effect.mapError(fromSqlError))
  const config = new Set(going.configTables.map(({ schema, name }) => JSON.stringify([schema, name])))
  const staying = new Map<string, Array<string>>()
  for (const { schema, name, goes } of rows) {
    if (goes || config.has(JSON.stringify([schema, name]))) continue
    const names = staying.get(schema)
    if (names === undefined) staying.set(schema, [name])
    else names.push(name)
  }
  return {
    schemas,
    excludeSchemas: others.map(({ name }) => name),
    excludeTables: [...staying].flatMap(([schema, names]) => patterns(schema, names)),
    largeObjects: going.largeObjects.length > 0,
    bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0)
  }
})
