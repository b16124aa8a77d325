/** Who else is connected to the database. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { columns, type OtherSession } from "./Blockers.ts"
import { fromSqlError } from "./Sqlstate.ts"
import * as TargetLock from "./TargetLock.ts"

/** Clients that are connected to this database, less pgark's own session and those of pgark that wait for it. */
export const others = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<OtherSession>`
    select a.pid as "pid", ${sql.literal(columns)}
    from pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid() and a.usesysid is not null
      and coalesce(a.backend_type, 'client backend') = 'client backend'
      and not exists (
        select from pg_locks l
        where l.pid = a.pid and not l.granted and l.locktype = 'advisory' and l.objsubid = 2
          and l.classid = ${TargetLock.key[0]} and l.objid = ${TargetLock.key[1]})
    order by a.pid`.pipe(Effect.mapError(fromSqlError))
})
