/** The task that looks at the target, and what a restore makes of what it finds there. */
import * as Effect from "effect/Effect"
import * as Plan from "../../pipeline/Plan.ts"
import * as Task from "../../pipeline/Task.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import * as Retrying from "../../postgres/Retrying.ts"
import type { Stakes as StakesFound } from "../../pipeline/Stakes.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import { type Survey, survey, type SurveyScope } from "../../postgres/survey/Survey.ts"
import { refused } from "../clean/Blocker.ts"
import type { Wish } from "../clean/Ladder.ts"
import * as Lock from "../clean/Lock.ts"
import * as Stakes from "../Stakes.ts"
import * as Bridge from "./Bridge.ts"
import { choose, type Course } from "./Choosing.ts"
import type * as DumpProof from "./DumpProof.ts"
import { unfit } from "./Fitness.ts"
import * as Going from "./Going.ts"
import { emptied, replacement, type Replacement, withoutRows } from "./Replacement.ts"
import type { RestoreOptions, Settled } from "./RestoreOptions.ts"
import * as SetAside from "./several/SetAside.ts"
import type { Standing } from "./Standing.ts"
import * as Way from "./Way.ts"

/** What was found, and what it means. */
export interface Looked {
  /** What the target was asked for. */
  readonly scope: SurveyScope
  readonly found: Survey
  /** As much of it as the clean step is about. */
  readonly cleaning: Survey
  readonly going: Replacement
  /** One transaction or several, and why. */
  readonly course: Course
  /** That and what else may change: it is locked, and saved. */
  readonly touched: Going.Going
  readonly wish: Wish
  /** Tables that come back without rows. */
  readonly hollow: ReadonlyArray<CatalogObject>
  /** What of versions, encodings and locales is otherwise here than in the source. */
  readonly differences: ReadonlyArray<Bridge.Difference>
  /** What is left alone although the dump has it; absent where all that the dump has is restored. */
  readonly standing?: Standing
  /** What goes, in numbers, and what leads back; absent where nothing of that kind goes. */
  readonly stakes?: StakesFound
}

/** What of the target makes a plan: all of a task's ways to look have it. */
export const facets = {
  rows: ({ course: { way, why }, differences }: Looked) => [
    ...(way === "transaction" ? [] : [Plan.row(`go about it ${Way.words[way]}`, { why })]),
    ...Bridge.rows(differences)
  ],
  scope: ({ found }: Looked) => found.schemas.map(({ name }) => `schema ${name}`),
  basis: ({ found }: Looked) => Lock.basisOf(found),
  stakes: ({ stakes }: Looked) => stakes
}

/** The stakes of replacing this, as a part of {@link Looked}. */
export const stakesOf = Effect.fnUntraced(function* (
  survey: Survey,
  { databaseWide, largeObjects, objects }: Pick<Replacement, "databaseWide" | "largeObjects" | "objects">,
  { backupFirst, keepPrevious = false }: Pick<RestoreOptions, "backupFirst" | "keepPrevious">
) {
  if (databaseWide.length + largeObjects.length + objects.length === 0) return {}
  const kept = SetAside.names(survey).map((one) => SetAside.kept(one).aside)
  const wayBack = keepPrevious ? yield* Stakes.keptIn(kept) : backupFirst === true ? yield* Stakes.wayBack : null
  return { stakes: yield* Stakes.read({ survey, objects, largeObjects }, wayBack) }
})

/** The task of a restore. Fails where the target cannot take the dump, or something is in the way of what it replaces. */
export const task = (proof: DumpProof.ProofTask, options: Settled) =>
  Task.withLimits(
    Task.read("survey", {
      title: "Survey the target",
      session: "target",
      needs: { proof },
      plan: Effect.fnUntraced(function* ({ proof }) {
        const { contents, leftOut, schemas } = proof
        const scope: SurveyScope = {
          schemas,
          definitions: options.exact === true,
          largeObjects: contents.largeObjectIds,
          tables: contents.tables,
          extensions: contents.extensions
        }
        const patience = options.lockTimeout ?? Lock.defaultLockTimeout
        const found = yield* LockLimit.reading(patience, survey(scope))
        const bridge = yield* LockLimit.reading(patience, Bridge.look(found, proof))
        const reason = unfit(found, contents, options, bridge.reasons)
        if (reason !== undefined) return yield* reason
        // What the clean step has in its way it tells itself.
        const going = (options.clean ? emptied : replacement)(contents, found)
        if (going.blockers.length > 0) {
          return yield* refused(going.blockers, found.role.name, "replace what the dump drops")
        }
        const looked: Looked = {
          scope,
          found,
          cleaning: found,
          going,
          course: yield* choose({
            survey: found,
            contents,
            going,
            backupFirst: options.backupFirst,
            several: options.several,
            jobs: options.jobs,
            keepPrevious: options.keepPrevious
          }),
          touched: yield* LockLimit.reading(patience, Going.of({ contents, found, going, clean: options.clean })),
          wish: {
            wanted: new Set(contents.creates.map(objectKey)),
            replaced: going.databaseWide,
            ...(leftOut === undefined ? {} : { leftOut })
          },
          hollow: withoutRows(contents, going),
          differences: bridge.differences,
          ...(yield* stakesOf(found, going, options))
        }
        return looked
      }),
      ...facets
    }),
    { retry: Retrying.reads }
  )
