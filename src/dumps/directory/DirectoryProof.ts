/** Reading a directory dump from its beginning to its end: its SQL, and its rows from several files at once. */
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { damaged, type DumpDamaged } from "../DumpError.ts"
import { type Contents, DumpReading, type ReadingPosition } from "../DumpReading.ts"
import type { DataFile, Digest, Manifest } from "../Manifest.ts"
import { ofBinary, type RowsFound, RowsReading } from "../RowsReading.ts"
import * as DirectoryFiles from "./DirectoryFiles.ts"
import * as DirectoryReading from "./DirectoryReading.ts"
import { ReadingFiles } from "./ReadingFiles.ts"

/** Told how many of the stored bytes have been read, and how far that is in what they hold. */
export type OnProgress = (bytes: number, position: ReadingPosition) => Effect.Effect<void>

/** Reads the SQL of a folder, as far as it is worth it. */
const readSql = Effect.fnUntraced(function* (
  directory: DirectoryReading.OpenDirectory,
  told: (stored: number, bytes: number) => Effect.Effect<void>
): Effect.fn.Return<DumpReading, DirectoryReading.FileError, Scope.Scope> {
  const reading = new DumpReading()
  const sql = yield* DirectoryReading.wholeSql(directory)
  // A statement without end is kept to the end of the file: what is no dump may be larger than the memory.
  for (let piece = yield* sql.pull; Option.isSome(piece) && !reading.flawed; piece = yield* sql.pull) {
    reading.push(piece.value)
    yield* told(sql.position(), reading.position.bytes)
  }
  return reading
})

/** What is in a folder, of whose rows this was found. */
const contentsOf = (
  reading: DumpReading,
  { data }: DirectoryReading.OpenDirectory,
  found: ReadonlyArray<RowsFound>
): Contents => {
  data.forEach((file, index) => reading.add(file, found[index]!))
  return reading.finish()
}

/** What is in a folder that was filled just now: only its SQL is read again, which says things in its own order. */
export const readBack = Effect.fn("DirectoryProof.readBack")(function* (
  directory: DirectoryReading.OpenDirectory,
  found: ReadonlyArray<RowsFound>
): Effect.fn.Return<Contents, DirectoryReading.FileError> {
  return contentsOf(yield* Effect.scoped(readSql(directory, () => Effect.void)), directory, found)
})

/** How many files are read at once: what other threads unpack one walks through. */
const readAtOnce = Math.min(4, Math.max(2, availableParallelism()))

/** What differs from what the manifest says of a file, as the end of a sentence. */
const difference = (file: DataFile, { bytes, problem, rows }: RowsFound): string | undefined => {
  if (problem !== undefined) return problem
  if (rows !== file.rows) return `it has ${rows} rows and its manifest says ${file.rows}`
  return bytes === file.bytes ? undefined : `it has ${bytes} bytes of rows and its manifest says ${file.bytes}`
}

export interface ReadOptions {
  readonly onProgress?: OnProgress
  /** Whether of binary rows only the stored bytes are read, so that what the manifest counted in them is taken from it. */
  readonly storedRows?: boolean
}

/** Reads all of it. Fails where a file is not what the manifest says, or one is there that it does not name. */
export const read = Effect.fn("DirectoryProof.read")(function* (
  folder: string,
  manifest: Manifest,
  { onProgress = () => Effect.void, storedRows = false }: ReadOptions = {}
): Effect.fn.Return<{ readonly contents: Contents; readonly stored: Digest }, DirectoryReading.FileError> {
  const files = yield* DirectoryFiles.named(folder, manifest)
  yield* DirectoryFiles.check(folder, files)
  const directory = DirectoryReading.open(folder, files, manifest.compression)
  const { data } = directory
  const progress = new ReadingFiles(data)
  const told = Effect.suspend(() => onProgress(progress.stored, progress.position))

  const storedOf = Effect.fnUntraced(function* (
    file: DataFile
  ): Effect.fn.Return<RowsFound, DirectoryReading.FileError, Scope.Scope> {
    const { position, pull } = yield* directory.packed(file)
    const share = (total: number) => Math.floor((total * position()) / file.stored.length)
    const reading = {
      get rows() {
        return share(file.rows)
      },
      get bytes() {
        return share(file.bytes)
      }
    }
    const close = progress.open({ file, reading, stored: position })
    for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) yield* told
    close()
    return ofBinary(file)
  })

  const rowsOf = Effect.fnUntraced(function* (
    file: DataFile
  ): Effect.fn.Return<RowsFound, DirectoryReading.FileError, Scope.Scope> {
    const reading = new RowsReading(file)
    const wrong = (reason: string): DumpDamaged => damaged(folder, `its file ${file.file}: ${reason}`)
    const { position, pull } = yield* directory.rows(file)
    const close = progress.open({ file, reading, stored: position })
    for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) {
      reading.push(piece.value)
      // Whoever packs a file may make it as large as he likes.
      if (reading.bytes > file.bytes) return yield* wrong("it has more bytes of rows than its manifest says")
      yield* told
    }
    const found = reading.finish()
    const differs = difference(file, found)
    if (differs !== undefined) return yield* wrong(differs)
    close()
    return found
  })

  const reading = yield* Effect.scoped(
    readSql(directory, (stored, bytes) => {
      progress.readSql(stored, bytes)
      return told
    })
  )
  // The biggest first, so that none of them is left alone at the end.
  const order = data.map((_, index) => index).toSorted((a, b) => data[b]!.bytes - data[a]!.bytes)
  const found: Array<RowsFound> = []
  yield* Effect.forEach(
    order,
    (index) => {
      const file = data[index]!
      const reading = storedRows && file.form === "binary" ? storedOf(file) : rowsOf(file)
      return Effect.map(Effect.scoped(reading), (rows) => void (found[index] = rows))
    },
    { concurrency: readAtOnce, discard: true }
  )
  return { contents: contentsOf(reading, directory, found), stored: DirectoryFiles.storedOf(files) }
})
