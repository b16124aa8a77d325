/** How a dump gets into its folder: under a name of its own only when it is complete and proven, its manifest last. */
import { createHash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as Compression from "./Compression.ts"
import type { DiskFull, DumpDamaged, DumpUnsafe, FolderUnusable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import * as DumpName from "./DumpName.ts"
import { type Contents, DumpReading, type ReadingPosition } from "./DumpReading.ts"
import type { WrittenDump } from "./DumpStore.ts"
import type { DumpTextError } from "./DumpText.ts"
import * as DirectoryWriting from "./directory/DirectoryWriting.ts"
import type { DirectoryWriter } from "./directory/DirectoryWriting.ts"
import * as DirectoryFiles from "./directory/DirectoryFiles.ts"
import * as DirectoryProof from "./directory/DirectoryProof.ts"
import * as DirectoryReading from "./directory/DirectoryReading.ts"
import * as Flushing from "./Flushing.ts"
import { type Digest, type DirectoryFiles as Files, encode, Manifest, manifestVersion } from "./Manifest.ts"
import { manifestContents, prove } from "./Proof.ts"
import * as Reserving from "./Reserving.ts"

/** What a manifest says beside what the dump itself holds. See `Manifest`. */
export interface Provenance extends Pick<
  Manifest,
  "catalog" | "excluded" | "name" | "note" | "onlySchemas" | "partialRows" | "pgark" | "source" | "tool"
> {
  /** Schemas that the dump covers; of an empty one pg_dump writes nothing. */
  readonly schemas: ReadonlyArray<string>
  /** How the SQL is packed; not at all unless told. */
  readonly compression?: Compression.Compression
}

/** Takes the next bytes of a dump. A chunk of SQL must not be changed afterwards, one of COPY data not before it returns. */
export type Append = (chunk: Uint8Array) => Effect.Effect<void, DiskFull | FolderUnusable>

/** What the source says of a dump that is written. */
export interface Findings {
  /** States of the objects that are in it, and what its tables are made of. */
  readonly catalog: Pick<Manifest["catalog"], "parts" | "states">
  /** What the rows of its tables add up to, in their order; undefined where that was not asked for. */
  readonly checksums?: ReadonlyArray<string>
}

/**
 * Writes a dump: `fill` appends its SQL to what will be `file`, and can see by `position` how far that is; `ask`, where
 * it is given, then looks at the source once more.
 */
export type Write = <E, R, E2 = never, R2 = never>(
  provenance: Provenance,
  fill: (append: Append, file: string, position: () => ReadingPosition) => Effect.Effect<unknown, E, R>,
  ask?: (contents: Contents) => Effect.Effect<Findings, E2, R2>
) => Effect.Effect<WrittenDump, E | E2 | DumpDamaged | DumpUnsafe | FolderUnusable | DiskFull | ToolMissing, R | R2>

/**
 * Writes a directory dump: `fill` puts its files into what will be the folder; `ask`, where it is given, then looks at
 * the source once more. Packed by zstd, or by gzip where this Node has none, as fast as can be unless told.
 */
export type WriteDirectory = <E, R, E2 = never, R2 = never>(
  provenance: Provenance,
  fill: (writer: DirectoryWriter) => Effect.Effect<unknown, E, R>,
  ask?: (contents: Contents) => Effect.Effect<Findings, E2, R2>
) => Effect.Effect<WrittenDump, E | E2 | DumpTextError | DumpUnsafe | FolderUnusable | DiskFull, R | R2>

const unpacked: Compression.Compression = { method: "none" }

/** The manifest of a dump that was written now. */
const manifestFor = Effect.fnUntraced(function* <E, R>(
  { compression: _compression, ...provenance }: Provenance,
  contents: Contents,
  written: Pick<Manifest, "compression" | "createdAt" | "format" | "stored"> & { readonly files?: Files },
  ask: ((contents: Contents) => Effect.Effect<Findings, E, R>) | undefined
) {
  const found = ask === undefined ? undefined : yield* ask(contents)
  return new Manifest({
    version: manifestVersion,
    ...provenance,
    ...written,
    provenAt: yield* DateTime.now,
    ...manifestContents(contents),
    ...(found === undefined ? {} : { catalog: { ...provenance.catalog, ...found.catalog } }),
    tables: contents.tables.map((table, index) => {
      const checksum = found?.checksums?.[index]
      return checksum === undefined ? table : { ...table, checksum }
    }),
    schemas: [...new Set([...contents.schemas, ...provenance.schemas])]
  })
})

/** Writes into this folder, which is created where it is missing. A failure or an interruption leaves nothing behind. */
export const into = (
  fs: FileSystem.FileSystem,
  directory: string
): { readonly write: Write; readonly writeDirectory: WriteDirectory } => {
  const writeManifest = Effect.fnUntraced(function* (manifest: Manifest, file: string) {
    const path = DumpName.manifestOf(file)
    const text = yield* encode(manifest)
    const partial = Reserving.partialOf(path)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(partial, { flag: "wx", mode: 0o600 })
        yield* handle.writeAll(Buffer.from(text))
        yield* handle.sync
      })
    )
    yield* fs.rename(partial, path)
  })

  /** Lets `fill` write the file; gives what is in it, and what is stored where that is not the SQL itself. */
  const writeFile = <E, R>(
    partial: string,
    compression: Compression.Compression,
    fill: (append: Append, position: () => ReadingPosition) => Effect.Effect<unknown, E, R>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const reading = new DumpReading()
        const hash = createHash("sha256")
        let length = 0
        const unwritable = DumpFile.unwritable(partial)
        const handle = yield* Effect.mapError(fs.open(partial, { flag: "r+" }), unwritable)
        const packer = yield* Compression.pack(compression, (bytes) => {
          length += bytes.length
          if (compression.method !== "none") hash.update(bytes)
          return Effect.mapError(handle.writeAll(bytes), unwritable)
        })
        yield* fill(
          (chunk) =>
            // The chunk is read while the system packs or writes it.
            Effect.all([packer.append(chunk), Effect.sync(() => reading.push(chunk))], {
              concurrency: 2,
              discard: true
            }),
          () => reading.position
        )
        yield* packer.end
        yield* Effect.mapError(handle.sync, unwritable)
        const contents = reading.finish()
        const stored: Digest = compression.method === "none" ? contents.sql : { length, sha256: hash.digest("hex") }
        return { contents, stored }
      })
    )

  const write = Effect.fn("DumpStore.write")(function* (provenance, fill, ask) {
    const { compression = unpacked } = provenance
    yield* Compression.check(compression.method)
    const { at, file, partial } = yield* Reserving.file(fs, directory, compression.method)
    const { contents, stored } = yield* writeFile(partial, compression, (append, position) =>
      fill(append, file, position)
    )
    yield* prove(contents, undefined, { file: partial })
    const form = { format: "plain", compression: compression.method } as const
    const manifest = yield* manifestFor(provenance, contents, { ...form, createdAt: at, stored }, ask)
    yield* fs
      .rename(partial, file)
      .pipe(
        Effect.andThen(writeManifest(manifest, file)),
        Effect.andThen(Flushing.folder(fs, directory)),
        Effect.mapError(DumpFile.unwritable(file))
      )
    const dump: WrittenDump = { file, at, size: stored.length, form, manifest }
    return dump
  }, Effect.scoped) satisfies Write

  const writeDirectory = Effect.fn("DumpStore.writeDirectory")(function* (provenance, fill, ask) {
    const { compression = Compression.quickest() } = provenance
    yield* Compression.check(compression.method)
    const { at, file, partial } = yield* Reserving.folder(fs, directory)
    const { files, found } = yield* DirectoryWriting.fill(fs, { compression, file, folder: partial }, fill)
    const contents = yield* DirectoryProof.readBack(DirectoryReading.open(partial, files, compression.method), found)
    yield* prove(contents, undefined, { file: partial })
    const form = { format: "directory", compression: compression.method } as const
    const stored = DirectoryFiles.storedOf(files)
    const manifest = yield* manifestFor(provenance, contents, { ...form, createdAt: at, stored, files }, ask)
    yield* DirectoryWriting.seal(fs, partial, manifest)
    yield* fs
      .rename(partial, file)
      .pipe(Effect.andThen(Flushing.folder(fs, directory)), Effect.mapError(DumpFile.unwritable(file)))
    const dump: WrittenDump = { file, at, size: stored.length, form, manifest }
    return dump
  }, Effect.scoped) satisfies WriteDirectory

  return { write, writeDirectory }
}
