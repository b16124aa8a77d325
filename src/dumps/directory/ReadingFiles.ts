/** How far the reading of a folder is, several files of which are read at once. */
import { objectKey } from "../../postgres/ObjectName.ts"
import type { ReadingPosition } from "../DumpReading.ts"
import type { DataFile } from "../Manifest.ts"
import type { RowsFound } from "../RowsReading.ts"

interface Open {
  readonly file: DataFile
  /** What has been found in it. */
  readonly reading: Pick<RowsFound, "bytes" | "rows">
  /** Bytes of the file as it is stored that have been read. */
  readonly stored: () => number
}

const keyOf = ({ name, schema }: DataFile): string => objectKey({ kind: "TABLE", schema, name })

export class ReadingFiles {
  private sql = { stored: 0, bytes: 0 }
  private readonly opened = new Set<Open>()
  private done = { stored: 0, bytes: 0, rows: 0 }
  /** How many files of each table are still to be read. */
  private readonly left = new Map<string, number>()
  private readonly closed: Array<{ readonly schema: string; readonly name: string }> = []

  constructor(files: ReadonlyArray<DataFile>) {
    for (const file of files) this.left.set(keyOf(file), (this.left.get(keyOf(file)) ?? 0) + 1)
  }

  /** So much of the SQL has been read. */
  readSql(stored: number, bytes: number): void {
    this.sql = { stored, bytes }
  }

  /** This file is being read, until what this returns is called. */
  open(open: Open): () => void {
    this.opened.add(open)
    return () => {
      const { file, reading, stored } = open
      const { bytes, rows } = reading
      this.opened.delete(open)
      this.done = { stored: this.done.stored + stored(), bytes: this.done.bytes + bytes, rows: this.done.rows + rows }
      const left = this.left.get(keyOf(file))! - 1
      this.left.set(keyOf(file), left)
      if (left === 0) this.closed.push(file)
    }
  }

  /** Bytes of the folder as it is stored that have been read. */
  get stored(): number {
    return [...this.opened].reduce((sum, { stored }) => sum + stored(), this.done.stored + this.sql.stored)
  }

  /** How far that is in what they hold; of the files that are open, it names the one that was opened first. */
  get position(): ReadingPosition {
    const { closed, done, sql } = this
    const opened = [...this.opened]
    const bytes = opened.reduce((sum, { reading }) => sum + reading.bytes, done.bytes + sql.bytes)
    const rows = opened.reduce((sum, { reading }) => sum + reading.rows, done.rows)
    const first = opened[0]
    if (first === undefined) return { bytes, rows, closed }
    const { name, schema } = first.file
    return { bytes, rows, closed, table: { schema, name, rows: first.reading.rows, bytes: first.reading.bytes } }
  }
}
