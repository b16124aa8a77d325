/** A doctor's visit: goes on where a part of it fails, and waits for none of it without end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { About, Check, Failure, Work } from "./Check.ts"

/** How an {@link Visit.ask} may be varied. */
export interface AskOptions {
  /** How long it may take; 10 seconds unless told. */
  readonly limit?: Duration.Input
  /** What cannot be done where it fails; nothing unless told: only something is not known then. */
  readonly stops?: ReadonlyArray<Work>
}

export interface Visit {
  /** What was found so far, in the order in which it was told. */
  readonly checks: ReadonlyArray<Check>
  readonly tell: (...checks: ReadonlyArray<Check>) => void
  /**
   * Asks. A failure, and a limit that is exceeded, are told as a problem, and the answer is undefined then. Where the
   * connection was lost nothing else is asked over it.
   */
  readonly ask: <A, E extends Failure, R>(
    what: About,
    question: Effect.Effect<A, E, R>,
    options?: AskOptions
  ) => Effect.Effect<A | undefined, never, R>
}

/** How long one question may take. */
export const patience: Duration.Input = "10 seconds"

export const make = (): Visit => {
  const checks: Array<Check> = []
  const tell: Visit["tell"] = (...more) => void checks.push(...more)
  let lost = false
  const ask: Visit["ask"] = (what, question, { limit = patience, stops = [] } = {}) =>
    Effect.gen(function* () {
      if (lost) return undefined
      const answered = yield* Effect.result(Effect.timeoutOption(question, limit))
      if (answered._tag === "Failure") {
        lost = answered.failure._tag === "ConnectionFailed"
        tell(what.failure(answered.failure, stops))
        return undefined
      }
      if (Option.isSome(answered.success)) return answered.success.value
      tell(
        what.problem(`no answer within ${Duration.format(Duration.fromInputUnsafe(limit))}`, {
          stops,
          mend: "Try again when the server or the machine has less to do."
        })
      )
      return undefined
    })
  return { checks, tell, ask }
}
