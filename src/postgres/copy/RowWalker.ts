/** Reading COPY data without understanding its values: how many rows there are, and whether it is whole. */
import { BinaryRows } from "./BinaryRows.ts"
import { TextRows } from "./TextRows.ts"

/** Walks COPY data in pieces, cut wherever they are. */
export interface RowWalker {
  /** Complete rows so far. */
  readonly rows: number
  /** Bytes so far. */
  readonly bytes: number
  push(chunk: Uint8Array): void
  /** What is wrong with the data that ends here, with "it" for it, as the end of a sentence; undefined where it is whole. */
  finish(): string | undefined
}

/**
 * @param form the COPY form of the data
 * @param columns how many columns each row must have, where that is known; text is not looked at so closely
 */
export const make = (form: "text" | "binary", columns?: number): RowWalker =>
  form === "binary" ? new BinaryRows(columns) : new TextRows()
