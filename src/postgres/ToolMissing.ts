import * as Schema from "effect/Schema"
import { problemFields } from "./DatabaseError.ts"

/** A program or package that the work needs is not installed; `suggestion` says how to install it. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", {
  ...problemFields,
  /** The program or package, by the name under which it is installed. */
  tool: Schema.String
}) {}
