/** The manifest: what must be in a dump, as JSON beside it. Never holds a secret. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { DumpDamaged } from "./DumpError.ts"

/** The version of manifests that this pgark writes and reads. */
export const manifestVersion = 2

/** A number of rows, bytes or objects. */
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A moment, as ISO 8601 in UTC. What it is stands in the JSON Schema of whatever has it. */
export const moment = (description: string) =>
  Schema.String.annotateKey({ description: `${description} ISO 8601, UTC.` }).pipe(
    Schema.decodeTo(Schema.DateTimeUtcFromString)
  )

/** A table whose data the dump holds. */
export const TableContents = Schema.Struct({
  schema: Schema.String.annotateKey({ description: "Empty where the dump names the table without one." }),
  name: Schema.String.annotateKey({ description: "Name of the table." }),
  rows: Count.annotateKey({ description: "Rows of it in the dump." }),
  bytes: Count.annotateKey({ description: "Bytes of COPY data, or of INSERT statements." }),
  checksum: Schema.optionalKey(Schema.String).annotateKey({
    description: "What the rows add up to, where it was asked for."
  })
})

/** What `setval` sets a sequence to. */
export const SequenceContents = Schema.Struct({
  schema: Schema.String.annotateKey({ description: "Empty where the dump names the sequence without one." }),
  name: Schema.String.annotateKey({ description: "Name of the sequence." }),
  value: Schema.String.annotateKey({ description: "A 64-bit integer, so text." }),
  called: Schema.Boolean.annotateKey({ description: "False where the next value is `value` itself." })
})

/** What Prisma's migration table says in this dump. */
export const PrismaMigrations = Schema.Struct({
  applied: Count.annotateKey({ description: "Number of migrations that are applied." }),
  failed: Schema.Array(Schema.String).annotateKey({
    description: "Names of migrations that failed and were not resolved."
  }),
  unfinished: Schema.Array(Schema.String).annotateKey({
    description: "Names of migrations that began and neither ended nor failed."
  })
})

/** Numbers of things on tables that verification counts again. */
export const StructureCounts = Schema.Struct({
  foreignKeys: Count.annotateKey({ description: "Foreign keys." }),
  indexes: Count.annotateKey({
    description: "CREATE INDEX statements; the indexes behind constraints are not among them."
  }),
  uniqueConstraints: Count.annotateKey({ description: "Unique constraints." }),
  primaryKeys: Count.annotateKey({ description: "Primary keys." })
})

/** Length and SHA-256 of some bytes. */
export const Digest = Schema.Struct({
  length: Count.annotateKey({ description: "Bytes." }),
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)).annotateKey({ description: "64 hexadecimal digits." })
})
export type Digest = typeof Digest.Type

/** Form in which COPY has given rows: `binary` only where that means the same in every database. */
export const CopyForm = Schema.Literals(["text", "binary"])
export type CopyForm = typeof CopyForm.Type

/** A file of a folder with SQL in it. */
export const SqlFile = Schema.Struct({
  file: Schema.String.annotateKey({ description: "Path within the folder: `pre-data.sql` …" }),
  stored: Digest.annotateKey({ description: "The file as it is stored." })
})
export type SqlFile = typeof SqlFile.Type

/** A file of a folder with rows of one table in it: all of them, or those of some of its pages. */
export const DataFile = Schema.Struct({
  file: Schema.String.annotateKey({ description: "Path within the folder: `data/0001.bin.zst` …" }),
  schema: Schema.String.annotateKey({ description: "Schema of the table." }),
  name: Schema.String.annotateKey({ description: "Name of the table." }),
  columns: Schema.Array(Schema.String).annotateKey({ description: "Names of the columns, in the order of the data." }),
  form: CopyForm.annotateKey({ description: "Form of the data, as COPY calls it." }),
  rows: Count.annotateKey({ description: "Rows in it." }),
  bytes: Count.annotateKey({ description: "Bytes of COPY data, unpacked." }),
  stored: Digest.annotateKey({ description: "The file as it is stored." })
})
export type DataFile = typeof DataFile.Type

/** The files of a folder. */
export const DirectoryFiles = Schema.Struct({
  sql: Schema.Array(SqlFile).annotateKey({ description: "Those with SQL, in the order in which they are applied." }),
  data: Schema.Array(DataFile).annotateKey({ description: "Those with rows. They go in behind `pre-data.sql`." })
})
export type DirectoryFiles = typeof DirectoryFiles.Type

/** The large objects of a dump. */
export const LargeObjectContents = Schema.Struct({
  count: Count.annotateKey({ description: "Number of large objects." }),
  bytes: Count.annotateKey({ description: "Bytes of their contents together." }),
  sha256: Digest.fields.sha256.annotateKey({
    description:
      "SHA-256 over one line for each large object that has content in the dump, `<oid> <SHA-256 of its content>` and a " +
      "line break, in the order of their OIDs."
  })
})
export type LargeObjectContents = typeof LargeObjectContents.Type

/** Something in the database and its version. */
export const ExtensionVersion = Schema.Struct({
  name: Schema.String.annotateKey({ description: "Name of the extension." }),
  version: Schema.String.annotateKey({ description: "Its version." })
})

/** An object in a state that a restore must bring back and that no count shows. Names as people write them. */
export const ObjectState = Schema.Struct({
  kind: Schema.Literals(["constraint", "event trigger", "materialized view", "rule", "table", "trigger"]).annotateKey({
    description: "Kind of the object."
  }),
  object: Schema.String.annotateKey({ description: "Its name, as people write it." }),
  state: Schema.Literals([
    "always",
    "disabled",
    "not populated",
    "not valid",
    "replica",
    "row security",
    "row security, forced"
  ]).annotateKey({ description: "Its state; of triggers and rules when they fire, in the words of ALTER TABLE." })
})
export type ObjectState = typeof ObjectState.Type

/** What a table is made of, in numbers. */
export const TableParts = Schema.Struct({
  schema: Schema.String.annotateKey({ description: "Schema of the table." }),
  name: Schema.String.annotateKey({ description: "Name of the table." }),
  columns: Count.annotateKey({ description: "Number of columns." }),
  notNulls: Count.annotateKey({ description: "Number of columns that are NOT NULL." }),
  defaults: Count.annotateKey({ description: "Defaults, and expressions of generated columns." }),
  checks: Count.annotateKey({ description: "CHECK constraints." })
})
export type TableParts = typeof TableParts.Type

/** What the source's catalogue says beside the dump. */
export const CatalogFacts = Schema.Struct({
  snapshot: Schema.Literals(["shared", "separate"]).annotateKey({
    description: "`shared`: read in the very snapshot that was dumped. `separate`: by itself, a moment before."
  }),
  encoding: Schema.String.annotateKey({ description: "`UTF8`, `LATIN1` … of the database." }),
  collate: Schema.String.annotateKey({ description: "`datcollate` of the database." }),
  ctype: Schema.String.annotateKey({ description: "`datctype` of the database." }),
  localeProvider: Schema.optionalKey(Schema.String).annotateKey({
    description: "The locale's provider, where it is not libc."
  }),
  locale: Schema.optionalKey(Schema.String).annotateKey({ description: "That provider's own locale." }),
  extensions: Schema.Array(ExtensionVersion).annotateKey({ description: "Extensions of the database." }),
  states: Schema.Array(ObjectState).annotateKey({ description: "All that is not in its usual state." }),
  parts: Schema.Array(TableParts).annotateKey({ description: "Every table of the dump." })
})
export type CatalogFacts = typeof CatalogFacts.Type

/** Where a dump comes from. */
export const DumpSource = Schema.Struct({
  host: Schema.String.annotateKey({ description: "Host of the server." }),
  port: Schema.Int.annotateKey({ description: "Port of the server." }),
  user: Schema.String.annotateKey({ description: "Role that the dump was made as." }),
  database: Schema.String.annotateKey({ description: "Name of the database." }),
  serverVersion: Schema.String.annotateKey({ description: "Version of the server, as it says it." })
})
export type DumpSource = typeof DumpSource.Type

/** What wrote the SQL. */
export const DumpTool = Schema.Struct({
  name: Schema.String.annotateKey({ description: "Name of the program: `pg_dump`." }),
  version: Schema.String.annotateKey({ description: "Its version." }),
  kind: Schema.optionalKey(Schema.Literals(["native", "wasm"])).annotateKey({
    description: "A program of the machine, or the one that comes with pgark."
  })
})
export type DumpTool = typeof DumpTool.Type

/** What was left out on purpose, as patterns of pg_dump. */
export const Excluded = Schema.Struct({
  tables: Schema.Array(Schema.String).annotateKey({ description: "Of tables that are not in the dump at all." }),
  data: Schema.Array(Schema.String).annotateKey({ description: "Of tables that are in it without their rows." })
})
export type Excluded = typeof Excluded.Type

/** What the dump's own stream says is in it. */
export const contentFields = {
  encoding: Schema.String.annotateKey({ description: "`client_encoding` of the dump; empty where it sets none." }),
  tables: Schema.Array(TableContents).annotateKey({ description: "Tables whose data the dump holds." }),
  sequences: Schema.Array(SequenceContents).annotateKey({ description: "Sequences that it sets." }),
  schemas: Schema.Array(Schema.String).annotateKey({
    description: "Schemas it covers: those that its statements name and, in a manifest, those that were empty."
  }),
  roles: Schema.Array(Schema.String).annotateKey({ description: "Roles that own, grant or are granted something." }),
  objects: Schema.Record(Schema.String, Count).annotateKey({
    description: "Number of objects by pg_dump's type: `TABLE`, `INDEX`, `FK CONSTRAINT` …"
  }),
  largeObjects: LargeObjectContents.annotateKey({ description: "Large objects in it." }),
  checks: StructureCounts.annotateKey({ description: "What verification counts again." }),
  prismaMigrations: Schema.optionalKey(PrismaMigrations).annotateKey({
    description: "What Prisma's migration table says; absent where there is none."
  }),
  sql: Digest.annotateKey({ description: "The SQL inside." })
}

export class Manifest extends Schema.Class<Manifest>("pgark/Manifest")({
  version: Schema.Literal(manifestVersion).annotateKey({ description: "Version of the form of this manifest." }),
  pgark: Schema.String.annotateKey({ description: "Version of the pgark that wrote it." }),
  createdAt: moment("When the dump was begun."),
  source: DumpSource.annotateKey({ description: "Where the dump comes from." }),
  tool: DumpTool.annotateKey({ description: "What wrote its SQL." }),
  provenAt: moment("When its proof was complete: the run that wrote it has proven it meanwhile."),
  name: Schema.optionalKey(Schema.String).annotateKey({ description: "What `--name` calls it." }),
  note: Schema.optionalKey(Schema.String).annotateKey({ description: "What `--note` says of it." }),
  format: Schema.Literals(["plain", "directory"]).annotateKey({
    description: "`plain`: one file of SQL. `directory`: a folder, its rows in files by themselves."
  }),
  compression: Schema.Literals(["none", "gzip", "zstd"]).annotateKey({ description: "How it is packed." }),
  stored: Digest.annotateKey({
    description:
      "The file as it is stored. Of a folder the bytes of its files together, and the SHA-256 over one line for each of " +
      "them, `<SHA-256>  <path>` and a line break, in the order of `files`: those with SQL, then those with rows."
  }),
  files: Schema.optionalKey(DirectoryFiles).annotateKey({
    description: "Of a folder all files in it but the manifest and what tells people how to restore it."
  }),
  onlySchemas: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "The schemas that alone were asked for; absent where it was the whole database."
  }),
  excluded: Schema.optionalKey(Excluded).annotateKey({ description: "Absent where nothing was left out." }),
  partialRows: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "Tables of which row-level security has hidden rows from the dump; absent where it is complete."
  }),
  catalog: CatalogFacts.annotateKey({ description: "What the source's catalogue says beside the dump." }),
  ...contentFields
}) {}

const Json = Schema.fromJsonString(Schema.toCodecJson(Manifest))
const AnyJson = Schema.fromJsonString(Schema.Unknown)

/** SHA-256 over the JSON of all other fields, in their order and without white space. */
const digestOf = (fields: object): string => createHash("sha256").update(JSON.stringify(fields)).digest("hex")

/** The manifest as indented JSON with a final line break; its last field is a digest over all others. */
export const encode = (manifest: Manifest): Effect.Effect<string> =>
  Schema.encodeEffect(Schema.toCodecJson(Manifest))(manifest).pipe(
    Effect.map((json) => {
      // As it will be read: numbers as names come first.
      const fields: object = JSON.parse(JSON.stringify(json))
      return `${JSON.stringify({ ...fields, digest: digestOf(fields) }, undefined, 2)}\n`
    }),
    // A manifest is checked when it is made, so it can always be written.
    Effect.orDie
  )

/**
 * Reads a manifest. Fails with `DumpDamaged`, naming `file`, where the text is no manifest or one of a newer version.
 */
export const decode = Effect.fn("Manifest.decode")(function* (
  text: string,
  file: string
): Effect.fn.Return<Manifest, DumpDamaged> {
  const json = yield* Schema.decodeEffect(AnyJson)(text).pipe(
    Effect.mapError(
      () =>
        new DumpDamaged({
          message: `The manifest ${file} is no JSON.`,
          suggestion: "Restore the manifest from where the dump was copied from, or remove it to use the dump without.",
          state: "untouched",
          file
        })
    )
  )
  const version = Predicate.hasProperty(json, "version") ? json.version : undefined
  if (typeof version === "number" && version !== manifestVersion) {
    return yield* new DumpDamaged({
      message: `The manifest ${file} has version ${version}; this pgark reads version ${manifestVersion}.`,
      suggestion:
        version > manifestVersion
          ? "Use the pgark that made the dump, or a newer one."
          : "Use the pgark that made the dump, or remove the manifest to use the dump without.",
      state: "untouched",
      file
    })
  }
  if (Predicate.isObject(json) && version === manifestVersion) {
    const { digest, ...fields } = { digest: undefined, ...json }
    if (digest !== digestOf(fields)) {
      return yield* new DumpDamaged({
        message: `The manifest ${file} was changed after it was written: its digest is not that of its content.`,
        suggestion: "Take it from where the dump was copied from, or remove it to use the dump without.",
        state: "untouched",
        file
      })
    }
  }
  return yield* Schema.decodeEffect(Json)(text).pipe(
    Effect.mapError(
      (error) =>
        new DumpDamaged({
          message: `The manifest ${file} is not one that pgark wrote.`,
          detail: error.message,
          suggestion: "Take it from where the dump was copied from, or remove it to use the dump without.",
          state: "untouched",
          file
        })
    )
  )
})
