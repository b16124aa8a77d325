/** The verb restore: a proven dump into a target, in one transaction. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type {
  DiskFull,
  DumpDamaged,
  DumpMissing,
  DumpPartial,
  DumpUnreadable,
  DumpUnsafe,
  FolderUnusable
} from "../dumps/DumpError.ts"
import type { DumpStore } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type { PlanStale } from "../pipeline/PlanStale.ts"
import * as Task from "../pipeline/Task.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { PgDump, PgDumpFailed } from "../postgres/PgDump.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import type { Session } from "../postgres/Session.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as Course from "./restore/Course.ts"
import * as DumpProof from "./restore/DumpProof.ts"
import * as Looking from "./restore/Looking.ts"
import * as Journaling from "./restore/Journaling.ts"
import type * as OwnTasks from "./restore/OwnTasks.ts"
import { report, type RestoreReport } from "./restore/Report.ts"
import { type RestoreOptions, settled } from "./restore/RestoreOptions.ts"
import { hold, holding } from "./TargetHold.ts"
import * as Leftover from "./restore/several/Leftover.ts"
import { otherwiseInSeveral } from "./restore/several/Fallback.ts"
import { recover } from "./undo/Recovery.ts"
import type {
  CleanBlocked,
  CleanRefused,
  JobsInvalid,
  LockTableTooSmall,
  PatternInvalid,
  RestoreFailed,
  RestoreUnfinished,
  RoleMissing,
  TargetBusy,
  TargetChanged,
  TargetInUse,
  TargetUnfit,
  VerificationFailed,
  VersionMismatch
} from "./VerbError.ts"

export { RestoreReport } from "./restore/Report.ts"
export type { RestoreOptions, Settled } from "./restore/RestoreOptions.ts"
export type { WithTasks } from "./restore/OwnTasks.ts"

/**
 * Everything that a restore does, as a graph of tasks.
 *
 * @throws PipelineInvalid where a task of the caller has the name of one of these, or needs one that is not there
 */
export const pipeline = <const T extends Task.Any = never>({
  tasks = [],
  ...asked
}: RestoreOptions & OwnTasks.WithTasks<T>) => {
  const options = settled(asked)
  const proof = DumpProof.task(options)
  const surveyed = Task.holding(Looking.task(proof, options), hold(options))
  return Course.pipeline("restore", {
    proof,
    surveyed,
    options,
    drops: options.clean,
    tasks,
    recover: recover(options.jobs)
  })
}

export type RestoreError =
  | CleanBlocked
  | CleanRefused
  | DatabaseError
  | LockTableTooSmall
  | RestoreUnfinished
  | TargetInUse
  | DiskFull
  | DumpDamaged
  | DumpMissing
  | DumpPartial
  | DumpUnsafe
  | DumpUnreadable
  | FolderUnusable
  | JobsInvalid
  | PatternInvalid
  | PgDumpFailed
  | PlanStale
  | PoolerInBetween
  | RestoreFailed
  | RoleMissing
  | TargetBusy
  | TargetChanged
  | TargetUnfit
  | ToolMissing
  | VerificationFailed
  | VersionMismatch

/**
 * The same pipeline, to be planned alone. Fails with RestoreUnfinished where the last restore was cut short: what stands
 * in the target now is no basis for a plan.
 */
export const planned = Effect.fn("Restore.planned")(function* (options: RestoreOptions) {
  yield* Journaling.refuseUnfinished(true)
  return pipeline(options)
})

/**
 * Restores a dump: it happened, or the target is as it was.
 *
 * Fails before anything is touched where the dump is missing, damaged or unsafe, the role lacks rights, or another pgark
 * is at work there; with
 * RestoreFailed and the statement where the dump cannot be applied; with VerificationFailed where the result is not
 * what the manifest says; with what the caller's own tasks fail with. All of these leave the target as it was.
 */
export const restore = Effect.fn("Restore.restore")(function* <const T extends Task.Any = never>(
  options: RestoreOptions & OwnTasks.WithTasks<T>
): Effect.fn.Return<
  RestoreReport<T>,
  RestoreError | Task.Failure<T>,
  DumpStore | PgDump | Session | SqlClient.SqlClient | Task.Services<T>
> {
  const { plan } = options
  const run = Effect.gen(function* () {
    yield* Leftover.settle()
    return yield* plan === undefined
      ? otherwiseInSeveral(options.several === true, (several) => Pipeline.run(pipeline({ ...options, several })))
      : Pipeline.runExactly(pipeline({ ...options, exact: true }), plan)
  })
  // Nobody else comes in between two attempts either.
  const { results } = yield* holding(options)(run)
  return report(results)
})
