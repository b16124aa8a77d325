/** What is worth a second attempt: connecting, and questions. A write is never repeated here. */
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { DatabaseError } from "./DatabaseError.ts"
import { sqlstateOf } from "./Sqlstate.ts"

/** Three more attempts within about two seconds, each pause about twice the last, less or more by chance. */
export const soon: Schedule.Schedule<unknown> = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 })
)

/** A server that starts, stops or is full for the moment. */
const passing = new Set(["57P03", "57P01", "53300"])

/** What a network says that may be better in a moment. A refused connection is a server that restarts, as a rule. */
const passingCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "EPIPE"])

/** Whether the driver's failure to connect may be gone in a moment. */
export const mayConnectSoon = (cause: unknown): boolean => {
  const sqlstate = sqlstateOf(cause)
  if (sqlstate !== undefined) return passing.has(sqlstate)
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" && passingCodes.has(cause.code)
}

/**
 * Failures of a question that the same question need not meet again: a deadlock, a conflict with the replay of a standby,
 * and what the catalogue's own functions say of an object that was dropped while they looked at it (XX000).
 */
const passingRefusals = new Set(["40001", "40P01", "XX000"])

/** For tasks that only read, on a connection that is still there. */
export const reads = {
  schedule: soon,
  while: (error: { readonly _tag: string } & Partial<Pick<DatabaseError, "sqlstate">>): boolean =>
    error.sqlstate !== undefined && passingRefusals.has(error.sqlstate)
}
