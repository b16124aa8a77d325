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

/** A table whose data the dump holds. */
export const TableContents = Schema.Struct({
  /** Empty where the dump names the table without one. */
  schema: Schema.String,
  name: Schema.String,
  rows: Count,
  /** Bytes of COPY text, or of INSERT statements. */
  bytes: Count,
  /** What the rows add up to, where it was asked for; see `Checksums`. */
  checksum: Schema.optionalKey(Schema.String)
})

/** What `setval` sets a sequence to. */
export const SequenceContents = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  /** A 64-bit integer, so text. */
  value: Schema.String,
  /** False where the next value is `value` itself. */
  called: Schema.Boolean
})

/** What Prisma's migration table says in this dump. */
export const PrismaMigrations = Schema.Struct({
  applied: Count,
  /** Names of migrations that failed and were not resolved. */
  failed: Schema.Array(Schema.String),
  /** Names of migrations that began and neither ended nor failed. */
  unfinished: Schema.Array(Schema.String)
})

/** Numbers of things on tables that verification counts again. */
export const StructureCounts = Schema.Struct({
  foreignKeys: Count,
  /** CREATE INDEX statements; the indexes behind constraints are not among them. */
  indexes: Count,
  uniqueConstraints: Count,
  primaryKeys: Count
})

/** Length and SHA-256 of some bytes. */
export const Digest = Schema.Struct({
  /** Bytes. */
  length: Count,
  /** 64 hexadecimal digits. */
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
})
export type Digest = typeof Digest.Type

/** The large objects of a dump. */
export const LargeObjectContents = Schema.Struct({
  count: Count,
  /** Bytes of their contents together. */
  bytes: Count,
  /**
   * SHA-256 over one line for each large object that has content in the dump, `<oid> <SHA-256 of its content>` and a line
   * break, in the order of their OIDs.
   */
  sha256: Digest.fields.sha256
})
export type LargeObjectContents = typeof LargeObjectContents.Type

/** Something in the database and its version. */
export const ExtensionVersion = Schema.Struct({ name: Schema.String, version: Schema.String })

/** An object in a state that a restore must bring back and that no count shows. Names as people write them. */
export const ObjectState = Schema.Struct({
  kind: Schema.Literals(["constraint", "event trigger", "materialized view", "rule", "table", "trigger"]),
  object: Schema.String,
  /** Of triggers and rules: when they fire, in the words of ALTER TABLE. */
  state: Schema.Literals([
    "always",
    "disabled",
    "not populated",
    "not valid",
    "replica",
    "row security",
    "row security, forced"
  ])
})
export type ObjectState = typeof ObjectState.Type

/** What a table is made of, in numbers. */
export const TableParts = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  columns: Count,
  notNulls: Count,
  /** Defaults, and expressions of generated columns. */
  defaults: Count,
  /** CHECK constraints. */
  checks: Count
})
export type TableParts = typeof TableParts.Type

/** What the source's catalogue says beside the dump. */
export const CatalogFacts = Schema.Struct({
  /** `shared`: read in the very snapshot that was dumped. `separate`: by itself, a moment before. */
  snapshot: Schema.Literals(["shared", "separate"]),
  /** `UTF8`, `LATIN1` … of the database. */
  encoding: Schema.String,
  /** `datcollate` and `datctype`; with them the provider and its own locale where it is not libc's. */
  collate: Schema.String,
  ctype: Schema.String,
  localeProvider: Schema.optionalKey(Schema.String),
  locale: Schema.optionalKey(Schema.String),
  extensions: Schema.Array(ExtensionVersion),
  /** All that is not in its usual state. */
  states: Schema.Array(ObjectState),
  /** Every table of the dump. */
  parts: Schema.Array(TableParts)
})
export type CatalogFacts = typeof CatalogFacts.Type

/** Where a dump comes from. */
export const DumpSource = Schema.Struct({
  host: Schema.String,
  port: Schema.Int,
  user: Schema.String,
  database: Schema.String,
  serverVersion: Schema.String
})
export type DumpSource = typeof DumpSource.Type

/** What wrote the SQL. */
export const DumpTool = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  /** A program of the machine, or the one that comes with pgark. */
  kind: Schema.optionalKey(Schema.Literals(["native", "wasm"]))
})
export type DumpTool = typeof DumpTool.Type

/** What was left out on purpose, as patterns of pg_dump. */
export const Excluded = Schema.Struct({
  /** Of tables that are not in the dump at all. */
  tables: Schema.Array(Schema.String),
  /** Of tables that are in it without their rows. */
  data: Schema.Array(Schema.String)
})
export type Excluded = typeof Excluded.Type

/** What the dump's own stream says is in it. */
export const contentFields = {
  /** `client_encoding` of the dump; empty where it sets none. */
  encoding: Schema.String,
  tables: Schema.Array(TableContents),
  sequences: Schema.Array(SequenceContents),
  /** Schemas it covers: those that its statements name and, in a manifest, those that were empty. */
  schemas: Schema.Array(Schema.String),
  /** Roles that own, grant or are granted something. */
  roles: Schema.Array(Schema.String),
  /** Number of objects by pg_dump's type: `TABLE`, `INDEX`, `FK CONSTRAINT` … */
  objects: Schema.Record(Schema.String, Count),
  largeObjects: LargeObjectContents,
  checks: StructureCounts,
  prismaMigrations: Schema.optionalKey(PrismaMigrations),
  /** The SQL inside. */
  sql: Digest
}

export class Manifest extends Schema.Class<Manifest>("pgark/Manifest")({
  version: Schema.Literal(manifestVersion),
  /** Version of the pgark that wrote it. */
  pgark: Schema.String,
  createdAt: Schema.DateTimeUtcFromString,
  source: DumpSource,
  tool: DumpTool,
  /** When its proof was complete: the run that wrote it has proven it meanwhile. */
  provenAt: Schema.DateTimeUtcFromString,
  /** What `--name` calls it. */
  name: Schema.optionalKey(Schema.String),
  /** What `--note` says of it. */
  note: Schema.optionalKey(Schema.String),
  format: Schema.Literal("plain"),
  compression: Schema.Literals(["none", "gzip", "zstd"]),
  /** The file as it is stored. */
  stored: Digest,
  /** The schemas that alone were asked for; absent where it was the whole database. */
  onlySchemas: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Absent where nothing was left out. */
  excluded: Schema.optionalKey(Excluded),
  /** Tables of which row-level security has hidden rows from the dump; absent where it is complete. */
  partialRows: Schema.optionalKey(Schema.Array(Schema.String)),
  catalog: CatalogFacts,
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
