import * as Schema from "effect/Schema"
import { GrantReport } from "../../verbs/Grant.ts"
import { Planned, run } from "./Document.ts"

/** `pgark grant --json` */
export const Document = Schema.Union([
  Schema.Struct({ grant: GrantReport.annotateKey({ description: "What was granted and proven." }), ...run }),
  Schema.Struct({
    sqlFile: Schema.String.annotateKey({ description: "Path of the file (`--sql-file`)." }),
    written: Schema.Boolean.annotateKey({ description: "Whether it was written; not with `--dry-run`." }),
    statements: Schema.Array(Schema.String).annotateKey({
      description: "The statements in it, without the semicolons."
    })
  }),
  Planned
])
