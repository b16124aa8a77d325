/** Whether schemas can be renamed aside while a dump fills fresh ones of their names, and renamed back. */
import type { Contents } from "../../dumps/DumpReading.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { isSystemSchema, qualified } from "../../postgres/Identifier.ts"
import { databaseWide, objectKey } from "../../postgres/ObjectName.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { describeObject } from "../clean/Blocker.ts"
import type { Replacement } from "./Replacement.ts"

/** What keeps the old schemas from being moved: who may rename them, and what would go on pointing at them. */
const ofSchemas = (survey: Survey): ReadonlyArray<string> => [
  // The same keeps a dropped schema from being put back.
  ...survey.schemas.flatMap((schema) =>
    schema.exists && schema.recreatable !== true ? schema.recreatable.map(({ text }) => text) : []
  ),
  ...survey.subscribed.map(
    ({ schema, table, subscription }) => `subscription ${subscription} fills table ${schema}.${table}`
  ),
  ...survey.databaseWide.flatMap(({ kind, name }) =>
    kind === "EVENT TRIGGER" ? [`event trigger ${name} acts on what is not yet known to stay`] : []
  )
]

/** What renaming schemas back would not bring back. */
const besideSchemas = (
  survey: Survey,
  { creates, extensions }: Contents,
  going: Pick<Replacement, "databaseWide">
): ReadonlyArray<string> => {
  const installed = new Set(survey.extensions.map(({ name }) => name))
  const replaced = new Set(going.databaseWide.map(objectKey))
  return [
    ...going.databaseWide.map(({ kind, name }) => `the dump replaces ${kind.toLowerCase()} ${name} of the database`),
    ...creates
      .filter((object) => databaseWide.has(object.kind) && !replaced.has(objectKey(object)))
      .map(({ kind, name }) => `the dump creates ${kind.toLowerCase()} ${name}, which stands in no schema`),
    ...extensions.filter((name) => !installed.has(name)).map((name) => `the dump creates extension ${name}`),
    ...(survey.largeObjects.length === 0
      ? []
      : [
          `large objects that the dump creates are there (${listed(
            survey.largeObjects.map(({ oid }) => oid),
            3
          ).join(", ")})`
        ]),
    ...survey.configTables
      .filter(({ rows }) => rows !== false)
      .map(({ schema, name }) => `rows of ${qualified(schema, name)}, a table of an extension, are replaced`)
  ]
}

/** What of the old schemas would be missing in the fresh ones, and what the dump does besides filling them. */
const ofDump = (
  survey: Survey,
  { alters, creates, tables, unusual }: Contents,
  going: Pick<Replacement, "objects">
): ReadonlyArray<string> => {
  const created = new Set(creates.map(objectKey))
  const foreign = tables.filter((table) => !created.has(objectKey({ kind: "TABLE", ...table })))
  const gone = new Set(going.objects.map(({ key }) => key))
  const staying = survey.objects.filter(({ extension, key }) => extension === null && !gone.has(key))
  const [first] = staying
  const words = Object.keys(unusual)
  const scope = new Set(survey.schemas.map(({ name }) => name))
  const elsewhere = alters.filter(({ schema = "" }) => schema !== "" && !isSystemSchema(schema) && !scope.has(schema))
  return [
    ...(first === undefined
      ? []
      : [
          staying.length === 1
            ? `${describeObject(first)} is not replaced`
            : `${plural(staying.length, "object")} are not replaced, ${describeObject(first)} among them`
        ]),
    ...(foreign.length === 0
      ? []
      : [`the dump has rows for ${plural(foreign.length, "table")} that it does not create`]),
    ...(elsewhere.length === 0
      ? []
      : [
          `the dump alters what stands in other schemas (${qualified(elsewhere[0]!.schema ?? "", elsewhere[0]!.name)})`
        ]),
    ...(words.length === 0
      ? []
      : [`the dump has statements that pg_dump does not write (${words.map((word) => word.toUpperCase()).join(", ")})`])
  ]
}

/** What undoing a restore by renaming would not take along. */
export const keepingObstacles = ({ largeObjectIds }: Pick<Contents, "largeObjectIds">): ReadonlyArray<string> =>
  largeObjectIds.length === 0
    ? []
    : [`the dump has ${plural(largeObjectIds.length, "large object")}, which stand in no schema`]

/**
 * Why the schemas of the scope cannot be renamed aside, for people; empty where they can.
 *
 * @param going what the restore takes: less than all that stands in the schemas where it is not emptied first
 */
export const asideObstacles = (
  survey: Survey,
  contents: Contents,
  going: Pick<Replacement, "databaseWide" | "objects">
): ReadonlyArray<string> => [
  ...new Set([...ofSchemas(survey), ...besideSchemas(survey, contents, going), ...ofDump(survey, contents, going)])
]
