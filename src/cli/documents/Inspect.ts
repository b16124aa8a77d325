import * as Schema from "effect/Schema"
import { contentFields, Manifest, moment } from "../../dumps/Manifest.ts"
import { provenAgainst } from "../../dumps/Proof.ts"
import { Entry } from "../../dumps/ProofRecord.ts"
import { told } from "./Document.ts"
import { Failure } from "./Failure.ts"

const { encoding, largeObjects, objects, prismaMigrations, roles, schemas, sequences, tables } = contentFields

const manifest = Schema.optionalKey(Schema.Struct(Manifest.fields)).annotateKey({
  description: "The manifest beside the dump, without its digest; absent where there is none."
})

/** `pgark inspect --json`: what is in a dump or, where it does not prove, the error beside what its manifest says. */
export const Document = Schema.Union([
  Schema.Struct({
    file: Schema.String.annotateKey({ description: "Path of the dump." }),
    proof: Schema.Struct({
      against: Schema.Literals(provenAgainst).annotateKey({ description: "What it was held against." }),
      unproven: Schema.Array(Schema.String).annotateKey({ description: "What could not be proven, for people." })
    }).annotateKey({ description: "How far it is proven." }),
    at: moment("When it was made."),
    format: Entry.fields.format,
    compression: Entry.fields.compression,
    bytes: Schema.Int.annotateKey({ description: "Bytes as stored." }),
    unpacked: Schema.Int.annotateKey({
      description: "Bytes of what is inside, unpacked: SQL with the rows in it, of a directory dump SQL and rows."
    }),
    rows: Schema.Int.annotateKey({ description: "Rows of all tables." }),
    tables,
    sequences,
    largeObjects,
    schemas,
    roles,
    objects,
    encoding,
    extensions: Schema.Array(
      Schema.Struct({
        name: Schema.String.annotateKey({ description: "Name of the extension." }),
        version: Schema.optionalKey(Schema.String).annotateKey({
          description: "Its version, which only a manifest tells."
        })
      })
    ).annotateKey({ description: "Extensions that the dump needs." }),
    prismaMigrations,
    unusualStatements: Schema.Record(Schema.String, Schema.Int).annotateKey({
      description: "Number of statements of kinds that pg_dump does not write, by their first word."
    }),
    manifest,
    ...told
  }),
  Schema.Struct({ error: Failure.fields.error, manifest, ...told })
])
