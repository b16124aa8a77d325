/** One view of the database for several connections. */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "./DatabaseError.ts"
import type { SessionService } from "./Session.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** The same, where it may not be within a savepoint: from one the server exports nothing. */
export const exported = (session: SessionService): Effect.Effect<string, DatabaseError> =>
  session.sql<{ readonly snapshot: string }>`select pg_export_snapshot() as snapshot`.pipe(
    Effect.mapError(fromSqlError),
    Effect.map(([row]) => row?.snapshot ?? "")
  )

/** SQLSTATE of an export within a savepoint. */
const withinSavepoint = "25001"

/**
 * The name of what the session's open transaction sees now: other connections to this database can read the same as long
 * as it is open. Undefined where it stands within a savepoint, from which the server exports nothing.
 */
export const ofTransaction = (session: SessionService): Effect.Effect<string | undefined, DatabaseError> =>
  Effect.catchIf(
    exported(session),
    ({ sqlstate }) => sqlstate === withinSavepoint,
    () => Effect.undefined
  )

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
    return session.transaction(Effect.flatMap(exported(session), use), { snapshot: true })
  })
