/**
 * Where the frames of packed data end. A file that was packed quickly is one frame behind the other, and Node's decoder,
 * which reads all of them where each piece that it is given ends with its frame, stops at the first where one does not.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8878#name-frames
 */

const frameMagic = 0xfd2fb528
/** Frames that a decoder skips begin with one of sixteen numbers. */
const skippableMagic = 0x184d2a50
const magicSize = 4
const blockHeaderSize = 3
const checksumSize = 4

/** Bytes of the dictionary's id, and of the content's size, by the two bits that say which. */
const dictionarySizes = [0, 1, 2, 4]
const contentSizes = [0, 2, 4, 8]

/** What the next bytes are. */
type Next = "magic" | "skippable" | "descriptor" | "block"

/** Finds the ends of frames in bytes that come in pieces, cut anywhere. It unpacks nothing. */
export class ZstdFrames {
  private next: Next = "magic"
  /** Bytes that need not be looked at. */
  private skip = 0
  /** A number of which a piece has ended amid, its lowest byte first, and how many of its bytes were seen. */
  private number = 0
  private seen = 0
  /** Whether the frame ends with a checksum, and whether it ends behind what is skipped. */
  private checksum = false
  private last = false
  /** It is no packed data: whoever unpacks it will say so. */
  private lost = false

  /** The pieces of this one, each of which holds bytes of one frame. */
  cut(piece: Uint8Array): ReadonlyArray<Uint8Array> {
    const pieces: Array<Uint8Array> = []
    let [from, at] = [0, 0]
    while (at < piece.length && !this.lost) {
      if (this.skip > 0) {
        const taken = Math.min(this.skip, piece.length - at)
        this.skip -= taken
        at += taken
      } else {
        this.number += piece[at++]! * 2 ** (8 * this.seen++)
        if (this.seen < this.wanted) continue
        const { number } = this
        this.number = 0
        this.seen = 0
        this.take(number)
      }
      if (!this.last || this.skip > 0) continue
      this.last = false
      this.next = "magic"
      pieces.push(piece.subarray(from, at))
      from = at
    }
    if (from < piece.length) pieces.push(from === 0 ? piece : piece.subarray(from))
    return pieces
  }

  /** Bytes of the number that comes next. */
  private get wanted(): number {
    return this.next === "descriptor" ? 1 : this.next === "block" ? blockHeaderSize : magicSize
  }

  private take(number: number): void {
    switch (this.next) {
      case "magic":
        if (number === frameMagic) this.next = "descriptor"
        else if ((number & ~0xf) >>> 0 === skippableMagic) this.next = "skippable"
        else this.lost = true
        return
      case "skippable":
        return this.endBehind(number)
      case "descriptor": {
        const single = (number & 0x20) !== 0
        const content = number >> 6
        this.checksum = (number & 0x04) !== 0
        const window = single ? 0 : 1
        this.skip = window + dictionarySizes[number & 3]! + (content === 0 && single ? 1 : contentSizes[content]!)
        this.next = "block"
        return
      }
      case "block": {
        const kind = (number >> 1) & 3
        // A run of one byte holds that byte, and says how often it comes.
        const size = kind === 1 ? 1 : number >> 3
        if ((number & 1) === 0) this.skip = size
        else this.endBehind(size + (this.checksum ? checksumSize : 0))
        return
      }
    }
  }

  /** The frame ends behind so many bytes. */
  private endBehind(bytes: number): void {
    this.skip = bytes
    this.last = true
  }
}
