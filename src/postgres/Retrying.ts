/** What is worth a second attempt: connecting, and questions. A write is never repeated here. */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { DatabaseError } from "./DatabaseError.ts"
import { sqlstateOf } from "./Sqlstate.ts"

/** Three more attempts within about two seconds, each pause about twice the last, less or more by chance. */
const soon: Schedule.Schedule<unknown> = Schedule.exponential("250 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 3 })
)

/** A server that starts, or stops, as one does that is being restarted. */
const restarting = new Set(["57P03", "57P01"])

/** What a network says that may be better in a moment. A refused connection is a server that restarts, as a rule. */
const passingCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "EPIPE"])

/** What the driver, which has no code for it, says of a connection that was closed before anything was answered. */
const closed = "Connection terminated unexpectedly"

/** Whether a server has said that it starts or stops. */
export const isRestarting = (cause: unknown): boolean => restarting.has(sqlstateOf(cause) ?? "")

/** Whether the driver's failure to connect may be gone in a moment; a server may be full for one (53300). */
export const mayConnectSoon = (cause: unknown): boolean => {
  const sqlstate = sqlstateOf(cause)
  if (sqlstate !== undefined) return restarting.has(sqlstate) || sqlstate === "53300"
  if (!Predicate.hasProperty(cause, "code")) return cause instanceof Error && cause.message === closed
  return typeof cause.code === "string" && passingCodes.has(cause.code)
}

/**
 * When the last attempt may begin where nobody answers: where no server is, that does not change. As late as three
 * pauses, each a fifth longer by chance, may take.
 */
const unanswered = Duration.millis(2200)

/**
 * When a failed attempt to connect is followed by another one: after 0.25, 0.5 and then every second, each pause a
 * fifth less or more by chance, so that many clients of a restarted server do not come at once.
 *
 * A server that says that it starts or stops is coming back (a restart with recovery takes seconds): it is asked until
 * the caller's own time is up, and may be away in between. One that nobody has heard of is given up after some two
 * seconds. A refused login, or a database that is not there, is final.
 *
 * @param causeOf what the driver threw, of the failure that is retried
 */
export const connecting = <E>(causeOf: (failure: E) => unknown): Schedule.Schedule<unknown, E> => {
  let returns = false
  return Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("1 second")]).pipe(
    Schedule.jittered,
    Schedule.setInputType<E>(),
    Schedule.while(({ duration, elapsed, input }) => {
      const cause = causeOf(input)
      returns ||= isRestarting(cause)
      return mayConnectSoon(cause) && (returns || elapsed + Duration.toMillis(duration) < Duration.toMillis(unanswered))
    })
  )
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
