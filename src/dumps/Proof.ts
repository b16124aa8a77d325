/**
 * The proof of a dump: one reading of its bytes, the same while it is written and when it is read again.
 *
 * psql restores half a dump without a word when the file was cut inside COPY data. Here a dump counts as whole only
 * when every statement and COPY block is closed, pg_dump's closing lines stand at the end, and, with a manifest,
 * length, digest and the rows of each table are what they were.
 */
import * as Effect from "effect/Effect"
import { type Contents, DumpReading, type Finding } from "./DumpReading.ts"
import { damaged, type DumpDamaged, DumpUnsafe } from "./DumpError.ts"
import type { Digest, Manifest } from "./Manifest.ts"
import { isSystemSchema } from "../postgres/Identifier.ts"

/**
 * What a dump was held against: its manifest; only its own structure; or, by `--accept-unproven`, not even that, as
 * pg_dump's closing lines are missing: a cut between two statements would not be noticed.
 */
export const provenAgainst = ["manifest", "structure", "nothing"] as const
export type ProvenAgainst = (typeof provenAgainst)[number]

/** A dump that was found whole. */
export interface Proof {
  /** What it was held against. */
  readonly against: ProvenAgainst
  readonly contents: Contents
  readonly manifest?: Manifest
  /** The schemas that the dump covers: those of its statements, and those that its manifest says were empty. */
  readonly schemas: ReadonlyArray<string>
  /** What could not be proven, for people: each follows "not proven:". Most often nothing where it was held against its manifest. */
  readonly unproven: ReadonlyArray<string>
}

export interface ProveOptions {
  /** The dump's file, for the errors. */
  readonly file: string
  /** What is stored, where that is not the SQL itself. */
  readonly stored?: Digest
  /** What the archive has told that the SQL was made of: what is wrong, and what could not be proven. */
  readonly archive?: { readonly flaw?: Finding; readonly unproven: ReadonlyArray<string> }
  /** Lets a dump pass that lacks pg_dump's closing lines (`--accept-unproven`); never one that is cut or unsafe. */
  readonly acceptUnproven?: boolean
}

const tableName = (table: { readonly schema: string; readonly name: string }): string =>
  table.schema === "" ? table.name : `${table.schema}.${table.name}`

const changed = "its content was changed: the SHA-256 differs from its manifest's"

const otherLength = (found: Digest, said: Digest) => `it has ${found.length} bytes and its manifest says ${said.length}`

const unended =
  "Use another dump, or make a new one. Where another tool than pg_dump wrote it, and you know that it is whole, " +
  "`pgark restore --accept-unproven` takes it. Nothing was touched."

/** The first way in which what was read differs from the manifest. */
const difference = (contents: Contents, stored: Digest, manifest: Manifest): readonly [string, string?] | undefined => {
  if (stored.length !== manifest.stored.length) return [otherLength(stored, manifest.stored)]
  if (contents.sql.length !== manifest.sql.length) return [`unpacked, ${otherLength(contents.sql, manifest.sql)}`]
  const found = new Map(contents.tables.map((table) => [tableName(table), table.rows]))
  const wrong = manifest.tables
    .filter((table) => found.get(tableName(table)) !== table.rows)
    .map((table) => `${tableName(table)}: ${found.get(tableName(table)) ?? "no"} rows of ${table.rows}`)
  if (wrong.length > 0) return ["its tables do not hold the rows that its manifest says", wrong.slice(0, 20).join("\n")]
  if (contents.tables.length !== manifest.tables.length) return ["it holds tables that its manifest does not name"]
  if (stored.sha256 !== manifest.stored.sha256 || contents.sql.sha256 !== manifest.sql.sha256) return [changed]
  const { count, sha256 } = manifest.largeObjects
  if (contents.largeObjects.count !== count || contents.largeObjects.sha256 !== sha256) {
    return ["its large objects are not those that its manifest says"]
  }
  return undefined
}

/**
 * Judges what was read of a dump. Without a manifest only the structure can be judged.
 *
 * Fails with `DumpDamaged` where something is missing or changed, and with `DumpUnsafe` where the dump would do what
 * no restore may do.
 */
export const prove = Effect.fn("Proof.prove")(function* (
  contents: Contents,
  manifest: Manifest | undefined,
  options: ProveOptions
): Effect.fn.Return<Proof, DumpDamaged | DumpUnsafe> {
  const { archive } = options
  const flaw = archive?.flaw ?? contents.flaws[0]
  if (flaw !== undefined) {
    const { message, ...place } = flaw
    return yield* damaged(options.file, message, place)
  }
  if (contents.sql.length === 0) return yield* damaged(options.file, "it is empty")
  const unsafe = contents.unsafe[0]
  // What has a remedy is no part of a dump that was cut, but something else: what pg_dumpall writes ends in its own way.
  const other = manifest === undefined && unsafe?.remedy !== undefined
  if (!contents.trailer && !other && (options.acceptUnproven !== true || manifest !== undefined)) {
    return yield* damaged(options.file, "it does not end with pg_dump's closing lines", {
      detail: "The file was cut, or another tool wrote it.",
      ...(manifest === undefined ? { suggestion: unended } : {})
    })
  }
  const differs = manifest && difference(contents, options.stored ?? contents.sql, manifest)
  if (differs !== undefined) {
    const [reason, detail] = differs
    return yield* damaged(options.file, reason, detail === undefined ? {} : { detail })
  }
  if (unsafe !== undefined) {
    return yield* new DumpUnsafe({
      message: `The dump ${options.file} is unsafe: ${unsafe.message}.`,
      ...(contents.unsafe.length > 1 ? { detail: `${contents.unsafe.length} such places.` } : {}),
      suggestion: `${unsafe.remedy ?? "Find out who made this dump before you restore it by hand."} Nothing was touched.`,
      state: "untouched",
      file: options.file,
      ...(unsafe.line === undefined ? {} : { line: unsafe.line })
    })
  }
  const schemas = [...new Set([...contents.schemas, ...(manifest?.schemas ?? [])])]
  const unproven = [
    ...(contents.trailer ? [] : ["that it was not cut between two statements: it lacks pg_dump's closing lines"]),
    ...(archive?.unproven ?? []),
    ...(manifest === undefined ? ["that no row is missing or changed: there is no manifest to hold it against"] : []),
    ...(manifest === undefined && contents.rowSecurity
      ? ["that it has all rows of tables with policies: it was made with --enable-row-security"]
      : []),
    ...(manifest?.catalog.snapshot === "separate"
      ? ["that locale, extensions and states are of the same moment: they were read by themselves, just before"]
      : [])
  ]
  return {
    against: manifest !== undefined ? "manifest" : contents.trailer ? "structure" : "nothing",
    unproven,
    contents,
    ...(manifest === undefined ? {} : { manifest }),
    schemas: schemas.filter((name) => !isSystemSchema(name))
  }
})

/** The part of a manifest that is read from the dump itself. */
export const manifestContents = (contents: Contents) => {
  const {
    trailer: _trailer,
    statements: _statements,
    copies: _copies,
    flaws: _flaws,
    unsafe: _unsafe,
    creates: _creates,
    drops: _drops,
    extensions: _extensions,
    unusual: _unusual,
    owners: _owners,
    largeObjectIds: _largeObjectIds,
    rowSecurity: _rowSecurity,
    bridge: _bridge,
    ...fields
  } = contents
  return fields
}

/** Reads a whole dump that is at hand as chunks. */
export const read = (chunks: Iterable<Uint8Array>): Contents => {
  const reading = new DumpReading()
  for (const chunk of chunks) reading.push(chunk)
  return reading.finish()
}
