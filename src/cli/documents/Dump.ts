import * as Schema from "effect/Schema"
import { Manifest } from "../../dumps/Manifest.ts"
import { Planned, run } from "./Document.ts"

const { compression, excluded, format, name, note, onlySchemas, partialRows, stored, tables, tool } = Manifest.fields

/** `pgark dump --json` */
export const Document = Schema.Union([
  Schema.Struct({
    file: Schema.String.annotateKey({ description: "Path of the dump." }),
    bytes: Schema.Int.annotateKey({ description: "Bytes as stored." }),
    format,
    compression,
    unpacked: Schema.Int.annotateKey({
      description: "Bytes of what is inside, unpacked: SQL with the rows in it, of a directory dump SQL and rows."
    }),
    name,
    note,
    tables,
    rows: Schema.Int.annotateKey({ description: "Rows of all tables." }),
    sha256: stored.fields.sha256.annotateKey({ description: "SHA-256 of the file, 64 hexadecimal digits." }),
    tool,
    onlySchemas,
    excluded,
    partialRows,
    ...run
  }),
  Planned
])
