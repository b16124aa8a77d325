/** Whether the objects are there that the dump creates, in the states that they had, with the extensions they need. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import * as ObjectCounts from "../../postgres/ObjectCounts.ts"
import * as ServerVersion from "../../postgres/version/ServerVersion.ts"
import * as TableParts from "../../postgres/TableParts.ts"
import { isLacking } from "../../postgres/version/Features.ts"
import { finding, judged, warning } from "./Findings.ts"
import type { Finding } from "../VerbError.ts"
import type { Expectation, VerifyOptions } from "../Verify.ts"

/** What this server's major cannot have, so that no restore brings it. */
const leftOut = Effect.fnUntraced(function* ({ contents: { bridge } }: Expectation) {
  if (bridge === undefined || bridge.leftOut.length === 0) return []
  const major = ServerVersion.majorOf(yield* ServerVersion.read())
  return bridge.leftOut.filter(({ feature }) => isLacking(feature, major)).map(({ object }) => object)
})

const checkCounts = Effect.fnUntraced(function* (
  expectation: Expectation,
  { missing = [] }: VerifyOptions,
  schemas: ReadonlyArray<string>,
  others: boolean
) {
  const {
    against,
    contents: { creates = [] }
  } = expectation
  const expected = new Map(ObjectCounts.ofCreated(creates, schemas))
  const without = [...missing, ...(yield* leftOut(expectation))]
  for (const [kind, skipped] of ObjectCounts.ofCreated(without, schemas)) {
    expected.set(kind, (expected.get(kind) ?? 0) - skipped)
  }
  const live = yield* ObjectCounts.read(schemas)
  return [...expected].flatMap(([kind, wanted]): ReadonlyArray<Finding> => {
    const found = live.get(kind) ?? 0
    if (found === wanted) return []
    const certain = against !== "nothing" && (found < wanted || !others)
    return [judged(certain, "objects", `${kind} in ${schemas.join(", ")}`, String(wanted), String(found))]
  })
})

type Said = NonNullable<Expectation["manifest"]>

/** What an object is that is in no list of states. */
const usual: Record<CatalogFacts.ObjectState["kind"], string> = {
  constraint: "valid",
  "event trigger": "enabled",
  "materialized view": "populated",
  rule: "enabled",
  table: "no row security",
  trigger: "enabled"
}

const key = ({ kind, object }: CatalogFacts.ObjectState) => `${kind} ${object}`

const byKey = (all: ReadonlyArray<CatalogFacts.ObjectState>) => new Map(all.map((one) => [key(one), one]))

const checkStates = Effect.fnUntraced(function* (
  { catalog: { states }, onlySchemas }: Said,
  schemas: ReadonlyArray<string> | undefined,
  others: boolean
) {
  const live = yield* CatalogFacts.readStates({ schemas, eventTriggers: onlySchemas === undefined })
  const [wanted, is] = [byKey(states), byKey(live)]
  const lost = states.flatMap((one): ReadonlyArray<Finding> => {
    const found = is.get(key(one))?.state
    if (found === one.state) {
      // A trigger may be off on purpose; that the rows were never checked, or are not there, is worth a word.
      return found.startsWith("not ")
        ? [warning("states", key(one), usual[one.kind], `${found}, as in the source`)]
        : []
    }
    // An event trigger is a superuser's, and may have been left out.
    return [
      judged(
        one.kind !== "event trigger",
        "states",
        key(one),
        one.state,
        found ?? `${usual[one.kind]}, or it is not there`
      )
    ]
  })
  const more = live
    .filter((state) => !wanted.has(key(state)))
    .map((one) => judged(!others && one.kind !== "event trigger", "states", key(one), usual[one.kind], one.state))
  return [...lost, ...more]
})

/** The numbers, in words. */
const partWords: ReadonlyArray<readonly [keyof TableParts.TableParts, string]> = [
  ["columns", "columns"],
  ["notNulls", "NOT NULL"],
  ["defaults", "defaults"],
  ["checks", "CHECK constraints"]
]

/** Tables that are not there at all are for others to tell. */
const checkParts = Effect.fnUntraced(function* (
  { catalog: { parts } }: Said,
  schemas: ReadonlyArray<string> | undefined
) {
  const live = new Map((yield* TableParts.read(schemas)).map((table) => [qualified(table.schema, table.name), table]))
  return parts.flatMap((table): ReadonlyArray<Finding> => {
    const name = qualified(table.schema, table.name)
    const found = live.get(name)
    const differing = partWords.filter(([part]) => found !== undefined && found[part] !== table[part])
    if (found === undefined || differing.length === 0) return []
    const words = (of: TableParts.TableParts) => differing.map(([part, word]) => `${of[part]} ${word}`).join(", ")
    return [finding("table parts", name, words(table), words(found))]
  })
})

const checkExtensions = Effect.fnUntraced(function* (
  { catalog: { extensions: known } }: Said,
  needed: ReadonlyArray<string>
) {
  const live = new Map((yield* CatalogFacts.read()).extensions.map(({ name, version }) => [name, version]))
  const versions = new Map(known.map(({ name, version }) => [name, version]))
  return needed.flatMap((name): ReadonlyArray<Finding> => {
    const [should, is] = [versions.get(name) ?? "any version", live.get(name)]
    if (is === undefined) return [finding("extensions", quote(name), `version ${should}`, "it is not installed")]
    // What a server offers is not the dump's to choose.
    return versions.has(name) && is !== should
      ? [warning("extensions", quote(name), `version ${should}, as in the source`, `version ${is}`)]
      : []
  })
})

/**
 * Compares objects by kind, and with a manifest their states and the extensions; nothing without a dump.
 *
 * @param others whether there is something that the dump does not know, which counts here too
 */
export const checkObjects = Effect.fn("Verify.objects")(function* (
  options: VerifyOptions,
  schemas: ReadonlyArray<string> | undefined,
  others: boolean
): Effect.fn.Return<ReadonlyArray<Finding>, DatabaseError, SqlClient.SqlClient> {
  const { expected } = options
  if (expected === undefined) return []
  const { contents, manifest } = expected
  const counts = yield* checkCounts(expected, options, schemas ?? contents.schemas, others)
  if (manifest === undefined) return counts
  const states = yield* checkStates(manifest, schemas, others)
  const parts = yield* checkParts(manifest, schemas)
  const extensions = yield* checkExtensions(manifest, contents.extensions ?? [])
  return [...counts, ...parts, ...states, ...extensions]
})
