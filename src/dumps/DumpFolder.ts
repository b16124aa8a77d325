/** The folder of dumps itself. */
import { constants } from "node:fs"
import { access, lstat, rmdir, stat, statfs } from "node:fs/promises"
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type { DiskFull, DumpUnreadable, FolderUnusable } from "./DumpError.ts"
import { codeOf, unreadable, unwritable } from "./DumpFile.ts"

/**
 * Creates the folder and what is missing above it. Not with `recursive`: Node never comes back from that where a
 * folder that exists says of its child that it does not (`/proc/dumps`).
 */
export const makeFolder = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (yield* fs.exists(path)) return
    if (dirname(path) !== path) yield* makeFolder(fs, dirname(path))
    yield* fs.makeDirectory(path).pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void))
  })

/** What the system said. */
class Refusal {
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

/** Removes the folder unless something is in it. */
export const removeIfEmpty = (path: string): Effect.Effect<void, DiskFull | FolderUnusable> =>
  Effect.tryPromise({ try: () => rmdir(path), catch: (cause) => new Refusal(cause) }).pipe(
    Effect.catchIf(
      (error) => ["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(error)),
      () => Effect.void
    ),
    Effect.mapError(unwritable(path))
  )

/** What is to be known of the folder before something is written into it. */
export interface FolderState {
  readonly exists: boolean
  /** Anybody of this machine may put files into it, or take them out. */
  readonly isOpen: boolean
}

/** What `access` asks for: of a folder to be put into another one, that one is only written. */
const toUse = constants.R_OK | constants.W_OK | constants.X_OK
const toCreate = constants.W_OK | constants.X_OK

const lookAt = (path: string, mode: number): Effect.Effect<FolderState, DiskFull | FolderUnusable> =>
  Effect.tryPromise({
    try: async () => {
      const info = await stat(path)
      // What a file that stands in its place says to reading it.
      if (!info.isDirectory()) throw Object.assign(new Error(`${path} is a file`), { code: "ENOTDIR" })
      await access(path, mode)
      return { exists: true, isOpen: (info.mode & 0o1002) === 0o2 }
    },
    catch: (cause) => new Refusal(cause)
  }).pipe(
    Effect.catchIf(
      (error) => codeOf(error) === "ENOENT" && path !== "" && dirname(path) !== path,
      (error) =>
        Effect.gen(function* () {
          // A symbolic link to nothing is in the way of the folder.
          const isFree = yield* Effect.promise(() =>
            lstat(path).then(
              () => false,
              () => true
            )
          )
          if (!isFree) return yield* Effect.fail(error)
          return { ...(yield* lookAt(dirname(path), toCreate)), exists: false }
        })
    ),
    Effect.mapError((error) => (error instanceof Refusal ? unwritable(path)(error) : error))
  )

/** Looks whether this user may write into the folder and read it, or create it, and writes nothing. */
export const look = (path: string): Effect.Effect<FolderState, DiskFull | FolderUnusable> => lookAt(path, toUse)

/** Bytes that this user may still write where the folder is, or where it would be created. */
export const freeSpace = (path: string): Effect.Effect<number, DumpUnreadable> =>
  Effect.tryPromise({ try: () => statfs(path), catch: (cause) => new Refusal(cause) }).pipe(
    Effect.map(({ bavail, bsize }) => bavail * bsize),
    Effect.catchIf(
      (error) => codeOf(error) === "ENOENT" && dirname(path) !== path,
      () => freeSpace(dirname(path))
    ),
    Effect.mapError(unreadable(path))
  )
