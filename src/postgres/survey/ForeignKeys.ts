/** Foreign keys that can be dropped by themselves, so that tables which need each other can go one after another. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { qualified, quote } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog } from "./Catalog.ts"
import type { Droppable } from "./DropOrder.ts"

/** A foreign key between tables of the scope, with those that partitions have inherited from it. */
export interface ForeignKey extends Droppable {
  readonly drop: string
  /** Keys of the tables: each that refers, and what it refers to. Several where there are partitions. */
  readonly links: ReadonlyArray<readonly [dependent: string, on: string]>
  /** Entries of the lock table that dropping it takes besides those of the tables: constraints and their triggers. */
  readonly entries: number
  /** This role has the rights of the owners of the tables that refer. An owner of the schema alone has not. */
  readonly droppable: boolean
}

interface ForeignKeyRow extends Pick<ForeignKey, "key" | "entries" | "droppable"> {
  readonly schema: string
  readonly table: string
  readonly name: string
  readonly links: ReadonlyArray<string>
}

/**
 * Reads the foreign keys between tables of these schemas. What a partition has inherited is no item of its own, as it
 * cannot be dropped by itself.
 *
 * @see https://www.postgresql.org/docs/current/catalog-pg-constraint.html (conparentid)
 */
export const readForeignKeys = Effect.fn("ForeignKeys.readForeignKeys")(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<ForeignKey>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [constraint, relation] = [sql.literal(catalog("pg_constraint")), sql.literal(catalog("pg_class"))]
  const rows = yield* sql<ForeignKeyRow>`
    with recursive scope as (
      select c.oid
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and ${sql.in("n.nspname", schemas)}
    ),
    family(root, oid, conrelid, confrelid) as (
      select oid, oid, conrelid, confrelid
      from pg_constraint
      where contype = 'f' and conparentid = 0
        and conrelid in (select oid from scope) and confrelid in (select oid from scope)
      union all
      select f.root, c.oid, c.conrelid, c.confrelid from family f join pg_constraint c on c.conparentid = f.oid
    ),
    counted as (
      select f.root, count(*) + sum((select count(*) from pg_trigger t where t.tgconstraint = f.oid)) as entries,
        array_agg(distinct
          ${relation}::int8::text || ':' || f.conrelid::int8::text || ' ' ||
          ${relation}::int8::text || ':' || f.confrelid::int8::text)::text[] as links,
        bool_and(pg_has_role(c.relowner, 'USAGE')) as droppable
      from family f
      join pg_class c on c.oid = f.conrelid
      group by 1
    )
    select
      ${constraint}::int8::text || ':' || k.oid::int8::text as "key",
      n.nspname::text as "schema", c.relname::text as "table", k.conname::text as "name",
      f.links as "links", f.entries::int4 as "entries", f.droppable as "droppable"
    from counted f
    join pg_constraint k on k.oid = f.root
    join pg_class c on c.oid = k.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    order by 2, 3, 4`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ schema, table, name, links, ...row }) => {
    const on = qualified(schema, table)
    return {
      ...row,
      kind: "CONSTRAINT",
      identity: `${quote(name)} of ${on}`,
      drop: `ALTER TABLE ${on} DROP CONSTRAINT ${quote(name)}`,
      links: links.map((link) => {
        const [dependent = "", needed = ""] = link.split(" ")
        return [dependent, needed]
      })
    }
  })
})
