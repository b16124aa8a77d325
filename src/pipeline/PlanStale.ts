import * as Schema from "effect/Schema"
import { listed } from "./Words.ts"

/** A plan was to be run as it is, and what it rests on is no longer so. */
export class PlanStale extends Schema.TaggedError<PlanStale>()("PlanStale", {
  /** One sentence: what happened. */
  message: Schema.String,
  /** What has changed, one phrase a line. */
  detail: Schema.String,
  /** What to do next. */
  suggestion: Schema.String,
  /** Found out before anything was touched, or after its locks. */
  state: Schema.Literals(["untouched", "rolled-back"])
}) {}

/** The refusal that names what has changed. */
export const planStale = (differences: ReadonlyArray<string>, state: PlanStale["state"]): PlanStale =>
  new PlanStale({
    message: "The plan is out of date: what it rests on has changed since it was made.",
    detail: listed(differences).join("\n"),
    suggestion: "Make a new plan (--dry-run --plan json), look at it, and run that.",
    state
  })
