/** The last step of a restore that has set schemas aside: they go. */
import * as Effect from "effect/Effect"
import * as Plan from "../../../pipeline/Plan.ts"
import { note } from "../../../pipeline/RunEvent.ts"
import * as Task from "../../../pipeline/Task.ts"
import { listed } from "../../../pipeline/Words.ts"
import { quote } from "../../../postgres/Identifier.ts"
import { Session } from "../../../postgres/Session.ts"
import { describeObject } from "../../clean/Blocker.ts"
import { census, lost, type Wish } from "../../clean/Ladder.ts"
import * as Journaling from "../Journaling.ts"
import * as SetAside from "./SetAside.ts"

/**
 * The task, on the session "target", on which no transaction is open. The restore has happened: that old schemas cannot
 * go is a note.
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  /** They are kept. */
  readonly keeps: boolean
  readonly what: (needs: Task.PlannedNeeds<N>) => SetAside.Moving & { readonly wish: Wish }
}) =>
  Task.make("drop old", {
    title: "Drop what was set aside",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const { survey, wanted, wish } = options.what(needs)
      const renamed = wanted ? SetAside.names(survey) : []
      const asides = renamed.map(({ aside }) => aside)
      const content = survey.objects.filter(({ extension }) => extension === null)
      const gone = lost(survey, wish).map(describeObject)
      return Effect.succeed({
        value: undefined,
        ...(renamed.length === 0 ? { does: "nothing" as const } : {}),
        rows:
          renamed.length === 0
            ? []
            : [
                Plan.row(
                  `drop what was in ${renamed.map(({ schema }) => quote(schema)).join(", ")}: ${census(content)}`,
                  { destroys: true, why: `${asides.join(", ")} is what it is called by then` }
                ),
                ...(gone.length === 0
                  ? []
                  : [
                      Plan.row(`of these the dump does not bring back: ${listed(gone, 6).join(", ")}`, {
                        destroys: true,
                        ...(wish.leftOut === undefined ? {} : { why: `it was made with ${wish.leftOut}` })
                      })
                    ])
              ],
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            const dropped = Effect.andThen(SetAside.drop(session, asides), Journaling.update({ aside: [] }))
            // Nothing is dropped while the journal says that it leads back.
            yield* Journaling.complete(options.keeps).pipe(
              Effect.andThen(asides.length === 0 ? Effect.void : dropped),
              Effect.catch(({ message }) =>
                note(
                  asides.length === 0
                    ? `The restore is complete, and its journal could not say so: ${message}`
                    : `What was set aside could not be dropped (${message}): drop ${asides.join(", ")} when it suits.`
                )
              )
            )
          })
      })
    }
  })
