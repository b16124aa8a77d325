/** What an undoing takes away: what the restore has put there, and nothing that stood beside it. */
import * as Effect from "effect/Effect"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import * as Task from "../../pipeline/Task.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import * as Retrying from "../../postgres/Retrying.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import type { OutsideDependent } from "../../postgres/survey/Outside.ts"
import { type Survey, survey, type SurveyScope } from "../../postgres/survey/Survey.ts"
import { describeObject } from "../clean/Blocker.ts"
import { defaultLockTimeout } from "../clean/Lock.ts"
import * as Bridge from "../restore/Bridge.ts"
import { choose } from "../restore/Choosing.ts"
import type * as DumpProof from "../restore/DumpProof.ts"
import { unfit } from "../restore/Fitness.ts"
import { mine, replacedOnly } from "../restore/Going.ts"
import { facets, type Looked, stakesOf } from "../restore/Looking.ts"
import { membership } from "../restore/Publishing.ts"
import type { Settled } from "../restore/RestoreOptions.ts"
import { isLeft, nameless, standing } from "../restore/Standing.ts"

/** What stays in the schemas and may need what goes, as if it stood outside of them. */
const beside = (object: CatalogObject): OutsideDependent => ({
  ...object,
  description: describeObject(object),
  owner: object.owner ?? "nobody",
  on: "what the restore has created",
  schemas: [object.schema]
})

/** As much of the survey as a restore without --clean has created: the schemas themselves stay. */
const partOf = (found: Survey, goes: (object: CatalogObject) => boolean): Survey => ({
  ...found,
  objects: found.objects.filter(goes),
  outside: [...found.outside, ...found.objects.filter((object) => !goes(object)).map(beside)],
  schemas: found.schemas.map((schema) =>
    schema.exists
      ? {
          ...schema,
          recreatable: [{ reason: "outside-dependent" as const, text: "only what the restore has created goes" }]
        }
      : schema
  )
})

/**
 * What goes, by what was found and what the journal says.
 *
 * @param cut the restore was cut short: what was published then the target may not tell any more
 */
export const replaced = (
  journal: Journal,
  { contents, found }: { readonly contents: DumpProof.Proven["contents"]; readonly found: Survey },
  cut = false
): Omit<Looked, "course" | "differences" | "scope" | "stakes"> => {
  const created = new Set(journal.creates.map(objectKey))
  const named = new Set(found.objects.filter((one) => mine(one) && created.has(objectKey(one))).map(({ key }) => key))
  // Casts and transforms have no name in a dump, and go with what they need.
  const needing = new Set(found.dependencies.filter(({ on }) => named.has(on)).map(({ dependent }) => dependent))
  const goes = (object: CatalogObject) =>
    mine(object) && (journal.clean || named.has(object.key) || (nameless.has(object.kind) && needing.has(object.key)))
  const objects = found.objects.filter(goes)
  const databaseWide = found.databaseWide.filter((object) => object.droppable && created.has(objectKey(object)))
  const { leaves: left, largeObjects } = journal
  const stands = standing({ found, going: { objects, databaseWide }, left, largeObjects })
  const creates = new Set(contents.creates.filter((object) => !isLeft(stands, object)).map(objectKey))
  const empty = (schema: string) =>
    !found.objects.some((object) => object.schema === schema && !goes(object) && object.extension === null)
  const leaving = new Set(journal.newSchemas.filter(empty))
  const cleaning = {
    ...(journal.clean ? found : partOf(found, goes)),
    // They go with their schemas, and are not to be taken out and put back around the dump.
    defaultPrivileges: found.defaultPrivileges.filter(({ schema }) => schema === null || !leaving.has(schema))
  }
  const published = cut
    ? (journal.published ?? [])
    : membership(found, { going: objects, replaced: databaseWide, created: creates }).back
  const going = { objects, databaseWide, largeObjects: found.largeObjects, published, blockers: [] }
  return {
    found,
    cleaning,
    going,
    touched: replacedOnly({ contents, found, going, clean: journal.clean }),
    wish: {
      wanted: creates,
      replaced: databaseWide,
      leaves: {
        schemas: leaving,
        extensions: journal.newExtensions,
        databaseWide
      }
    },
    hollow: [],
    standing: stands
  }
}

/** What keeps the schemas of a restore from being set aside: what it has created besides their content. */
const obstacles = ({ newExtensions, newSchemas }: Journal): ReadonlyArray<string> => [
  ...newSchemas.map((schema) => `schema ${schema} was created by the restore`),
  ...newExtensions.map((name) => `extension ${name} was created by the restore`)
]

/**
 * The task that looks at the target. Fails where the target cannot take back what it had.
 *
 * @param recovers the restore was cut short between its transactions
 */
export const task = (journal: Journal, proof: DumpProof.ProofTask, options: Settled, recovers = false) =>
  Task.withLimits(
    Task.read("survey", {
      title: "Survey the target",
      session: "target",
      needs: { proof },
      plan: Effect.fnUntraced(function* ({ proof }) {
        const { contents } = proof
        const scope: SurveyScope = {
          schemas: [...new Set([...journal.schemas, ...contents.schemas])],
          definitions: options.exact === true,
          largeObjects: journal.largeObjects,
          tables: [...contents.tables, ...journal.tables],
          extensions: contents.extensions
        }
        const found = yield* LockLimit.reading(options.lockTimeout ?? defaultLockTimeout, survey(scope))
        const bridge = yield* LockLimit.reading(options.lockTimeout ?? defaultLockTimeout, Bridge.look(found, proof))
        const reason = unfit(found, contents, options, bridge.reasons)
        if (reason !== undefined) return yield* reason
        const goes = replaced(journal, { contents, found }, recovers)
        const course = yield* choose({
          survey: found,
          contents,
          going: goes.going,
          backupFirst: options.backupFirst,
          obstacles: recovers ? ["the restore was cut short"] : obstacles(journal),
          several: options.several || recovers,
          jobs: options.jobs
        })
        // Whoever has begun the restore is not asked whether it may be taken back.
        const stakes = recovers ? {} : yield* stakesOf(found, goes.going, options)
        const looked: Looked = { scope, course, differences: bridge.differences, ...stakes, ...goes }
        return looked
      }),
      ...facets
    }),
    { retry: Retrying.reads }
  )
