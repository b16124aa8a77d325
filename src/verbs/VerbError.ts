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
  ]),
  /** What it is about, as people write it: qualified and quoted where it is one object. */
  object: Schema.String,
  /** What should be, in words. */
  expected: Schema.String,
  /** What is, in words. */
  found: Schema.String,
  /** A warning does not fail the verification. */
  severity: Schema.Literals(["finding", "warning"])
})
export type Finding = typeof Finding.Type

/** The live database is not what it should be, or that could not be found out (exit code 3). */
export class VerificationFailed extends Schema.TaggedError<VerificationFailed>()("VerificationFailed", {
  ...problemFields,
  findings: Schema.Array(Finding)
}) {}

const blockers = Schema.Array(
  Schema.Struct({
    what: Schema.String,
    owner: Schema.String,
    why: Schema.String,
    wants: Schema.Literals(["right", "choice"]),
    remedy: Schema.String
  })
)

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

/** Another pgark is at work on the target; nothing was read or touched (exit code 6: trying later helps). */
export class TargetBusy extends Schema.TaggedError<TargetBusy>()("TargetBusy", {
  ...problemFields,
  /** The sessions that have the lock; what the role may not see of them is null. */
  holders: Schema.Array(
    Schema.Struct({
      /** 0 for a prepared transaction, which belongs to no session. */
      pid: Schema.Int,
      user: Schema.NullOr(Schema.String),
      application: Schema.NullOr(Schema.String),
      kind: Schema.NullOr(Schema.String),
      state: Schema.NullOr(Schema.String),
      /** Seconds. */
      sinceState: Schema.NullOr(Schema.Int),
      sinceQuery: Schema.NullOr(Schema.Int),
      /** IP address. */
      client: Schema.NullOr(Schema.String)
    })
  )
}) {}

/** The target is no longer what the plan was made from (exit code 6: trying again may help). */
export class TargetChanged extends Schema.TaggedError<TargetChanged>()("TargetChanged", problemFields) {}

/** The target cannot take this dump: an extension is missing, a right to create, an encoding (exit code 5 or 2). */
export class TargetUnfit extends Schema.TaggedError<TargetUnfit>()("TargetUnfit", problemFields) {}

/** The server's lock table does not hold what a restore has to lock at once (exit code 2). */
export class LockTableTooSmall extends Schema.TaggedError<LockTableTooSmall>()("LockTableTooSmall", {
  ...problemFields,
  /** Entries that are needed at once, and entries that are free. */
  needed: Schema.Int,
  free: Schema.Int,
  /** The `max_locks_per_transaction` that would be enough. */
  setting: Schema.Int
}) {}

/** Others are connected to a database that several transactions would change before their eyes (exit code 6). */
export class TargetInUse extends Schema.TaggedError<TargetInUse>()("TargetInUse", problemFields) {}

/** A restore in several transactions was cut short, and the target is between its old and its new state (exit code 8). */
export class RestoreUnfinished extends Schema.TaggedError<RestoreUnfinished>()("RestoreUnfinished", {
  ...problemFields,
  /** The journal that knows the way back. */
  file: Schema.String
}) {}

/** A statement of the dump failed; the transaction around the restore was rolled back (exit code 7). */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", serverFields) {}

/** pg_dump is older than the server, which it then refuses to dump (exit code 2). */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", problemFields) {}

/** Every error of this file. */
export type VerbError =
  | CleanBlocked
  | CleanRefused
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
