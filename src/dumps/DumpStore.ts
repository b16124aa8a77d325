/** The folder of dumps: what is in it, how a dump gets into it, and how one is proven and read. */
import { basename, dirname, isAbsolute, join } from "node:path"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import type * as Archive from "./archive/Archive.ts"
import {
  type DiskFull,
  type DumpDamaged,
  DumpMissing,
  type DumpUnsafe,
  DumpUnreadable,
  type FolderUnusable
} from "./DumpError.ts"
import * as DirectoryFiles from "./directory/DirectoryFiles.ts"
import * as DirectoryManifest from "./directory/DirectoryManifest.ts"
import * as DirectoryReading from "./directory/DirectoryReading.ts"
import type { OpenDirectory } from "./directory/DirectoryReading.ts"
import * as DumpFile from "./DumpFile.ts"
import { freeSpace } from "./DumpFolder.ts"
import * as DumpLabel from "./DumpLabel.ts"
import * as DumpListing from "./DumpListing.ts"
import * as DumpName from "./DumpName.ts"
import * as DumpProving from "./DumpProving.ts"
import type { ReadingPosition } from "./DumpReading.ts"
import * as DumpText from "./DumpText.ts"
import { into, type Write, type WriteDirectory } from "./DumpWriting.ts"
import { type Leftover, leftovers } from "./Leftovers.ts"
import { decode, type Manifest } from "./Manifest.ts"
import type { Proof } from "./Proof.ts"
import * as ProofRecord from "./ProofRecord.ts"
import * as Removal from "./Removal.ts"
import { unfinishedAndFinished } from "./Reserving.ts"
import * as RestoreJournal from "./RestoreJournal.ts"
import * as Retention from "./Retention.ts"

export type { JudgedDump, JudgeOptions } from "./DumpListing.ts"
export type { Leftover } from "./Leftovers.ts"

/** A dump on disk. */
export interface StoredDump {
  /** Path of the file, or of the folder of a directory dump. */
  readonly file: string
  /** When it was made: by its name, else by its manifest, else by the file system. */
  readonly at: DateTime.Utc
  /** Bytes as stored. */
  readonly size: number
  readonly form: DumpText.Form
  /** Absent for dumps of other tools. */
  readonly manifest?: Manifest
  /** Why there is no manifest although its file is there. */
  readonly problem?: DumpDamaged | DumpUnreadable
}

/** A dump that was written and proven just now. */
export interface WrittenDump extends StoredDump {
  readonly manifest: Manifest
}

export interface ProveFileOptions {
  /** See `prove`: lets a dump without manifest pass that lacks pg_dump's closing lines. */
  readonly acceptUnproven?: boolean
  /**
   * Of binary rows in a folder, reads the bytes as they are stored and does not unpack them: whose SHA-256 is the
   * manifest's has the rows that were counted when it was written. Who restores them counts them again as they go in.
   */
  readonly storedRows?: boolean
  /**
   * Told about every half megabyte how many of the stored bytes have been read, of an archive of its SQL, and how far
   * that is in the SQL, of a folder also in its rows.
   */
  readonly onProgress?: (bytes: number, position: ReadingPosition) => Effect.Effect<void>
}

export interface DumpStoreService {
  readonly directory: string
  /** The dumps in the folder, newest first by name. No folder is no dumps. */
  readonly list: Effect.Effect<ReadonlyArray<StoredDump>, DumpUnreadable>
  /**
   * The dumps in the folder, newest first by name, and whether each proves. Reads those that are new or whose files have
   * changed since they were read; what readings find is kept in the folder (`.pgark-proofs.json`), where it can be.
   */
  readonly judged: (
    options?: DumpListing.JudgeOptions
  ) => Effect.Effect<ReadonlyArray<DumpListing.JudgedDump>, DumpUnreadable>
  /** Files that a run is still writing, or has left when it was killed; manifests without a dump. None is a dump. */
  readonly leftovers: Effect.Effect<ReadonlyArray<Leftover>, DumpUnreadable>
  /**
   * The newest dump, of this database if one is named. Never passes over a dump silently: where the newest has a
   * manifest that cannot be read, that is the failure.
   */
  readonly newest: (database?: string) => Effect.Effect<StoredDump, DumpMissing | DumpDamaged | DumpUnreadable>
  /**
   * A dump by its path, by the name of its file in the folder, or by the name that was given to it: of several the
   * newest. For the last, as for `newest`, a newer dump whose manifest cannot be read is the failure, and only a dump of
   * this database counts if one is named: two databases may well have a dump called `nightly`.
   */
  readonly find: (
    file: string,
    database?: string
  ) => Effect.Effect<StoredDump, DumpMissing | DumpDamaged | DumpUnreadable>
  /**
   * Writes a dump: `fill` appends its SQL. It appears under its name only when it is complete and proven, its manifest
   * last; a failure or interruption leaves nothing behind.
   */
  readonly write: Write
  /** Writes a directory dump: `fill` puts its files into the folder, several at once. All else as for `write`. */
  readonly writeDirectory: WriteDirectory
  /**
   * Opens a directory dump to be read file by file, several of them at once. Fails with `DumpDamaged` where its manifest
   * is missing, or names files as no dump does.
   */
  readonly openDirectory: (
    dump: Pick<StoredDump, "file" | "manifest" | "problem">
  ) => Effect.Effect<OpenDirectory, DumpDamaged | DumpUnreadable>
  /** Opens a dump to be pulled piece by piece, as SQL. */
  readonly read: (file: string) => Effect.Effect<DumpText.DumpText, DumpText.DumpTextError, Scope.Scope>
  /** Reads a dump to its end and judges it, against its manifest where it has one. */
  readonly prove: (
    dump: StoredDump,
    options?: ProveFileOptions
  ) => Effect.Effect<Proof, DumpText.DumpTextError | DumpUnsafe>
  /**
   * Keeps the newest `count` dumps of each database and removes older ones, with their manifests. Every dump with a
   * manifest is read for it: what does not prove is neither counted nor removed, nor is what other tools have made.
   * Dumps that are narrowed (`--schema`, `--allow-partial-rows` …) are counted by themselves. `count` is at least 1.
   */
  readonly keep: (
    count: number
  ) => Effect.Effect<Retention.Retained, DumpUnreadable | FolderUnusable | DiskFull | ToolMissing>
  /** Removes the dump of this path and its manifest, as far as they are there, finished or not. */
  readonly remove: (file: string) => Effect.Effect<void, FolderUnusable | DiskFull>
  /** Bytes that are free where the folder is, or will be. */
  readonly free: Effect.Effect<number, DumpUnreadable>
  /** What restores have noted in this folder. */
  readonly journals: RestoreJournal.Journals
  /** The folder within this one for what restores have replaced: nothing here finds the dumps in it. */
  readonly beforeRestore: Effect.Effect<DumpStoreService>
}

/** Name of {@link DumpStoreService.beforeRestore}. */
export const beforeRestore = "before-restore"

/** The service; one folder each. */
export class DumpStore extends Context.Service<DumpStore, DumpStoreService>()("pgark/dumps/DumpStore") {
  /** A store over this folder, which is created when the first dump is written. */
  static readonly layer = (
    directory: string
  ): Layer.Layer<DumpStore, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
    Layer.effect(DumpStore, make(directory))
}

/** A store over this folder. */
export const { layer } = DumpStore

const sizeOf = (file: string, { format }: DumpText.Form, size: number) => {
  if (format === "directory") return Effect.map(DirectoryFiles.seen(file), (folder) => folder.size)
  return format === "pg_dump directory" ? DumpFile.folderSize(file) : Effect.succeed(size)
}

const openDirectory: DumpStoreService["openDirectory"] = Effect.fn("DumpStore.openDirectory")(function* ({
  file,
  manifest,
  problem
}) {
  if (problem !== undefined) return yield* problem
  if (manifest === undefined) return yield* DirectoryManifest.missing(file)
  return DirectoryReading.open(file, yield* DirectoryFiles.named(file, manifest), manifest.compression)
})

/** The error of a pipe, a device and the like. */
const irregular = (path: string): DumpUnreadable =>
  new DumpUnreadable({
    message: `${path} is no regular file: a dump is read twice, to prove it and to apply it.`,
    suggestion: "Write it into a file first, and restore that.",
    state: "untouched",
    file: path
  })

const make: (
  directory: string
) => Effect.Effect<DumpStoreService, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =
  Effect.fnUntraced(function* (directory) {
    const fs = yield* FileSystem.FileSystem
    const services = yield* Effect.context<Archive.Services>()

    const manifestBeside = Effect.fnUntraced(function* (file: string) {
      if (DirectoryFiles.isOne(file)) return yield* DirectoryManifest.read(file)
      const path = DumpName.manifestOf(file)
      const text = yield* fs.readFileString(path).pipe(
        Effect.asSome,
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
        Effect.mapError(DumpFile.unreadable(path))
      )
      return Option.isNone(text) ? undefined : yield* decode(text.value, path)
    })

    const stored = Effect.fnUntraced(function* (file: string) {
      const info = yield* Effect.mapError(fs.stat(file), DumpFile.unreadable(file))
      const form = yield* DumpText.formOf(file)
      const found = yield* Effect.result(manifestBeside(file))
      const manifest = found._tag === "Success" ? found.success : undefined
      const touched = Option.getOrElse(info.mtime, () => new Date(0))
      const at = Option.getOrElse(
        DumpName.parse(basename(file)),
        () => manifest?.createdAt ?? DateTime.fromDateUnsafe(touched)
      )
      const dump: StoredDump = {
        file,
        at,
        size: yield* sizeOf(file, form, Number(info.size)),
        form,
        ...(manifest === undefined ? {} : { manifest }),
        ...(found._tag === "Failure" ? { problem: found.failure } : {})
      }
      return dump
    })

    const names = fs.readDirectory(directory).pipe(
      Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed([])),
      Effect.mapError(DumpFile.unreadable(directory))
    )

    /** Paths of what is named as a dump, newest first. */
    const files = Effect.map(names, (names) =>
      names
        .filter((name) => Option.isSome(DumpName.parse(name)))
        .sort()
        .reverse()
        .map((name) => join(directory, name))
    )

    /** None where it was removed since the folder was read. */
    const storedIfThere = (file: string) =>
      stored(file).pipe(
        Effect.asSome,
        Effect.catchTag("DumpMissing", () => Effect.succeedNone)
      )

    const list = Effect.flatMap(files, Effect.forEach(storedIfThere)).pipe(
      Effect.map(Arr.getSomes),
      Effect.withSpan("DumpStore.list")
    )

    /** The newest dump that was given this name, of this database if one is named. */
    const named = Effect.fnUntraced(function* (name: string, database?: string) {
      if (!DumpLabel.isName(name)) return undefined
      let other: Manifest | undefined
      for (const file of yield* files) {
        const dump = Option.getOrUndefined(yield* storedIfThere(file))
        if (dump?.problem !== undefined) return yield* dump.problem
        if (dump?.manifest?.name !== name) continue
        if (database === undefined || dump.manifest.source.database === database) return dump
        other ??= dump.manifest
      }
      if (other === undefined) return undefined
      return yield* new DumpMissing({
        message: `There is no dump ${name} of database "${database}" in ${directory}: the newest of that name is of "${other.source.database}".`,
        suggestion: "Name the file to use a dump of another database (`pgark list`).",
        state: "untouched",
        file: directory
      })
    })

    /** The dump whose manifest alone is left and is newer than this one. Manifests of other databases say nothing. */
    const lostBehind = Effect.fnUntraced(function* (dump: StoredDump | undefined, database: string | undefined) {
      const alone = (yield* leftovers(fs, directory, names)).filter(({ kind }) => kind === "without dump")
      const gone = alone.map(({ file }) => DumpName.dumpOf(file)).toSorted()
      for (const file of gone.toReversed()) {
        if (dump !== undefined && basename(file) < basename(dump.file)) return undefined
        const manifest = yield* manifestBeside(file)
        if (manifest !== undefined && (database ?? manifest.source.database) === manifest.source.database) return file
      }
      return undefined
    })

    const newest = Effect.fn("DumpStore.newest")(function* (
      database?: string
    ): Effect.fn.Return<StoredDump, DumpMissing | DumpDamaged | DumpUnreadable> {
      const dumps = yield* list
      const other = (dump: StoredDump) =>
        database !== undefined && (dump.manifest?.source.database ?? database) !== database
      const dump = dumps.find((dump) => !other(dump))
      if (dump?.problem !== undefined) return yield* dump.problem
      const lost = yield* lostBehind(dump, database)
      if (lost !== undefined) {
        return yield* new DumpMissing({
          message: `The newest dump, ${lost}, is gone; its manifest is there.`,
          suggestion: "Bring it back, or remove its manifest; or name the file that is to be used instead.",
          state: "untouched",
          file: lost
        })
      }
      if (dump !== undefined) return dump
      const wanted = database === undefined ? "dump" : `dump of database "${database}"`
      return yield* new DumpMissing({
        message: `There is no ${wanted} in ${directory}.`,
        suggestion:
          dumps.length === 0
            ? "Make one with `pgark dump`, or name a file or another folder (--dir)."
            : "Dumps of other databases are there (`pgark list`): name the file to use one of them.",
        state: "untouched",
        file: directory
      })
    })

    const find = Effect.fn("DumpStore.find")(function* (
      file: string,
      database?: string
    ): Effect.fn.Return<StoredDump, DumpMissing | DumpDamaged | DumpUnreadable> {
      const byName = named(file, database)
      const paths = isAbsolute(file) || dirname(file) !== "." ? [file] : [file, join(directory, file)]
      for (const path of paths) {
        const info = yield* fs.stat(path).pipe(
          Effect.asSome,
          Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
          Effect.mapError(DumpFile.unreadable(path))
        )
        if (Option.isNone(info)) continue
        const { type } = info.value
        if (type === "File") return yield* stored(path)
        if (type === "Directory") {
          const archive = yield* Effect.result(stored(path))
          return Result.isSuccess(archive) ? archive.success : ((yield* byName) ?? (yield* archive.failure))
        }
        return (yield* byName) ?? (yield* irregular(path))
      }
      const dump = yield* byName
      if (dump !== undefined) return dump
      return yield* new DumpMissing({
        message: `There is no dump ${file}, neither here nor in ${directory}.`,
        suggestion: "`pgark list` shows the dumps in the folder, and their names.",
        state: "untouched",
        file
      })
    })

    const proveFile: DumpStoreService["prove"] = (dump, options) =>
      Effect.provideContext(DumpProving.prove(dump, options), services)

    /** The dump goes first: without its manifest it would pass for another tool's. */
    const removeStored = (dumps: ReadonlyArray<StoredDump>) => {
      const paths = ({ file, form }: StoredDump) =>
        form.format === "directory" ? [file] : [file, DumpName.manifestOf(file)]
      return Removal.remove(fs, directory, dumps.flatMap(paths), false)
    }

    const { write, writeDirectory } = into(fs, directory)

    const recorded = <E, R>(written: Effect.Effect<WrittenDump, E, R>) =>
      Effect.tap(written, (dump) => DumpListing.recordWritten(directory, dump))

    /** For what reads many at once. What does not prove any more is not recorded as proven any more. */
    const proveOrForget = (dump: StoredDump) =>
      Effect.tapError(proveFile(dump), () => ProofRecord.update(directory, new Map([[basename(dump.file), undefined]])))

    return DumpStore.of({
      directory,
      list,
      judged: DumpListing.judged({ directory, names, prove: proveFile, stored }),
      leftovers: leftovers(fs, directory, names),
      newest,
      find,
      write: (...dump) => recorded(write(...dump)),
      writeDirectory: (...dump) => recorded(writeDirectory(...dump)),
      openDirectory,
      read: (file) => Effect.provideContext(DumpText.open(file), services),
      prove: DumpListing.recording({ directory, manifestBeside, prove: proveFile }),
      keep: Retention.keep({ list, prove: proveOrForget, remove: removeStored }),
      remove: (file) => Removal.remove(fs, directory, unfinishedAndFinished(file), true),
      free: freeSpace(directory),
      journals: RestoreJournal.within(fs, directory),
      beforeRestore: Effect.provideContext(
        Effect.suspend(() => make(join(directory, beforeRestore))),
        services
      )
    })
  })
