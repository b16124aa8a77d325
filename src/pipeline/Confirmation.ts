/** The moment between plan and run, before anything is destroyed. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Plan } from "./Plan.ts"

/**
 * Asked with every plan that destroys something, before its run. By default it goes on; the command line waits three
 * seconds here. Interrupting it stops the run with nothing changed.
 */
export const Confirmation = Context.Reference<(plan: Plan) => Effect.Effect<void>>("pgark/pipeline/Confirmation", {
  defaultValue: () => () => Effect.void
})
