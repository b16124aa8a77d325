import * as Schema from "effect/Schema"
import { CloneReport } from "../../verbs/Clone.ts"
import { Planned, run } from "./Document.ts"

/** `pgark clone --json` */
export const Document = Schema.Union([
  Schema.Struct({ clone: CloneReport.annotateKey({ description: "What the clone did." }), ...run }),
  Planned
])
