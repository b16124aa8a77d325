/** The files of a directory dump on disk: those that its manifest names, and no others. */
import { createHash } from "node:crypto"
import { existsSync, lstatSync, readdirSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { endings, type Method, methods } from "../Compression.ts"
import { damaged, type DumpDamaged, type DumpMissing, type DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { Digest, DirectoryFiles, Manifest, SqlFile } from "../Manifest.ts"
import * as Layout from "./Layout.ts"

/** A file of the folder, and what must be stored in it. */
export type StoredFile = Pick<SqlFile, "file" | "stored">

/** The folder as it is stored: the manifest says how it is reckoned. */
export const storedOf = ({ data, sql }: DirectoryFiles): Digest => {
  const files: ReadonlyArray<StoredFile> = [...sql, ...data]
  const hash = createHash("sha256")
  for (const { file, stored } of files) hash.update(`${stored.sha256}  ${file}\n`)
  return { length: files.reduce((sum, { stored }) => sum + stored.length, 0), sha256: hash.digest("hex") }
}

/**
 * The files of a manifest. Their names follow from what they hold and their numbers, which ascend; any other name, which
 * might lead out of the folder, is no dump's.
 */
export const named = (folder: string, { compression, files }: Manifest): Effect.Effect<DirectoryFiles, DumpDamaged> => {
  if (files === undefined) return Effect.fail(damaged(folder, "its manifest does not say which files it has"))
  const packing = { method: compression }
  const parts = Layout.sqlParts.filter((part) => files.sql.some(({ file }) => file === Layout.sqlFile(part, packing)))
  const wrong = [
    ...files.sql.filter(({ file }, at) => parts[at] === undefined || file !== Layout.sqlFile(parts[at], packing)),
    ...files.data.filter(({ file, form }, at) => {
      const number = Layout.numberOf(file)
      return !(number > Layout.numberOf(files.data[at - 1]?.file)) || file !== Layout.dataFile(number, form, packing)
    })
  ][0]
  if (wrong !== undefined) {
    return Effect.fail(
      damaged(folder, `its manifest names a file that no dump has there (${wrong.file.slice(0, 100)})`)
    )
  }
  return parts.includes("pre-data") && parts.includes("post-data")
    ? Effect.succeed(files)
    : Effect.fail(damaged(folder, "its manifest does not name all of its SQL"))
}

interface Sight {
  readonly kind: "file" | "folder" | "neither"
  /** Bytes. */
  readonly size: number
}

/** What stands there itself, and not where a link leads to; undefined where there is nothing. */
export const look = (path: string): Effect.Effect<Sight | undefined, DumpUnreadable> =>
  Effect.try({
    try: (): Sight | undefined => {
      // At once: thousands of these take a tenth of the time that they take one by one through the pool of threads.
      const info = lstatSync(path, { throwIfNoEntry: false })
      if (info === undefined) return undefined
      return { kind: info.isFile() ? "file" : info.isDirectory() ? "folder" : "neither", size: info.size }
    },
    catch: DumpFile.unreadable(path)
  })

/** Looks whether this is there, a file of its own, and as long as it must be. */
export const checkFile = Effect.fnUntraced(function* (
  folder: string,
  { file, stored }: StoredFile
): Effect.fn.Return<void, DumpDamaged | DumpUnreadable> {
  const found = yield* look(join(folder, file))
  if (found === undefined) return yield* damaged(folder, `its file ${file} is missing`)
  if (found.kind !== "file") return yield* damaged(folder, `its ${file} is no file`)
  if (found.size !== stored.length) {
    return yield* damaged(folder, `its file ${file} has ${found.size} bytes and its manifest says ${stored.length}`)
  }
})

/** Names within a folder; none where it is missing. */
const namesIn = (path: string) =>
  Effect.tryPromise({ try: () => readdir(path), catch: DumpFile.cannotOpen(path) }).pipe(
    Effect.catchTag("DumpMissing", () => Effect.succeed<ReadonlyArray<string>>([]))
  )

/** Looks whether all these files are there, each as long as it must be, and nothing beside them. Reads none of them. */
export const check = Effect.fn("DirectoryFiles.check")(function* (
  folder: string,
  { data, sql }: DirectoryFiles
): Effect.fn.Return<void, DumpDamaged | DumpUnreadable> {
  const within = yield* look(join(folder, Layout.dataFolder))
  if (within?.kind !== "folder") return yield* damaged(folder, `its folder ${Layout.dataFolder} is missing`)
  const names = new Set([
    Layout.manifestName,
    Layout.dataFolder,
    ...Layout.forPeople,
    ...[...sql, ...data].map(({ file }) => file)
  ])
  const there = [
    ...(yield* namesIn(folder)),
    ...(yield* namesIn(join(folder, Layout.dataFolder))).map((name) => `${Layout.dataFolder}/${name}`)
  ]
  // What begins with a point systems put there by themselves, and nobody reads it.
  const other = there.find((name) => !names.has(name) && !/(^|\/)\./.test(name))
  if (other !== undefined) return yield* damaged(folder, `it holds ${other}, which its manifest does not name`)
  yield* Effect.forEach([...sql, ...data], (file) => checkFile(folder, file), { discard: true })
})

/** A directory dump as the file system knows it. */
export interface FolderSight {
  /** How its files are packed, by their names. */
  readonly compression: Method
  /** Bytes of its SQL and of its rows, as stored. */
  readonly size: number
  /** When anything in it was changed last, and when anything was that the file system notes of it, in nanoseconds. */
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** Of the folder itself. */
  readonly ino: bigint
}

const packed = methods.filter((method) => endings[method] !== "")

const later = (one: bigint, other: bigint): bigint => (one > other ? one : other)

/** Whether this folder is a directory dump, or was to become one: pg_dump's own have a table of contents. */
export const isOne = (path: string): boolean =>
  [Layout.manifestName, Layout.sqlFile("pre-data", { method: "none" })].some((name) => existsSync(join(path, name)))

/** How a folder stands there now. Throws what the system says. */
export const sight = (path: string): FolderSight => {
  const { ctimeNs, ino, mtimeNs } = lstatSync(path, { bigint: true })
  const within = (folder: string) => (existsSync(join(path, folder)) ? readdirSync(join(path, folder)) : [])
  const names = [...within("."), ...within(Layout.dataFolder).map((name) => join(Layout.dataFolder, name))]
  const unnamed = new Set<string>([Layout.manifestName, ...Layout.forPeople])
  let found: FolderSight = { compression: "none", size: 0, mtimeNs, ctimeNs, ino }
  for (const name of names) {
    const info = lstatSync(join(path, name), { bigint: true })
    found = {
      ino,
      compression: packed.find((method) => name.endsWith(endings[method])) ?? found.compression,
      size: found.size + (info.isFile() && !unnamed.has(name) ? Number(info.size) : 0),
      mtimeNs: later(found.mtimeNs, info.mtimeNs),
      ctimeNs: later(found.ctimeNs, info.ctimeNs)
    }
  }
  return found
}

/** How a folder stands there now; it may be under way, or gone meanwhile. */
export const seen = (path: string): Effect.Effect<FolderSight, DumpMissing | DumpUnreadable> =>
  Effect.try({ try: () => sight(path), catch: DumpFile.cannotOpen(path) })
