/** Making files, and their names, last through a crash of the machine. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"

/** The names in this folder. Windows cannot open a folder, nor needs it. */
export const folder = (fs: FileSystem.FileSystem, path: string): Effect.Effect<unknown, PlatformError.PlatformError> =>
  Effect.scoped(Effect.flatMap(fs.open(path), (folder) => folder.sync)).pipe(
    Effect.when(Effect.sync(() => process.platform !== "win32"))
  )

/** How many files are flushed at once: what the file system notes of them is then written together. */
const atOnce = 16

/** The content of these files. */
export const files = (
  fs: FileSystem.FileSystem,
  paths: ReadonlyArray<string>
): Effect.Effect<void, PlatformError.PlatformError> =>
  // Of a file that is opened only to be read Windows flushes nothing.
  Effect.forEach(paths, (path) => Effect.scoped(Effect.flatMap(fs.open(path, { flag: "r+" }), (file) => file.sync)), {
    concurrency: atOnce,
    discard: true
  })
