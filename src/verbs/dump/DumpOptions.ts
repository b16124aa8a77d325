/** What a dump can be told, and what it does where it is not. */
import type * as Compression from "../../dumps/Compression.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"

/** What of the database goes into the dump: all of it unless told. Patterns are those of pg_dump. */
export interface DumpOptions extends Partial<Omit<PgDumpOptions, "rowSecurity" | "snapshot">> {
  /** Take what policies show of tables whose rows they hide from the role; without it such tables stop the dump. */
  readonly allowPartialRows?: boolean
  /** How the SQL is packed; not at all unless told. */
  readonly compression?: Compression.Compression
  /** Short, to ask for the dump by, and a line about it; both go into its manifest. For their rules see `DumpLabel`. */
  readonly name?: string
  readonly note?: string
  /** Add up the rows of each table, for verifications to compare; not unless told, as it reads everything twice. */
  readonly checksums?: boolean
}

/** Options with nothing left open. */
export interface Settled
  extends Omit<PgDumpOptions, "rowSecurity" | "snapshot">, Pick<DumpOptions, "checksums" | "name" | "note"> {
  readonly allowPartialRows: boolean
  readonly compression: Compression.Compression
}

/** The options, and the defaults for what they leave open. */
export const settled = (options: DumpOptions): Settled => ({
  compression: { method: "none" },
  schemas: [],
  excludeTables: [],
  excludeTableData: [],
  allowPartialRows: false,
  ...options
})
