/** Tables that subscriptions fill: a DROP TABLE takes them out without a notice, and what is published no longer arrives. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

export interface SubscribedTable {
  readonly schema: string
  readonly table: string
  readonly subscription: string
  readonly owner: string
}

/** Tables of these schemas that subscriptions of this database fill; everyone may see which. */
export const readSubscribed = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<SubscribedTable>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // The OID of a subscription is everybody's to read since 14; the view has it before.
  return yield* sql<SubscribedTable>`
    select distinct n.nspname::text as "schema", c.relname::text as "table", s.subname::text as "subscription",
      pg_get_userbyid(s.subowner)::text as "owner"
    from pg_subscription_rel r
    join pg_stat_subscription v on v.subid = r.srsubid
    join pg_subscription s on s.subname = v.subname
      and s.subdbid = (select oid from pg_database where datname = current_database())
    join pg_class c on c.oid = r.srrelid
    join pg_namespace n on n.oid = c.relnamespace
    where ${sql.in("n.nspname", schemas)}
    order by 3, 1, 2`.pipe(Effect.mapError(fromSqlError))
})
