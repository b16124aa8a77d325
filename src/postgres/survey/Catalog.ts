/**
 * The catalogue as the survey reads it: SQL for "which objects stand in these schemas" and "what is each smaller thing
 * (index, constraint, default, rule, row type …) a part of". Written once, used by several queries.
 *
 * An object is named by `(classid, objid)` as in `pg_depend`. A *top* object is one that has a DROP statement of its
 * own and goes with no other object; everything else is a part and resolves to its top.
 *
 * @see https://www.postgresql.org/docs/current/catalog-pg-depend.html
 */

/** A catalogue as `pg_depend` names it. */
export const catalog = (name: string): string => `'pg_catalog.${name}'::regclass::oid`

/**
 * `parent`: each part and what it is directly a part of.
 *
 * `to_jsonb(…)` reaches columns that older servers do not have (multirange types came with 14).
 */
const parent = `
parent(classid, objid, pclass, pobj) as (
  select ${catalog("pg_class")}, indexrelid, ${catalog("pg_class")}, indrelid from pg_index
  union all
  select ${catalog("pg_class")}, reltoastrelid, ${catalog("pg_class")}, oid from pg_class where reltoastrelid <> 0
  union all
  select ${catalog("pg_type")}, c.reltype, ${catalog("pg_class")}, c.oid
  from pg_class c where c.reltype <> 0 and c.relkind <> 'c'
  union all
  select ${catalog("pg_class")}, c.oid, ${catalog("pg_type")}, c.reltype from pg_class c where c.relkind = 'c'
  union all
  select ${catalog("pg_type")}, typarray, ${catalog("pg_type")}, oid from pg_type where typarray <> 0
  union all
  select ${catalog("pg_type")}, (to_jsonb(r) ->> 'rngmultitypid')::oid, ${catalog("pg_type")}, rngtypid
  from pg_range r where to_jsonb(r) ? 'rngmultitypid'
  union all
  -- constructors of range types, casts between a range and its multirange
  select classid, objid, refclassid, min(refobjid::int8)::oid from pg_depend
  where classid in (${catalog("pg_proc")}, ${catalog("pg_cast")}) and refclassid = ${catalog("pg_type")} and deptype = 'i'
  group by 1, 2, 3
  union all
  select ${catalog("pg_attrdef")}, oid, ${catalog("pg_class")}, adrelid from pg_attrdef
  union all
  select ${catalog("pg_constraint")}, oid,
    case when contypid = 0 then ${catalog("pg_class")} else ${catalog("pg_type")} end,
    case when contypid = 0 then conrelid else contypid end
  from pg_constraint where conrelid <> 0 or contypid <> 0
  union all
  select ${catalog("pg_rewrite")}, oid, ${catalog("pg_class")}, ev_class from pg_rewrite
  union all
  -- the triggers of a foreign key belong to its constraint, on whichever of the two tables they stand
  select ${catalog("pg_trigger")}, oid,
    case when tgisinternal and tgconstraint <> 0 then ${catalog("pg_constraint")} else ${catalog("pg_class")} end,
    case when tgisinternal and tgconstraint <> 0 then tgconstraint else tgrelid end
  from pg_trigger
  union all
  select ${catalog("pg_policy")}, oid, ${catalog("pg_class")}, polrelid from pg_policy
  union all
  select ${catalog("pg_publication_rel")}, oid, ${catalog("pg_class")}, prrelid from pg_publication_rel
  union all
  -- sequences that a column owns
  select d.classid, d.objid, d.refclassid, d.refobjid
  from pg_depend d join pg_class c on c.oid = d.objid and c.relkind = 'S'
  where d.classid = ${catalog("pg_class")} and d.refclassid = ${catalog("pg_class")}
    and d.objsubid = 0 and d.refobjsubid > 0 and d.deptype in ('a', 'i')
  union all
  -- extended statistics go with their table, as long as both are in scope
  select ${catalog("pg_statistic_ext")}, s.oid, ${catalog("pg_class")}, c.oid
  from pg_statistic_ext s join pg_class c on c.oid = s.stxrelid
  where s.stxnamespace in (select oid from scope) and c.relnamespace in (select oid from scope)
  union all
  -- members of operator families, where they came with an operator class
  select m.classid, m.objid,
    case when d.objid is null then ${catalog("pg_opfamily")} else d.refclassid end, coalesce(d.refobjid, m.family)
  from (
    select ${catalog("pg_amop")}, oid, amopfamily from pg_amop where oid >= 16384
    union all
    select ${catalog("pg_amproc")}, oid, amprocfamily from pg_amproc where oid >= 16384
  ) m(classid, objid, family)
  left join pg_depend d on d.classid = m.classid and d.objid = m.objid
    and d.refclassid = ${catalog("pg_opclass")} and d.deptype = 'i'
)`

/** `part`: each part and its top. Three steps are the longest way there is (array of the row type of an owned sequence). */
const part = `
part(classid, objid, tclass, tobj) as (
  select a.classid, a.objid, coalesce(c.pclass, b.pclass, a.pclass), coalesce(c.pobj, b.pobj, a.pobj)
  from parent a
  left join parent b on b.classid = a.pclass and b.objid = a.pobj
  left join parent c on c.classid = b.pclass and c.objid = b.pobj
)`

/**
 * `member`: the top objects in scope, with owner (0 where the kind has none) and the extension they belong to (0 for
 * none). `owned`: this role may drop it as its owner. Casts and transforms stand in no schema; they count as part of the
 * schema of their type and are the type owner's to drop.
 */
const member = `
standing(classid, objid, nsp, name, owner, owned) as (
  select ${catalog("pg_class")}, oid, relnamespace, relname, relowner, pg_has_role(relowner, 'USAGE')
  from pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and relnamespace in (select oid from scope)
  union all
  select ${catalog("pg_type")}, t.oid, t.typnamespace, t.typname, t.typowner, pg_has_role(t.typowner, 'USAGE')
  from pg_type t
  left join pg_class c on c.oid = t.typrelid
  where t.typtype in ('b', 'c', 'd', 'e', 'p', 'r') and (t.typrelid = 0 or c.relkind = 'c')
    and t.typnamespace in (select oid from scope)
  union all
  select ${catalog("pg_proc")}, oid, pronamespace, proname, proowner, pg_has_role(proowner, 'USAGE')
  from pg_proc where pronamespace in (select oid from scope)
  union all
  select ${catalog("pg_operator")}, oid, oprnamespace, oprname, oprowner, pg_has_role(oprowner, 'USAGE')
  from pg_operator where oprnamespace in (select oid from scope)
  union all
  select ${catalog("pg_opclass")}, oid, opcnamespace, opcname, opcowner, pg_has_role(opcowner, 'USAGE')
  from pg_opclass where opcnamespace in (select oid from scope)
  union all
  select ${catalog("pg_opfamily")}, oid, opfnamespace, opfname, opfowner, pg_has_role(opfowner, 'USAGE')
  from pg_opfamily where opfnamespace in (select oid from scope)
  union all
  select ${catalog("pg_collation")}, oid, collnamespace, collname, collowner, pg_has_role(collowner, 'USAGE')
  from pg_collation where collnamespace in (select oid from scope)
  union all
  select ${catalog("pg_conversion")}, oid, connamespace, conname, conowner, pg_has_role(conowner, 'USAGE')
  from pg_conversion where connamespace in (select oid from scope)
  union all
  select ${catalog("pg_ts_parser")}, oid, prsnamespace, prsname, 0, false
  from pg_ts_parser where prsnamespace in (select oid from scope)
  union all
  select ${catalog("pg_ts_template")}, oid, tmplnamespace, tmplname, 0, false
  from pg_ts_template where tmplnamespace in (select oid from scope)
  union all
  select ${catalog("pg_ts_dict")}, oid, dictnamespace, dictname, dictowner, pg_has_role(dictowner, 'USAGE')
  from pg_ts_dict where dictnamespace in (select oid from scope)
  union all
  select ${catalog("pg_ts_config")}, oid, cfgnamespace, cfgname, cfgowner, pg_has_role(cfgowner, 'USAGE')
  from pg_ts_config where cfgnamespace in (select oid from scope)
  union all
  select ${catalog("pg_statistic_ext")}, oid, stxnamespace, stxname, stxowner, pg_has_role(stxowner, 'USAGE')
  from pg_statistic_ext where stxnamespace in (select oid from scope)
  union all
  select ${catalog("pg_cast")}, c.oid, case when f.oid is null then t.typnamespace else s.typnamespace end, null, 0,
    pg_has_role(s.typowner, 'USAGE') or pg_has_role(t.typowner, 'USAGE')
  from pg_cast c
  join pg_type s on s.oid = c.castsource
  join pg_type t on t.oid = c.casttarget
  left join scope f on f.oid = s.typnamespace
  where f.oid is not null or t.typnamespace in (select oid from scope)
  union all
  select ${catalog("pg_transform")}, r.oid, t.typnamespace, null, 0, pg_has_role(t.typowner, 'USAGE')
  from pg_transform r
  join pg_type t on t.oid = r.trftype
  where t.typnamespace in (select oid from scope)
),
member(classid, objid, nsp, name, owner, owned, ext) as (
  select m.*, coalesce(e.refobjid, 0)
  from standing m
  left join pg_depend e on e.classid = m.classid and e.objid = m.objid and e.deptype = 'e'
  left join parent p on p.classid = m.classid and p.objid = m.objid
  where p.objid is null
)`

/** `parent` and `member`, to follow `with scope(oid, nspname) as (…),`. */
export const membersSql = `${parent}, ${member}`

/** `parent`, `member` and `part`, to follow the same. */
export const partsSql = `${parent}, ${member}, ${part}`
