/** The SQL of a dump, in whatever form it is stored. What form that is its first bytes say, never its name. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as Archive from "./archive/Archive.ts"
import * as Compression from "./Compression.ts"
import { damaged, type DumpDamaged, type DumpMissing, DumpUnreadable } from "./DumpError.ts"
import * as DumpFile from "./DumpFile.ts"
import * as DirectoryFiles from "./directory/DirectoryFiles.ts"
import * as DirectoryManifest from "./directory/DirectoryManifest.ts"
import * as DirectoryReading from "./directory/DirectoryReading.ts"
import type { Digest } from "./Manifest.ts"

/** How a dump is stored: as SQL, or as a folder, packed or not; or as one of pg_dump's archives. */
export type Form =
  | { readonly format: "plain"; readonly compression: Compression.Method }
  | { readonly format: "directory"; readonly compression: Compression.Method }
  | { readonly format: Archive.ArchiveFormat; readonly compression: "none" }

/** Why the SQL cannot be had. */
export type DumpTextError = DumpDamaged | DumpMissing | DumpUnreadable | ToolMissing

/** A dump that is being read. */
export interface DumpText {
  readonly form: Form
  /** Gives the next piece of the SQL, none at its end. Of a folder it is all but the rows. */
  readonly pull: Effect.Effect<Option.Option<Uint8Array>, DumpTextError>
  /** Bytes of the file that have been read so far; of an archive, of its SQL. */
  readonly position: () => number
  /** What is stored, when all of it has been read; undefined where that is the SQL itself, a folder or an archive. */
  readonly stored: () => Digest | undefined
}

/** First bytes that tell a form. */
const signs: ReadonlyArray<readonly [bytes: string, at: number, form: Form]> = [
  ["1f8b", 0, { format: "plain", compression: "gzip" }],
  ["28b52ffd", 0, { format: "plain", compression: "zstd" }],
  [Buffer.from(Archive.magic).toString("hex"), 0, { format: "custom", compression: "none" }],
  [Buffer.from("ustar").toString("hex"), 257, { format: "tar", compression: "none" }]
]

/** Bytes that are enough to tell a form. */
const headSize = 512

/** First bytes of what others pack with, and how it is unpacked. */
const foreign: ReadonlyArray<readonly [bytes: string, name: string, remedy: string]> = [
  ["04224d18", "lz4", "lz4 -d"],
  ["fd377a585a", "xz", "xz -d"],
  ["425a68", "bzip2", "bzip2 -d"],
  ["504b0304", "zip", "unzip"]
]

const has = (head: Uint8Array, hex: string, at = 0): boolean =>
  Buffer.from(head.subarray(at, at + hex.length / 2)).toString("hex") === hex

const plain: Form = { format: "plain", compression: "none" }

/** The form of a file, by its first bytes. */
export const recognise = (head: Uint8Array): Form => signs.find(([bytes, at]) => has(head, bytes, at))?.[2] ?? plain

const refuse = (file: string, message: string, suggestion: string): DumpUnreadable =>
  new DumpUnreadable({ message: `${file} ${message}.`, suggestion, state: "untouched", file })

/** The form in which a dump is stored. A folder is one of pg_dump where its table of contents is in it. */
export const formOf = Effect.fn("DumpText.formOf")(function* (
  file: string
): Effect.fn.Return<Form, DumpMissing | DumpUnreadable> {
  if (!(yield* DumpFile.isFolder(file))) return recognise(yield* DumpFile.head(file, headSize))
  const contents = DumpFile.head(join(file, Archive.contentsName), headSize).pipe(
    Effect.catchTag("DumpMissing", () => Effect.succeed(new Uint8Array(0)))
  )
  if (recognise(yield* contents).format === "custom") return { format: "pg_dump directory", compression: "none" }
  if (DirectoryFiles.isOne(file)) {
    return { format: "directory", compression: (yield* DirectoryFiles.seen(file)).compression }
  }
  return yield* refuse(
    file,
    "is a folder, not a dump",
    "Name the .sql file, or give the folder with --dir. A directory dump has a manifest.json in it, one of pg_dump a toc.dat."
  )
})

/** Opens a dump, packed or not, or an archive, to be pulled as SQL. Closing the scope closes it. */
export const open = Effect.fn("DumpText.open")(function* (
  file: string
): Effect.fn.Return<DumpText, DumpTextError, Archive.Services | Scope.Scope> {
  const form = yield* formOf(file)
  if (form.format === "plain") return yield* openPlain(file)
  return yield* form.format === "directory" ? openFolder(file, form) : openArchive(file, form)
})

const openFolder = Effect.fnUntraced(function* (
  file: string,
  form: Form
): Effect.fn.Return<DumpText, DumpTextError, Scope.Scope> {
  const manifest = yield* DirectoryManifest.read(file)
  if (manifest === undefined) return yield* DirectoryManifest.missing(file)
  const files = yield* DirectoryFiles.named(file, manifest)
  const sql = yield* DirectoryReading.wholeSql(DirectoryReading.open(file, files, manifest.compression))
  return { form, ...sql, stored: () => undefined }
})

const openArchive = Effect.fnUntraced(function* (
  file: string,
  form: Extract<Form, { readonly format: Archive.ArchiveFormat }>
): Effect.fn.Return<DumpText, DumpTextError, Archive.Services | Scope.Scope> {
  let position = 0
  const sql = yield* Archive.sql(file, form.format)
  const pull = Effect.tap(sql.pull, (piece) =>
    Effect.sync(() => {
      if (Option.isSome(piece)) position += piece.value.length
    })
  )
  return { form, pull, position: () => position, stored: () => undefined }
})

const openPlain = Effect.fnUntraced(function* (file: string): Effect.fn.Return<DumpText, DumpTextError, Scope.Scope> {
  const { pull } = yield* DumpFile.open(file)
  const hash = createHash("sha256")
  let position = 0
  const first = yield* pull
  const head = Option.getOrElse(first, () => new Uint8Array(0))
  const form = recognise(head)
  if (form.format !== "plain") return yield* refuse(file, "was another file a moment ago", "Try again.")
  const other = foreign.find(([bytes]) => has(head, bytes))
  if (other !== undefined) {
    return yield* refuse(
      file,
      `is packed with ${other[1]}, which pgark does not unpack`,
      `Unpack it: ${other[2]} ${file}`
    )
  }
  const { compression } = form
  const stored = Effect.tap(Compression.behind(first, pull), (piece) =>
    Effect.sync(() => {
      if (Option.isNone(piece)) return
      position += piece.value.length
      if (compression !== "none") hash.update(piece.value)
    })
  )
  let digest: Digest | undefined
  return {
    form,
    position: () => position,
    stored: () => (compression === "none" ? undefined : (digest ??= { length: position, sha256: hash.digest("hex") })),
    ...(compression === "none" ? { pull: stored } : yield* unpacked(file, compression, stored))
  }
})

const unpacked = Effect.fnUntraced(function* (
  file: string,
  compression: "gzip" | "zstd",
  stored: DumpFile.Pull
): Effect.fn.Return<Pick<DumpText, "pull">, DumpTextError, Scope.Scope> {
  const packed = yield* Compression.unpack(compression, stored)
  const pull = Effect.mapError(packed.pull, (error) => (error._tag === "Corrupt" ? damaged(file, error.reason) : error))
  const first = yield* pull
  const { format } = recognise(Option.getOrElse(first, () => new Uint8Array(0)))
  if (format === "plain") return { pull: Compression.behind(first, pull) }
  const tool = compression === "gzip" ? "gzip -d" : "zstd -d"
  return yield* refuse(file, `is an archive of pg_dump (${format}) that was packed again`, `Unpack it: ${tool} ${file}`)
})
