/** `pg_restore`, which alone reads pg_dump's archives: it turns them into SQL here, and never connects. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import * as ClientProgram from "../ClientProgram.ts"
import { ToolMissing } from "../ToolMissing.ts"

/** The version of an archive's format, from its header: 14 of 1.14. All that occur are 1-point-something. */
export type FormatMinor = number

/**
 * Since which major pg_restore reads a format. Formats before 1.14 every one reads that is used here: before 12, `-f -`
 * wrote a file of that name. Last the newest pg_dump that writes the format.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/pg_backup_archiver.h (K_VERS_1_14 …)
 */
const readers: ReadonlyArray<readonly [upTo: FormatMinor, major: number, writtenBy: number]> = [
  [14, 12, 15],
  [15, 16, 16],
  [16, 17, 18]
]
/** No release up to 18 writes a later format than those. */
const unreleased = 19

/** The lowest major whose pg_restore reads this format. */
export const neededMajor = (format: FormatMinor): number => readers.find(([upTo]) => format <= upTo)?.[1] ?? unreleased

/** The newest pg_dump whose archives a pg_restore of this major reads; none where it is too old for any. */
export const readsUpTo = (major: number): number | undefined => readers.findLast(([, reader]) => major >= reader)?.[2]

/** What {@link readsUpTo} gives at best, and the lowest major for it. */
export const [, newestReader, newestWriter] = readers[readers.length - 1]!

/** Why an archive was not read: pg_restore refused it, or did not run. */
export type PgRestoreError = ClientProgram.Ended | ToolMissing

/** A pg_restore that can read an archive. */
export interface PgRestore {
  readonly tool: ClientProgram.ClientProgram
  /** The table of contents, one entry a line. */
  readonly list: (archive: string) => Effect.Effect<ReadonlyArray<string>, PgRestoreError>
  /** The archive as SQL, the same each time. Fails at its end unless all of it could be read. */
  readonly sql: (archive: string) => Stream.Stream<Uint8Array, PgRestoreError>
}

const missing = (
  archive: string,
  format: FormatMinor,
  newest: ClientProgram.ClientProgram | undefined
): ToolMissing => {
  const needed = neededMajor(format)
  const here =
    newest === undefined
      ? "there is none on PATH, nor where PostgreSQL is usually installed"
      : `the newest here is ${newest.version}`
  return new ToolMissing({
    message: `${archive} is an archive of pg_dump (format 1.${format}): reading it needs pg_restore ${needed} or later, and ${here}.`,
    suggestion:
      `Install it (Debian and Ubuntu: apt-get install postgresql-client-${needed}; macOS: brew install libpq), or make SQL ` +
      `of the archive where there is one (pg_restore -f dump.sql ${archive}) and name dump.sql here.`,
    state: "untouched",
    tool: "pg_restore"
  })
}

const broken =
  (tool: ClientProgram.ClientProgram) =>
  (error: PlatformError.PlatformError | ClientProgram.Ended): PgRestoreError =>
    error._tag === "Ended"
      ? error
      : new ToolMissing({
          message: `${tool.name} could not be run: ${error.message}`,
          suggestion: "Mend that program, or take it from PATH.",
          state: "untouched",
          tool: "pg_restore"
        })

/** Since August 2025 the SQL is bracketed by `\restrict KEY`, with a random key unless one is given. */
const fixedKey = "--restrict-key=pgark"

/** The lowest pg_restore of this machine that reads archives of this format. Fails where none is new enough. */
export const forArchive = Effect.fn("PgRestore.forArchive")(function* (
  archive: string,
  format: FormatMinor
): Effect.fn.Return<PgRestore, ToolMissing, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> {
  const context = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner>()
  const tool = ClientProgram.mostFitting(yield* ClientProgram.find("pg_restore"), neededMajor(format))
  if (tool === undefined || tool.major < neededMajor(format)) return yield* missing(archive, format, tool)
  const run = (...args: ReadonlyArray<string>) =>
    ClientProgram.run(tool.name, { args }).pipe(Stream.mapError(broken(tool)), Stream.provideContext(context))
  const lines = (...args: ReadonlyArray<string>) =>
    run(...args).pipe(Stream.decodeText(), Stream.splitLines, Stream.runCollect)
  return {
    tool,
    list: (file) => lines("--list", file),
    sql: (file) =>
      Stream.unwrap(
        Effect.map(lines("--help"), (help) => {
          const key = help.some((line) => line.includes("--restrict-key")) ? [fixedKey] : []
          return run(...key, "--file=-", file)
        })
      )
  }
})
