/** Reading the files of a directory dump: unpacked, and held against what its manifest says of them. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ToolMissing } from "../../postgres/ToolMissing.ts"
import * as Compression from "../Compression.ts"
import { damaged, type DumpDamaged, type DumpMissing, type DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { DataFile, DirectoryFiles as Files } from "../Manifest.ts"
import * as DirectoryFiles from "./DirectoryFiles.ts"
import * as Layout from "./Layout.ts"

/** Why a file of the folder cannot be had. */
export type FileError = DumpDamaged | DumpMissing | DumpUnreadable | ToolMissing

/** Gives the next piece, unpacked, none at the end. The piece is the caller's to keep. */
export type Pull = Effect.Effect<Option.Option<Uint8Array>, FileError>

/** A file of the folder that is being read. */
export interface OpenFile {
  readonly pull: Pull
  /** Bytes of the file as it is stored that have been read so far. */
  readonly position: () => number
}

/** A directory dump to be read, file by file, several of them at once. */
export interface OpenDirectory {
  /** The files of rows, in the order of the manifest. */
  readonly data: ReadonlyArray<DataFile>
  /** Opens a part of the SQL; one that the dump does not have is empty. Closing the scope closes it. */
  readonly sql: (part: Layout.SqlPart) => Effect.Effect<OpenFile, FileError, Scope.Scope>
  /**
   * Opens a file of rows, to be pulled as COPY data. At its end the file is held against its length and SHA-256 of the
   * manifest: only who has pulled that end has had what was dumped. Closing the scope closes it.
   */
  readonly rows: (file: DataFile) => Effect.Effect<OpenFile, FileError, Scope.Scope>
  /** Opens a file of rows as it is stored, and holds it against the manifest in the same way. */
  readonly packed: (file: DataFile) => Effect.Effect<OpenFile, FileError, Scope.Scope>
}

/** Up to so many bytes a file is read and unpacked at once: threads and streams would take ten times longer. */
const small = { stored: 128 * 1024, unpacked: 1024 * 1024 }

/** Gives one piece, and then the end. */
const one = (piece: Uint8Array): Pull => {
  let left = piece.length > 0
  return Effect.sync(() => {
    const taken = left
    left = false
    return taken ? Option.some(piece) : Option.none()
  })
}

const changed = (folder: string, file: string): DumpDamaged =>
  damaged(folder, `its file ${file} was changed: the SHA-256 differs from its manifest's`)

/** Reads a small file. Nothing of it is given before all of it is what the manifest says. */
const readNow = Effect.fnUntraced(function* (
  folder: string,
  { file, stored }: DirectoryFiles.StoredFile,
  method: Compression.Method,
  bytes: number
): Effect.fn.Return<OpenFile, FileError> {
  const path = join(folder, file)
  const packed = yield* Effect.try({ try: () => readFileSync(path), catch: DumpFile.unreadable(path) })
  if (createHash("sha256").update(packed).digest("hex") !== stored.sha256) return yield* changed(folder, file)
  const unpacked = yield* Effect.catchTag(Compression.unpackNow(method, packed, bytes), "Corrupt", ({ reason }) =>
    Effect.fail(damaged(folder, `its file ${file}: ${reason}`))
  )
  return { pull: one(unpacked), position: () => packed.length }
})

const nothing: OpenFile = { pull: Effect.succeedNone, position: () => 0 }

/**
 * Opens a file; fails where it is not what is said to be stored in it, at the latest at its end.
 *
 * @param bytes how many it has unpacked, where the manifest says so
 */
const openFile = Effect.fnUntraced(function* (
  folder: string,
  stored: DirectoryFiles.StoredFile,
  method: Compression.Method,
  bytes = Number.POSITIVE_INFINITY
): Effect.fn.Return<OpenFile, FileError, Scope.Scope> {
  const { file } = stored
  yield* DirectoryFiles.checkFile(folder, stored)
  if (stored.stored.length <= small.stored && (method === "none" ? stored.stored.length : bytes) <= small.unpacked) {
    return yield* readNow(folder, stored, method, bytes)
  }
  const { pull } = yield* DumpFile.open(join(folder, file))
  const hash = createHash("sha256")
  let position = 0
  const packed = Effect.tap(pull, (piece) => {
    if (Option.isNone(piece)) return Effect.void
    position += piece.value.length
    hash.update(piece.value)
    return Effect.void
  })
  const inside = method === "none" ? { pull: packed } : yield* Compression.unpack(method, packed)
  let ended = false
  const checked = Effect.gen(function* () {
    if (ended) return Option.none()
    const piece = yield* inside.pull
    if (Option.isSome(piece)) return piece
    ended = true
    const found = hash.digest("hex")
    if (found === stored.stored.sha256 && position === stored.stored.length) return piece
    return yield* changed(folder, file)
  })
  const failing = Effect.mapError(checked, (error) =>
    error._tag === "Corrupt" ? damaged(folder, `its file ${file}: ${error.reason}`) : error
  )
  return { pull: failing, position: () => position }
})

/** A folder with these files, whose names must be what they are of a dump. It looks at none of them. */
export const open = (folder: string, files: Files, method: Compression.Method): OpenDirectory => ({
  data: files.data,
  sql: (part) => {
    const name = Layout.sqlFile(part, { method })
    const file = files.sql.find(({ file }) => file === name)
    if (file === undefined) return Effect.succeed(nothing)
    return openFile(folder, file, part === "large-objects" ? method : "none")
  },
  rows: (file) => openFile(folder, file, method, file.bytes),
  packed: (file) => openFile(folder, file, "none")
})

/** The SQL of all parts, one behind the other; they are opened as they come. */
export const wholeSql = Effect.fnUntraced(function* (
  directory: OpenDirectory
): Effect.fn.Return<OpenFile, FileError, Scope.Scope> {
  const scope = yield* Effect.scope
  let [part, before] = [0, 0]
  let current = nothing
  const pull: Pull = Effect.gen(function* () {
    for (;;) {
      const piece = yield* current.pull
      if (Option.isSome(piece)) return piece
      const next = Layout.sqlParts[part]
      if (next === undefined) return Option.none()
      part++
      before += current.position()
      current = yield* directory.sql(next).pipe(Effect.provideService(Scope.Scope, scope))
    }
  })
  return { pull, position: () => before + current.position() }
})
