/** How many objects of each kind stand in some schemas, as the statements that create them count. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { objectKey, type NamedObject } from "./ObjectName.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** Catalogues whose rows are objects of one kind, with the column that names the schema. */
const simple: ReadonlyArray<readonly [kind: string, catalog: string, schema: string]> = [
  ["COLLATION", "pg_collation", "collnamespace"],
  ["CONVERSION", "pg_conversion", "connamespace"],
  ["OPERATOR", "pg_operator", "oprnamespace"],
  ["OPERATOR CLASS", "pg_opclass", "opcnamespace"],
  ["STATISTICS", "pg_statistic_ext", "stxnamespace"],
  ["TEXT SEARCH CONFIGURATION", "pg_ts_config", "cfgnamespace"],
  ["TEXT SEARCH DICTIONARY", "pg_ts_dict", "dictnamespace"],
  ["TEXT SEARCH PARSER", "pg_ts_parser", "prsnamespace"],
  ["TEXT SEARCH TEMPLATE", "pg_ts_template", "tmplnamespace"]
]

/** What stands on a relation and goes with it, with the column that names the relation. */
const standing: ReadonlyArray<readonly [kind: string, catalog: string, relation: string, counts: string]> = [
  // Those of a partition come from its parent.
  ["TRIGGER", "pg_trigger", "tgrelid", "not o.tgisinternal and o.tgparentid = 0"],
  ["POLICY", "pg_policy", "polrelid", "true"],
  ["RULE", "pg_rewrite", "ev_class", "o.rulename <> '_RETURN'"]
]

const relation =
  "case c.relkind when 'r' then 'TABLE' when 'p' then 'TABLE' when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' " +
  "when 'f' then 'FOREIGN TABLE' when 'c' then 'TYPE' when 'S' then 'SEQUENCE' end"

const own = (catalog: string, oid: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`

/** Sequences of identity columns, and the constructors of range types, come with what they are part of. */
const notPart = (catalog: string, oid: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'i')`

const counted = [
  `select ${relation} as kind from pg_class c join scope n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S') and c.relpersistence <> 't' and ${own("pg_class", "c.oid")}
     and (c.relkind <> 'S' or ${notPart("pg_class", "c.oid")})`,
  `select case p.prokind when 'p' then 'PROCEDURE' when 'a' then 'AGGREGATE' else 'FUNCTION' end
   from pg_proc p join scope n on n.oid = p.pronamespace
   where ${own("pg_proc", "p.oid")} and ${notPart("pg_proc", "p.oid")}`,
  // Row types, arrays and multiranges come with what they are made of.
  `select case t.typtype when 'd' then 'DOMAIN' else 'TYPE' end
   from pg_type t join scope n on n.oid = t.typnamespace
   where t.typtype in ('b', 'd', 'e', 'p', 'r') and ${own("pg_type", "t.oid")}
     and not exists (select from pg_type e where e.typarray = t.oid)`,
  ...simple.map(
    ([kind, catalog, schema]) =>
      `select '${kind}' from ${catalog} o join scope n on n.oid = o.${schema} where ${own(catalog, "o.oid")}`
  ),
  ...standing.map(
    ([kind, catalog, on, counts]) =>
      `select '${kind}' from ${catalog} o join pg_class c on c.oid = o.${on} join scope n on n.oid = c.relnamespace
       where ${counts} and c.relpersistence <> 't' and ${own("pg_class", "c.oid")} and ${own(catalog, "o.oid")}`
  )
]

/** Kinds that are counted. */
const kinds: ReadonlySet<string> = new Set([
  "TABLE",
  "VIEW",
  "MATERIALIZED VIEW",
  "FOREIGN TABLE",
  "SEQUENCE",
  "FUNCTION",
  "PROCEDURE",
  "AGGREGATE",
  "TYPE",
  "DOMAIN",
  ...simple.map(([kind]) => kind),
  ...standing.map(([kind]) => kind)
])

/** Kinds of which several may bear one name: routines by their arguments, and what stands on tables. */
const ambiguous = new Set([
  "FUNCTION",
  "PROCEDURE",
  "AGGREGATE",
  "OPERATOR",
  "OPERATOR CLASS",
  ...standing.map(([kind]) => kind)
])

/** Numbers of objects by kind; a kind of which there is none is not named. */
export type ObjectCounts = ReadonlyMap<string, number>

const count = (names: Iterable<string>): ObjectCounts => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

/** What there will be where nothing was and these are created. Of what a dump creates twice (a shell type) it is one. */
export const ofCreated = (created: ReadonlyArray<NamedObject>, schemas: ReadonlyArray<string>): ObjectCounts => {
  const scope = new Set(schemas)
  const seen = new Set<string>()
  return count(
    created.flatMap((object) => {
      const { kind, schema = "" } = object
      if (!kinds.has(kind) || !scope.has(schema)) return []
      if (ambiguous.has(kind)) return [kind]
      const key = objectKey(object)
      if (seen.has(key)) return []
      seen.add(key)
      return [kind]
    })
  )
}

/** What there is, extensions' objects left out; one query. */
export const read = Effect.fn("ObjectCounts.read")(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ObjectCounts, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly kind: string; readonly count: number }>`
    with scope as (select oid from pg_namespace where nspname = any(${schemas}::text[]))
    select kind, count(*)::int4 as count from (${sql.literal(counted.join("\n    union all\n    "))}) found
    group by kind`.pipe(Effect.mapError(fromSqlError))
  return new Map(rows.map(({ kind, count }) => [kind, count]))
})
