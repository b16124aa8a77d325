import { backslash, carriageReturn, dot, newline } from "./SqlBytes.ts"

/**
 * Counts the lines of COPY data and finds the `\.` line behind it.
 *
 * @see https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
 */
export class CopyText {
  /** Lines read so far. */
  rows = 0
  /** Bytes read so far. */
  bytes = 0
  /** Length of the end line that stands where {@link read} stopped; 0 for none, -1 where more bytes must be seen. */
  marker = 0
  private lineStart = true

  /** Begins with the first line of data. */
  reset(): void {
    this.rows = 0
    this.bytes = 0
    this.marker = 0
    this.lineStart = true
  }

  /** Reads from `from`, and returns where the data, as far as it can be told, ends. */
  read(window: Buffer, from: number): number {
    const end = window.length
    let at = from
    let rows = 0
    this.marker = 0
    while (at < end) {
      if (this.lineStart && window[at] === backslash) {
        this.marker = markerLength(window, at)
        if (this.marker !== 0) break
      }
      const next = window.indexOf(newline, at)
      this.lineStart = next !== -1
      if (next === -1) {
        at = end
        break
      }
      rows++
      at = next + 1
    }
    this.rows += rows
    this.bytes += at - from
    return at
  }
}

/** Length of the `\.` line that begins here; 0 where this is data, -1 where more bytes must be seen. */
const markerLength = (bytes: Buffer, at: number): number => {
  const left = bytes.length - at
  if (left < 2) return -1
  if (bytes[at + 1] !== dot) return 0
  if (left < 3) return -1
  if (bytes[at + 2] === newline) return 3
  if (bytes[at + 2] !== carriageReturn) return 0
  if (left < 4) return -1
  return bytes[at + 3] === newline ? 4 : 0
}
