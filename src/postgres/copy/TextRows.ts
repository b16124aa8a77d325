import { backslash, dot, newline } from "../script/SqlBytes.ts"
import type { RowWalker } from "./RowWalker.ts"

/**
 * Walks text COPY data as the server sends it: lines, each of which ends, and none of which is the `\.` that ends data
 * in a script, for what follows that would be lost.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
 */
export class TextRows implements RowWalker {
  rows = 0
  bytes = 0
  /** Bytes of a line that a chunk has ended amid. */
  private open = 0
  /** Whether they are the beginning of `\.`. */
  private marking = true
  private endedAt: number | undefined

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    let at = 0
    for (;;) {
      const end = bytes.indexOf(newline, at)
      if (end === -1) break
      this.rows++
      if (this.open + end - at === 2 && this.marks(bytes, at, end)) this.endedAt ??= this.rows
      this.open = 0
      at = end + 1
    }
    if (at === bytes.length) return
    this.marking = this.marks(bytes, at, bytes.length)
    this.open += bytes.length - at
  }

  finish(): string | undefined {
    if (this.endedAt !== undefined) return `its line ${this.endedAt} is the end of data, and it goes on`
    return this.open === 0 ? undefined : `it is cut within row ${this.rows + 1}`
  }

  /** Whether the open line, with these bytes, begins as `\.` does. */
  private marks(bytes: Buffer, from: number, to: number): boolean {
    if (this.open > 0 && !this.marking) return false
    if (this.open + to - from > 2) return false
    for (let at = from; at < to; at++) {
      if (bytes[at] !== (this.open + at - from === 0 ? backslash : dot)) return false
    }
    return true
  }
}
