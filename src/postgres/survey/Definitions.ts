/**
 * What each object of some schemas is, as a digest: two equal ones mean that nothing of it has changed that a dump would
 * show, on this server. The parts of an object (columns, indexes, constraints, triggers, policies …) count as the
 * object; OIDs, statistics and rows do not count.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog, partsSql } from "./Catalog.ts"

/** Rights in the order of their text; NULL, the built-in ones, stays apart from none at all. */
const acl = (column: string): string =>
  `case when ${column} is not null then array(select a::text from unnest(${column}) a order by a::text collate "C") end`

/** An OID as the name that `type` (one of the reg* types) gives it; 0 is nothing. */
const name = (column: string, type: string): string => `nullif(${column}, 0)::${type}`

/** A whole row, whatever columns this version of the catalogue has, less those that hold OIDs. */
const row = (alias: string, ...less: ReadonlyArray<string>): string =>
  `to_jsonb(${alias}) - '{oid,${less.join(",")}}'::text[]`

/** Catalogue, its rows' OID, what they say, and where they come from. Several entries may tell of the same object. */
const tellings: ReadonlyArray<readonly [catalogue: string, oid: string, says: string, from: string, where?: string]> = [
  [
    "pg_class",
    "c.oid",
    `c.relkind, ${acl("c.relacl")}, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
     c.relispopulated, c.reloptions, ${name("c.reloftype", "regtype")},
     (select amname from pg_am where oid = c.relam), (select spcname from pg_tablespace where oid = c.reltablespace),
     pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
     array(select inhparent::regclass::text from pg_inherits where inhrelid = c.oid order by inhseqno)`,
    "pg_class c",
    "c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')"
  ],
  [
    "pg_class",
    "a.attrelid",
    `a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
     a.attstorage, to_jsonb(a) ->> 'attcompression', nullif(a.attstattarget, -1), a.attislocal, a.attfdwoptions,
     pg_get_expr(d.adbin, d.adrelid), ${name("a.attcollation", "regcollation")}, a.attoptions, ${acl("a.attacl")}`,
    `pg_attribute a join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum`,
    "a.attnum > 0 and not a.attisdropped"
  ],
  [
    "pg_class",
    "i.indexrelid",
    "pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisclustered, i.indisreplident",
    "pg_index i"
  ],
  [
    "pg_class",
    "s.seqrelid",
    "s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle",
    "pg_sequence s"
  ],
  [
    "pg_class",
    "f.ftrelid",
    "s.srvname, f.ftoptions",
    "pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver"
  ],
  ["pg_constraint", "k.oid", "k.conname, pg_get_constraintdef(k.oid), k.convalidated, k.conislocal", "pg_constraint k"],
  ["pg_rewrite", "r.oid", "r.rulename, pg_get_ruledef(r.oid), r.ev_enabled", "pg_rewrite r"],
  ["pg_trigger", "t.oid", "t.tgname, pg_get_triggerdef(t.oid), t.tgenabled", "pg_trigger t", "not t.tgisinternal"],
  [
    "pg_policy",
    "p.oid",
    `p.polname, p.polcmd, p.polpermissive, array(select coalesce(r.rolname, 'public') from unnest(p.polroles) x
       left join pg_roles r on r.oid = x order by 1),
     pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)`,
    "pg_policy p"
  ],
  ["pg_statistic_ext", "s.oid", "pg_get_statisticsobjdef(s.oid)", "pg_statistic_ext s"],
  [
    "pg_proc",
    "p.oid",
    `p.prokind, ${acl("p.proacl")}, case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end,
     (select jsonb_build_array(g.aggkind, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn,
        g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn, g.aggtranstype::regtype, g.agginitval, g.aggminitval)
      from pg_aggregate g where g.aggfnoid = p.oid)`,
    "pg_proc p"
  ],
  [
    "pg_type",
    "t.oid",
    `t.typtype, t.typcategory, t.typlen, t.typbyval, t.typdelim, t.typinput, t.typoutput, ${acl("t.typacl")},
     t.typdefault, format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typnotnull,
     ${name("t.typcollation", "regcollation")},
     array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder),
     (select jsonb_build_array(rngsubtype::regtype, ${name("rngcollation", "regcollation")}, rngcanonical, rngsubdiff)
      from pg_range where rngtypid = t.oid)`,
    "pg_type t"
  ],
  [
    "pg_operator",
    "o.oid",
    `o.oprcanmerge, o.oprcanhash, ${name("o.oprresult", "regtype")}, ${name("o.oprcom", "regoperator")},
     ${name("o.oprnegate", "regoperator")}, o.oprcode, o.oprrest, o.oprjoin`,
    "pg_operator o"
  ],
  ["pg_opclass", "o.oid", `o.opcintype::regtype, o.opcdefault, ${name("o.opckeytype", "regtype")}`, "pg_opclass o"],
  ["pg_opfamily", "f.oid", "a.amname", "pg_opfamily f join pg_am a on a.oid = f.opfmethod"],
  [
    "pg_amop",
    "m.oid",
    `m.amoplefttype::regtype, m.amoprighttype::regtype, m.amopstrategy, m.amoppurpose, m.amopopr::regoperator`,
    "pg_amop m",
    "m.oid >= 16384"
  ],
  [
    "pg_amproc",
    "m.oid",
    `m.amproclefttype::regtype, m.amprocrighttype::regtype, m.amprocnum, m.amproc::oid::regprocedure`,
    "pg_amproc m",
    "m.oid >= 16384"
  ],
  ["pg_collation", "c.oid", row("c", "collnamespace", "collowner"), "pg_collation c"],
  ["pg_conversion", "c.oid", row("c", "connamespace", "conowner"), "pg_conversion c"],
  [
    "pg_ts_config",
    "c.oid",
    `p.prsname, array(select format('%s %s %s', maptokentype, mapseqno, mapdict::regdictionary)
       from pg_ts_config_map where mapcfg = c.oid order by maptokentype, mapseqno)`,
    "pg_ts_config c join pg_ts_parser p on p.oid = c.cfgparser"
  ],
  [
    "pg_ts_dict",
    "d.oid",
    "t.tmplname, d.dictinitoption",
    "pg_ts_dict d join pg_ts_template t on t.oid = d.dicttemplate"
  ],
  ["pg_ts_parser", "p.oid", row("p", "prsnamespace"), "pg_ts_parser p"],
  ["pg_ts_template", "t.oid", row("t", "tmplnamespace"), "pg_ts_template t"],
  ["pg_cast", "c.oid", `${name("c.castfunc", "regprocedure")}, c.castcontext, c.castmethod`, "pg_cast c"],
  ["pg_transform", "t.oid", "t.trffromsql, t.trftosql", "pg_transform t"]
]

const toldSql = tellings
  .map(
    ([catalogue, oid, says, from, where]) =>
      `select told.tclass, told.tobj, json_build_array('${catalogue}', ${says})::text
       from ${from} join inside told on told.classid = ${catalog(catalogue)} and told.objid = ${oid}
       ${where === undefined ? "" : `where ${where}`}`
  )
  .join("\nunion all\n")

/** Definitions by the key of the object ({@link CatalogObject}); MD5, 32 hexadecimal digits. */
export const readDefinitions = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyMap<string, string>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly key: string; readonly definition: string }>`
    with scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    ${sql.literal(partsSql)},
    -- "ext < 1" is "ext = 0" for a planner that expects many rows: see readDependencies.
    inside as (
      select classid, objid, classid as tclass, objid as tobj from member where ext < 1
      union all
      select p.* from part p join member m on m.classid = p.tclass and m.objid = p.tobj where m.ext < 1
    ),
    telling(tclass, tobj, line) as (${sql.literal(toldSql)})
    select tclass::int8::text || ':' || tobj::int8::text as "key",
      md5(string_agg(line, '' order by line collate "C")) as "definition"
    from telling group by 1`.pipe(Effect.mapError(fromSqlError))
  return new Map(rows.map(({ key, definition }) => [key, definition]))
})
