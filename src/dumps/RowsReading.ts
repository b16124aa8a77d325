/** What one reading of a file of rows finds in it, the same while it is written and when it is read again. */
import * as RowWalker from "../postgres/copy/RowWalker.ts"
import type { DataFile } from "./Manifest.ts"
import { PrismaReading } from "./PrismaMigrations.ts"
import { type TextKind, TextReading } from "./TextKind.ts"

/** Of which table rows are, and in which form. */
export type TableRows = Pick<DataFile, "columns" | "form" | "name" | "schema">

export interface RowsFound {
  readonly rows: number
  /** Bytes of COPY data. */
  readonly bytes: number
  /** Why it is no whole COPY data, as the end of a sentence. */
  readonly problem?: string
  readonly text: TextKind
  /** Prisma's own table, in the form of text. */
  readonly migrations?: PrismaReading
}

/** What is text in binary rows, and what a number, only the types of their columns could tell. */
const textOfBinary = (rows: number): TextKind => (rows === 0 ? "ascii" : "unread")

/** What a reading of binary rows finds that are so many. */
export const ofBinary = ({ bytes, rows }: Pick<RowsFound, "bytes" | "rows">): RowsFound => ({
  rows,
  bytes,
  text: textOfBinary(rows)
})

/** Reads COPY data in pieces, none of which it keeps. */
export class RowsReading {
  private readonly walker: RowWalker.RowWalker
  private readonly text: TextReading | undefined
  private readonly migrations: PrismaReading | undefined

  constructor(table: TableRows) {
    const isText = table.form === "text"
    this.walker = RowWalker.make(table.form, table.columns.length)
    this.text = isText ? new TextReading() : undefined
    this.migrations = isText ? new PrismaReading(table) : undefined
  }

  get rows(): number {
    return this.walker.rows
  }

  get bytes(): number {
    return this.walker.bytes
  }

  push(chunk: Uint8Array): void {
    this.walker.push(chunk)
    this.text?.push(chunk)
    this.migrations?.push(chunk)
  }

  /** Ends the reading. Call it once. */
  finish(): RowsFound {
    const problem = this.walker.finish()
    const { bytes, migrations, rows } = this
    return {
      rows,
      bytes,
      ...(problem === undefined ? {} : { problem }),
      text: this.text?.finish() ?? textOfBinary(rows),
      ...(migrations === undefined ? {} : { migrations })
    }
  }
}
