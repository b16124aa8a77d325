/** What a restore in several transactions may have left: schemas that are still set aside, a target between two states. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DiskFull, DumpDamaged, DumpUnreadable, FolderUnusable } from "../../../dumps/DumpError.ts"
import { DumpStore } from "../../../dumps/DumpStore.ts"
import { note } from "../../../pipeline/RunEvent.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { quote } from "../../../postgres/Identifier.ts"
import { Session } from "../../../postgres/Session.ts"
import { fromSqlError } from "../../../postgres/Sqlstate.ts"
import type { RestoreUnfinished } from "../../VerbError.ts"
import * as Journaling from "../Journaling.ts"
import * as SetAside from "./SetAside.ts"

/** Drops what a restore that has happened could not drop any more, because it was cut short there. */
const tidy = Effect.fnUntraced(function* () {
  const journal = yield* Journaling.last()
  const renamed = journal?.state === "done" ? (journal.aside ?? []) : []
  if (journal === undefined || renamed.length === 0) return
  const asides = renamed.map(({ aside }) => aside)
  yield* note(`The restore of ${journal.file} had set schemas aside: ${asides.map(quote).join(", ")} are dropped now.`)
  yield* SetAside.drop(yield* Session, asides)
  yield* Journaling.write({ ...journal, aside: [] })
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
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select nspname::text as "name" from pg_namespace where nspname like ${SetAside.pattern} order by 1`.pipe(
    Effect.mapError(fromSqlError)
  )
  if (rows.length === 0) return undefined
  const names = rows.map(({ name }) => quote(name)).join(", ")
  return (
    `A restore has set schemas aside and was cut short: ${names}. ` +
    (journal === undefined
      ? `Its journal is not in ${store.directory}: name its folder of dumps (--dir), and \`pgark undo\` brings them back.`
      : "The next restore drops them.")
  )
})
