/**
 * What a database holds, as text: two equal texts mean that nothing visible has changed. One line an object, each a
 * JSON array that begins with its kind; no OIDs, no names of the database itself, sorted.
 */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { literal, qualified, quote } from "../../src/postgres/Identifier.ts"
import { query } from "./Clusters.ts"

const owner = (column: string) => `pg_get_userbyid(${column})`
/** NULL (built-in defaults) stays apart from an empty list. */
const acl = (column: string) =>
  `CASE WHEN ${column} IS NOT NULL THEN ARRAY(SELECT a::text FROM unnest(${column}) a ORDER BY a::text COLLATE "C") END`
const named = (schema: string, name: string) => `format('%I.%I', ${schema}, ${name})`
const user = `n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`

/** Kind, columns, and where they come from. */
const catalogues: ReadonlyArray<readonly [kind: string, columns: string, from: string]> = [
  [
    "database",
    `${owner("d.datdba")}, ${acl("d.datacl")}, pg_encoding_to_char(d.encoding), s.setconfig, s.setrole::regrole`,
    `pg_database d LEFT JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE d.datname = current_database()`
  ],
  [
    "schema",
    `n.nspname, ${owner("n.nspowner")}, ${acl("n.nspacl")}, obj_description(n.oid, 'pg_namespace')`,
    `pg_namespace n WHERE ${user}`
  ],
  ["extension", `e.extname, e.extversion, e.extnamespace::regnamespace`, `pg_extension e`],
  [
    "relation",
    `${named("n.nspname", "c.relname")}, c.relkind, ${owner("c.relowner")}, ${acl("c.relacl")}, c.relpersistence,
     c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispopulated, c.reloptions,
     pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class'),
     ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid ORDER BY inhseqno)`,
    `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "column",
    `${named("n.nspname", "c.relname")}, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
     format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
     pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation, a.attoptions, ${acl("a.attacl")},
     col_description(c.oid, a.attnum)`,
    `pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE ${user} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')`
  ],
  [
    "constraint",
    `n.nspname, conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(k.oid), convalidated, conislocal,
     obj_description(k.oid, 'pg_constraint')`,
    `pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${user}`
  ],
  [
    "index",
    `pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident`,
    `pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "rule",
    `c.oid::regclass, r.rulename, pg_get_ruledef(r.oid), r.ev_enabled`,
    `pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "function",
    `p.oid::regprocedure, p.prokind, ${owner("p.proowner")}, ${acl("p.proacl")}, obj_description(p.oid, 'pg_proc'),
     CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END, p.prorettype::regtype`,
    `pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${user}`
  ],
  [
    "type",
    `${named("n.nspname", "t.typname")}, t.typtype, ${owner("t.typowner")}, ${acl("t.typacl")}, t.typdefault,
     format_type(t.typbasetype, t.typtypmod), t.typnotnull, obj_description(t.oid, 'pg_type'),
     ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)`,
    `pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${user}`
  ],
  [
    "trigger",
    `t.tgname, pg_get_triggerdef(t.oid), t.tgenabled`,
    `pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE ${user} AND NOT t.tgisinternal`
  ],
  ["policy", `to_json(p)`, `pg_policies p`],
  [
    "sequence",
    `s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
     d.refobjid::regclass, d.deptype,
     (SELECT attname FROM pg_attribute WHERE attrelid = d.refobjid AND attnum = d.refobjsubid)`,
    `pg_sequence s LEFT JOIN pg_depend d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')`
  ],
  [
    "default acl",
    `${owner("d.defaclrole")}, d.defaclnamespace::regnamespace, d.defaclobjtype, ${acl("d.defaclacl")}`,
    `pg_default_acl d`
  ],
  [
    "large object",
    `${owner("m.lomowner")}, ${acl("m.lomacl")}, md5(lo_get(m.oid)), obj_description(m.oid, 'pg_largeobject')`,
    `pg_largeobject_metadata m`
  ],
  ["publication", `to_jsonb(p) - 'oid' - 'pubowner', ${owner("p.pubowner")}`, `pg_publication p`],
  ["published table", `to_json(p)`, `pg_publication_tables p`],
  [
    "event trigger",
    `e.evtname, e.evtevent, ${owner("e.evtowner")}, e.evtfoid::regprocedure, e.evtenabled, e.evttags`,
    `pg_event_trigger e`
  ],
  ["statistics", `pg_get_statisticsobjdef(s.oid), ${owner("s.stxowner")}`, `pg_statistic_ext s`]
]

const cataloguesSql = catalogues
  .map(([kind, columns, from]) => `SELECT json_build_array('${kind}', ${columns})::text AS line FROM ${from}`)
  .join("\nUNION ALL\n")

/** Fixes how values look, and what an unqualified name means. */
const settings = `
SET LOCAL search_path = pg_catalog;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;
SET LOCAL row_security = off;
`

interface Holder extends Record<string, unknown> {
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly columns: ReadonlyArray<{ readonly name: string; readonly isOid: boolean }>
}

const holdersSql = `
SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind,
  coalesce(json_agg(json_build_object('name', a.attname, 'isOid', a.atttypid = 'oid'::regtype) ORDER BY a.attnum)
    FILTER (WHERE a.attnum > 0), '[]') AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE ${user} AND (c.relkind IN ('r', 'S') OR c.relkind = 'm' AND c.relispopulated)
GROUP BY n.nspname, c.relname, c.relkind`

/** Rows in one line: how many, and a digest that does not depend on their order nor on the OIDs of large objects. */
const contentSql = ({ schema, name, kind, columns }: Holder): string => {
  const relation = qualified(schema, name)
  if (kind === "S") {
    const line = `json_build_array('sequence value', ${literal(relation)}, last_value, is_called)::text`
    return `SELECT ${line} FROM ${relation}`
  }
  const values = columns.map(({ name, isOid }) => {
    const value = `t.${quote(name)}`
    if (!isOid) return value
    const isLargeObject = `EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = ${value})`
    return `CASE WHEN ${isLargeObject} THEN 'large object ' || md5(lo_get(${value})) ELSE ${value}::text END`
  })
  const digest = `md5(string_agg(r, '' ORDER BY r COLLATE "C"))`
  return `SELECT json_build_array('rows', ${literal(relation)}, count(*), ${digest})::text
    FROM (SELECT md5(ROW(${values.join(", ")})::text) AS r FROM ${relation} t) rows`
}

/** Reads all of it in the eyes of `url`'s role, which should be a superuser. */
export const snapshot = Effect.fn("Snapshot.snapshot")(function* (
  url: DatabaseUrl
): Effect.fn.Return<string, DatabaseError> {
  const holders = yield* query<Holder>(url, `${settings}${holdersSql}`)
  const rows = yield* query<{ line: string }>(
    url,
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${settings}
     ${[cataloguesSql, ...holders.map(contentSql)].join("\nUNION ALL\n")}`
  )
  return rows
    .map(({ line }) => line)
    .sort()
    .join("\n")
})
