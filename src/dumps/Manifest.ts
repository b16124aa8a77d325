/** The manifest: what must be in a dump, as JSON beside it. Never holds a secret. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { DumpDamaged } from "./DumpError.ts"

/** The format this pgark writes and reads. */
export const manifestVersion = 1

/** A number of rows, bytes or objects. */
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** A table whose data the dump holds. */
export const TableContents = Schema.Struct({
  /** Empty where the dump names the table without one. */
  schema: Schema.String,
  name: Schema.String,
  rows: Count,
  /** Bytes of COPY text, or of INSERT statements. */
  bytes: Count
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
  largeObjects: Count,
  checks: StructureCounts,
  prismaMigrations: Schema.optionalKey(PrismaMigrations),
  /** Bytes of the file. */
  length: Count,
  /** SHA-256 of the file, 64 hexadecimal digits. */
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
}

export class Manifest extends Schema.Class<Manifest>("pgark/Manifest")({
  version: Schema.Literal(manifestVersion),
  /** Version of the pgark that wrote it. */
  pgark: Schema.String,
  createdAt: Schema.DateTimeUtcFromString,
  source: DumpSource,
  tool: DumpTool,
  format: Schema.Literal("plain"),
  compression: Schema.Literal("none"),
  /** The schemas that alone were asked for; absent where it was the whole database. */
  onlySchemas: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Absent where nothing was left out. */
  excluded: Schema.optionalKey(Excluded),
  ...contentFields
}) {}

const Json = Schema.fromJsonString(Schema.toCodecJson(Manifest))
const AnyJson = Schema.fromJsonString(Schema.Unknown)

/** The manifest as indented JSON with a final line break. */
export const encode = (manifest: Manifest): Effect.Effect<string> =>
  Schema.encodeEffect(Schema.toCodecJson(Manifest))(manifest).pipe(
    Effect.map((json) => `${JSON.stringify(json, undefined, 2)}\n`),
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
  if (typeof version === "number" && version > manifestVersion) {
    return yield* new DumpDamaged({
      message: `The manifest ${file} has version ${version}; this pgark reads version ${manifestVersion}.`,
      suggestion: "Use the pgark that made the dump, or a newer one.",
      state: "untouched",
      file
    })
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
