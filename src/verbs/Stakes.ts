/** What a verb puts at stake, read from the target: for the warning, and for whoever looks at a plan. */
import * as Effect from "effect/Effect"
import { beforeRestore, DumpStore } from "../dumps/DumpStore.ts"
import { undoCommand } from "../dumps/UndoCommand.ts"
import type { Stakes } from "../pipeline/Stakes.ts"
import { server } from "../postgres/DatabaseUrl.ts"
import { others } from "../postgres/OtherSessions.ts"
import { Session } from "../postgres/Session.ts"
import * as Amounts from "../postgres/survey/Amounts.ts"
import type { LargeObject } from "../postgres/survey/DatabaseWide.ts"
import type { CatalogObject } from "../postgres/survey/Objects.ts"
import type { Survey } from "../postgres/survey/Survey.ts"

/** What goes. */
export interface Staked {
  readonly survey: Survey
  readonly objects: ReadonlyArray<CatalogObject>
  readonly largeObjects: ReadonlyArray<LargeObject>
}

/** What leads back to what a restore replaces. */
export const wayBack = Effect.map(DumpStore, ({ directory }) => ({
  folder: `${directory}/${beforeRestore}/`,
  command: undoCommand(directory)
}))

/** What leads back to what is kept in these schemas. */
export const keptIn = (schemas: ReadonlyArray<string>) =>
  Effect.map(DumpStore, ({ directory }) => ({ kept: schemas, command: undoCommand(directory) }))

/**
 * The stakes of taking that away. Fails with what the catalogue cannot be read for; what a table holds it only estimates
 * where that would take long.
 */
export const read = Effect.fn("Stakes.read")(function* (
  { largeObjects, objects, survey }: Staked,
  wayBack: Stakes["wayBack"]
) {
  const { url } = yield* Session
  const tables = objects.filter(({ holdsRows }) => holdsRows)
  const amounts = yield* Amounts.read(tables)
  const stakes: Stakes = {
    database: survey.server.database,
    server: server(url),
    tables: tables.length,
    ...amounts,
    largeObjects: largeObjects.length,
    wayBack,
    connected: (yield* others).map(({ application, client, pid, user }) => ({ pid, user, application, client }))
  }
  return stakes
})
