/**
 * What a PostgreSQL server (or the way to it) can refuse, as typed errors.
 *
 * Each class says what happened (`message`), where (`statement`, `file`, `line`), in what state the target is
 * (`state`) and what to do next (`suggestion`). They are made from SQLSTATE by {@link file://./Sqlstate.ts}, never
 * from message text, which changes between versions and languages.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** What is known of the target when an error is reported. */
export const TargetState = Schema.Literals(["untouched", "rolled-back", "changed", "unknown"])
export type TargetState = typeof TargetState.Type

/** Fields that every error of pgark carries. */
export const problemFields = {
  /** One sentence: what happened. */
  message: Schema.String,
  /** More lines: the objects in the way, the server's own DETAIL. */
  detail: Schema.optionalKey(Schema.String),
  /** What to do next. */
  suggestion: Schema.optionalKey(Schema.String),
  /** What is known of the target now. */
  state: Schema.optionalKey(TargetState)
}

/** A GRANT statement, and the role that may run it as the owner of what it names. */
export const Grant = Schema.Struct({
  by: Schema.String.annotateKey({ description: "The role that may run it." }),
  sql: Schema.String.annotateKey({ description: "The statement." })
})
export type Grant = typeof Grant.Type

/** Fields of an error that the server sent, or that has a place in a dump. */
export const serverFields = {
  ...problemFields,
  /** Five-character SQLSTATE, empty where the server was not reached. */
  sqlstate: Schema.optionalKey(Schema.String),
  /** The statement at fault, cut to 500 characters. */
  statement: Schema.optionalKey(Schema.String),
  /** The dump the statement came from. */
  file: Schema.optionalKey(Schema.String),
  /** Line in that dump, counted from 1. */
  line: Schema.optionalKey(Schema.Int),
  /** What would open to the role what is closed to it, ready to be run. */
  grants: Schema.optionalKey(Schema.Array(Grant))
}

/** The fields of a server's refusal as a value. */
export type ServerFields = Schema.Struct<typeof serverFields>["Type"]

/** The role lacks a right (42501). Drives the ladder of the clean step. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", serverFields) {}

/** The server cannot be reached, went away, or refuses connections for now (class 08, 57P01 to 57P03, 53300). */
export class ConnectionFailed extends Schema.TaggedError<ConnectionFailed>()("ConnectionFailed", serverFields) {}

/** The server refuses the login (class 28). */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()(
  "AuthenticationFailed",
  serverFields
) {}

/** There is no database of that name (3D000). */
export class DatabaseMissing extends Schema.TaggedError<DatabaseMissing>()("DatabaseMissing", serverFields) {}

/** A lock was not granted in time, or the statement was cancelled by a timeout (55P03, 57014, 40P01). */
export class LockTimeout extends Schema.TaggedError<LockTimeout>()("LockTimeout", serverFields) {}

/** The server accepts no writes here: a replica, or default_transaction_read_only (25006). */
export class ReadOnlyTarget extends Schema.TaggedError<ReadOnlyTarget>()("ReadOnlyTarget", serverFields) {}

/** Something of that name is there already, or something else depends on what should go (42P07, 42710, 2BP01 …). */
export class ObjectConflict extends Schema.TaggedError<ObjectConflict>()("ObjectConflict", serverFields) {}

/** Every other refusal of a statement; `sqlstate` says which. */
export class StatementFailed extends Schema.TaggedError<StatementFailed>()("StatementFailed", serverFields) {}

/** What can go wrong with a statement on an open connection. */
export type DatabaseError =
  | PermissionDenied
  | ConnectionFailed
  | AuthenticationFailed
  | DatabaseMissing
  | LockTimeout
  | ReadOnlyTarget
  | ObjectConflict
  | StatementFailed

const classes = {
  AuthenticationFailed,
  ConnectionFailed,
  DatabaseMissing,
  LockTimeout,
  ObjectConflict,
  PermissionDenied,
  ReadOnlyTarget,
  StatementFailed
}

/** The fields of an error, without what JavaScript adds to one. */
export const fieldsOf = (error: DatabaseError): ServerFields => {
  const names = Object.keys(serverFields) as ReadonlyArray<keyof ServerFields>
  return Object.fromEntries(names.flatMap((name) => (error[name] === undefined ? [] : [[name, error[name]]]))) as never
}

/** The same error, saying more: the state of the target after a rollback, what to do next. */
export const withFields = <E extends DatabaseError>(error: E, fields: Partial<ServerFields>): E =>
  new classes[error._tag]({ ...fieldsOf(error), ...fields }) as E

/** Whether an error is one of the server's refusals. */
export const isDatabaseError = (error: unknown): error is DatabaseError =>
  Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" && Object.hasOwn(classes, error._tag)
