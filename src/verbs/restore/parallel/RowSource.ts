/** Where the rows of a restore come from: files of a folder, or another database. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { CopyForm } from "../../../dumps/Manifest.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"

/** Rows of one table, or of some of its pages. A table without rows may have a part, or none. */
export interface TablePart {
  readonly schema: string
  readonly name: string
  /** In the order of the data. */
  readonly columns: ReadonlyArray<string>
  readonly form: CopyForm
  /** Length of the COPY data, or about so much. */
  readonly bytes: number
  /** Rows in it, where that is known. */
  readonly rows?: number
  /** What it is called in errors; the table unless told. */
  readonly file?: string
}

export interface RowSource<E, R> {
  readonly parts: ReadonlyArray<TablePart>
  /**
   * Writes the COPY data of a part, cut anywhere, only as fast as `write` returns. Several parts at once, each as often
   * as it is asked for.
   */
  readonly send: <E2, R2>(
    part: TablePart,
    write: (chunk: Uint8Array) => Effect.Effect<void, E2, R2>
  ) => Effect.Effect<void, E | E2, R | R2>
}

/** Where the rows of one dump come from in place of its folder, which has all the rest. */
export interface RowsOf {
  /** That dump: the rows of any other, as of the safety dump that leads back, stand in its own folder. */
  readonly file: string
  readonly source: RowSource<DatabaseError, never>
}

/** Rows that are not in the folder of their dump; none are unless told. */
export const RowsElsewhere = Context.Reference<RowsOf | undefined>("pgark/verbs/restore/RowsElsewhere", {
  defaultValue: () => undefined
})
