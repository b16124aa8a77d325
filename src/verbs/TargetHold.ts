/** One pgark at a time on a target: what the verbs that change one hold from before their plan to the end of the run. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { note } from "../pipeline/RunEvent.ts"
import { describe, describeAll, endings, type OtherSession } from "../postgres/Blockers.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { PoolerInBetween } from "../postgres/Pooler.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import * as TargetLock from "../postgres/TargetLock.ts"
import { TargetBusy } from "./VerbError.ts"

/** Whether a verb waits for its turn. */
export interface HoldOptions {
  /** Wait, as long as it takes, for another pgark that is at work on the database; without it the run fails at once. */
  readonly wait?: boolean
}

const busy = (database: string, holders: ReadonlyArray<OtherSession>) =>
  new TargetBusy({
    message: `Another pgark is at work on the database "${database}".`,
    detail: ["Its lock is held by:", ...describeAll(holders)].join("\n"),
    suggestion: ["Wait until it has ended, or let this run wait for it: --wait.", ...endings(holders)].join("\n"),
    state: "untouched",
    holders
  })

/** Waits for what is left of a run that was killed and whose lock this session has now. */
export const alone = Effect.fn("TargetHold.alone")(function* (
  session: SessionService
): Effect.fn.Return<void, DatabaseError> {
  for (let told = false; ; told = true) {
    const left = yield* TargetLock.helpers(session)
    if (left.length === 0) return
    if (!told) yield* note(`Waiting for what is left of a run that was killed: ${left.map(describe).join("; ")}`)
    yield* Effect.sleep("100 millis")
  }
})

/**
 * Takes the target's lock for as long as the scope lives. On one session it may be taken several times.
 *
 * Fails with TargetBusy where another session has it, unless it is to wait; with PoolerInBetween where it would fall to
 * somebody else's session.
 */
export const hold = Effect.fn("TargetHold.hold")(function* ({
  wait = false
}: HoldOptions): Effect.fn.Return<void, DatabaseError | PoolerInBetween | TargetBusy, Session | Scope.Scope> {
  const session = yield* Session
  const { database } = session.url
  const taken = yield* TargetLock.take(session)
  if (taken._tag === "Pooled") {
    return yield* new PoolerInBetween({
      message: "A pooler stands in between that has given this session another backend of the server.",
      suggestion: "Use the URL of the server itself, which providers call the direct or unpooled one.",
      state: "untouched"
    })
  }
  if (taken._tag === "Busy") {
    if (!wait) return yield* busy(database, taken.holders)
    yield* note(`Waiting for another pgark at work on "${database}": ${taken.holders.map(describe).join("; ")}`)
    yield* TargetLock.wait(session)
  }
  yield* alone(session)
})

/** Does it with the target's lock. Within, verbs may take it once more on the same session. */
export const holding =
  (options: HoldOptions) =>
  <A, E, R>(
    work: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | DatabaseError | PoolerInBetween | TargetBusy, R | Session> =>
    Effect.scopedWith((scope) => Effect.andThen(Scope.provide(hold(options), scope), work))
