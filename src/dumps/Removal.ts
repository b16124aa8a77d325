/** How dumps are removed. */
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { DiskFull, FolderUnusable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import * as DumpName from "./DumpName.ts"
import * as Flushing from "./Flushing.ts"
import { partialOf } from "./Reserving.ts"

/** Whether this is the name of a folder that is, or was to be, a directory dump: of no other all content may go. */
const isFolderName = (name: string): boolean => {
  const finished = name.replace(/\.partial$/, "")
  return Option.exists(DumpName.parse(finished), (at) => DumpName.folder(at) === finished)
}

/** A folder goes in two steps: what a crash leaves of it is no dump that is damaged, but one that is unfinished. */
const removeFolder = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, path: string) {
  const isFinished = !path.endsWith(".partial")
  if (isFinished) yield* fs.rename(path, partialOf(path))
  yield* fs.remove(isFinished ? partialOf(path) : path, { recursive: true })
})

/**
 * Removes these files and directory dumps, in their order, so that it lasts.
 *
 * @param force they need not be there
 */
export const remove = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  directory: string,
  paths: ReadonlyArray<string>,
  force: boolean
): Effect.fn.Return<void, DiskFull | FolderUnusable> {
  for (const path of paths) {
    const info = isFolderName(basename(path)) ? yield* Effect.option(fs.stat(path)) : Option.none()
    const removal = Option.exists(info, ({ type }) => type === "Directory")
      ? removeFolder(fs, path)
      : fs.remove(path, { force })
    yield* Effect.mapError(removal, DumpFile.unwritable(path))
  }
  if (paths.length > 0) yield* Effect.mapError(Flushing.folder(fs, directory), DumpFile.unwritable(directory))
})
