/** What sessions hold in the server's lock table at this moment: the truth that estimates are held against. */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import { fromSqlError } from "../../src/postgres/Sqlstate.ts"
import type { SessionService } from "../../src/postgres/Session.ts"

/**
 * Different objects of people that backends hold locks on, the fast path included: relations, and whatever else has an
 * OID that the server did not come with. Seen by this session, of itself unless told.
 */
export const entriesHeld = (
  { sql }: SessionService,
  pids: ReadonlyArray<number> | "own" = "own"
): Effect.Effect<number, DatabaseError> =>
  sql
    .unsafe<{ readonly held: number }>(
      `select count(distinct (coalesce(classid, 'pg_class'::regclass), coalesce(relation, objid)))::int4 as "held"
       from pg_locks
       where pid in (${pids === "own" ? "pg_backend_pid()" : [0, ...pids].join(", ")})
         and locktype in ('relation', 'object') and coalesce(relation, objid) >= 16384`
    )
    .pipe(Effect.mapBoth({ onFailure: fromSqlError, onSuccess: ([row]) => row!.held }))
