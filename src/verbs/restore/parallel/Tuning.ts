/**
 * Settings that any role may make for its own session, and with which rows and indexes go in faster. They last as long
 * as the restore.
 */
import * as Effect from "effect/Effect"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import type { SessionService } from "../../../postgres/Session.ts"
import { fromSqlError } from "../../../postgres/Sqlstate.ts"

/** What the server and the role have set. */
export interface Tuning {
  /** Kilobytes for `maintenance_work_mem` of each connection. */
  readonly memory: number
}

/** So much of `shared_buffers`, which people set to a quarter of the machine's memory, all connections may take together. */
const ofBuffers = 2
/** More than this makes no index faster that one machine can hold. */
const most = 1 << 20

/** The memory of each of so many connections: never less than the role would have. */
export const memoryOf = (server: { readonly buffers: number; readonly memory: number }, jobs: number): number =>
  Math.max(server.memory, Math.min(most, Math.floor((server.buffers * ofBuffers) / jobs)))

/** Reads what the settings depend on. */
export const read = Effect.fn("Tuning.read")(function* (
  { sql }: SessionService,
  jobs: number
): Effect.fn.Return<Tuning, DatabaseError> {
  const rows = yield* sql<{ readonly name: string; readonly kilobytes: string }>`
    select name, (setting::int8 * case unit when '8kB' then 8 when 'MB' then 1024 else 1 end)::text as kilobytes
    from pg_settings where name in ('maintenance_work_mem', 'shared_buffers')`.pipe(Effect.mapError(fromSqlError))
  const settings = new Map(rows.map(({ kilobytes, name }) => [name, Number(kilobytes)]))
  const [buffers = 0, memory = 0] = [settings.get("shared_buffers"), settings.get("maintenance_work_mem")]
  return { memory: memoryOf({ buffers, memory }, jobs) }
})

/** The settings of one session that applies everything in one transaction. */
export const ofOne = ({ memory }: Tuning): string => `SET maintenance_work_mem = '${memory}kB'`

/**
 * The settings of each of several sessions. None waits until its commits are on disk: {@link durable} does, once, at the
 * end. The connections are as many as are wanted to be busy, so that an index is built by one process.
 */
export const ofSeveral = (tuning: Tuning): string =>
  `${ofOne(tuning)}; SET synchronous_commit = off; SET max_parallel_maintenance_workers = 0`

/** More processes for one index, in its transaction, while other connections have nothing to do. */
export const withHelp = (processes: number): string => `SET LOCAL max_parallel_maintenance_workers = ${processes}`

/** Run in a transaction whose commit waits for the disk: with it all commits before are on disk too. */
export const durable = "SELECT pg_catalog.pg_logical_emit_message(true, 'pgark', 'restored')"
