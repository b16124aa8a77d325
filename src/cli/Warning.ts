/** The three seconds in which Ctrl-C stops a run that will destroy data. */
import * as Effect from "effect/Effect"
import { destructive, type Plan } from "../pipeline/Plan.ts"
import type { OutputService } from "./Output.ts"
import { clip, hang } from "./Text.ts"

const seconds = 3

/** Steps of a plan that the warning lists. */
const shown = 12

/** Columns of such a step: three lines of a narrow terminal. */
const width = 240

/** Says what will go and from which database, then waits, unless told not to. */
export const warn =
  (output: OutputService, options: { readonly database: string; readonly yes: boolean }) =>
  (plan: Plan): Effect.Effect<void> =>
    Effect.gen(function* () {
      const rows = destructive(plan)
      yield* output.alert(hang("WARNING: ", `this destroys data in ${options.database} (${plan.scope.join(", ")}):`))
      for (const row of rows.slice(0, shown))
        yield* output.warn(hang("  - ", clip(row.what, width, "(all of it with --dry-run --json)")))
      if (rows.length > shown) yield* output.warn(`  - and ${rows.length - shown} more`)
      if (options.yes) return
      yield* output.warn(`Starting in ${seconds} seconds. Ctrl-C stops it with nothing changed.`)
      for (let left = seconds; left > 0; left--) {
        yield* output.info(`  ${left} …`)
        yield* Effect.sleep("1 second")
      }
    })
