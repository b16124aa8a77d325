/** What a verb can refuse or fail with by itself, besides what the server refuses. */
import * as Schema from "effect/Schema"
import { problemFields, serverFields } from "../postgres/DatabaseError.ts"

/** The server has no role of the name that something should be granted to (exit code 2). */
export class RoleMissing extends Schema.TaggedError<RoleMissing>()("RoleMissing", {
  ...problemFields,
  role: Schema.String
}) {}

/** The database has no schema of the name that was given (exit code 2). */
export class SchemaMissing extends Schema.TaggedError<SchemaMissing>()("SchemaMissing", {
  ...problemFields,
  schema: Schema.String
}) {}

/** The database has no such schema; nothing was touched. */
export const noSuchSchema = (schema: string, database: string): SchemaMissing =>
  new SchemaMissing({
    message: `There is no schema "${schema}" in ${database}.`,
    suggestion: "Check the spelling (case matters here), or name another schema with --schema.",
    state: "untouched",
    schema
  })

/** pg_dump would refuse this pattern, or find nothing by it (exit code 2). */
export class PatternInvalid extends Schema.TaggedError<PatternInvalid>()("PatternInvalid", {
  ...problemFields,
  pattern: Schema.String
}) {}

/** A dump cannot be called that (exit code 2). */
export class LabelInvalid extends Schema.TaggedError<LabelInvalid>()("LabelInvalid", problemFields) {}

/** A dump cannot be read over so many connections, or not in this format (exit code 2). */
export class JobsInvalid extends Schema.TaggedError<JobsInvalid>()("JobsInvalid", problemFields) {}

/** A difference between what should be and what is, or something that could not be checked. */
export const Finding = Schema.Struct({
  check: Schema.Literals([
    "tables",
    "rows",
    "content",
    "objects",
    "states",
    "table parts",
    "extensions",
    "foreign keys",
    "primary keys",
    "unique constraints",
    "indexes",
    "validity",
    "sequences",
    "migrations",
    "rights"
  ]).annotateKey({ description: "What was compared." }),
  object: Schema.String.annotateKey({
    description: "What it is about, as people write it: qualified and quoted where it is one object."
  }),
  expected: Schema.String.annotateKey({ description: "What should be, in words." }),
  found: Schema.String.annotateKey({ description: "What is, in words." }),
  severity: Schema.Literals(["finding", "warning"]).annotateKey({
    description: "A warning does not fail the verification."
  })
})
export type Finding = typeof Finding.Type

/** The live database is not what it should be, or that could not be found out (exit code 3). */
export class VerificationFailed extends Schema.TaggedError<VerificationFailed>()("VerificationFailed", {
  ...problemFields,
  findings: Schema.Array(Finding)
}) {}

/** Something that stops a run before anything is touched. */
export const Blocker = Schema.Struct({
  what: Schema.String.annotateKey({ description: "What is in the way, in words." }),
  owner: Schema.String.annotateKey({ description: "Role that owns it." }),
  why: Schema.String.annotateKey({ description: "Why it is in the way." }),
  wants: Schema.Literals(["right", "choice"]).annotateKey({
    description: "What would move it: a right that this role lacks, or somebody's decision, which no right makes."
  }),
  remedy: Schema.String.annotateKey({ description: "What somebody could do about it, an imperative." })
})
export type Blocker = typeof Blocker.Type

const blockers = Schema.Array(Blocker)

/** Something stands in the way of what would be dropped or replaced that this role may not remove (exit code 5). */
export class CleanRefused extends Schema.TaggedError<CleanRefused>()("CleanRefused", {
  ...problemFields,
  blockers
}) {}

/** The same, where no right would help, but a decision: another option, or doing without something (exit code 2). */
export class CleanBlocked extends Schema.TaggedError<CleanBlocked>()("CleanBlocked", {
  ...problemFields,
  blockers
}) {}

/** A session that holds a lock; what the role may not see of it is null. */
export const Holder = Schema.Struct({
  pid: Schema.Int.annotateKey({
    description: "Its process; 0 for a prepared transaction, which belongs to no session."
  }),
  user: Schema.NullOr(Schema.String).annotateKey({ description: "Its role." }),
  application: Schema.NullOr(Schema.String).annotateKey({ description: "What it calls itself." }),
  kind: Schema.NullOr(Schema.String).annotateKey({ description: "`client backend`, `autovacuum worker` …" }),
  state: Schema.NullOr(Schema.String).annotateKey({ description: "`active`, `idle in transaction` …" }),
  sinceState: Schema.NullOr(Schema.Int).annotateKey({ description: "Seconds that it has been in this state." }),
  sinceQuery: Schema.NullOr(Schema.Int).annotateKey({ description: "Seconds since its last query was begun." }),
  client: Schema.NullOr(Schema.String).annotateKey({ description: "IP address of its client; none of a local one." })
})

/** Another pgark is at work on the target; nothing was read or touched (exit code 6: trying later helps). */
export class TargetBusy extends Schema.TaggedError<TargetBusy>()("TargetBusy", {
  ...problemFields,
  /** The sessions that have the lock. */
  holders: Schema.Array(Holder)
}) {}

/** A database cannot be cloned onto itself (exit code 2). */
export class CloneOntoItself extends Schema.TaggedError<CloneOntoItself>()("CloneOntoItself", problemFields) {}

/** The target is no longer what the plan was made from (exit code 6: trying again may help). */
export class TargetChanged extends Schema.TaggedError<TargetChanged>()("TargetChanged", problemFields) {}

/** The target cannot take this dump: an extension is missing, a right to create, an encoding (exit code 5 or 2). */
export class TargetUnfit extends Schema.TaggedError<TargetUnfit>()("TargetUnfit", problemFields) {}

/** The server's lock table does not hold what a restore has to lock at once (exit code 2). */
export class LockTableTooSmall extends Schema.TaggedError<LockTableTooSmall>()("LockTableTooSmall", {
  ...problemFields,
  needed: Schema.Int.annotateKey({ description: "Entries that are needed at once." }),
  free: Schema.Int.annotateKey({ description: "Entries that are free." }),
  setting: Schema.Int.annotateKey({ description: "The `max_locks_per_transaction` that would be enough." })
}) {}

/** Others are connected to a database that several transactions would change before their eyes (exit code 6). */
export class TargetInUse extends Schema.TaggedError<TargetInUse>()("TargetInUse", problemFields) {}

/** A restore in several transactions was cut short, and the target is between its old and its new state (exit code 8). */
export class RestoreUnfinished extends Schema.TaggedError<RestoreUnfinished>()("RestoreUnfinished", {
  ...problemFields,
  file: Schema.String.annotateKey({ description: "The journal that knows the way back." })
}) {}

/** A statement of the dump failed; the transaction around the restore was rolled back (exit code 7). */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", serverFields) {}

/** pg_dump is older than the server, which it then refuses to dump (exit code 2). */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", problemFields) {}

/** Every error of this file. */
export type VerbError =
  | CleanBlocked
  | CleanRefused
  | CloneOntoItself
  | JobsInvalid
  | LabelInvalid
  | LockTableTooSmall
  | PatternInvalid
  | RestoreFailed
  | RestoreUnfinished
  | RoleMissing
  | SchemaMissing
  | TargetBusy
  | TargetChanged
  | TargetInUse
  | TargetUnfit
  | VerificationFailed
  | VersionMismatch
