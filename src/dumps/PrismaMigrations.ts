/** Reads the rows of Prisma's table `_prisma_migrations` out of a dump's COPY data. */
import type { Decode } from "../postgres/script/StatementTokens.ts"
import type { PrismaMigrations } from "./Manifest.ts"

/** The name of the table, in whatever schema. */
export const prismaTable = "_prisma_migrations"

const escapes: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" }

/** A field of COPY's text format; undefined is NULL. */
const field = (text: string | undefined): string | undefined =>
  text === undefined || text === "\\N" ? undefined : text.replace(/\\(.)/g, (_, c: string) => escapes[c] ?? c)

/**
 * What the rows say, by Prisma's own rule: a migration is applied when it has an end, rolled back when it says so,
 * failed when it left a log, and otherwise unfinished. Undefined where the columns are not Prisma's.
 *
 * @param columns the columns of the COPY statement, in the order of the data
 */
export const readMigrations = (
  columns: ReadonlyArray<string>,
  data: Uint8Array,
  decode: Decode
): typeof PrismaMigrations.Type | undefined => {
  const [name, finished, rolledBack, logs] = ["migration_name", "finished_at", "rolled_back_at", "logs"].map((column) =>
    columns.indexOf(column)
  ) as [number, number, number, number]
  if (Math.min(name, finished, rolledBack, logs) < 0) return undefined
  let applied = 0
  const failed: Array<string> = []
  const unfinished: Array<string> = []
  for (const row of decode(data).split("\n")) {
    if (row === "") continue
    const fields = row.split("\t")
    if (field(fields[rolledBack]) !== undefined) continue
    if (field(fields[finished]) !== undefined) applied++
    else if (field(fields[logs]) === undefined) unfinished.push(field(fields[name]) ?? "")
    else failed.push(field(fields[name]) ?? "")
  }
  return { applied, failed, unfinished }
}

/** How much of the table is kept to be read, in bytes. */
const limit = 16 * 1024 * 1024

/** Keeps the rows of Prisma's table as they come, to be read at their end; of any other table nothing. */
export class PrismaReading {
  private columns: ReadonlyArray<string> | undefined
  private kept: Array<Uint8Array> = []
  private size = 0

  /** Rows of this table follow. */
  constructor({ columns, name }: { readonly name: string; readonly columns?: ReadonlyArray<string> | undefined }) {
    this.columns = name === prismaTable && columns?.length !== 0 ? columns : undefined
  }

  push(bytes: Uint8Array): void {
    if (this.columns === undefined) return
    this.size += bytes.length
    if (this.size <= limit) this.kept.push(Uint8Array.from(bytes))
    else [this.columns, this.kept] = [undefined, []]
  }

  /** What they say; undefined where it is another table, or there is too much of it. */
  read(decode: Decode): typeof PrismaMigrations.Type | undefined {
    return this.columns && readMigrations(this.columns, Buffer.concat(this.kept), decode)
  }
}
