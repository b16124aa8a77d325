/** One view of the database for several connections. */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "./DatabaseError.ts"
import type { SessionService } from "./Session.ts"
import { fromSqlError } from "./Sqlstate.ts"

/**
 * Runs `use` in a transaction that reads one snapshot, and gives it the snapshot's name: other connections to this
 * database can read the same as long as `use` runs. Undefined where the session is in a transaction already, which may
 * be a savepoint deep and cannot export its own.
 */
export const share = <A, E, R>(
  session: SessionService,
  use: (snapshot: string | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.suspend(() => {
    if (session.status() !== "I") return use(undefined)
    const exported = session.sql<{ readonly snapshot: string }>`select pg_export_snapshot() as snapshot`.pipe(
      Effect.mapError(fromSqlError),
      Effect.map(([row]) => row?.snapshot)
    )
    return session.transaction(Effect.flatMap(exported, use), { snapshot: true })
  })
