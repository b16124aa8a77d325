/**
 * What stands where in a directory dump: SQL as pg_dump wrote it, and the rows in files of their own.
 *
 *     db_dump_2026-03-07T09-05-00-042Z/
 *       manifest.json         what must be in all the others; written last
 *       pre-data.sql          all that rows need: schemas, types, functions, tables …
 *       data/0001.bin.zst     rows of one table, or of some of its pages, as COPY gave them
 *       large-objects.sql.zst
 *       sequences.sql
 *       post-data.sql         all that needs rows: indexes, constraints, triggers, rights …
 *       restore.psql, README  for psql, without pgark
 */
import { type Compression, endings } from "../Compression.ts"
import type { CopyForm } from "../Manifest.ts"

/** The parts of the SQL, in the order in which they are applied; the rows go in behind the first. */
export const sqlParts = ["pre-data", "large-objects", "sequences", "post-data"] as const
export type SqlPart = (typeof sqlParts)[number]

/** Name of the manifest within the folder. */
export const manifestName = "manifest.json"

/** What tells people how to restore it, which no manifest names. */
export const forPeople = ["README", "restore.psql"] as const

/** The folder within it that has the rows. */
export const dataFolder = "data"

/** Path of a part within the folder. Only large objects can be large: the others stay readable. */
export const sqlFile = (part: SqlPart, { method }: Compression): string =>
  `${part}.sql${part === "large-objects" ? endings[method] : ""}`

const formEndings: Record<CopyForm, string> = { binary: ".bin", text: ".copy" }

/** The number of a file of rows; 0 where there is none in its name. */
export const numberOf = (file = ""): number => Number(/^data\/(\d{4,9})\./.exec(file)?.[1] ?? 0)

/** Path of a file of rows within the folder. `number` counts from 1. */
export const dataFile = (number: number, form: CopyForm, { method }: Compression): string =>
  `${dataFolder}/${String(number).padStart(4, "0")}${formEndings[form]}${endings[method]}`
