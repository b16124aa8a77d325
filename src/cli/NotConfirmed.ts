import * as Schema from "effect/Schema"

/** Nobody has said that data may be destroyed, or nobody can be asked. Nothing was changed (exit code 2). */
export class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", {
  /** One sentence: what happened. */
  message: Schema.String,
  /** What to do next. */
  suggestion: Schema.String,
  state: Schema.Literal("untouched")
}) {}
