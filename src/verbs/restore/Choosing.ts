/** Reads what the way of a restore depends on, and chooses it. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { readLockTable } from "../../postgres/survey/LockTable.ts"
import { type LockWeights, readLockWeights } from "../../postgres/survey/LockWeights.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { LockTableTooSmall, TargetUnfit } from "../VerbError.ts"
import { asideObstacles, keepingObstacles } from "./Aside.ts"
import { lockNeeds } from "./LockNeeds.ts"
import type { Replacement } from "./Replacement.ts"
import * as Way from "./Way.ts"

/** The way, and what batches are cut by. */
export interface Course extends Way.Chosen {
  readonly weights: LockWeights
}

export interface ChoosingOptions {
  readonly survey: Survey
  readonly contents: Contents
  readonly going: Replacement
  readonly backupFirst: boolean
  /** What keeps schemas from being set aside besides what the survey shows. */
  readonly obstacles?: ReadonlyArray<string>
  /** The server's lock table was too small for one transaction, whatever had been counted. */
  readonly several: boolean
  /** How many connections restore. */
  readonly jobs: number
  /** What was there is to be kept. */
  readonly keepPrevious?: boolean
}

/**
 * Chooses. Fails with LockTableTooSmall where the server has not even room for the locks on all tables at once, and with
 * TargetUnfit where what is there cannot be kept.
 */
export const choose = Effect.fn("Choosing.choose")(function* ({
  backupFirst,
  contents,
  going,
  jobs,
  keepPrevious = false,
  obstacles = [],
  several,
  survey
}: ChoosingOptions): Effect.fn.Return<Course, DatabaseError | LockTableTooSmall | TargetUnfit, SqlClient.SqlClient> {
  const { versionNumber } = survey.server
  const outside = survey.outside.filter(({ droppable }) => droppable)
  const weights = yield* readLockWeights(
    survey.schemas.map(({ name }) => name),
    versionNumber,
    outside.map(({ key }) => key)
  )
  const needs = lockNeeds({ survey, weights, going, outside, contents, backupFirst })
  const way = yield* Effect.fromResult(
    Way.choose({
      ...needs,
      table: yield* readLockTable(versionNumber),
      obstacles: [
        ...obstacles,
        ...asideObstacles(survey, contents, going),
        ...(keepPrevious ? keepingObstacles(contents) : [])
      ],
      several,
      jobs,
      keepPrevious
    })
  )
  return { ...way, weights }
})
