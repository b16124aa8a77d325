/** Making files, and their names, last through a crash of the machine. */
import * as fs from "node:fs"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type { DiskFull, FolderUnusable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"

/** The names in this folder. Windows cannot open a folder, nor needs it. */
export const folder = (fs: FileSystem.FileSystem, path: string): Effect.Effect<unknown, PlatformError.PlatformError> =>
  Effect.scoped(Effect.flatMap(fs.open(path), (folder) => folder.sync)).pipe(
    Effect.when(Effect.sync(() => process.platform !== "win32"))
  )

const fsync = promisify(fs.fsync)

const flush = async (path: string): Promise<void> => {
  // Opened and closed at once: through the pool of threads that takes longer than to flush a small file. Of one that is
  // opened only to be read Windows flushes nothing.
  const handle = fs.openSync(path, "r+")
  try {
    await fsync(handle)
  } finally {
    fs.closeSync(handle)
  }
}

/** How many files are flushed at once: what the file system notes of them is then written together. */
const atOnce = 16

/** The content of these files. */
export const files = (paths: ReadonlyArray<string>): Effect.Effect<void, DiskFull | FolderUnusable> =>
  Effect.forEach(paths, (path) => Effect.tryPromise({ try: () => flush(path), catch: DumpFile.unwritable(path) }), {
    concurrency: atOnce,
    discard: true
  })
