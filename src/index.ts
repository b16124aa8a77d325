/**
 * The library's face: the verbs, what they need, what they fail with, and the pipelines to compose them with.
 *
 * The verbs need a {@link Database}, a {@link DumpStore} and, for a dump, {@link PgDump}. These in turn need the file
 * system and the processes of `NodeServices.layer` (`@effect/platform-node`).
 */
export * as Clean from "./verbs/Clean.ts"
export * as Dump from "./verbs/Dump.ts"
export * as Grant from "./verbs/Grant.ts"
export * as Keep from "./verbs/Keep.ts"
export * as Restore from "./verbs/Restore.ts"
export * as SavedPlan from "./verbs/SavedPlan.ts"
export * as VerbError from "./verbs/VerbError.ts"
export * as Verify from "./verbs/Verify.ts"
export * as Confirmation from "./pipeline/Confirmation.ts"
export * as Limits from "./pipeline/Limits.ts"
export * as Pipeline from "./pipeline/Pipeline.ts"
export * as Plan from "./pipeline/Plan.ts"
export * as PlanStale from "./pipeline/PlanStale.ts"
export * as RunEvent from "./pipeline/RunEvent.ts"
export * as RunMetrics from "./pipeline/RunMetrics.ts"
export * as RunReport from "./pipeline/RunReport.ts"
export * as RunStream from "./pipeline/RunStream.ts"
export * as Task from "./pipeline/Task.ts"
export * as DumpError from "./dumps/DumpError.ts"
export * as DumpStore from "./dumps/DumpStore.ts"
export * as Manifest from "./dumps/Manifest.ts"
export * as CommitOutcome from "./postgres/CommitOutcome.ts"
export * as Database from "./postgres/Database.ts"
export * as DatabaseError from "./postgres/DatabaseError.ts"
export * as DatabaseUrl from "./postgres/DatabaseUrl.ts"
export * as PgDump from "./postgres/PgDump.ts"
export * as Session from "./postgres/Session.ts"
export * as ToolMissing from "./postgres/ToolMissing.ts"
