/** Reading dump files, fast: the next piece is on its way while the one before is worked on. */
import * as fs from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { DiskFull, DumpMissing, DumpUnreadable, FolderUnusable } from "./DumpError.ts"

/** Gives the next piece of a file, none at its end. The piece is the caller's to keep. */
export type Pull = Effect.Effect<Option.Option<Uint8Array>, DumpUnreadable>

/** Size of a piece, in bytes. */
const pieceSize = 512 * 1024

/** Node's code of an error (`ENOENT`), also inside the error of a `FileSystem` of effect. */
export const codeOf = (error: unknown): string => {
  if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  if (Predicate.hasProperty(error, "reason")) return codeOf(error.reason)
  return Predicate.hasProperty(error, "cause") ? codeOf(error.cause) : ""
}

const reasons: Record<string, string> = {
  EACCES: "this user may not do that",
  EPERM: "this user may not do that",
  EROFS: "the file system is read-only",
  ENOTDIR: "a part of the path is no folder",
  EISDIR: "it is a folder",
  EEXIST: "something of that name is there already",
  ENOENT: "it does not exist"
}

/** What is written need not be there before, only the folder that it goes to. */
const why = (action: "read" | "write", code: string): string =>
  code === "ENOENT" && action === "write"
    ? "its folder does not exist"
    : (reasons[code] ?? (code === "" ? "it failed" : code))

const fields = (action: "read" | "write", file: string, error: unknown) => {
  const code = codeOf(error)
  return {
    message: `Cannot ${action} ${file}: ${why(action, code)}.`,
    detail: describe(error),
    suggestion: "Check the path and who may use it, or choose another folder with --dir.",
    state: "untouched" as const,
    file
  }
}

/** As the system said it: the error of a `FileSystem` of effect wraps that in words of its own. */
const describe = (error: unknown): string => {
  if (Predicate.hasProperty(error, "reason")) return describe(error.reason)
  if (Predicate.hasProperty(error, "cause") && error.cause !== undefined) return describe(error.cause)
  return Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
}

/** The error of a file or folder that cannot be read, from what the system said. */
export const unreadable =
  (file: string) =>
  (error: unknown): DumpUnreadable =>
    new DumpUnreadable(fields("read", file, error))

/** The error of a file or folder that cannot be written, from what the system said. */
export const unwritable =
  (file: string) =>
  (error: unknown): FolderUnusable | DiskFull => {
    const code = codeOf(error)
    if (code !== "ENOSPC" && code !== "EDQUOT") return new FolderUnusable(fields("write", file, error))
    return new DiskFull({
      message: `No space is left to write ${file}.`,
      detail: describe(error),
      suggestion: "Free some space, or choose another folder with --dir.",
      state: "untouched",
      file
    })
  }

/** The error of a file that cannot be opened: that there is none is an error of its own. */
export const cannotOpen =
  (file: string) =>
  (error: unknown): DumpMissing | DumpUnreadable =>
    codeOf(error) === "ENOENT"
      ? new DumpMissing({
          message: `There is no file ${file}.`,
          suggestion: "`pgark list` shows the dumps in the folder.",
          state: "untouched",
          file
        })
      : unreadable(file)(error)

/** The first bytes of a file, or those from `start` on, at most `size`. */
export const head = Effect.fn("DumpFile.head")(function* (
  file: string,
  size: number,
  start = 0
): Effect.fn.Return<Uint8Array, DumpMissing | DumpUnreadable> {
  return yield* Effect.tryPromise({
    try: async () => {
      const handle = await fs.open(file, "r")
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, start)
        return buffer.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    catch: cannotOpen(file)
  })
})

/** Whether it is a folder. */
export const isFolder = (file: string): Effect.Effect<boolean, DumpMissing | DumpUnreadable> =>
  Effect.tryPromise({ try: () => fs.stat(file).then((info) => info.isDirectory()), catch: cannotOpen(file) })

/** The bytes of the files in a folder, which has no folders in it, together. */
export const folderSize = (folder: string): Effect.Effect<number, DumpMissing | DumpUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const names = await fs.readdir(folder)
      const infos = await Promise.all(names.map((name) => fs.stat(join(folder, name))))
      return infos.reduce((sum, { size }) => sum + size, 0)
    },
    catch: cannotOpen(folder)
  })

/** A part of a file, in bytes. */
export interface Part {
  readonly start: number
  readonly size: number
}

/**
 * Opens a file to be pulled from start to end, or a part of it, by one reader; closing the scope closes it.
 */
export const open = Effect.fn("DumpFile.open")(function* (
  file: string,
  { start, size }: Part = { start: 0, size: Number.POSITIVE_INFINITY }
): Effect.fn.Return<{ readonly pull: Pull }, DumpMissing | DumpUnreadable, Scope.Scope> {
  let ahead: Promise<unknown> | undefined
  const handle = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () => fs.open(file, "r"),
      catch: cannotOpen(file)
    }),
    // A read under way must end before its file is closed; how it ends no longer matters.
    (handle) => Effect.promise(() => Promise.allSettled([ahead]).then(() => handle.close()))
  )
  let [position, left] = [start, size]
  const read = () => {
    const length = Math.min(pieceSize, left)
    const piece = handle.read(Buffer.allocUnsafeSlow(length), 0, length, position)
    // Its failure is reported when it is pulled; until then it must not count as unhandled.
    piece.catch(() => {})
    ahead = piece
    return piece
  }
  let next = read()
  const pull: Pull = Effect.tryPromise({
    try: async () => {
      const { buffer, bytesRead } = await next
      if (bytesRead === 0) return Option.none()
      position += bytesRead
      left -= bytesRead
      next = read()
      return Option.some(buffer.subarray(0, bytesRead))
    },
    catch: unreadable(file)
  })
  return { pull }
})
