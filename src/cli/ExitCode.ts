/** The one table of exit codes. */
import * as Context from "effect/Context"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { DatabaseUrlInvalid } from "../postgres/DatabaseUrl.ts"
import type { PgDumpFailed } from "../postgres/PgDump.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import type { DumpError } from "../dumps/DumpError.ts"
import type { EmbeddedServerFailed } from "../demo/EmbeddedServer.ts"
import type { TaskTimeout } from "../pipeline/Limits.ts"
import type { PlanStale } from "../pipeline/PlanStale.ts"
import type { PlanInvalid } from "../verbs/SavedPlan.ts"
import type { NotConfirmed } from "./warning/NotConfirmed.ts"
import type { VerbError } from "../verbs/VerbError.ts"
import type { ConfigurationInvalid } from "./config/ConfigurationInvalid.ts"

/** Every error that a command can end with. */
export type PgarkError =
  | ConfigurationInvalid
  | DatabaseError
  | DatabaseUrlInvalid
  | DumpError
  | EmbeddedServerFailed
  | NotConfirmed
  | PgDumpFailed
  | PlanInvalid
  | PlanStale
  | PoolerInBetween
  | TaskTimeout
  | ToolMissing
  | VerbError

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 130 | 143

/**
 * What a failure is called, besides the errors: a mistake in the program, a run that a signal ended, a report that could
 * not be written, a command line that could not be understood.
 */
const endings = ["Defect", "Interrupted", "StdoutFailed", "UsageError"] as const

/** What a failure is called, in every document of one. */
export type ErrorCode = PgarkError["_tag"] | (typeof endings)[number]

/** What each exit code means, as the help of every command lists it. */
export const meanings: ReadonlyArray<readonly [ExitCode, string]> = [
  [0, "done"],
  [1, "unexpected failure: a defect of pgark"],
  [2, "wrong usage or configuration; a needed tool or version is missing; a pooler in between"],
  [3, "verification found a difference, or could not check something; doctor found a problem"],
  [4, "the dump is missing, incomplete, damaged or unsafe; nothing was touched"],
  [5, "permission denied; nothing was changed, or it was rolled back"],
  [
    6,
    "server unreachable, login refused, no such database, lock timeout, another pgark at work; trying later may help"
  ],
  [7, "the dump or restore failed for another reason; the target is as it was"],
  [8, "the target is not as it was, or that could not be found out"],
  [9, "could not write here: disk full, folder not writable"],
  [130, "interrupted by SIGINT; the target is as it was"],
  [143, "interrupted by SIGTERM or SIGHUP; the target is as it was"]
]

/** The exit code of each error, where the state of the target does not say otherwise. */
export const exitCodes: Record<PgarkError["_tag"], ExitCode> = {
  AuthenticationFailed: 6,
  CleanBlocked: 2,
  CleanRefused: 5,
  CloneOntoItself: 2,
  ConfigurationInvalid: 2,
  ConnectionFailed: 6,
  DatabaseMissing: 6,
  DatabaseUrlInvalid: 2,
  DiskFull: 9,
  DumpDamaged: 4,
  DumpMissing: 4,
  DumpPartial: 4,
  DumpUnreadable: 4,
  DumpUnsafe: 4,
  EmbeddedServerFailed: 1,
  FolderUnusable: 9,
  JobsInvalid: 2,
  LabelInvalid: 2,
  LockTableTooSmall: 2,
  LockTimeout: 6,
  NotConfirmed: 2,
  ObjectConflict: 7,
  PatternInvalid: 2,
  PermissionDenied: 5,
  PlanInvalid: 2,
  PlanStale: 2,
  PgDumpFailed: 7,
  PoolerInBetween: 2,
  ReadOnlyTarget: 6,
  RestoreFailed: 7,
  RestoreUnfinished: 8,
  RoleMissing: 2,
  SchemaMissing: 2,
  StatementFailed: 7,
  TargetBusy: 6,
  TargetChanged: 6,
  TargetInUse: 6,
  TargetUnfit: 2,
  TaskTimeout: 6,
  ToolMissing: 2,
  VerificationFailed: 3,
  VersionMismatch: 2
}

/** All that a failure may be called. */
export const codes: ReadonlyArray<ErrorCode> = [
  ...(Object.keys(exitCodes) as ReadonlyArray<PgarkError["_tag"]>),
  ...endings
]

/** The exit code of a command line that could not be understood. */
export const usageExitCode: ExitCode = 2

/** The exit code of a command that has done its work and could not write its report. */
export const unwritableExitCode: ExitCode = 9

/** The exit code of an error. State comes first: a target that is not as it was is 8, whatever the cause. */
export const exitCodeOf = (error: PgarkError): ExitCode =>
  error.state === "changed" || error.state === "unknown" ? 8 : exitCodes[error._tag]

/** What the process must remember for its end: of an interrupted fiber nothing else is known. */
export class Status extends Context.Service<
  Status,
  {
    /** Whether the interruption came by SIGTERM or SIGHUP; by SIGINT otherwise. */
    terminated: boolean
    /** What a command has told as its exit code. */
    exitCode: ExitCode | undefined
  }
>()("pgark/cli/Status") {}

/** The exit code of an interruption that left the target as it was. */
export const interruptionCode = ({ terminated }: { readonly terminated: boolean }): ExitCode => (terminated ? 143 : 130)
