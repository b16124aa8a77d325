/** From one transaction to several, where the server's lock table turns out to be too small for one. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { note } from "../../../pipeline/RunEvent.ts"

/** SQLSTATE of a lock table that is full ("out of shared memory"). */
const full = "53200"

const isFull = (error: unknown): boolean =>
  Predicate.hasProperty(error, "sqlstate") &&
  error.sqlstate === full &&
  Predicate.hasProperty(error, "state") &&
  error.state === "rolled-back"

/** Runs it, and where the one transaction was rolled back for want of locks, once more in several. */
export const otherwiseInSeveral = <A, E, R>(
  several: boolean,
  run: (several: boolean) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  several
    ? run(true)
    : Effect.catchIf(run(false), isFull, () =>
        Effect.andThen(
          note("The server's lock table is too small for one transaction, which was rolled back: now in several."),
          run(true)
        )
      )
