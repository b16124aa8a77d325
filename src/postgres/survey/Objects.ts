/** The objects that stand in some schemas, and which of them need which. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import type { Dependency, Droppable } from "./DropOrder.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog, membersSql, partsSql } from "./Catalog.ts"

/** An object with a DROP statement of its own that goes with no other object of the scope. */
export interface CatalogObject extends Droppable {
  readonly schema: string
  /** Name without schema; for casts and transforms, which have none, their identity. */
  readonly name: string
  /** Null for the kinds without an owner: casts, transforms, text search parsers and templates. */
  readonly owner: string | null
  /**
   * This role may drop it: it is superuser, or may use the schema and has the rights of the object's or the schema's
   * owner.
   *
   * @see https://www.postgresql.org/docs/current/sql-droptable.html
   */
  readonly droppable: boolean
  /** The extension it belongs to: never dropped. */
  readonly extension: string | null
  /** A table with rows of its own: neither partitioned nor foreign. */
  readonly holdsRows: boolean
  /** Of a partition, the key of the table that it is a partition of. */
  readonly partitionOf: string | null
}

/** Something that is not in the schemas and would go, or stands in the way, when their objects are dropped. */
export interface OutsideDependent {
  /** `classid:oid`, as the key of an object. */
  readonly key: string
  /** In the server's words: `view reports.totals`, `trigger audit on table app.orders`. */
  readonly description: string
  /** Owner of it, or of the table it is on. */
  readonly owner: string
  /** What it needs, in the server's words. */
  readonly on: string
  /** The schemas of the scope that hold what it needs, directly or through other dependents. */
  readonly schemas: ReadonlyArray<string>
}

/**
 * Everything that pg_dump can write and that stands in these schemas, extension members included and marked; casts and
 * transforms of types of these schemas too (pg_dump writes those for a whole database only).
 *
 * What goes with its table (indexes, triggers, rules, policies, owned sequences, extended statistics of the same scope)
 * is not listed.
 */
export const readObjects = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<CatalogObject>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // The server's own identity, less three cases that DROP reads differently: an aggregate without arguments, a
  // procedure (without the modes of its arguments it may be ambiguous), a transform.
  return yield* sql<CatalogObject>`
    with scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    ${sql.literal(membersSql)},
    found as (
      select m.*, n.nspname, i.identity,
        case
          when t.typtype = 'd' then 'DOMAIN'
          when i.type = 'statistics object' then 'STATISTICS'
          else upper(i.type)
        end as kind,
        case
          when p.prokind = 'a' and p.pronargs = 0 then format('%I.%I(*)', n.nspname, p.proname)
          when p.prokind = 'p' then format('%I.%I(%s)', n.nspname, p.proname, (
            select string_agg(
              case p.proargmodes[a.position]
                when 'o' then 'OUT ' when 'b' then 'INOUT ' when 'v' then 'VARIADIC ' else 'IN '
              end || (pg_identify_object(${sql.literal(catalog("pg_type"))}, a.type, 0)).identity,
              ', ' order by a.position)
            from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as a(type, position)))
          when l.oid is not null
            then format('FOR %s LANGUAGE %I', (pg_identify_object(${sql.literal(catalog("pg_type"))}, r.trftype, 0)).identity, l.lanname)
          else i.identity
        end as named
      from member m
      join scope n on n.oid = m.nsp
      cross join lateral pg_identify_object(m.classid, m.objid, 0) i
      left join pg_type t on m.classid = ${sql.literal(catalog("pg_type"))} and t.oid = m.objid
      left join pg_proc p on m.classid = ${sql.literal(catalog("pg_proc"))} and p.oid = m.objid
      left join pg_transform r on m.classid = ${sql.literal(catalog("pg_transform"))} and r.oid = m.objid
      left join pg_language l on l.oid = r.trflang
    ),
    rights as (
      select n.oid, has_schema_privilege(n.oid, 'USAGE') as usage, pg_has_role(n.nspowner, 'USAGE') as owned
      from pg_namespace n where n.oid in (select oid from scope)
    )
    select
      f.classid::int8::text || ':' || f.objid::int8::text as "key",
      f.kind as "kind",
      f.nspname::text as "schema",
      coalesce(f.name::text, f.named) as "name",
      f.named as "identity",
      case when f.owner <> 0 then pg_get_userbyid(f.owner)::text end as "owner",
      (select rolsuper from pg_roles where rolname = current_user)
        or (r.usage and (f.owned or (r.owned and f.kind not in ('CAST', 'TRANSFORM')))) as "droppable",
      e.extname::text as "extension",
      coalesce(c.relkind = 'r', false) as "holdsRows",
      case when c.relispartition then (
        select f.classid::int8::text || ':' || inhparent::int8::text from pg_inherits where inhrelid = c.oid
      ) end as "partitionOf"
    from found f
    left join pg_class c on f.classid = ${sql.literal(catalog("pg_class"))} and c.oid = f.objid
    join rights r on r.oid = f.nsp
    left join pg_extension e on e.oid = f.ext
    where f.identity is not null
    order by 3, 2, 5`.pipe(Effect.mapError(fromSqlError))
})

interface LinkRow {
  readonly dependent: string | null
  readonly on: string
  readonly key: string | null
  readonly description: string | null
  readonly owner: string | null
  readonly schemas: ReadonlyArray<string> | null
}

/**
 * Which objects of the scope need which, and what outside of it needs them.
 *
 * Outside dependents are followed as far as CASCADE would go, by the server's own rules: a dependent's dependents go
 * too, a column takes what uses that column, and what is internal to an object (a view's rule) takes the object.
 * Extension members count as outside, since they stay.
 */
export const readDependencies = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<
  { readonly dependencies: ReadonlyArray<Dependency>; readonly outside: ReadonlyArray<OutsideDependent> },
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<LinkRow>`
    with recursive scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    ${sql.literal(partsSql)},
    inside as (
      select classid, objid, classid as tclass, objid as tobj, nsp from member where ext = 0
      union all
      select p.*, m.nsp from part p join member m on m.classid = p.tclass and m.objid = p.tobj where m.ext = 0
    ),
    link as (
      select d.*, i.tclass, i.tobj, o.tclass as otclass, o.tobj as otobj, o.nsp
      from pg_depend d
      join inside o on o.classid = d.refclassid and o.objid = d.refobjid
      left join inside i on i.classid = d.classid and i.objid = d.objid
      where d.deptype <> 'e' and (i.tclass, i.tobj) is distinct from (o.tclass, o.tobj)
    ),
    reached(classid, objid, objsubid, refclassid, refobjid, refobjsubid, nsp) as (
      select classid, objid, objsubid, refclassid, refobjid, refobjsubid, nsp
      from link where tobj is null
      union
      select x.*
      from reached r
      cross join lateral (
        select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, r.nsp
        from pg_depend d
        where d.refclassid = r.classid and d.refobjid = r.objid and r.objsubid in (0, d.refobjsubid) and d.deptype <> 'e'
        union all
        select d.refclassid, d.refobjid, d.refobjsubid, r.refclassid, r.refobjid, r.refobjsubid, r.nsp
        from pg_depend d
        where d.classid = r.classid and d.objid = r.objid and d.deptype in ('i', 'e')
      ) x
      -- NOT IN, here and below: its hash table is built once, while a join's would be built again for every row.
      where (x.classid, x.objid) not in (select classid, objid from inside)
    ),
    -- Goes with something else that is reached, which stands for it.
    covered as (
      select d.classid, d.objid, d.objsubid
      from reached o
      join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and o.objsubid in (0, d.refobjsubid)
      where d.deptype in ('i', 'a', 'e') and (d.classid, d.objid) <> (o.classid, o.objid)
    ),
    outermost as (
      select classid, objid, objsubid,
        -- What is inside of the scope tells more than what lies on the way to it.
        coalesce(
          min(pg_describe_object(refclassid, refobjid, refobjsubid))
            filter (where (refclassid, refobjid) in (select classid, objid from inside)),
          min(pg_describe_object(refclassid, refobjid, refobjsubid))) as needs,
        array_agg(distinct n.nspname::text) as schemas
      from reached r
      join scope n on n.oid = r.nsp
      where (r.classid, r.objid, r.objsubid) not in (select classid, objid, objsubid from covered)
        and (r.classid, r.objid, 0) not in (select classid, objid, objsubid from covered)
        and (r.objsubid = 0 or (r.classid, r.objid, 0) not in (select classid, objid, objsubid from reached))
      group by 1, 2, 3
    )
    select distinct
      tclass::int8::text || ':' || tobj::int8::text as "dependent",
      otclass::int8::text || ':' || otobj::int8::text as "on",
      null as "key", null as "description", null as "owner", null::text[] as "schemas"
    from link
    -- A part that goes silently with another object (the triggers of a foreign key on the table it refers to) does not
    -- make its own table go first.
    where tobj is not null and (deptype = 'n' or (classid, objid) = (tclass, tobj))
    union all
    select null, o.needs, o.classid::int8::text || ':' || o.objid::int8::text,
      pg_describe_object(o.classid, o.objid, o.objsubid),
      -- The bootstrap superuser's ownership is not recorded: role 10 on every server.
      pg_get_userbyid(coalesce(s.refobjid, 10))::text, o.schemas
    from outermost o
    left join part p on p.classid = o.classid and p.objid = o.objid
    left join pg_shdepend s on s.deptype = 'o' and s.objsubid = 0
      and s.dbid = (select oid from pg_database where datname = current_database())
      and s.classid = coalesce(p.tclass, o.classid) and s.objid = coalesce(p.tobj, o.objid)`.pipe(
    Effect.mapError(fromSqlError)
  )
  const dependencies: Array<Dependency> = []
  const outside: Array<OutsideDependent> = []
  for (const { dependent, on, key, description, owner, schemas: needed } of rows) {
    if (dependent !== null) dependencies.push({ dependent, on })
    else if (key !== null && description !== null && owner !== null && needed !== null) {
      outside.push({ key, description, owner, on, schemas: needed })
    }
  }
  outside.sort((a, b) => (a.description < b.description ? -1 : 1))
  return { dependencies, outside }
})
