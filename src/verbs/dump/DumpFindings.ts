/** What is asked of the source when its dump is written, and before the dump is taken for whole. */
import * as Effect from "effect/Effect"
import type { Contents } from "../../dumps/DumpReading.ts"
import * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import * as Checksums from "../../postgres/Checksums.ts"
import { StatementFailed } from "../../postgres/DatabaseError.ts"
import { qualified } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import * as TableParts from "../../postgres/TableParts.ts"
import * as TableSteps from "../TableSteps.ts"
import { TargetChanged } from "../VerbError.ts"
import type { Settled } from "./DumpOptions.ts"
import * as DumpRights from "./DumpRights.ts"
import type { Source } from "./DumpSource.ts"

/** What the source says of what is in the dump. */
export const findings = Effect.fnUntraced(function* (
  { creates, tables }: Contents,
  schemas: ReadonlyArray<string> | undefined,
  checksums: boolean
) {
  const created = new Set(creates.map(objectKey))
  const within = (schema: string, name: string) => created.has(objectKey({ kind: "TABLE", schema, name }))
  const states = yield* CatalogFacts.readStates({ schemas, eventTriggers: schemas === undefined, within })
  const parts = (yield* TableParts.read(schemas)).filter(({ name, schema }) => within(schema, name))
  const catalog = { parts, states }
  if (!checksums) return { catalog }
  const answers = yield* TableSteps.telling("added up", tables, tables, Checksums.read)
  const unread = answers.findIndex((answer) => "unknown" in answer)
  const answer = answers[unread]
  if (answer !== undefined && "unknown" in answer) {
    return yield* new StatementFailed({
      message: `The rows of ${qualified(tables[unread]!.schema, tables[unread]!.name)} cannot be added up: ${answer.unknown}`,
      suggestion: "Dump without --checksums, or as a role that may read all rows.",
      state: "untouched"
    })
  }
  return { catalog, checksums: answers.map((answer) => ("value" in answer ? answer.value : "")) }
})

/** Fails where row-level security hides rows of other tables than before, so that the manifest would name wrong ones. */
export const stillHidden = Effect.fnUntraced(function* (options: Settled, { database, partialRows }: Source) {
  if (partialRows.length === 0) return
  const { filtered } = yield* DumpRights.survey(options, database)
  const now = filtered.map(({ table }) => table)
  if (now.length === partialRows.length && now.every((table) => partialRows.includes(table))) return
  return yield* new TargetChanged({
    message: "Row-level security was changed while the database was dumped.",
    suggestion: "Dump again. No file was left.",
    state: "untouched"
  })
})
