/** The rows of a database that is cloned: out of one connection of the source, into one of the target. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { CopyForm, Manifest } from "../../dumps/Manifest.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { Reader } from "../../postgres/SharedSnapshot.ts"
import type { DataPart, DataTable } from "../dump/DataTables.ts"
import type { TableEstimate } from "../dump/TableEstimates.ts"
import { nameOf } from "../ReadingProgress.ts"
import type { RowSource, TablePart } from "../restore/parallel/RowSource.ts"

/** Rows that one COPY gives. */
class Part implements TablePart {
  readonly schema: string
  readonly name: string
  readonly columns: ReadonlyArray<string>
  readonly form: CopyForm
  readonly bytes: number
  readonly sql: string
  /** As the source has counted them, when it has sent the last of them. */
  counted: number | undefined

  constructor({ columns, form, name, schema }: DataTable, { bytes, sql }: DataPart) {
    this.schema = schema
    this.name = name
    this.columns = columns
    this.form = form
    this.bytes = bytes
    this.sql = sql
  }

  /** What the target must have counted, too. */
  get rows(): number {
    return this.counted ?? 0
  }
}

/** A table of the source, whose rows nobody has counted before they are sent: until then as the catalogue guesses them. */
class Table {
  readonly schema: string
  readonly name: string
  readonly bytes: number
  private readonly parts: ReadonlyArray<Part>
  private readonly guessed: number

  constructor({ bytes, name, schema }: DataTable, parts: ReadonlyArray<Part>, guessed: number) {
    this.schema = schema
    this.name = name
    this.bytes = bytes
    this.parts = parts
    this.guessed = guessed
  }

  get rows(): number {
    const all = this.parts.every(({ counted }) => counted !== undefined)
    return all ? this.parts.reduce((sum, { rows }) => sum + rows, 0) : this.guessed
  }
}

/** What of the source is copied. */
export interface ClonedRows {
  readonly source: RowSource<DatabaseError, never>
  /** What verification expects: how many rows the source has sent of each. */
  readonly tables: Manifest["tables"]
}

/** Over these connections, each of which sends one part at a time. */
export const make = Effect.fnUntraced(function* (
  readers: ReadonlyArray<Reader>,
  tables: ReadonlyArray<DataTable>,
  estimates: ReadonlyArray<TableEstimate>
): Effect.fn.Return<ClonedRows> {
  const guesses = new Map(estimates.map((table) => [nameOf(table), Math.round(table.rows)]))
  const idle = yield* Queue.unbounded<Reader>()
  yield* Queue.offerAll(idle, readers)
  const known = new Map<TablePart, Part>()
  const all = tables.map((table) => {
    const parts = table.parts.map((part) => new Part(table, part))
    for (const part of parts) known.set(part, part)
    return new Table(table, parts, guesses.get(nameOf(table)) ?? 0)
  })
  const send: ClonedRows["source"]["send"] = (part, write) =>
    Effect.acquireUseRelease(
      Queue.take(idle),
      (reader) =>
        Effect.gen(function* () {
          const wanted = known.get(part)
          if (wanted === undefined) return yield* Effect.die(new Error(`${part.name} is no part of the source`))
          // A part may be sent again, its first copy rolled back.
          wanted.counted = undefined
          const { rows } = yield* reader.copyOut(part, wanted.sql, (chunk) =>
            // The socket keeps it until it has sent it.
            Effect.andThen(write(Uint8Array.from(chunk)), RunMetrics.add(RunMetrics.bytes, chunk.length))
          )
          wanted.counted = rows
        }),
      (reader) => Queue.offer(idle, reader)
    )
  return { source: { parts: [...known.values()], send }, tables: all }
})
