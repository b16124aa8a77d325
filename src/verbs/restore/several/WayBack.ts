/**
 * A restore that takes several transactions, because the server's lock table does not hold one: behind schemas that are
 * set aside, or behind the safety dump alone. When it fails the former state is brought back before anybody is told.
 */
import { dirname } from "node:path"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as SqlClient from "effect/sql/SqlClient"
import { DumpStore } from "../../../dumps/DumpStore.ts"
import type { Journal } from "../../../dumps/RestoreJournal.ts"
import { undoCommand } from "../../../dumps/UndoCommand.ts"
import { failureMessage, note, torn, unsaid } from "../../../pipeline/RunEvent.ts"
import type { PgDump } from "../../../postgres/PgDump.ts"
import { isDatabaseError, withFields } from "../../../postgres/DatabaseError.ts"
import type { Session } from "../../../postgres/Session.ts"
import { RestoreUnfinished } from "../../VerbError.ts"
import * as Journaling from "../Journaling.ts"

/** Brings back what was there before a restore that has begun to replace it. */
export type Recover<E> = (
  journal: Journal
) => Effect.Effect<void, E, DumpStore | PgDump | Session | SqlClient.SqlClient>

/** The failure of what was taken back: the target is as it was, whatever had been committed meanwhile. */
const takenBack = <E>(error: E): E => (isDatabaseError(error) ? withFields(error, { state: "rolled-back" }) : error)

const later = (journal: Journal, file: string): string =>
  Journaling.leadsBack(journal)
    ? `When what kept it from it is mended, \`${undoCommand(dirname(dirname(file)))}\` brings it back. Nothing of it is lost.`
    : Journaling.remedy(journal, file)

const between = "the target is between its old and its new state."

/** Tells what became of it where it fails, as of a run that is interrupted nobody hears the error. */
const unfinished = Effect.fnUntraced(function* (journal: Journal, message: string, detail: ReadonlyArray<string>) {
  const store = yield* Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)
  const file = store.journals.path(journal)
  const suggestion = later(journal, file)
  yield* torn(message, suggestion)
  return yield* new RestoreUnfinished({
    message,
    detail: [
      ...detail,
      ...(journal.aside ?? []).map(({ schema, aside }) => `Schema ${schema} as it was is called ${aside} meanwhile.`)
    ].join("\n"),
    suggestion,
    state: "changed",
    file
  })
})

/** Takes back a restore that was cut short. Where that fails, or is interrupted, it can be begun again. */
export const takeBack = <E>(journal: Journal, recover: Recover<E>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(restore(unsaid(recover(journal))))
      if (Exit.isSuccess(exit)) return yield* Journaling.forget(journal)
      return yield* unfinished(journal, `What was there before could not be brought back: ${between}`, [
        failureMessage(Cause.squash(exit.cause))
      ])
    })
  )

/**
 * Runs the steps; where they fail after the first transaction, or are interrupted, brings the former state back, which
 * nothing interrupts.
 */
export const orBack = <A, E, R, E2>(run: Effect.Effect<A, E, R>, recover: Recover<E2> | undefined) =>
  recover === undefined
    ? run
    : Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const exit = yield* Effect.exit(restore(run))
          if (Exit.isSuccess(exit)) return exit.value
          const journal = yield* Journaling.current
          if (journal?.state !== "replacing") return yield* exit
          yield* note("It failed: what was there before is brought back.")
          const back = yield* Effect.exit(unsaid(recover(journal)))
          if (Exit.isSuccess(back)) {
            yield* Effect.catch(Journaling.forget(journal), ({ message }) => note(`The journal was left: ${message}`))
            return yield* Effect.mapError(exit, takenBack)
          }
          return yield* unfinished(
            journal,
            `The restore of ${journal.file} failed, and so did bringing back what was there before: ${between}`,
            [
              `The restore: ${failureMessage(Cause.squash(exit.cause))}`,
              `Bringing back: ${failureMessage(Cause.squash(back.cause))}`
            ]
          )
        })
      )
