/**
 * pg_dump's archives, as pg_restore turns them into SQL.
 *
 * pg_restore ends with 0 for a directory dump that lacks the data of a table (its COPY is then never closed), and lists
 * the content of an archive that is cut. So an archive is proven as what it is before its SQL is.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Option from "effect/Option"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PgRestore from "../../postgres/pgrestore/PgRestore.ts"
import type { ToolMissing } from "../../postgres/ToolMissing.ts"
import { type DumpDamaged, damaged, type DumpMissing, DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import * as DataEntries from "./DataEntries.ts"
import * as DataFiles from "./DataFiles.ts"
import * as Tar from "./Tar.ts"

export type ArchiveFormat = "custom" | "tar" | "pg_dump directory"

/** The table of contents of a directory dump, and the first member of a tar one. */
export const contentsName = "toc.dat"

/** Every table of contents, and so every custom archive, begins with this; three bytes of the version follow. */
export const magic = "PGDMP"

/** Why an archive cannot be read. */
export type ArchiveError = DumpDamaged | DumpMissing | DumpUnreadable | ToolMissing

/** Programs are looked for in folders, and run. */
export type Services = ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem

const explain =
  (file: string) =>
  (error: PgRestore.PgRestoreError): DumpDamaged | ToolMissing =>
    error._tag === "Ended"
      ? damaged(file, "pg_restore cannot read it to its end", { detail: error.lines.join("\n") })
      : error

/** Its files, where it has some; a tar file is walked through to its end. */
const filesOf = Effect.fnUntraced(function* (file: string, format: ArchiveFormat) {
  if (format === "custom") return undefined
  if (format === "pg_dump directory") return yield* DataFiles.ofFolder(file)
  const members = yield* Effect.catchTag(Tar.members(file), "TarBroken", ({ reason }) =>
    Effect.fail(damaged(file, reason))
  )
  return DataFiles.ofMembers(file, members)
})

/** Finds the pg_restore for an archive. Of a tar file the members are looked at before. */
const open = Effect.fnUntraced(function* (file: string, format: ArchiveFormat) {
  const files = yield* filesOf(file, format)
  const contents = files === undefined ? { file, part: { start: 0 } } : files.get(contentsName)
  if (contents === undefined) {
    return yield* new DumpUnreadable({
      message: `${file} is a tar file, and not one of pg_dump: ${contentsName} is not in it.`,
      suggestion: "Unpack it, and name the dump that is inside.",
      state: "untouched",
      file
    })
  }
  const header = Buffer.from(yield* DumpFile.head(contents.file, magic.length + 2, contents.part.start))
  const [major, minor] = header.subarray(magic.length)
  if (header.toString("latin1", 0, magic.length) !== magic || major !== 1 || minor === undefined) {
    return yield* damaged(file, "the header of its table of contents cannot be read")
  }
  return { files, restore: yield* PgRestore.forArchive(file, minor) }
})

/** What must be in an archive's SQL, and what of the archive itself could not be proven. */
export interface Examined {
  readonly entries: ReadonlyArray<DataEntries.DataEntry>
  /** For people, as what follows "not proven:". */
  readonly unproven: ReadonlyArray<string>
}

/**
 * Proves what can be proven of an archive without its SQL: the table of contents, and that every data file that it names
 * is there and whole.
 */
export const examine = Effect.fn("Archive.examine")(function* (
  file: string,
  format: ArchiveFormat
): Effect.fn.Return<Examined, ArchiveError, Services> {
  const { files, restore } = yield* open(file, format)
  const entries = DataEntries.parse(yield* Effect.mapError(restore.list(file), explain(file)))
  return { entries, unproven: files === undefined ? [] : yield* DataFiles.check(file, files, entries) }
})

/** Opens an archive to be pulled as SQL. Closing the scope ends pg_restore. */
export const sql = Effect.fn("Archive.sql")(function* (
  file: string,
  format: ArchiveFormat
): Effect.fn.Return<
  { readonly pull: Effect.Effect<Option.Option<Uint8Array>, ArchiveError> },
  ArchiveError,
  Services | Scope.Scope
> {
  const { restore } = yield* open(file, format)
  const more = yield* Stream.toPull(Stream.mapError(restore.sql(file), explain(file)))
  let pieces: ReadonlyArray<Uint8Array> = []
  const pull = Effect.suspend(function next(): Effect.Effect<Option.Option<Uint8Array>, ArchiveError> {
    const [piece, ...rest] = pieces
    pieces = rest
    if (piece !== undefined) return Effect.succeedSome(piece)
    return more.pipe(
      Effect.flatMap((read) => {
        pieces = read
        return next()
      }),
      Pull.catchDone(() => Effect.succeedNone)
    )
  })
  return { pull }
})
