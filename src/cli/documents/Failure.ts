/** The document of a command that has failed. */
import * as Schema from "effect/Schema"
import { Grant, TargetState } from "../../postgres/DatabaseError.ts"
import { Blocker, Finding, Holder } from "../../verbs/VerbError.ts"
import { codes, meanings } from "../ExitCode.ts"
import { run } from "./Document.ts"

const optional = <S extends Schema.Constraint>(schema: S, description: string) =>
  Schema.optionalKey(schema).annotateKey({ description })

/** What an error says of itself. */
export const ErrorFields = Schema.Struct({
  exitCode: Schema.Literals(meanings.map(([code]) => code)).annotateKey({
    description: "The exit code of the process."
  }),
  code: Schema.Literals(codes).annotateKey({ description: "The kind of error: the same in every version." }),
  message: Schema.String.annotateKey({ description: "One sentence: what happened." }),
  detail: optional(Schema.String, "More lines: the objects in the way, the server's own DETAIL, a trace."),
  suggestion: optional(Schema.String, "What to do next."),
  state: optional(
    TargetState,
    "What is known of the target: nothing was changed, all was rolled back, it is not as it was, or nobody could tell."
  ),
  sqlstate: optional(Schema.String, "Five-character SQLSTATE; empty where the server was not reached."),
  statement: optional(Schema.String, "The statement at fault, cut to 500 characters."),
  file: optional(Schema.String, "The dump, manifest, journal or folder that it is about."),
  line: optional(Schema.Int, "Line in that dump, counted from 1."),
  grants: optional(Schema.Array(Grant), "What would open to the role what is closed to it, ready to be run."),
  findings: optional(Schema.Array(Finding), "What a verification found."),
  blockers: optional(Schema.Array(Blocker), "What is in the way of a clean step."),
  holders: optional(Schema.Array(Holder), "Which sessions are at work on the target.")
})

export const Failure = Schema.Struct({
  error: ErrorFields.annotateKey({ description: "What happened, how the target is, what to do next." }),
  ...run
})
export type Failure = typeof Failure.Type
