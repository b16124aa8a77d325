/** Whether bytes are text that every encoding has, UTF-8, or neither. */
import { isAscii, isUtf8 } from "node:buffer"

/**
 * The bytes are ASCII, which all encodings share; valid UTF-8; of binary rows, in which text cannot be told from numbers;
 * or neither ASCII nor UTF-8.
 */
export type TextKind = "ascii" | "utf8" | "unread" | "bytes"

const widening: ReadonlyArray<TextKind> = ["ascii", "utf8", "unread", "bytes"]

/** What several pieces are together. */
export const together = (...kinds: ReadonlyArray<TextKind>): TextKind =>
  widening.findLast((kind) => kinds.includes(kind)) ?? "ascii"

/** How many bytes at the end are the beginning of a character of UTF-8 whose others are still to come. */
const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** Finds it out of bytes that come in pieces, cut wherever they are. */
export class TextReading {
  private kind: TextKind = "ascii"
  private rest = new Uint8Array()

  push(chunk: Uint8Array): void {
    if (this.kind === "bytes" || (this.rest.length === 0 && isAscii(chunk))) return
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
    const end = bytes.length - unfinished(bytes)
    this.kind = isUtf8(bytes.subarray(0, end)) ? "utf8" : "bytes"
    this.rest = Uint8Array.from(bytes.subarray(end))
  }

  finish(): TextKind {
    // A character that the last bytes begin and nothing ends.
    return this.rest.length > 0 ? "bytes" : this.kind
  }
}
