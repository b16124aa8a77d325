/** What a restore in several transactions may have left: schemas that are still set aside, a target between two states. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DiskFull, DumpDamaged, DumpUnreadable, FolderUnusable } from "../../../dumps/DumpError.ts"
import { DumpStore } from "../../../dumps/DumpStore.ts"
import { note } from "../../../pipeline/RunEvent.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { quote } from "../../../postgres/Identifier.ts"
import { Session } from "../../../postgres/Session.ts"
import { RestoreUnfinished } from "../../VerbError.ts"
import * as Journaling from "../Journaling.ts"
import * as Previous from "./Previous.ts"
import * as SetAside from "./SetAside.ts"

/** Drops what a restore that has happened could not drop any more, because it was cut short there. */
const tidy = Effect.fnUntraced(function* () {
  const journal = yield* Journaling.last()
  yield* Previous.tidy(journal)
  const renamed = journal?.state === "done" && journal.keeps !== true ? (journal.aside ?? []) : []
  if (journal === undefined || renamed.length === 0) return
  const asides = renamed.map(({ aside }) => aside)
  yield* note(`The restore of ${journal.file} had set schemas aside: ${asides.map(quote).join(", ")} are dropped now.`)
  yield* SetAside.drop(yield* Session, asides)
  yield* Journaling.write({ ...journal, aside: [] })
})

/** Of schemas that are set aside and of which no journal here tells. */
const elsewhere = (names: ReadonlyArray<string>, directory: string) => ({
  message: `A restore that had another folder of dumps has set schemas aside and was cut short: ${names.map(quote).join(", ")}.`,
  detail: `${directory} has no journal of it.`,
  suggestion:
    "Bring back what was there with `pgark undo` and the folder of that restore (--dir). Where that is gone, look at what " +
    `stands in them, and rename them (ALTER SCHEMA ${quote(names[0] ?? "")} RENAME TO …) or drop them.`
})

/** Fails where another folder's restore has left something that this one would build on. */
const refuseElsewhere = Effect.gen(function* () {
  const names = yield* SetAside.standing
  if (names.length === 0) return
  const store = yield* Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)
  return yield* new RestoreUnfinished({
    ...elsewhere(names, store.directory),
    state: "changed",
    file: store.directory
  })
})

/**
 * To be run before anything else is planned: fails with RestoreUnfinished where the target is between two states, and
 * finishes what is left of a restore that has happened.
 */
export const settle = Effect.fn("Leftover.settle")(function* (): Effect.fn.Return<
  void,
  DatabaseError | DiskFull | DumpDamaged | DumpUnreadable | FolderUnusable | RestoreUnfinished,
  DumpStore | Session | SqlClient.SqlClient
> {
  yield* Journaling.refuseUnfinished()
  yield* tidy()
  yield* refuseElsewhere
})

/** What there is to be told of it to somebody who does something else with the target; undefined where there is nothing. */
export const found = Effect.fn("Leftover.found")(function* (): Effect.fn.Return<
  string | undefined,
  DatabaseError | DumpDamaged | DumpUnreadable,
  DumpStore | Session | SqlClient.SqlClient
> {
  const store = yield* Effect.flatMap(DumpStore, ({ beforeRestore }) => beforeRestore)
  const journal = yield* Journaling.newest()
  if (journal?.state === "replacing") {
    const { detail, message, suggestion } = Journaling.unfinished(journal, store.journals.path(journal))
    return [message, detail, suggestion].join("\n")
  }
  const names = yield* SetAside.standing
  if (names.length === 0) return undefined
  const { detail, message, suggestion } = elsewhere(names, store.directory)
  return journal?.state === "done" && journal.keeps !== true && (journal.aside ?? []).length > 0
    ? `A restore has set schemas aside and was cut short when it dropped them: ${names.map(quote).join(", ")}. The next one drops them.`
    : [message, detail, suggestion].join("\n")
})
