/** How long questions outside of a transaction wait for what others hold locked. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Blockers from "./Blockers.ts"
import { type DatabaseError, isDatabaseError, withFields } from "./DatabaseError.ts"
import { Session } from "./Session.ts"

/**
 * Asks the questions, none of which changes anything, and fails with LockTimeout, which names who holds the lock, where
 * one waits for longer. The definition of a view is not to be read, for instance, while a table under it is altered.
 *
 * Within a transaction it is the transaction that has a limit, or none.
 *
 * @param limit `lock_timeout`, at least a millisecond
 */
export const reading = <A, E, R>(
  limit: Duration.Input,
  questions: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, R | Session> =>
  Effect.flatMap(Session, ({ backend, execute, status, url }) => {
    if (status() !== "I") return questions
    const duration = Duration.fromInputUnsafe(limit)
    return Effect.acquireUseRelease(
      execute(`SET lock_timeout = ${Math.ceil(Duration.toMillis(duration))}`),
      () => Blockers.watch(url, backend, duration)(questions),
      (_, exit) =>
        execute("SET lock_timeout = 0").pipe(
          // What the questions failed with says more, a lost connection for instance.
          Effect.catchIf(
            () => Exit.isFailure(exit),
            () => Effect.void
          )
        )
    ).pipe(
      Effect.mapError((error) =>
        isDatabaseError(error) && error._tag === "LockTimeout" && error.state === undefined
          ? withFields(error, { state: "untouched" })
          : error
      )
    )
  })
