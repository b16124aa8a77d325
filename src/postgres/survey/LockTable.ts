/** The server's table of locks: how many entries it has, and how many of them nobody uses. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

/** The lock table, which all sessions of all databases of the server share. Its entries are lockable objects. */
export interface LockTable {
  /** `max_locks_per_transaction`, which only a restart of the server changes. */
  readonly perTransaction: number
  /** What that is multiplied by: sessions of all kinds that there may be, and prepared transactions. */
  readonly sessions: number
  /** Entries that the server promises: `perTransaction` × `sessions`. It may find room for some more. */
  readonly capacity: number
  /** Entries in use when it was read. */
  readonly used: number
  /** The others, at least 0. */
  readonly free: number
}

/**
 * `MaxBackends` less what has a setting of its own: the autovacuum launcher, and since 18 the worker that synchronises
 * replication slots. Autovacuum workers are counted by another setting since 18. (17 got the second slot with 17.3; one
 * entry too few is on the safe side.)
 *
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/init/postinit.c (InitializeMaxBackends)
 * @see https://github.com/postgres/postgres/blob/REL_13_STABLE/src/backend/utils/init/postinit.c
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/storage/lmgr/lock.c (NLOCKENTS)
 */
const special = (versionNumber: number): number => (versionNumber >= 180000 ? 2 : 1)

/** What counts sessions; of the two settings about autovacuum a server has one that counts. WAL senders do since 12. */
const counted = (versionNumber: number): ReadonlyArray<string> => [
  "max_connections",
  versionNumber >= 180000 ? "autovacuum_worker_slots" : "autovacuum_max_workers",
  "max_worker_processes",
  "max_wal_senders",
  "max_prepared_transactions"
]

/**
 * Reads the lock table. Every role may: the settings and `pg_locks` are open to all.
 *
 * One object that several sessions lock takes one entry. What a session holds on the fast path takes none, and neither do
 * the predicate locks of serializable transactions, which have a table of their own.
 *
 * @param versionNumber `server_version_num`
 */
export const readLockTable = Effect.fn("LockTable.readLockTable")(function* (
  versionNumber: number
): Effect.fn.Return<LockTable, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const sum = counted(versionNumber)
    .map((name) => `current_setting('${name}')::int4`)
    .join(" + ")
  const [row] = yield* sql<Pick<LockTable, "perTransaction" | "sessions" | "used">>`
    select
      current_setting('max_locks_per_transaction')::int4 as "perTransaction",
      ${sql.literal(sum)} + ${sql.literal(String(special(versionNumber)))} as "sessions",
      (
        select count(*)::int4
        from (
          select distinct locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid
          from pg_locks
          where not fastpath and mode <> 'SIReadLock'
        ) entries
      ) as "used"`.pipe(Effect.mapError(fromSqlError))
  const { perTransaction, sessions, used } = row!
  const capacity = perTransaction * sessions
  return { perTransaction, sessions, capacity, used, free: Math.max(0, capacity - used) }
})
