import type { RowWalker } from "./RowWalker.ts"

/** What binary COPY data begins with; flags and the length of an extension follow it, both of four bytes. */
const signature = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1")
/** Flags that a reader must know to read on. There are none since servers have no OIDs in rows (12). */
const criticalFlags = 0xffff0000

/** What the next number says, or that none is to come. */
type Next = "flags" | "extension" | "fields" | "length" | "end"

/**
 * Walks binary COPY data: its header, each row by the lengths of its fields, and the trailer, which must be its last.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
 */
export class BinaryRows implements RowWalker {
  rows = 0
  bytes = 0
  private columns: number | undefined
  private problem: string | undefined
  /** Bytes of the signature that were seen. */
  private signed = 0
  private next: Next = "flags"
  /** Bytes of a value that are still to come. */
  private skip = 0
  /** Fields of the row that are still to come. */
  private fields = 0
  /** A number of which a chunk has ended amid, and how many bytes of it were seen. */
  private partial = 0
  private partialSize = 0

  /** @param columns how many fields each row must have; unless told as many as the first one has */
  constructor(columns?: number) {
    this.columns = columns
  }

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length
    const end = chunk.length
    let at = this.sign(chunk)
    while (at < end && this.problem === undefined) {
      if (this.skip > 0) {
        const taken = Math.min(this.skip, end - at)
        this.skip -= taken
        at += taken
      } else if (this.next === "end") {
        this.problem = "it goes on behind its end"
      } else if (this.partialSize === 0 && this.next === "length" && end - at >= 4) {
        at = this.walk(chunk, at)
      } else {
        this.partial = (this.partial << 8) | chunk[at++]!
        if (++this.partialSize === (this.next === "fields" ? 2 : 4)) {
          const number = this.partial
          this.partial = 0
          this.partialSize = 0
          this.take(number)
        }
      }
    }
  }

  finish(): string | undefined {
    if (this.problem !== undefined || this.next === "end") return this.problem
    if (this.next === "flags" || this.next === "extension") return "it is cut within its header"
    return this.next === "fields" && this.partialSize === 0 && this.skip === 0
      ? `it is cut behind row ${this.rows}`
      : `it is cut within row ${this.next === "fields" && this.skip > 0 ? this.rows : this.rows + 1}`
  }

  /** Compares what is still to come of the signature. Returns where the rest of the chunk begins. */
  private sign(chunk: Uint8Array): number {
    let at = 0
    for (; at < chunk.length && this.signed < signature.length; at++) {
      if (chunk[at] !== signature[this.signed++]) this.problem ??= "it is not binary COPY data"
    }
    return at
  }

  /** Walks the fields and rows that lie in the chunk as a whole. */
  private walk(chunk: Uint8Array, from: number): number {
    const last = chunk.length - 4
    let at = from
    let { fields, rows } = this
    const { columns } = this
    while (at <= last) {
      const length = (chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!
      // Neither a negative length but that of NULL, nor a row that ends in another chunk.
      if (length < -1) break
      const behind = at + 4 + (length < 0 ? 0 : length)
      if (behind > last) break
      at = behind
      if (--fields > 0) continue
      rows++
      const count = (chunk[at]! << 8) | chunk[at + 1]!
      if (count !== columns || count === 0) {
        this.next = "fields"
        break
      }
      fields = count
      at += 2
    }
    this.fields = fields
    this.rows = rows
    if (this.next === "fields" || at > last) return at
    // The one that was not walked over: as long as the chunk ends amid its value, or wrong.
    this.take((chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!)
    return at + 4
  }

  private take(number: number): void {
    switch (this.next) {
      case "flags":
        if ((number & criticalFlags) !== 0) this.problem = "its header has flags that nobody knows"
        this.next = "extension"
        return
      case "extension":
        if (number < 0) this.problem = "its header is damaged"
        this.skip = number
        this.next = "fields"
        return
      case "fields": {
        if (number === 0xffff) {
          this.next = "end"
          return
        }
        this.columns ??= number
        if (number !== this.columns) {
          this.problem = `row ${this.rows + 1} has ${number} fields, not ${this.columns}`
        } else if (number === 0) this.rows++
        else {
          this.fields = number
          this.next = "length"
        }
        return
      }
      case "length":
        if (number < -1) this.problem = `a field of row ${this.rows + 1} has an impossible length`
        this.skip = Math.max(number, 0)
        if (--this.fields === 0) {
          this.rows++
          this.next = "fields"
        }
        return
    }
  }
}
