/** How many entries of the server's lock table a restore takes, from the survey and from what the dump creates. */
import type { Contents } from "../../dumps/DumpReading.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { OutsideDependent } from "../../postgres/survey/Outside.ts"
import { dropEntries } from "../../postgres/survey/DropBatches.ts"
import { dropWeightOf, type LockWeights } from "../../postgres/survey/LockWeights.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { Replacement } from "./Replacement.ts"

/** Entries of the lock table, by what takes them. */
export interface LockNeeds {
  /** Dropping everything in one transaction. */
  readonly drop: number
  /** Creating everything in one transaction. */
  readonly create: number
  /** The lock on all tables that go, at once. */
  readonly lock: number
  /** What the safety dump of them takes besides; 0 where there is none. */
  readonly backup: number
}

/** What stands on a table, or is not locked, takes no entry of its own; schemas are counted by their names. */
const weightless = new Set(["CAST", "POLICY", "RULE", "SCHEMA", "TRANSFORM", "TRIGGER"])
/** With a TOAST table and its index: which tables have one no dump tells. */
const toasted = new Set(["MATERIALIZED VIEW", "TABLE"])
const weight = (kind: string) => (weightless.has(kind) ? 0 : toasted.has(kind) ? 3 : 1)

/**
 * What applying a dump takes: every relation it creates, TOAST tables and the indexes behind constraints among them; of
 * the other objects one each, for ALTER … OWNER and COMMENT lock them; every large object, role and schema. Tables
 * without columns that may be long take less, comments on constraints and triggers one more each.
 */
export const createEntries = ({
  checks,
  creates,
  extensions,
  largeObjects,
  objects,
  roles,
  schemas,
  sequences
}: Pick<
  Contents,
  "checks" | "creates" | "extensions" | "largeObjects" | "objects" | "roles" | "schemas" | "sequences"
>): number => {
  const created = new Set(creates.map(objectKey))
  // Those of identity columns.
  const implied = sequences.filter((sequence) => !created.has(objectKey({ kind: "SEQUENCE", ...sequence })))
  return (
    creates.reduce((sum, { kind }) => sum + weight(kind), 0) +
    implied.length +
    // pg_dump's own headers count exclusion constraints, too.
    Math.max(checks.primaryKeys + checks.uniqueConstraints, objects["CONSTRAINT"] ?? 0) +
    largeObjects.count +
    extensions.length +
    roles.length +
    schemas.length
  )
}

/**
 * What a restore takes.
 *
 * @param options.outside what else goes, by `--cascade-outside`
 * @param options.backupFirst whether there will be a safety dump of what goes
 */
export const lockNeeds = (options: {
  readonly survey: Pick<Survey, "dependencies">
  readonly weights: LockWeights
  readonly going: Pick<Replacement, "databaseWide" | "largeObjects" | "objects">
  readonly outside?: ReadonlyArray<OutsideDependent>
  readonly contents: Parameters<typeof createEntries>[0]
  readonly backupFirst: boolean
}): LockNeeds => {
  const { backupFirst, going, outside = [], survey, weights } = options
  const objects = [...going.objects, ...outside]
  return {
    drop:
      dropEntries(objects, survey.dependencies, dropWeightOf(weights)) +
      going.largeObjects.length +
      going.databaseWide.length,
    create: createEntries(options.contents),
    lock: going.objects.filter(({ kind }) => kind === "TABLE").length,
    backup: backupFirst ? going.objects.reduce((sum, { key }) => sum + (weights.get(key)?.dump ?? 0), 0) : 0
  }
}
