/** Which other sessions hold locks on what stands in some schemas: what a plan will have to wait for. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { columns, type OtherSession } from "../Blockers.ts"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

/** A session that holds locks. */
export interface Holder extends OtherSession {
  /** On how many tables, views and sequences. */
  readonly relations: number
}

/** Those that there are at this moment, the one that holds most first. Autovacuum, which gives way, is not among them. */
export const readHolders = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<Holder>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Holder>`
    select
      coalesce(l.pid, 0) as "pid", ${sql.literal(columns)},
      count(distinct l.relation)::int4 as "relations"
    from pg_locks l
    join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
      and l.database = (select oid from pg_database where datname = current_database())
      and n.nspname = any(${schemas}::text[])
      and a.backend_type is distinct from 'autovacuum worker'
    group by 1, 2, 3, 4, 5, 6, 7, 8
    order by "relations" desc, 1`.pipe(Effect.mapError(fromSqlError))
})
