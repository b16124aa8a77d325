import * as Schema from "effect/Schema"
import { Configuration } from "../config/Configuration.ts"

/** `pgark init --json` */
export const Document = Schema.Struct({
  file: Schema.String.annotateKey({ description: "The file, in the working directory." }),
  written: Schema.Boolean.annotateKey({ description: "Whether it was written; with --dry-run it was not." }),
  configuration: Configuration.annotateKey({ description: "What it says." }),
  databases: Schema.Array(
    Schema.Struct({
      name: Schema.String.annotateKey({ description: "What --database takes." }),
      urlFrom: Schema.String.annotateKey({ description: "The variable that holds the URL." }),
      set: Schema.Boolean.annotateKey({ description: "Whether that variable holds a PostgreSQL URL now." }),
      protected: Schema.Boolean.annotateKey({ description: "Whether restore, clone, clean and undo will refuse it." })
    })
  ).annotateKey({ description: "The databases that it names." }),
  dumpsIgnored: Schema.optionalKey(Schema.Boolean).annotateKey({
    description: "Whether git leaves the folder of dumps out; absent where there is no repository, or no git."
  })
})
