/** What is known of a database that is dumped, and what of it goes into the dump. */
import type { Provenance } from "../../dumps/DumpWriting.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { quote } from "../../postgres/Identifier.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import type { Settled } from "./DumpOptions.ts"

/** What is known of the source. */
export interface Source {
  readonly database: string
  readonly version: string
  /** `server_version_num`. */
  readonly versionNumber: number
  readonly role: string
  readonly schemas: ReadonlyArray<string>
  /** Tables of which policies hide rows, qualified and quoted. */
  readonly partialRows: ReadonlyArray<string>
}

/** In words, what a dump has only in part. */
export const partialWords = (tables: ReadonlyArray<string>, role: string): string =>
  `take only the rows that ${quote(role)} sees of ${plural(tables.length, "table")}: ${listed(tables, 6).join(", ")}`

/** The schemas that alone are looked at; undefined where all are. */
export const narrowed = (
  { excludeSchemas = [], schemas }: Pick<Settled, "excludeSchemas" | "schemas">,
  source: Source
): ReadonlyArray<string> | undefined => (schemas.length + excludeSchemas.length === 0 ? undefined : source.schemas)

/** What the manifest says of a dump that is not of the whole database. */
export const narrowing = (
  { schemas, excludeSchemas = [], excludeTables, excludeTableData }: Settled,
  source: Source
): Partial<Pick<Provenance, "excluded" | "onlySchemas">> => ({
  ...(schemas.length + excludeSchemas.length === 0 ? {} : { onlySchemas: source.schemas }),
  ...(excludeTables.length + excludeTableData.length === 0
    ? {}
    : { excluded: { tables: excludeTables, data: excludeTableData } })
})

/** What pg_dump is told. It is to show only what policies show just where that is known, and to fail elsewhere. */
export const forPgDump = (options: Settled, { partialRows }: Source): PgDumpOptions => ({
  ...options,
  rowSecurity: partialRows.length > 0
})
