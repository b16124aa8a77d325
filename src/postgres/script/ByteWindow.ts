import { newline } from "./SqlBytes.ts"

/**
 * A window over bytes that arrive in chunks: the last chunk as it is, or, where something began in an earlier one,
 * a copy of what is still needed with the chunk behind it. Also counts lines.
 */
export abstract class ByteWindow {
  protected window: Buffer = Buffer.alloc(0)
  /** Offset in the file of the window's first byte. */
  protected base = 0
  /** Line of `counted`, from 1. */
  protected line = 1
  /** Lines are counted up to here; the next line break is there, where it is known (else -1). */
  protected counted = 0
  private lineBreak = -1
  /** Bytes behind the window that are free to append to; 0 where the memory is the caller's. */
  private spare = 0

  /**
   * Puts a chunk behind what is still needed of the window, which begins at `keep`; places in the window move down by
   * `keep`. Memory that was given out in views is never written again.
   */
  protected extend(bytes: Uint8Array, keep: number): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.lineAt(keep)
    const kept = this.window.length - keep
    if (kept === 0) {
      this.window = chunk
      this.spare = 0
    } else if (this.spare >= chunk.length) {
      const { buffer, byteOffset, length } = this.window
      chunk.copy(Buffer.from(buffer, byteOffset + length, chunk.length))
      this.window = Buffer.from(buffer, byteOffset + keep, kept + chunk.length)
      this.spare -= chunk.length
    } else {
      // Twice what is needed, so that a statement over many chunks is copied a constant number of times.
      const room = Buffer.allocUnsafeSlow((kept + chunk.length) * 2)
      this.window.copy(room, 0, keep)
      chunk.copy(room, kept)
      this.window = room.subarray(0, kept + chunk.length)
      this.spare = kept + chunk.length
    }
    this.base += keep
    this.counted -= keep
    this.lineBreak = -1
  }

  /** The line of a place; asked for in rising order. */
  protected lineAt(position: number): number {
    while (this.counted < position) {
      if (this.lineBreak < this.counted) {
        const next = this.window.indexOf(newline, this.counted)
        this.lineBreak = next === -1 ? this.window.length : next
      }
      if (this.lineBreak >= position) this.counted = position
      else {
        this.line++
        this.counted = this.lineBreak + 1
      }
    }
    return this.line
  }
}
