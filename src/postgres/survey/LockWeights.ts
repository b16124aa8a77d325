/** How many entries of the server's lock table each object of some schemas takes while it is dropped or dumped. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { catalog, partsSql } from "./Catalog.ts"

/** Entries of the lock table (see {@link file://./LockTable.ts}) that one object takes. */
export interface LockWeight {
  /**
   * Dropping it: itself and all that goes with it. Of a table those are its TOAST table, indexes, row and array type,
   * defaults, constraints, the triggers of its foreign keys on both sides, owned sequences with their types …; and the
   * tables outside of the scope that it refers to or is a partition of.
   */
  readonly drop: number
  /** pg_dump, besides the lock on a table: sequences until 17, views and what else it reads definitions of. */
  readonly dump: number
}

/** By key, as in the survey's objects. */
export type LockWeights = ReadonlyMap<string, LockWeight>

/** What an object weighs that nothing is known of: itself. */
export const dropWeightOf =
  (weights: LockWeights) =>
  ({ key }: { readonly key: string }): number =>
    weights.get(key)?.drop ?? 1

interface WeightRow extends LockWeight {
  readonly key: string
}

/**
 * Reads the weights of all objects of these schemas that no extension owns, and of the outside dependents with these
 * keys; a part of an outside object weighs as much as the whole. One query.
 *
 * DROP locks what it names and all that it finds to go with it (`AcquireDeletionLock` in dependency.c), each by an entry
 * of its own. A table is counted once although others lock it too.
 *
 * @param versionNumber `server_version_num`
 * @param outside keys of outside dependents that may go, too: `classid:oid` or `classid:oid:column`
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/catalog/dependency.c
 */
export const readLockWeights = Effect.fn("LockWeights.readLockWeights")(function* (
  schemas: ReadonlyArray<string>,
  versionNumber: number,
  outside: ReadonlyArray<string> = []
): Effect.fn.Return<LockWeights, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const relation = sql.literal(catalog("pg_class"))
  // Since 18 pg_dump reads all sequences by one query, which keeps no lock on them.
  const dumped = sql.literal(versionNumber >= 180000 ? "'v', 'm'" : "'v', 'm', 'S'")
  const rows = yield* sql<WeightRow>`
    with scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    ${sql.literal(partsSql)},
    going as (select classid, objid from member where ext = 0),
    wanted(key, classid, objid) as (
      select classid::int8::text || ':' || objid::int8::text, classid, objid from going
      union all
      select k.key, coalesce(p.tclass, k.classid), coalesce(p.tobj, k.objid)
      from (
        select key, split_part(key, ':', 1)::oid, split_part(key, ':', 2)::oid
        from unnest(string_to_array(${outside.join(",")}::text, ',')) as keys(key)
      ) as k(key, classid, objid)
      left join part p on p.classid = k.classid and p.objid = k.objid
    ),
    counted(tclass, tobj, drop, dump) as (
      select p.tclass, p.tobj, count(*), count(*) filter (where c.relkind in (${dumped}))
      from part p
      left join pg_class c on p.classid = ${relation} and c.oid = p.objid
      group by 1, 2
    ),
    beyond(rel, other) as (
      select conrelid, confrelid from pg_constraint where contype = 'f'
      union
      select inhrelid, inhparent from pg_inherits
    ),
    outer_tables(rel, tables) as (
      select rel, count(*) from beyond where (${relation}, other) not in (select classid, objid from going) group by 1
    )
    select
      w.key as "key",
      (1 + coalesce(n.drop, 0) + coalesce(o.tables, 0))::int4 as "drop",
      (coalesce(n.dump, 0) + (coalesce(c.relkind in (${dumped}), false))::int4)::int4 as "dump"
    from wanted w
    left join counted n on n.tclass = w.classid and n.tobj = w.objid
    left join outer_tables o on w.classid = ${relation} and o.rel = w.objid
    left join pg_class c on w.classid = ${relation} and c.oid = w.objid`.pipe(Effect.mapError(fromSqlError))
  return new Map(rows.map(({ key, drop, dump }) => [key, { drop, dump }]))
})
