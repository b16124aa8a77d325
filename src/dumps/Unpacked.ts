import type { Manifest } from "./Manifest.ts"

/** Bytes of what is in a dump, unpacked: of its SQL, in which the rows are, or of a folder of SQL and rows. */
export const unpackedBytes = (
  format: string,
  { sql, tables }: { readonly sql: Manifest["sql"]; readonly tables: Manifest["tables"] }
): number => sql.length + (format === "directory" ? tables.reduce((sum, { bytes }) => sum + bytes, 0) : 0)
