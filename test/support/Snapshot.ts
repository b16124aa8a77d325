/**
 * What a database holds, as text: two equal texts mean that nothing visible has changed. One line an object, each a
 * JSON array that begins with its kind; no OIDs, no names of the database itself, sorted.
 */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { literal, qualified, quote } from "../../src/postgres/Identifier.ts"
import { connected } from "./Clusters.ts"

const owner = (column: string) => `pg_get_userbyid(${column})`
/** NULL (built-in defaults) stays apart from an empty list. */
const acl = (column: string) =>
  `CASE WHEN ${column} IS NOT NULL THEN ARRAY(SELECT a::text FROM unnest(${column}) a ORDER BY a::text COLLATE "C") END`
const named = (schema: string, name: string) => `format('%I.%I', ${schema}, ${name})`
/** An OID as the name that `type` (one of the reg* types) gives it; 0 is nothing. */
const ref = (column: string, type: string) => `NULLIF(${column}, 0)::${type}`
/** A whole row, whatever columns this version of the catalogue has, less those that hold OIDs. */
const row = (alias: string, ...less: ReadonlyArray<string>) => `to_jsonb(${alias}) - '{oid,${less.join(",")}}'::text[]`
const user = `n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`
const here = `(SELECT oid FROM pg_database WHERE datname = current_database())`

/** A catalogue of objects that are in schemas. */
const inSchemas = (
  kind: string,
  catalogue: string,
  prefix: string,
  columns: string,
  joins = ""
): readonly [kind: string, columns: string, from: string] => [
  kind,
  `${named("n.nspname", `o.${prefix}name`)}, ${columns}`,
  `${catalogue} o JOIN pg_namespace n ON n.oid = o.${prefix}namespace ${joins} WHERE ${user}`
]

/** Kind, columns, and where they come from. Comments, labels and extension members are told for all kinds at once. */
const catalogues: ReadonlyArray<readonly [kind: string, columns: string, from: string]> = [
  [
    "database",
    `${owner("d.datdba")}, ${acl("d.datacl")}, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
     d.datistemplate, d.datallowconn, d.datconnlimit, shobj_description(d.oid, 'pg_database'),
     ARRAY(SELECT ARRAY[provider, label] FROM pg_shseclabel WHERE objoid = d.oid ORDER BY 1)`,
    `pg_database d WHERE d.oid = ${here}`
  ],
  [
    "database setting",
    `CASE WHEN s.setrole <> 0 THEN ${owner("s.setrole")} END, s.setconfig`,
    `pg_db_role_setting s WHERE s.setdatabase = ${here}`
  ],
  ["schema", `n.nspname, ${owner("n.nspowner")}, ${acl("n.nspacl")}`, `pg_namespace n WHERE ${user}`],
  [
    "extension",
    `${row("e", "extowner", "extnamespace", "extconfig")}, ${owner("e.extowner")}, e.extnamespace::regnamespace,
     ARRAY(SELECT x::regclass::text FROM unnest(e.extconfig) x)`,
    `pg_extension e`
  ],
  [
    "extension member",
    `e.extname, d.deptype, i.type, i.identity`,
    `pg_depend d JOIN pg_extension e ON e.oid = d.refobjid, pg_identify_object(d.classid, d.objid, d.objsubid) i
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype IN ('e', 'x')`
  ],
  [
    "comment",
    `i.type, i.identity, d.description`,
    `pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
     WHERE (d.objoid >= 16384 OR d.classoid IN ('pg_namespace'::regclass, 'pg_extension'::regclass,
       'pg_language'::regclass)) AND d.classoid <> 'pg_largeobject'::regclass`
  ],
  [
    "security label",
    `i.type, i.identity, l.provider, l.label`,
    `pg_seclabel l, pg_identify_object(l.classoid, l.objoid, l.objsubid) i
     WHERE l.classoid <> 'pg_largeobject'::regclass`
  ],
  [
    "relation",
    `${named("n.nspname", "c.relname")}, c.relkind, ${owner("c.relowner")}, ${acl("c.relacl")}, c.relpersistence,
     c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispopulated, c.reloptions,
     (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid), ${ref("c.reloftype", "regtype")},
     (SELECT amname FROM pg_am WHERE oid = c.relam), (SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace),
     pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
     ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid ORDER BY inhseqno)`,
    `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "column",
    `${named("n.nspname", "c.relname")}, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname,
     format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
     to_jsonb(a) ->> 'attcompression', NULLIF(a.attstattarget, -1), a.attislocal, a.attfdwoptions,
     pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation, a.attoptions, ${acl("a.attacl")}`,
    `pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE ${user} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')`
  ],
  [
    "constraint",
    `n.nspname, conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(k.oid), convalidated, conislocal`,
    `pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${user}`
  ],
  [
    "index",
    `pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisclustered, i.indisreplident,
     ARRAY(SELECT NULLIF(attstattarget, -1) FROM pg_attribute WHERE attrelid = i.indexrelid ORDER BY attnum)`,
    `pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "rule",
    `c.oid::regclass, r.rulename, pg_get_ruledef(r.oid), r.ev_enabled`,
    `pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${user}`
  ],
  [
    "function",
    `p.oid::regprocedure, p.prokind, ${owner("p.proowner")}, ${acl("p.proacl")}, p.prorettype::regtype,
     CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
     (SELECT to_jsonb(g) - '{aggfnoid,aggsortop,aggtranstype,aggmtranstype}'::text[] ||
        jsonb_build_array(${ref("g.aggsortop", "regoperator")}, g.aggtranstype::regtype, ${ref("g.aggmtranstype", "regtype")})
      FROM pg_aggregate g WHERE g.aggfnoid = p.oid)`,
    `pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${user}`
  ],
  [
    "type",
    `${named("n.nspname", "t.typname")}, t.typtype, t.typcategory, t.typlen, t.typbyval, t.typispreferred, t.typdelim,
     t.typalign, t.typstorage, t.typinput::regproc, t.typoutput::regproc, ${owner("t.typowner")}, ${acl("t.typacl")},
     t.typdefault, format_type(t.typbasetype, t.typtypmod), t.typnotnull, ${ref("t.typcollation", "regcollation")},
     ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
     (SELECT json_build_array(rngsubtype::regtype, ${ref("rngcollation", "regcollation")}, rngcanonical, rngsubdiff,
        (SELECT opcname FROM pg_opclass o WHERE o.oid = rngsubopc)) FROM pg_range WHERE rngtypid = t.oid)`,
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
    `${owner("d.defaclrole")}, ${ref("d.defaclnamespace", "regnamespace")}, d.defaclobjtype, ${acl("d.defaclacl")}`,
    `pg_default_acl d`
  ],
  [
    "large object",
    `${owner("m.lomowner")}, ${acl("m.lomacl")}, md5(lo_get(m.oid)), obj_description(m.oid, 'pg_largeobject'),
     ARRAY(SELECT ARRAY[provider, label] FROM pg_seclabel
       WHERE objoid = m.oid AND classoid = 'pg_largeobject'::regclass ORDER BY 1)`,
    `pg_largeobject_metadata m`
  ],
  ["publication", `${row("p", "pubowner")}, ${owner("p.pubowner")}`, `pg_publication p`],
  ["published table", `to_json(p)`, `pg_publication_tables p`],
  [
    "publication member",
    `i.type, i.identity`,
    `pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) i WHERE d.refclassid = 'pg_publication'::regclass`
  ],
  [
    "subscription",
    `${row("s", "subdbid", "subowner")}, ${owner("s.subowner")},
     ARRAY(SELECT ARRAY[r.srrelid::regclass::text, r.srsubstate::text] FROM pg_subscription_rel r
       WHERE r.srsubid = s.oid ORDER BY 1)`,
    `pg_subscription s WHERE s.subdbid = ${here}`
  ],
  [
    "event trigger",
    `e.evtname, e.evtevent, ${owner("e.evtowner")}, e.evtfoid::regprocedure, e.evtenabled, e.evttags`,
    `pg_event_trigger e`
  ],
  [
    "statistics",
    `pg_get_statisticsobjdef(s.oid), ${owner("s.stxowner")}, NULLIF(to_jsonb(s) ->> 'stxstattarget', '-1')`,
    `pg_statistic_ext s`
  ],
  [
    "language",
    `l.lanname, ${owner("l.lanowner")}, ${acl("l.lanacl")}, l.lanpltrusted, ${ref("l.lanplcallfoid", "regprocedure")},
     ${ref("l.laninline", "regprocedure")}, ${ref("l.lanvalidator", "regprocedure")}`,
    `pg_language l`
  ],
  [
    "cast",
    `c.castsource::regtype, c.casttarget::regtype, ${ref("c.castfunc", "regprocedure")}, c.castcontext, c.castmethod`,
    `pg_cast c WHERE c.oid >= 16384`
  ],
  [
    "transform",
    `t.trftype::regtype, l.lanname, t.trffromsql::regproc, t.trftosql::regproc`,
    `pg_transform t JOIN pg_language l ON l.oid = t.trflang`
  ],
  [
    "foreign data wrapper",
    `w.fdwname, ${owner("w.fdwowner")}, ${acl("w.fdwacl")}, ${ref("w.fdwhandler", "regprocedure")},
     ${ref("w.fdwvalidator", "regprocedure")}, w.fdwoptions`,
    `pg_foreign_data_wrapper w`
  ],
  [
    "server",
    `${row("s", "srvowner", "srvfdw", "srvacl")}, ${owner("s.srvowner")}, ${acl("s.srvacl")}, w.fdwname`,
    `pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw`
  ],
  [
    "user mapping",
    `s.srvname, CASE WHEN m.umuser <> 0 THEN ${owner("m.umuser")} END, m.umoptions`,
    `pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver`
  ],
  [
    "foreign table",
    `f.ftrelid::regclass, s.srvname, f.ftoptions`,
    `pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver`
  ],
  ["access method", `a.amname, a.amtype, a.amhandler::regproc`, `pg_am a`],
  inSchemas(
    "operator",
    "pg_operator",
    "opr",
    `o.oid::regoperator, ${owner("o.oprowner")}, o.oprcanmerge, o.oprcanhash, ${ref("o.oprresult", "regtype")},
     ${ref("o.oprcom", "regoperator")}, ${ref("o.oprnegate", "regoperator")}, o.oprcode, o.oprrest, o.oprjoin`
  ),
  inSchemas(
    "operator class",
    "pg_opclass",
    "opc",
    `a.amname, ${owner("o.opcowner")}, f.opfname, o.opcintype::regtype, o.opcdefault, ${ref("o.opckeytype", "regtype")}`,
    "JOIN pg_am a ON a.oid = o.opcmethod JOIN pg_opfamily f ON f.oid = o.opcfamily"
  ),
  inSchemas(
    "operator family",
    "pg_opfamily",
    "opf",
    `a.amname, ${owner("o.opfowner")}`,
    "JOIN pg_am a ON a.oid = o.opfmethod"
  ),
  [
    "operator family member",
    `f.opfname, m.amoplefttype::regtype, m.amoprighttype::regtype, m.amopstrategy, m.amoppurpose,
     m.amopopr::regoperator, (SELECT opfname FROM pg_opfamily WHERE oid = m.amopsortfamily)`,
    `pg_amop m JOIN pg_opfamily f ON f.oid = m.amopfamily WHERE m.oid >= 16384`
  ],
  [
    "operator family function",
    `f.opfname, m.amproclefttype::regtype, m.amprocrighttype::regtype, m.amprocnum, m.amproc::oid::regprocedure`,
    `pg_amproc m JOIN pg_opfamily f ON f.oid = m.amprocfamily WHERE m.oid >= 16384`
  ],
  inSchemas(
    "text search configuration",
    "pg_ts_config",
    "cfg",
    `${owner("o.cfgowner")}, p.prsname, ARRAY(SELECT format('%s %s %s', maptokentype, mapseqno, mapdict::regdictionary)
       FROM pg_ts_config_map WHERE mapcfg = o.oid ORDER BY maptokentype, mapseqno)`,
    "JOIN pg_ts_parser p ON p.oid = o.cfgparser"
  ),
  inSchemas(
    "text search dictionary",
    "pg_ts_dict",
    "dict",
    `${owner("o.dictowner")}, t.tmplname, o.dictinitoption`,
    "JOIN pg_ts_template t ON t.oid = o.dicttemplate"
  ),
  inSchemas("text search parser", "pg_ts_parser", "prs", row("o", "prsnamespace")),
  inSchemas("text search template", "pg_ts_template", "tmpl", row("o", "tmplnamespace")),
  inSchemas(
    "conversion",
    "pg_conversion",
    "con",
    `${owner("o.conowner")}, pg_encoding_to_char(o.conforencoding), pg_encoding_to_char(o.contoencoding), o.conproc,
     o.condefault`
  ),
  inSchemas("collation", "pg_collation", "coll", `${row("o", "collnamespace", "collowner")}, ${owner("o.collowner")}`)
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
  const rows = yield* connected(url, (query) =>
    Effect.flatMap(query<Holder>(`${settings}${holdersSql}`), (holders) =>
      query<{ line: string }>(
        `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${settings}
         ${[cataloguesSql, ...holders.map(contentSql)].join("\nUNION ALL\n")}`
      )
    )
  )
  return rows
    .map(({ line }) => line)
    .sort()
    .join("\n")
})
