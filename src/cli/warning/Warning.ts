/** What is told before a run destroys data, and how it is let go on. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Confirmation } from "../../pipeline/Confirmation.ts"
import { destructive, type Plan } from "../../pipeline/Plan.ts"
import { count } from "../../pipeline/Words.ts"
import * as Confirming from "./Confirming.ts"
import type { NotConfirmed } from "./NotConfirmed.ts"
import type { OutputService } from "../output/Output.ts"
import * as RenderStakes from "./RenderStakes.ts"
import { clip, hang } from "../output/Text.ts"

/** Steps of a plan that the warning lists. */
const shown = 12

/** Columns of such a step: three lines of a narrow terminal. */
const width = 240

const tell = Effect.fnUntraced(function* (output: OutputService, plan: Plan, database: string) {
  const { stakes } = plan
  const where = stakes === undefined ? database : `the database ${stakes.database} at ${stakes.server}`
  yield* output.alert(hang("WARNING: ", `this destroys data in ${where}.`))
  if (plan.scope.length > 0) yield* output.warn(hang("  scope      ", plan.scope.join(", ")))
  for (const { alarming, text } of stakes === undefined ? [] : RenderStakes.lines(stakes)) {
    yield* (alarming ? output.alert : output.warn)(text)
  }
  const rows = destructive(plan)
  for (const row of rows.slice(0, shown))
    yield* output.warn(hang("  - ", clip(row.what, width, "(all of it with --dry-run --json)")))
  if (rows.length > shown) yield* output.warn(`  - and ${count(rows.length - shown)} more`)
})

export interface WarningOptions {
  /** As people write it. */
  readonly database: string
  readonly manner: Confirming.Manner
}

/**
 * Runs a verb that says, before it destroys anything, what will go and where, and waits or asks then as `manner` says.
 * Fails with NotConfirmed, and nothing changed, where the answer is no.
 */
export const before =
  (output: OutputService, { database, manner }: WarningOptions) =>
  <A, E, R>(verb: Effect.Effect<A, E, R>): Effect.Effect<A, E | NotConfirmed, R> =>
    Effect.suspend(() => {
      let refusal: NotConfirmed | undefined
      const confirmation = Effect.fnUntraced(function* (plan: Plan) {
        yield* tell(output, plan, database)
        if (manner === "countdown") yield* output.undrawn(Confirming.countdown())
        if (manner !== "question") return
        yield* Effect.catch(output.undrawn(Confirming.question(plan.stakes?.database ?? database)), (refused) => {
          refusal = refused
          // A run that is not confirmed is one that was stopped: no verb has an error of its own for it.
          return Effect.interrupt
        })
      })
      return Effect.catchCauseIf(
        Effect.provideService(verb, Confirmation, confirmation),
        (cause) => refusal !== undefined && Cause.hasInterruptsOnly(cause),
        (cause): Effect.Effect<never, E | NotConfirmed> =>
          refusal === undefined ? Effect.failCause(cause) : Effect.fail(refusal)
      )
    })
