/** What restores have kept of what they replaced (`--keep-previous`), and its end: when the next one has happened. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DiskFull, DumpDamaged, DumpUnreadable, FolderUnusable } from "../../../dumps/DumpError.ts"
import type { DumpStore } from "../../../dumps/DumpStore.ts"
import type { Journal } from "../../../dumps/RestoreJournal.ts"
import * as Plan from "../../../pipeline/Plan.ts"
import { note } from "../../../pipeline/RunEvent.ts"
import * as Task from "../../../pipeline/Task.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { quote } from "../../../postgres/Identifier.ts"
import { Session } from "../../../postgres/Session.ts"
import * as Journaling from "../Journaling.ts"
import * as SetAside from "./SetAside.ts"

/** Names of the kept schemas of these journals, less others. */
const namesOf = (journals: ReadonlyArray<Journal>, others: ReadonlyArray<SetAside.Renamed>): ReadonlyArray<string> => {
  // A schema has its name by its OID: one that was brought back and is set aside again has the same.
  const staying = new Set(others.map(({ aside }) => aside))
  return [
    ...new Set(journals.flatMap(({ aside = [] }) => aside.map((one) => one.aside)).filter((name) => !staying.has(name)))
  ]
}

/** Drops what these restores have kept, and forgets them. */
const drop = Effect.fnUntraced(function* (
  journals: ReadonlyArray<Journal>,
  others: ReadonlyArray<SetAside.Renamed>
): Effect.fn.Return<
  void,
  DatabaseError | DiskFull | DumpUnreadable | FolderUnusable,
  DumpStore | Session | SqlClient.SqlClient
> {
  yield* SetAside.drop(yield* Session, namesOf(journals, others))
  yield* Effect.forEach(journals, Journaling.forget, { discard: true })
})

/** What is kept of a restore that is the last one no more: the one after it was cut short before it dropped that. */
export const tidy = Effect.fn("Previous.tidy")(function* (
  last: Journal | undefined
): Effect.fn.Return<
  void,
  DatabaseError | DiskFull | DumpDamaged | DumpUnreadable | FolderUnusable,
  DumpStore | Session | SqlClient.SqlClient
> {
  // Of one that is between two states nothing is certain.
  if (last?.state !== "done") return
  const stale = (yield* Journaling.keeping()).filter(({ at }) => at.epochMilliseconds < last.at.epochMilliseconds)
  if (stale.length > 0) yield* drop(stale, last.aside ?? [])
})

/**
 * The step that drops what earlier restores have kept, on the session "target", when this one has happened: until then
 * what they kept leads back. That it cannot go is a note.
 *
 * @param options.keeps what this restore keeps itself
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly keeps: (needs: Task.PlannedNeeds<N>) => ReadonlyArray<SetAside.Renamed>
}) =>
  Task.make("drop previous", {
    title: "Drop what an earlier restore has kept",
    session: "target",
    needs: options.needs,
    after: ["transaction"],
    plan: Effect.fnUntraced(function* (needs) {
      const journals = yield* Journaling.keeping()
      const keeps = options.keeps(needs)
      const there = yield* SetAside.present(namesOf(journals, keeps))
      return {
        value: undefined,
        ...(journals.length === 0 ? { does: "nothing" as const } : {}),
        rows: journals.flatMap(({ aside = [], file }) =>
          aside.flatMap((one) =>
            there.has(one.aside)
              ? [
                  Plan.row(
                    `drop ${quote(one.aside)}: what was in ${quote(one.schema)} before ${file} was restored, kept till now`,
                    { destroys: true, why: "this restore is the last one then, and undo takes back no other" }
                  )
                ]
              : []
          )
        ),
        run: () =>
          Effect.catch(drop(journals, keeps), ({ message }) =>
            note(`What an earlier restore has kept could not be dropped (${message}): the next one tries again.`)
          )
      }
    })
  })
