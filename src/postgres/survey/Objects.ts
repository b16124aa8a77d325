/** The objects that stand in some schemas. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import type { Droppable } from "./DropOrder.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog, membersSql } from "./Catalog.ts"

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
