import * as Schema from "effect/Schema"
import { RestoreReport } from "../../verbs/Restore.ts"
import { SavedPlan } from "../../verbs/SavedPlan.ts"
import { run } from "./Document.ts"

/** `pgark restore --json`; with `--dry-run` a plan that `--plan-file` takes. */
export const Document = Schema.Union([
  Schema.Struct({ restore: RestoreReport.annotateKey({ description: "What the restore did." }), ...run }),
  SavedPlan
])
