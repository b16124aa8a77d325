/** What of a target a restore may take away or change, which is therefore locked and saved first. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { isSystemSchema } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import { type CatalogObject, readObjects } from "../../postgres/survey/Objects.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { Replacement } from "./Replacement.ts"

export interface Going extends Pick<Replacement, "databaseWide" | "largeObjects" | "objects"> {
  /** The schemas that it stands in. */
  readonly schemas: ReadonlyArray<string>
  /** Tables of extensions whose rows go. */
  readonly configTables: ReadonlyArray<{ readonly schema: string; readonly name: string }>
  /** It is all of these schemas that this role may drop. */
  readonly whole: boolean
}

export const isNothing = ({ configTables, databaseWide, largeObjects, objects }: Going): boolean =>
  configTables.length + databaseWide.length + largeObjects.length + objects.length === 0

/** What this role may drop, and no extension owns. */
export const mine = ({ droppable, extension }: CatalogObject): boolean => droppable && extension === null

/** Whether the dump fills, alters or creates over something that it does not drop: rows alone, CREATE OR REPLACE … */
const changesWhatStands = (contents: Contents, { objects }: Survey, going: Pick<Replacement, "objects">): boolean => {
  const gone = new Set(going.objects.map(({ key }) => key))
  const stays = new Set(objects.filter((object) => mine(object) && !gone.has(object.key)).map(objectKey))
  const { alters, creates, sequences, tables } = contents
  return [
    ...creates,
    ...alters,
    ...tables.map((table) => ({ kind: "TABLE", ...table })),
    ...sequences.map((sequence) => ({ kind: "SEQUENCE", ...sequence }))
  ].some((named) => stays.has(objectKey(named)))
}

/** What the survey and the clean step, or the dump's own DROPs, are about. */
export interface Replacing {
  readonly contents: Contents
  readonly found: Survey
  readonly going: Pick<Replacement, "databaseWide" | "largeObjects" | "objects">
  /** The schemas are emptied. */
  readonly clean: boolean
}

const goingOf = ({ found, going: { databaseWide, largeObjects, objects } }: Replacing) => ({
  databaseWide,
  largeObjects,
  objects,
  schemas: [...new Set([...found.schemas.map(({ name }) => name), ...objects.map(({ schema }) => schema)])],
  configTables: found.configTables.filter(({ rows }) => rows === true)
})

/** Of an undoing: nothing but what it replaces. */
export const replacedOnly = (replacing: Replacing): Going => ({ ...goingOf(replacing), whole: replacing.clean })

/** Schemas besides those of the survey in which something may change. */
const elsewhere = ({ alters, unusual }: Contents, { schemas, server }: Survey): ReadonlyArray<string> => {
  const known = new Set(schemas.map(({ name }) => name))
  const altered = new Set(alters.map(({ schema }) => schema))
  const anything = Object.keys(unusual).length > 0
  return [...server.schemas].filter(
    (name) => !known.has(name) && !isSystemSchema(name) && (anything || altered.has(name))
  )
}

/**
 * Of a restore. What changes in place cannot be told from the rest: then it is all of these schemas. Statements that
 * pg_dump does not write may do anything anywhere: then it is all of the database.
 */
export const of = Effect.fn("Going.of")(function* (
  replacing: Replacing
): Effect.fn.Return<Going, DatabaseError, SqlClient.SqlClient> {
  const { clean, contents, found } = replacing
  const going = goingOf(replacing)
  const others = elsewhere(contents, found)
  const inPlace =
    Object.keys(contents.unusual).length + others.length > 0 ||
    (!clean && changesWhatStands(contents, found, replacing.going))
  if (!inPlace) return { ...going, whole: clean }
  const more = others.length === 0 ? [] : yield* readObjects(others)
  return {
    ...going,
    objects: [...found.objects, ...more].filter(mine),
    schemas: [...going.schemas, ...others],
    whole: true
  }
})
