/**
 * What a restore takes away from the target by the dump's own DROP statements, where the target is not emptied first.
 */
import type { Contents } from "../../dumps/DumpReading.ts"
import { quote } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { DatabaseObject, LargeObject } from "../../postgres/survey/DatabaseWide.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { PublishedTable } from "../../postgres/survey/Publications.ts"
import { describeObject, ownIt } from "../clean/Blocker.ts"
import type { Blocker } from "../VerbError.ts"
import { membership } from "./Publishing.ts"

/** What goes by the dump's own statements, and what is in the way of that. */
export interface Replacement {
  readonly objects: ReadonlyArray<CatalogObject>
  readonly largeObjects: ReadonlyArray<LargeObject>
  readonly databaseWide: ReadonlyArray<DatabaseObject>
  /** Tables that come back and are then to be published as before. */
  readonly published: ReadonlyArray<PublishedTable>
  readonly blockers: ReadonlyArray<Blocker>
}

/** Names of what the dump drops by itself. */
export const droppedByDump = ({ drops }: Contents): ReadonlySet<string> => new Set(drops.map(objectKey))

/** The database's own objects that the dump drops, as far as this role may: the others are left as they are. */
export const replacedWide = (contents: Contents, survey: Survey): ReadonlyArray<DatabaseObject> => {
  const drops = droppedByDump(contents)
  return survey.databaseWide.filter((object) => object.droppable && drops.has(objectKey(object)))
}

/** What the clean step takes; what is in its way it tells itself. */
export const emptied = (contents: Contents, survey: Survey): Replacement => {
  const objects = survey.objects.filter(({ droppable, extension }) => droppable && extension === null)
  const databaseWide = replacedWide(contents, survey)
  const created = new Set(contents.creates.map(objectKey))
  return {
    objects,
    largeObjects: survey.largeObjects,
    databaseWide,
    published: membership(survey, { going: objects, replaced: databaseWide, created }).back,
    blockers: []
  }
}

/** Tables that go and come back without a row: the dump has none of theirs. */
export const withoutRows = ({ creates, tables }: Contents, { objects }: Replacement): ReadonlyArray<CatalogObject> => {
  const created = new Set(creates.map(objectKey))
  const filled = new Set(tables.map((table) => objectKey({ kind: "TABLE", ...table })))
  const byKey = new Map(objects.map((object) => [object.key, object]))
  // With --load-via-partition-root the rows of partitions come through a table above them.
  const hasRows = (object: CatalogObject | undefined): boolean =>
    object !== undefined && (filled.has(objectKey(object)) || hasRows(byKey.get(object.partitionOf ?? "")))
  return objects.filter((object) => object.holdsRows && created.has(objectKey(object)) && !hasRows(object))
}

const largeObject = ({ oid, owner }: LargeObject, wants: Blocker["wants"], why: string, remedy: string): Blocker => ({
  what: `large object ${oid}`,
  owner,
  why,
  wants,
  remedy
})

/** Large objects of another role that the dump has too. */
export const foreignLargeObjects = ({ largeObjects, role }: Survey): ReadonlyArray<Blocker> =>
  largeObjects
    .filter(({ droppable }) => !droppable)
    .map((one) =>
      largeObject(
        one,
        "right",
        "this role may not unlink it, and the dump creates one of this number",
        `Own the large objects, by ALTER LARGE OBJECT … OWNER TO or GRANT ${quote(one.owner)} TO ${quote(role.name)}.`
      )
    )

/** What the dump's own DROPs take from the target. */
export const replacement = (contents: Contents, survey: Survey): Replacement => {
  const { creates, tables } = contents
  const drops = droppedByDump(contents)
  const unlinked = ({ oid }: LargeObject) => drops.has(objectKey({ kind: "LARGE OBJECT", name: oid }))
  const objects = survey.objects.filter((object) => object.extension === null && drops.has(objectKey(object)))
  const databaseWide = replacedWide(contents, survey)
  const created = new Set(creates.map(objectKey))
  const published = membership(survey, { going: objects, replaced: databaseWide, created })
  const ownTables = tables.some((table) => created.has(objectKey({ kind: "TABLE", ...table })))
  const cleanFirst = ownTables
    ? "Restore with --clean, which replaces them."
    : "It is a dump of rows alone: delete there first what it brings again."
  return {
    objects,
    databaseWide,
    published: published.back,
    largeObjects: survey.largeObjects.filter(unlinked),
    blockers: [
      ...objects
        .filter(({ droppable }) => !droppable)
        .map((object) => ({
          what: describeObject(object),
          owner: object.owner ?? "nobody",
          why: "this role may not drop it, and the dump replaces it",
          wants: "right" as const,
          remedy: ownIt(object.owner ?? "nobody", survey)
        })),
      ...published.blockers,
      ...foreignLargeObjects(survey),
      ...survey.largeObjects
        .filter((one) => one.droppable && !unlinked(one))
        .map((one) =>
          largeObject(one, "choice", "the dump creates one of this number and does not drop it before", cleanFirst)
        ),
      ...survey.configTables
        .filter(({ rows }) => rows !== false)
        .map(({ schema, name, extension, owner }) => ({
          what: `rows of ${quote(schema)}.${quote(name)}`,
          owner,
          why: `extension ${quote(extension)} stays with its table, and the dump would add the same rows again`,
          wants: "choice" as const,
          remedy: cleanFirst
        }))
    ]
  }
}
