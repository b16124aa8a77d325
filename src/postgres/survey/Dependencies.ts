/** Which objects of some schemas need which, and what outside of these schemas needs them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog, partsSql } from "./Catalog.ts"
import type { Dependency } from "./DropOrder.ts"
import { type Address, dropOf, type OutsideDependent } from "./Outside.ts"

/** Dependencies among the objects and the outside dependents, and the latter. */
export interface Dependencies {
  readonly dependencies: ReadonlyArray<Dependency>
  readonly outside: ReadonlyArray<OutsideDependent>
}

/** Of four kinds: a link between objects in scope, an outside dependent, a link of such ones, and what covers what. */
interface LinkRow {
  readonly row: "link" | "outside" | "reached" | "covered"
  /** Keys: `classid:oid` of what is in scope, `classid:oid:column` of what is not. */
  readonly dependent: string
  /** A key, of an outside dependent a description. */
  readonly on: string
  /** The rest of an outside dependent, as JSON; of a link `foreign keys` where it has no other reason. */
  readonly found: string | null
}

type Found = Address & Pick<OutsideDependent, "description" | "droppable" | "owner" | "schemas">

/** Address of an outside object, and of one in scope, as keys. */
const outsideKey = (alias: string, prefix = ""): string =>
  `${["classid", "objid", "objsubid"].map((column) => `${alias}.${prefix}${column}::int8::text`).join(" || ':' || ")}`
const insideKey = (classid: string, objid: string): string => `${classid}::int8::text || ':' || ${objid}::int8::text`

const outsideDependent = (key: string, on: string, json: string): OutsideDependent => {
  const { description, droppable, owner, schemas, ...address }: Found = JSON.parse(json)
  const drop = dropOf(address)
  return {
    key: key.replace(/:0$/, ""),
    kind: address.type.toUpperCase(),
    identity: address.identity,
    ...drop,
    description,
    owner,
    on,
    schemas,
    droppable: droppable && drop !== undefined
  }
}

/**
 * Outside dependents are followed as far as CASCADE would go, by the server's own rules: a dependent's dependents go
 * too, a column takes what uses that column, and what is internal to an object (a view's rule) takes the object.
 * Extension members count as outside, since they stay.
 */
export const readDependencies = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<Dependencies, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<LinkRow>`
    with recursive scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    ${sql.literal(partsSql)},
    -- "ext < 1" is "ext = 0" that the planner takes a third of all rows for instead of a two hundredth: expecting few it
    -- would go through all of "inside" for every link, which takes a minute for 2,000 tables.
    inside as (
      select classid, objid, classid as tclass, objid as tobj, nsp from member where ext < 1
      union all
      select p.*, m.nsp from part p join member m on m.classid = p.tclass and m.objid = p.tobj where m.ext < 1
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
        where d.classid = r.classid and d.objid = r.objid and r.objsubid in (0, d.objsubid) and d.deptype in ('i', 'e')
      ) x
      -- NOT IN, here and below: its hash table is built once, while a join's would be built again for every row.
      where (x.classid, x.objid) not in (select classid, objid from inside)
    ),
    -- Goes with something else that is reached, which stands for it.
    covered as (
      select d.classid, d.objid, d.objsubid,
        o.classid as byclassid, o.objid as byobjid, o.objsubid as byobjsubid
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
    select 'link' as "row",
      ${sql.literal(insideKey("tclass", "tobj"))} as "dependent",
      ${sql.literal(insideKey("otclass", "otobj"))} as "on",
      case when bool_and(coalesce(k.contype = 'f', false)) then 'foreign keys' end as "found"
    from link
    left join pg_constraint k on link.classid = ${sql.literal(catalog("pg_constraint"))} and k.oid = link.objid
    -- A part that goes silently with another object (the triggers of a foreign key on the table it refers to) does not
    -- make its own table go first.
    where tobj is not null and (deptype = 'n' or (classid, objid) = (tclass, tobj))
    group by tclass, tobj, otclass, otobj
    union all
    select 'outside', ${sql.literal(outsideKey("o"))}, o.needs,
      json_build_object(
        'description', pg_describe_object(o.classid, o.objid, o.objsubid),
        -- The bootstrap superuser's ownership is not recorded: role 10 on every server.
        'owner', pg_get_userbyid(coalesce(s.refobjid, 10)),
        'schemas', o.schemas,
        'type', i.type, 'identity', i.identity, 'names', a.object_names, 'args', a.object_args,
        'droppable', i.type <> 'extension'
          and not exists (select from pg_depend e where e.classid = t.classid and e.objid = t.objid and e.deptype = 'e')
          and ((select rolsuper from pg_roles where rolname = current_user)
            or (
              coalesce(has_schema_privilege(n.oid, 'USAGE'), true)
              and (coalesce(pg_has_role(s.refobjid, 'USAGE'), false) or (
                p.objid is null and o.objsubid = 0 and coalesce(pg_has_role(n.nspowner, 'USAGE'), false)))))
      )::text
    from outermost o
    left join part p on p.classid = o.classid and p.objid = o.objid
    cross join lateral (select coalesce(p.tclass, o.classid) as classid, coalesce(p.tobj, o.objid) as objid) t
    cross join lateral pg_identify_object(o.classid, o.objid, o.objsubid) i
    cross join lateral pg_identify_object_as_address(o.classid, o.objid, o.objsubid) a
    cross join lateral pg_identify_object(t.classid, t.objid, 0) ti
    left join pg_namespace n on quote_ident(n.nspname) = ti.schema
    left join pg_shdepend s on s.deptype = 'o' and s.objsubid = 0
      and s.dbid = (select oid from pg_database where datname = current_database())
      and s.classid = t.classid and s.objid = t.objid
    union all
    select 'reached', ${sql.literal(outsideKey("r"))},
      coalesce(${sql.literal(insideKey("i.tclass", "i.tobj"))}, ${sql.literal(outsideKey("r", "ref"))}), null
    from reached r
    left join inside i on i.classid = r.refclassid and i.objid = r.refobjid
    union all
    -- What is in scope may need what is not.
    select 'reached', ${sql.literal(insideKey("i.tclass", "i.tobj"))}, ${sql.literal(outsideKey("r"))}, null
    from reached r
    -- OFFSET 0: from what is reached, which is little, and not from everything that is in scope.
    cross join lateral (
      select d.* from pg_depend d
      where d.refclassid = r.classid and d.refobjid = r.objid and r.objsubid in (0, d.refobjsubid) offset 0
    ) d
    join inside i on i.classid = d.classid and i.objid = d.objid
    where d.deptype = 'n' or (i.classid, i.objid) = (i.tclass, i.tobj)
    union all
    select 'covered', ${sql.literal(outsideKey("c"))}, ${sql.literal(outsideKey("c", "by"))}, null
    from covered c`.pipe(Effect.mapError(fromSqlError))
  return resolve(rows)
})

/** Links of what is reached as links of what stands for it: the object in scope, or the outside dependent. */
const resolve = (rows: ReadonlyArray<LinkRow>): Dependencies => {
  const of = (kind: LinkRow["row"]) => rows.filter(({ row }) => row === kind)
  const outside = of("outside")
    .map(({ dependent, on, found }) => outsideDependent(dependent, on, found ?? "{}"))
    .sort((a, b) => (a.description < b.description ? -1 : 1))
  const known = new Set(outside.map(({ key }) => key))
  const covers = new Map<string, Array<string>>()
  for (const { dependent, on } of of("covered")) covers.set(dependent, [...(covers.get(dependent) ?? []), on])
  /** Keys of those in the list that stand for this one. */
  const standing = (key: string, seen: Set<string>): ReadonlyArray<string> => {
    // `classid:oid` is in scope.
    if (key.split(":").length === 2) return [key]
    const whole = key.replace(/:\d+$/, "")
    const named = key.endsWith(":0") ? whole : key
    if (known.has(named)) return [named]
    if (known.has(whole)) return [whole]
    if (seen.has(key)) return []
    seen.add(key)
    return (covers.get(key) ?? covers.get(`${whole}:0`) ?? []).flatMap((by) => standing(by, seen))
  }
  const links = of("reached").flatMap(({ dependent, on }) =>
    standing(dependent, new Set()).flatMap((user) =>
      standing(on, new Set()).flatMap((used) => (user === used ? [] : [{ dependent: user, on: used }]))
    )
  )
  const distinct = new Map(links.map((link) => [`${link.dependent} ${link.on}`, link]))
  return {
    dependencies: [
      ...of("link").map(({ dependent, on, found }) => ({
        dependent,
        on,
        ...(found === null ? {} : { foreignKeys: true as const })
      })),
      ...distinct.values()
    ],
    outside
  }
}
