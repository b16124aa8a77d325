import * as Schema from "effect/Schema"
import { VerifyReport } from "../../verbs/Verify.ts"
import { run } from "./Document.ts"

/** `pgark verify --json` */
export const Document = Schema.Struct({
  file: Schema.String.annotateKey({ description: "Path of the dump that the database was held against." }),
  verify: VerifyReport.annotateKey({ description: "What was compared, and what was found." }),
  ...run
})
