import * as Schema from "effect/Schema"
import { moment } from "../../dumps/Manifest.ts"
import { Entry } from "../../dumps/ProofRecord.ts"
import { told } from "./Document.ts"

const { compression, database, excluded, files, format, name, note, onlySchemas, partialRows, rows, tables, unpacked } =
  Entry.fields

const file = Schema.String.annotateKey({ description: "Path of the file." })
const age = Schema.String.annotateKey({ description: "The same for people: `2 hours ago`." })
const bytes = Schema.Int.annotateKey({ description: "Bytes as stored." })
const readAt = moment("When it was last read from its beginning to its end.")

const dump = {
  file,
  at: moment("When it was made."),
  age,
  bytes,
  // What could not be read is not known.
  format: Schema.optionalKey(format),
  compression: Schema.optionalKey(compression),
  database,
  tables,
  rows,
  unpacked,
  files,
  onlySchemas,
  excluded,
  partialRows,
  name,
  note,
  readAt
}

/** `pgark list --json` */
export const Document = Schema.Struct({
  directory: Schema.String.annotateKey({ description: "The folder." }),
  dumps: Schema.Array(
    Schema.Union([
      Schema.Struct({
        ...dump,
        proven: Schema.Literal(true).annotateKey({ description: "It was found whole." }),
        against: Schema.Literals(["manifest", "structure"]).annotateKey({
          description: "What it was held against: its manifest, or only its own structure."
        }),
        provenAt: moment("When that was.")
      }),
      Schema.Struct({
        ...dump,
        proven: Schema.Literal(false).annotateKey({ description: "It was not found whole." }),
        problem: Schema.String.annotateKey({ description: "Why not." })
      })
    ])
  ).annotateKey({ description: "The dumps, newest first." }),
  unfinished: Schema.Array(
    Schema.Struct({
      file,
      kind: Schema.Literals(["unfinished", "without dump"]).annotateKey({
        description: "A run writes to it, or was killed while it did; or the dump of this manifest is gone."
      }),
      at: moment("When it was last written to."),
      age,
      bytes
    })
  ).annotateKey({ description: "What lies there and is no dump." }),
  ...told
})
