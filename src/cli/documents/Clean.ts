import * as Schema from "effect/Schema"
import { CleanReport } from "../../verbs/Clean.ts"
import { Planned, run } from "./Document.ts"

/** `pgark clean --json` */
export const Document = Schema.Union([
  Schema.Struct({
    complete: Schema.Boolean.annotateKey({ description: "Whether nothing had to stay." }),
    clean: CleanReport.annotateKey({ description: "What was emptied." }),
    ...run
  }),
  Planned
])
