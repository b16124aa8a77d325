/** Filling the folder of a directory dump. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { Compression } from "../Compression.ts"
import { damaged, type DiskFull, type DumpDamaged, type FolderUnusable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { Append } from "../DumpWriting.ts"
import * as Flushing from "../Flushing.ts"
import { type DataFile, type DirectoryFiles, encode, type Manifest, type SqlFile } from "../Manifest.ts"
import { RowsReading, type RowsFound, type TableRows } from "../RowsReading.ts"
import { forPeople } from "./ForPeople.ts"
import { LargeObjectScript } from "./LargeObjectScript.ts"
import * as Layout from "./Layout.ts"
import * as PackedFile from "./PackedFile.ts"

/** What may go wrong while a file of the folder is written. */
export type FileError = DiskFull | FolderUnusable

/** How far the writing of a folder is. */
export interface WritingPosition {
  /** Bytes of SQL and of COPY data, before they are packed. */
  readonly bytes: number
  /** Rows of all tables so far. */
  readonly rows: number
  /** The files of rows that are complete, in the order in which they were. It grows: remember how much you have seen. */
  readonly closed: ReadonlyArray<DataFile>
  /** Those that are being written, and what is in them. */
  readonly open: ReadonlyArray<Pick<DataFile, "bytes" | "name" | "rows" | "schema">>
}

/** Takes what goes into the folder. Several files may be written at once. */
export interface DirectoryWriter {
  /** Path that the folder will have. */
  readonly file: string
  /**
   * Writes a part of the SQL, in any order, each once; `pre-data` and `post-data` must be among them, and the last one
   * must end with pg_dump's closing lines. psql commands must not be in it; from that of the large objects they are taken
   * out, and so is the transaction that pg_dump puts them into.
   */
  readonly sql: <E, R>(
    part: Layout.SqlPart,
    body: (append: Append) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, E | FileError, R>
  /**
   * Writes rows of a table, as COPY gives them. A table may have several such files. Where it fails, the file is gone, and
   * the rows may be written again.
   */
  readonly data: <E, R>(
    table: TableRows,
    body: (append: Append) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<DataFile, E | FileError | DumpDamaged, R>
  /** How far it is: cheap, so that it may be asked at any moment. */
  readonly position: () => WritingPosition
}

/** What is in a folder that was filled. */
export interface Filled {
  readonly files: DirectoryFiles
  /** Of the files of rows, what was found in them. */
  readonly found: ReadonlyArray<RowsFound>
}

const plain: Compression = { method: "none" }

/**
 * Lets `fill` put files into `folder`, which must be there and empty.
 *
 * @param file path that the folder will have
 */
export const fill = Effect.fnUntraced(function* <E, R>(
  fs: FileSystem.FileSystem,
  { compression, file, folder }: { readonly compression: Compression; readonly file: string; readonly folder: string },
  body: (writer: DirectoryWriter) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<Filled, E | FileError, R> {
  const data = join(folder, Layout.dataFolder)
  yield* Effect.mapError(fs.makeDirectory(data, { mode: 0o700 }), DumpFile.unwritable(data))
  const sql = new Map<Layout.SqlPart, SqlFile>()
  const rows: Array<{ readonly file: DataFile; readonly found: RowsFound } | undefined> = []
  const closed: Array<DataFile> = []
  const open = new Set<{ readonly table: TableRows; readonly reading: RowsReading }>()
  let [bytesDone, rowsDone] = [0, 0]
  const writer: DirectoryWriter = {
    file,
    sql: (part, body) =>
      Effect.gen(function* () {
        const file = Layout.sqlFile(part, compression)
        const script = part === "large-objects" ? new LargeObjectScript() : undefined
        const packing = script === undefined ? plain : compression
        const stored = yield* PackedFile.write(fs, join(folder, file), packing, (append) =>
          Effect.andThen(
            body((chunk) => {
              bytesDone += chunk.length
              return append(script === undefined ? chunk : script.push(chunk))
            }),
            Effect.suspend(() => (script === undefined ? Effect.void : append(script.end())))
          )
        )
        sql.set(part, { file, stored })
      }),
    data: (table, body) => {
      const { columns, form, name, schema } = table
      const index = rows.push(undefined) - 1
      const file = Layout.dataFile(index + 1, form, compression)
      const reading = new RowsReading(table)
      const entry = { table, reading }
      open.add(entry)
      return Effect.gen(function* () {
        const stored = yield* PackedFile.write(fs, join(folder, file), compression, (append) =>
          body((chunk) =>
            // The chunk is read while the system packs or writes it.
            Effect.all([append(chunk), Effect.sync(() => reading.push(chunk))], { concurrency: 2, discard: true })
          )
        )
        const found = reading.finish()
        if (found.problem !== undefined) {
          return yield* damaged(join(folder, file), `the data of ${schema}.${name}: ${found.problem}`)
        }
        const written: DataFile = { file, schema, name, columns, form, rows: found.rows, bytes: found.bytes, stored }
        rows[index] = { file: written, found }
        closed.push(written)
        bytesDone += found.bytes
        rowsDone += found.rows
        return written
      }).pipe(
        // The same rows may come again, from another session.
        Effect.tapError(() =>
          Effect.mapError(fs.remove(join(folder, file), { force: true }), DumpFile.unwritable(file))
        ),
        Effect.ensuring(Effect.sync(() => open.delete(entry)))
      )
    },
    position: () => {
      const opened = Array.from(open, ({ reading: { bytes, rows }, table: { name, schema } }) => ({
        schema,
        name,
        rows,
        bytes
      }))
      return {
        bytes: opened.reduce((sum, { bytes }) => sum + bytes, bytesDone),
        rows: opened.reduce((sum, { rows }) => sum + rows, rowsDone),
        closed,
        open: opened
      }
    }
  }
  yield* body(writer)
  const complete = rows.filter((row) => row !== undefined)
  return {
    files: {
      sql: Layout.sqlParts.flatMap((part) => sql.get(part) ?? []),
      data: complete.map(({ file }) => file)
    },
    found: complete.map(({ found }) => found)
  }
})

/** Writes what goes with the files of a folder, its manifest last, and makes all of it last. */
export const seal = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  folder: string,
  manifest: Manifest
): Effect.fn.Return<void, DiskFull | FolderUnusable> {
  const { data = [], sql = [] } = manifest.files ?? {}
  const written = [...sql, ...data].map(({ file }) => file)
  const texts = [...forPeople(manifest), [Layout.manifestName, yield* encode(manifest)] as const]
  const unwritable = DumpFile.unwritable(folder)
  for (const [name, text] of texts) {
    yield* Effect.mapError(fs.writeFileString(join(folder, name), text, { flag: "wx", mode: 0o600 }), unwritable)
  }
  yield* Flushing.files([...written, ...texts.map(([name]) => name)].map((name) => join(folder, name)))
  for (const path of [join(folder, Layout.dataFolder), folder]) {
    yield* Effect.mapError(Flushing.folder(fs, path), unwritable)
  }
})
