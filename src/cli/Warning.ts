/** What is told before a run destroys data, and how it is let go on. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Confirmation } from "../pipeline/Confirmation.ts"
import { destructive, type Plan } from "../pipeline/Plan.ts"
import type { Connected, Stakes } from "../pipeline/Stakes.ts"
import { count, listed, plural } from "../pipeline/Words.ts"
import * as Confirming from "./Confirming.ts"
import type { NotConfirmed } from "./NotConfirmed.ts"
import type { OutputService } from "./Output.ts"
import { clip, hang } from "./Text.ts"
import * as Units from "./Units.ts"

/** Steps of a plan that the warning lists. */
const shown = 12

/** Columns of such a step: three lines of a narrow terminal. */
const width = 240

/** Other sessions that it names. */
const named = 3

/** What goes: `about 12,345 rows in 18 tables (4.1 MB)`. Of a table that was never analyzed nobody knows the rows. */
export const amount = ({ bytes, exact, largeObjects, rows, tables, uncounted }: Stakes): string => {
  const known = `${exact ? "" : "about "}${plural(rows, "row")} in ${plural(tables - uncounted, "table")}`
  const unknown = `nobody knows how many rows in ${plural(uncounted, uncounted === tables ? "table" : "more table")}`
  const held = [...(uncounted === tables ? [] : [known]), ...(uncounted === 0 ? [] : [unknown])].join(", and ")
  return [
    ...(tables === 0 ? [] : [`${held}${bytes === 0 ? "" : ` (${Units.bytes(bytes)})`}`]),
    ...(largeObjects === 0 ? [] : [plural(largeObjects, "large object")])
  ].join(", and ")
}

/** `"psql" of journal_app from 10.0.0.3` */
const session = ({ application, client, pid, user }: Connected): string =>
  [
    application === null || application === "" ? `process ${pid}` : `"${application}"`,
    ...(user === null ? [] : [`of ${user}`]),
    ...(client === null ? [] : [`from ${client}`])
  ].join(" ")

/** Lines about what is at stake, and whether they are one to be alarmed at. */
const lines = (stakes: Stakes): ReadonlyArray<readonly [text: string, alarming: boolean]> => {
  const goes = amount(stakes)
  const { connected, wayBack } = stakes
  return [
    ...(goes === "" ? [] : [[hang("  goes       ", goes), false] as const]),
    wayBack === null
      ? [hang("  way back   ", "NONE: what goes is not saved before, and nothing brings it back"), true]
      : [hang("  way back   ", `saved before into ${wayBack.folder}: ${wayBack.command} brings it back`), false],
    ...(connected.length === 0
      ? []
      : [
          [
            hang(
              "  in use     ",
              `${plural(connected.length, "other session is", "other sessions are")} connected: ` +
                listed(connected.map(session), named).join(", ")
            ),
            false
          ] as const
        ])
  ]
}

const tell = Effect.fnUntraced(function* (output: OutputService, plan: Plan, database: string) {
  const { stakes } = plan
  const where = stakes === undefined ? database : `the database ${stakes.database} at ${stakes.server}`
  yield* output.alert(hang("WARNING: ", `this destroys data in ${where}.`))
  if (plan.scope.length > 0) yield* output.warn(hang("  scope      ", plan.scope.join(", ")))
  for (const [text, alarming] of stakes === undefined ? [] : lines(stakes)) {
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
        if (manner === "countdown") yield* Confirming.countdown()
        if (manner !== "question") return
        yield* Effect.catch(Confirming.question(plan.stakes?.database ?? database), (refused) => {
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
