/** How a dump gets into its folder: under a name of its own only when it is complete and proven, its manifest last. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as Compression from "./Compression.ts"
import type { DiskFull, DumpDamaged, DumpUnsafe, FolderUnusable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import { makeFolder } from "./DumpFolder.ts"
import * as DumpName from "./DumpName.ts"
import { type Contents, DumpReading, type ReadingPosition } from "./DumpReading.ts"
import type { WrittenDump } from "./DumpStore.ts"
import { type Digest, encode, Manifest, manifestVersion } from "./Manifest.ts"
import { manifestContents, prove } from "./Proof.ts"

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

/** Takes the next bytes of a dump. The chunk must not be changed afterwards. */
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

const privately = 0o600

const unpacked: Compression.Compression = { method: "none" }

/** The name of a file that is not finished. */
export const partialOf = (file: string): string => `${file}.partial`

/** All that may be there of a dump, in the order in which it is to be removed. */
export const unfinishedAndFinished = (file: string): ReadonlyArray<string> => {
  const manifest = DumpName.manifestOf(file)
  return [partialOf(file), partialOf(manifest), file, manifest]
}

/** Makes names in the folder last through a crash of the machine. Windows cannot open a folder, nor needs it. */
export const syncFolder = (fs: FileSystem.FileSystem, directory: string) =>
  Effect.scoped(Effect.flatMap(fs.open(directory), (folder) => folder.sync)).pipe(
    Effect.when(Effect.sync(() => process.platform !== "win32"))
  )

/** Writes into this folder, which is created where it is missing. A failure or an interruption leaves nothing behind. */
export const into = (fs: FileSystem.FileSystem, directory: string): Write => {
  /**
   * Creates the `.partial` of a moment that no other dump has; where two dumps meet, the later moves on. Its name is the
   * same however the dump is packed, so that one moment names one dump.
   */
  const reserve = Effect.fnUntraced(function* (from: DateTime.Utc, method: Compression.Method) {
    for (let at = from; ; at = DateTime.add(at, { milliseconds: 1 })) {
      const partial = partialOf(join(directory, DumpName.format(at)))
      const taken = yield* fs.writeFile(partial, new Uint8Array(0), { flag: "wx", mode: privately }).pipe(
        Effect.as(false),
        Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(true)),
        Effect.mapError(DumpFile.unwritable(partial))
      )
      if (taken) continue
      const others = Compression.methods.map((method) => join(directory, DumpName.format(at, method)))
      const finished = yield* Effect.forEach(others, (other) =>
        Effect.mapError(fs.exists(other), DumpFile.unwritable(other))
      )
      if (!finished.includes(true)) return { at, file: join(directory, DumpName.format(at, method)), partial }
      yield* Effect.mapError(fs.remove(partial), DumpFile.unwritable(partial))
    }
  })

  const writeManifest = Effect.fnUntraced(function* (manifest: Manifest, file: string) {
    const path = DumpName.manifestOf(file)
    const text = yield* encode(manifest)
    const partial = partialOf(path)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(partial, { flag: "wx", mode: privately })
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

  return Effect.fn("DumpStore.write")(function* ({ compression = unpacked, ...provenance }, fill, ask) {
    yield* Compression.check(compression.method)
    yield* Effect.mapError(makeFolder(fs, directory), DumpFile.unwritable(directory))
    const { at, file, partial } = yield* Effect.acquireRelease(
      Effect.flatMap(DateTime.now, (now) => reserve(now, compression.method)),
      ({ file, partial }, exit) => {
        const manifest = DumpName.manifestOf(file)
        const left = Exit.isSuccess(exit) ? [] : [partial, partialOf(manifest), manifest, file]
        return Effect.forEach(left, (path) =>
          fs
            .remove(path, { force: true })
            .pipe(
              Effect.catch((error) =>
                Effect.logWarning(`Cannot remove ${path} of the dump that failed: ${error.message}`)
              )
            )
        )
      }
    )
    const { contents, stored } = yield* writeFile(partial, compression, (append, position) =>
      fill(append, file, position)
    )
    yield* prove(contents, undefined, { file: partial })
    const found = ask === undefined ? undefined : yield* ask(contents)
    const manifest = new Manifest({
      version: manifestVersion,
      ...provenance,
      createdAt: at,
      provenAt: yield* DateTime.now,
      format: "plain",
      compression: compression.method,
      stored,
      ...manifestContents(contents),
      ...(found === undefined ? {} : { catalog: { ...provenance.catalog, ...found.catalog } }),
      tables: contents.tables.map((table, index) => {
        const checksum = found?.checksums?.[index]
        return checksum === undefined ? table : { ...table, checksum }
      }),
      schemas: [...new Set([...contents.schemas, ...provenance.schemas])]
    })
    yield* fs
      .rename(partial, file)
      .pipe(
        Effect.andThen(writeManifest(manifest, file)),
        Effect.andThen(syncFolder(fs, directory)),
        Effect.mapError(DumpFile.unwritable(file))
      )
    const dump: WrittenDump = {
      file,
      at,
      size: stored.length,
      form: { format: "plain", compression: compression.method },
      manifest
    }
    return dump
  }, Effect.scoped)
}
