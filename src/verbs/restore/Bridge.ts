/**
 * What lies between the server that a dump comes from and the one it goes to: majors of PostgreSQL, encodings, locales.
 * Asked before anything is dropped. What surely cannot be is a reason against; what can go wrong, or will be otherwise,
 * is told in plan and report.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { FeatureUse } from "../../dumps/BridgeReading.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { Manifest } from "../../dumps/Manifest.ts"
import * as Plan from "../../pipeline/Plan.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import type { DatabaseError, ServerFields } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import { majorOf } from "../../postgres/version/ServerVersion.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import { readText } from "../../postgres/survey/TextFacts.ts"
import { type Feature, isLacking } from "../../postgres/version/Features.ts"
import type { Reason } from "./Fitness.ts"
import * as TextBridge from "./TextBridge.ts"

/** What of a dump it is about. */
export interface Source {
  readonly contents: Contents
  readonly manifest?: Manifest
}

/** Something that is otherwise in the target, and what that means. */
export const Difference = Schema.Struct({
  what: Schema.String.annotateKey({ description: "What is otherwise." }),
  why: Schema.String.annotateKey({ description: "What that means." })
})
export type Difference = typeof Difference.Type

/** Everything found. */
export interface Bridge {
  readonly reasons: ReadonlyArray<Reason>
  readonly differences: ReadonlyArray<Difference>
}

/** The version of the server that was dumped, where that is known. */
export const sourceVersion = ({ contents, manifest }: Source): string | undefined =>
  contents.bridge.server ?? manifest?.source.serverVersion

/** Of which majors it is, and where. */
const describeUse = ({ count, feature: { gone, since, what }, lines }: FeatureUse): string => {
  const majors = since === undefined ? `not known from PostgreSQL ${gone} on` : `known from PostgreSQL ${since} on`
  const places =
    count > lines.length ? `${lines.join(", ")} and ${plural(count - lines.length, "other")}` : lines.join(", ")
  return `${what} (${majors}): line${count === 1 ? "" : "s"} ${places}`
}

/** Where the dump would be understood. */
const elsewhere = (lacking: ReadonlyArray<Feature>): string => {
  const since = Math.max(...lacking.map(({ since = 0 }) => since))
  const gone = Math.min(...lacking.map(({ gone = Infinity }) => gone))
  const server =
    since === 0 ? `PostgreSQL ${gone - 1} or earlier` : gone === Infinity ? `PostgreSQL ${since} or later` : undefined
  const change = "change what is named above in the source and dump again"
  return server === undefined
    ? `${change.charAt(0).toUpperCase()}${change.slice(1)}.`
    : `Restore into ${server}, or ${change}.`
}

/** Whether this role may make such a thing; what it may not make is left out. */
const mayMake = ({ madeBy }: Feature, { role, server }: Survey): boolean =>
  role.superuser || madeBy === undefined || (madeBy === "creator" && server.canCreateInDatabase)

const featuresReason = (survey: Survey, source: Source): Reason | undefined => {
  const major = majorOf(survey.server.versionNumber)
  const from = sourceVersion(source)
  const there = Number.parseInt(from ?? "", 10)
  const lacking = source.contents.bridge.features.filter(
    ({ feature }) =>
      feature.adapted === undefined &&
      isLacking(feature, major) &&
      mayMake(feature, survey) &&
      // What the source lacks as well it cannot have had: it only looks so, and the server knows best.
      (Number.isNaN(there) || !isLacking(feature, there))
  )
  if (lacking.length === 0) return undefined
  return {
    kind: "lack",
    message:
      `The dump${from === undefined ? "" : `, of PostgreSQL ${from},`} has what PostgreSQL ${survey.server.version} ` +
      `cannot take: ${listed(lacking.map(describeUse), 6).join("; ")}.`,
    suggestion: elsewhere(lacking.map(({ feature }) => feature))
  }
}

/** Collations that neither the target has nor the dump creates. */
const collationsReason = (
  lacking: ReadonlyArray<Contents["bridge"]["collations"][number]>,
  { server }: Survey,
  { creates }: Contents
): Reason | undefined => {
  const created = creates.filter(({ kind }) => kind === "COLLATION")
  const absent = lacking.filter(
    ({ name, schema }) =>
      !created.some(
        (one) => one.name === name && (schema === undefined || one.schema === undefined || one.schema === schema)
      )
  )
  if (absent.length === 0) return undefined
  const names = absent.map(
    ({ line, name, schema }) => `${schema === undefined ? quote(name) : qualified(schema, name)} (line ${line})`
  )
  return {
    kind: "lack",
    message: `The dump orders text by ${plural(absent.length, "collation")} that the target lacks: ${listed(names, 6).join(", ")}.`,
    suggestion:
      `Restore into a server that has them for the encoding ${server.encoding} (of the system's locales: install them there ` +
      "and run SELECT pg_import_system_collations('pg_catalog');), or name others in the source and dump again."
  }
}

/** Looks at the target with the eyes of this dump. */
export const look = Effect.fn("Bridge.look")(function* (
  survey: Survey,
  source: Source
): Effect.fn.Return<Bridge, DatabaseError, SqlClient.SqlClient> {
  const { contents } = source
  const { collations } = contents.bridge
  const text = yield* readText(contents.encoding, collations)
  const lacking = text.lacking.flatMap((at) => collations[at] ?? [])
  const reasons = [
    featuresReason(survey, source),
    TextBridge.encodingReason(survey, text, contents),
    collationsReason(lacking, survey, contents)
  ]
  return {
    reasons: reasons.filter((reason) => reason !== undefined),
    differences: TextBridge.differences(survey, text, source)
  }
})

/** What is adapted on the way: reasons, and to how many statements it is done. */
export const adapted = ({ server }: Survey, { bridge }: Contents): ReadonlyArray<readonly [string, number]> => {
  const major = majorOf(server.versionNumber)
  return bridge.features.flatMap(({ count, feature }) =>
    feature.adapted !== undefined && isLacking(feature, major) ? [[feature.adapted, count] as const] : []
  )
}

/** Both as rows of a plan. */
export const rows = (differences: ReadonlyArray<Difference>) =>
  differences.map(({ what, why }) => Plan.row(what, { why }))

/** SQLSTATEs by which a server says that it lacks something, which may be for its version or for other reasons. */
const lackingSomething = new Set(["0A000", "22023", "42704", "42883", "42P13", "42P17", "42809"])

/** What a refusal of a dump's statement has to do with the versions. */
export const explained = (
  { detail, sqlstate = "", suggestion }: Pick<ServerFields, "detail" | "sqlstate" | "suggestion">,
  { server }: Survey,
  source: Source
): Pick<ServerFields, "detail" | "suggestion"> => {
  const from = sourceVersion(source)
  const [here, there] = [majorOf(server.versionNumber), Number.parseInt(from ?? "", 10)]
  if (from === undefined || Number.isNaN(there) || here === there) {
    return { ...(detail === undefined ? {} : { detail }), ...(suggestion === undefined ? {} : { suggestion }) }
  }
  const { pgDump } = source.contents.bridge
  const by = pgDump === undefined ? "" : `, written by pg_dump ${pgDump}`
  const versions = `The dump is of PostgreSQL ${from}${by}; the target is PostgreSQL ${server.version}.`
  const elsewhere = here < there ? `${there} or later` : String(there)
  const next =
    sqlstate === "42601"
      ? `PostgreSQL ${here} does not understand the statement: restore into ${elsewhere}, or change it in the source and ` +
        "dump again."
      : lackingSomething.has(sqlstate)
        ? [suggestion, `Where PostgreSQL ${here} does not know what is asked for, restore into ${elsewhere}.`]
            .filter((text) => text !== undefined)
            .join("\n")
        : suggestion
  return {
    detail: detail === undefined ? versions : `${detail}\n${versions}`,
    ...(next === undefined ? {} : { suggestion: next })
  }
}
