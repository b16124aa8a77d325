/**
 * The way of a restore: in one transaction where the server's lock table holds it and nothing else is asked for, else in
 * several.
 */
import * as Result from "effect/Result"
import { count, listed, plural } from "../../pipeline/Words.ts"
import type { LockTable } from "../../postgres/survey/LockTable.ts"
import { LockTableTooSmall, TargetUnfit } from "../VerbError.ts"
import type { LockNeeds } from "./LockNeeds.ts"

export const ways = ["transaction", "aside", "batches"] as const

/** How a restore goes about it. */
export interface Chosen {
  /**
   * `transaction`: everything in one. `aside`: the schemas are renamed and the dump goes into fresh ones. `batches`: what
   * goes is dropped, and the dump applied, in several transactions behind the safety dump.
   */
  readonly way: (typeof ways)[number]
  /** For people: what would be taken, what is free, and what keeps from a better way. */
  readonly why: string
  /** Entries of the lock table that one transaction may take for what it drops and creates, at least 1. */
  readonly budget: number
}

/** The ways that take several transactions, in words. */
export const words = {
  aside: "in several transactions, the old schemas set aside meanwhile",
  batches: "in several transactions behind a safety dump"
}

export interface WayOptions extends LockNeeds {
  readonly table: LockTable
  /** One transaction has failed for want of entries. */
  readonly several?: boolean
  /** How many connections restore; 1 unless told. */
  readonly jobs?: number
  /** What was there is to be kept, which only schemas that are set aside can be. */
  readonly keepPrevious?: boolean
  /** Why schemas cannot be set aside; see {@link file://./Aside.ts}. */
  readonly obstacles: ReadonlyArray<string>
}

/**
 * What a session holds besides while it looks at a target: the server's catalogues and their indexes. A survey in a
 * transaction took 172 to 180 on PostgreSQL 15 and 18, pg_dump 160, mostly the same ones.
 */
export const catalogEntries = 200

/**
 * Of the free entries, what the one transaction of a restore may take: others are at work on the server meanwhile. A
 * server finds room for more entries than it promises: with default settings 12,776 on PostgreSQL 15 and 14,857 on 18,
 * where it promises 7,808 and 8,704 (tables created in one transaction until it refuses). So this is about half of all.
 */
const whole = 0.8
/** Of several transactions each may take this much. */
const share = (free: number): number => Math.floor(free / 2)
/** What may be taken for the moment of the safety dump. */
const briefly = 0.9

/** What one of several transactions may take for what it drops and creates, at least 1. */
export const budgetOf = ({ free }: LockTable): number => Math.max(1, share(free) - catalogEntries)

/** The `max_locks_per_transaction` with which so many entries would be little enough at once. */
const enough = ({ sessions, used }: LockTable, needed: number): number =>
  Math.ceil((used + Math.ceil(needed / briefly)) / sessions)

const tooSmall = ({ backup, lock, table }: WayOptions): LockTableTooSmall => {
  const needed = lock + backup + catalogEntries
  const setting = enough(table, needed)
  const restart = `Have max_locks_per_transaction raised to ${count(setting)} or more, which takes a restart of the server.`
  const withoutBackup = lock + catalogEntries <= table.free * briefly
  return new LockTableTooSmall({
    message: `The server's lock table is too small: ${count(needed)} entries are needed at once, ${count(table.free)} are free.`,
    detail:
      `Tables to lock: ${count(lock)}; for the safety dump besides: ${count(backup)}; for the catalogues: ` +
      `${count(catalogEntries)}. The table has ${count(table.capacity)} entries (max_locks_per_transaction is ` +
      `${count(table.perTransaction)}), of which others use ${count(table.used)}; a tenth of the rest is left to them.`,
    suggestion: withoutBackup
      ? `${restart} Without the safety dump (--no-backup-first) there is room enough, and no way back.`
      : restart,
    state: "untouched",
    needed,
    free: table.free,
    setting
  })
}

const notKept = (obstacles: ReadonlyArray<string>) =>
  new TargetUnfit({
    message: `What is there cannot be kept: ${listed(obstacles, 3).join("; ")}.`,
    detail: ["--keep-previous takes schemas that can be set aside:", ...listed(obstacles)].join("\n"),
    suggestion: "Leave --keep-previous away: what goes is saved in a dump, and `pgark undo` restores that.",
    state: "untouched"
  })

/**
 * Chooses the best way that the lock table and the wishes allow.
 *
 * One transaction may take four fifths of what is free. Where that is too little, all tables that go have to be locked at
 * once even so, under the safety dump; for that nine tenths of what is free may be taken, else it is a refusal. Several
 * connections cannot share a transaction. Fails with TargetUnfit where what is there is to be kept and cannot be.
 */
export const choose = (options: WayOptions): Result.Result<Chosen, LockTableTooSmall | TargetUnfit> => {
  const { backup, create, drop, jobs = 1, keepPrevious = false, lock, obstacles, table } = options
  const budget = budgetOf(table)
  const wanted = drop + create
  const taken = `dropping and creating take about ${count(wanted)} entries of the server's lock table`
  const most = table.free * briefly
  if (lock + backup + catalogEntries > most) return Result.fail(tooSmall(options))
  const allowed = Math.max(1, Math.floor(table.free * whole) - catalogEntries)
  if (keepPrevious && obstacles.length > 0) return Result.fail(notKept(obstacles))
  if (wanted <= allowed && options.several !== true && jobs === 1 && !keepPrevious) {
    return Result.succeed({ way: "transaction", why: `${taken}, of which ${count(table.free)} are free`, budget })
  }
  const why = keepPrevious
    ? "what is there is to be kept (--keep-previous)"
    : jobs > 1
      ? `${plural(jobs, "connection")} are asked for (--jobs), and they cannot share one transaction`
      : `${taken}, and one transaction may take ${count(allowed)}: four fifths of the ${count(table.free)} that are free, less the catalogues`
  return Result.succeed(
    obstacles.length === 0
      ? { way: "aside", why, budget }
      : { way: "batches", why: `${why}; schemas cannot be set aside: ${listed(obstacles, 6).join("; ")}`, budget }
  )
}
