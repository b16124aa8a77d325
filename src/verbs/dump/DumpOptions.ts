/** What a dump can be told, and what it does where it is not. */
import { availableParallelism } from "node:os"
import * as Effect from "effect/Effect"
import * as Compression from "../../dumps/Compression.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import { plural } from "../../pipeline/Words.ts"
import { JobsInvalid } from "../VerbError.ts"

/** One file of SQL, or a folder in which the rows are in files of their own. */
export type Format = "plain" | "directory"

/** What of the database goes into the dump: all of it unless told. Patterns are those of pg_dump. */
export interface DumpOptions extends Partial<
  Omit<PgDumpOptions, "encoding" | "rowSecurity" | "sections" | "snapshot">
> {
  /** Take what policies show of tables whose rows they hide from the role; without it such tables stop the dump. */
  readonly allowPartialRows?: boolean
  /** Plain unless told. */
  readonly format?: Format
  /**
   * Over how many connections the rows are read, beside pgark's own and pg_dump's, which every dump has: of a directory
   * one for each processor, at most four, unless told. A plain dump is read over pg_dump's one.
   */
  readonly jobs?: number
  /**
   * How the dump is packed. Unless told a plain one is not at all, and a directory as is quickest: by zstd, level 1, where
   * this Node has it, else by gzip, level 1.
   */
  readonly compression?: Compression.Compression
  /** Short, to ask for the dump by, and a line about it; both go into its manifest. For their rules see `DumpLabel`. */
  readonly name?: string
  readonly note?: string
  /** Add up the rows of each table, for verifications to compare; not unless told, as it reads everything twice. */
  readonly checksums?: boolean
}

/** Options with nothing left open. */
export interface Settled
  extends
    Omit<PgDumpOptions, "encoding" | "rowSecurity" | "sections" | "snapshot">,
    Pick<DumpOptions, "checksums" | "name" | "note"> {
  readonly allowPartialRows: boolean
  readonly compression: Compression.Compression
  readonly format: Format
  readonly jobs: number
}

/** More than the server has processors for only take them from one another. */
const mostByItself = 4

/** The options, and the defaults for what they leave open. */
export const settled = (options: DumpOptions): Settled => {
  const { format = "plain" } = options
  const plain = format === "plain"
  return {
    compression: plain ? { method: "none" } : Compression.quickest(),
    schemas: [],
    excludeTables: [],
    excludeTableData: [],
    allowPartialRows: false,
    jobs: plain ? 1 : Math.min(mostByItself, availableParallelism()),
    ...options,
    format
  }
}

/** Fails where the number of connections is none, or goes with another format. */
export const checkJobs = ({ format, jobs }: Pick<Settled, "format" | "jobs">): Effect.Effect<void, JobsInvalid> => {
  if (!Number.isInteger(jobs) || jobs < 1) {
    return Effect.fail(
      new JobsInvalid({
        message: `A dump cannot be read over ${jobs} connections.`,
        suggestion: "Choose a whole number from 1 on.",
        state: "untouched"
      })
    )
  }
  if (format === "directory" || jobs === 1) return Effect.void
  return Effect.fail(
    new JobsInvalid({
      message: `A plain dump is one file, which is read over one connection, not over ${plural(jobs, "connection")}.`,
      suggestion: "Add --format directory for a dump over several connections, or leave --jobs out.",
      state: "untouched"
    })
  )
}
