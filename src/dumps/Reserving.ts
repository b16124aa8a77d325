/** Names of dumps that are being written: one moment names one dump, be it a file or a folder. */
import { join } from "node:path"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Compression from "./Compression.ts"
import type { DiskFull, FolderUnusable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import { makeFolder } from "./DumpFolder.ts"
import * as DumpName from "./DumpName.ts"

/** The name of a file or folder that is not finished. */
export const partialOf = (file: string): string => `${file}.partial`

/** All that may be there of a dump, in the order in which it is to be removed. */
export const unfinishedAndFinished = (file: string): ReadonlyArray<string> => {
  const manifest = DumpName.manifestOf(file)
  return [partialOf(file), partialOf(manifest), file, manifest]
}

/** A name that a dump has to itself. */
export interface Reserved {
  readonly at: DateTime.Utc
  /** Path that the dump will have. */
  readonly file: string
  /** Path that it has until it is complete; it is there, and empty. */
  readonly partial: string
}

/** How a dump is named before it is complete, and then. */
interface Naming {
  readonly unfinished: (at: DateTime.Utc) => string
  readonly finished: (at: DateTime.Utc) => string
  /** Creates what is unfinished; fails where something of that name is there. */
  readonly create: (partial: string) => Effect.Effect<void, PlatformError.PlatformError>
}

/** Creates the `.partial` of a moment that no other dump has; where two dumps meet, the later moves on. */
const free = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  directory: string,
  { create, finished, unfinished }: Naming,
  from: DateTime.Utc
): Effect.fn.Return<Reserved, DiskFull | FolderUnusable> {
  for (let at = from; ; at = DateTime.add(at, { milliseconds: 1 })) {
    const partial = join(directory, unfinished(at))
    const taken = yield* create(partial).pipe(
      Effect.as(false),
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(true)),
      Effect.mapError(DumpFile.unwritable(partial))
    )
    if (taken) continue
    const files = Compression.methods.map((method) => DumpName.format(at, method))
    const names = [...files, DumpName.folder(at), partialOf(DumpName.format(at)), partialOf(DumpName.folder(at))]
    const others = names.map((name) => join(directory, name)).filter((other) => other !== partial)
    const there = yield* Effect.forEach(others, (other) =>
      Effect.mapError(fs.exists(other), DumpFile.unwritable(other))
    )
    if (!there.includes(true)) return { at, file: join(directory, finished(at)), partial }
    yield* Effect.mapError(fs.remove(partial, { recursive: true }), DumpFile.unwritable(partial))
  }
})

const reserve = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  directory: string,
  naming: Naming
): Effect.fn.Return<Reserved, DiskFull | FolderUnusable, Scope.Scope> {
  yield* Effect.mapError(makeFolder(fs, directory), DumpFile.unwritable(directory))
  return yield* Effect.acquireRelease(
    Effect.flatMap(DateTime.now, (now) => free(fs, directory, naming, now)),
    ({ file, partial }, exit) =>
      Effect.forEach(Exit.isSuccess(exit) ? [] : [partial, ...unfinishedAndFinished(file)], (path) =>
        fs
          .remove(path, { force: true, recursive: true })
          .pipe(
            Effect.catch((error) =>
              Effect.logWarning(`Cannot remove ${path} of the dump that failed: ${error.message}`)
            )
          )
      )
  )
})

/**
 * A file in this folder, whose `.partial` has the same name however the dump is packed. Where the scope closes with a
 * failure, nothing is left of it.
 */
export const file = (fs: FileSystem.FileSystem, directory: string, packed: Compression.Method) =>
  reserve(fs, directory, {
    unfinished: (at) => partialOf(DumpName.format(at)),
    finished: (at) => DumpName.format(at, packed),
    create: (partial) => fs.writeFile(partial, new Uint8Array(0), { flag: "wx", mode: 0o600 })
  })

/** A folder in this folder. Where the scope closes with a failure, nothing is left of it. */
export const folder = (fs: FileSystem.FileSystem, directory: string) =>
  reserve(fs, directory, {
    unfinished: (at) => partialOf(DumpName.folder(at)),
    finished: DumpName.folder,
    create: (partial) => fs.makeDirectory(partial, { mode: 0o700 })
  })
