/** Where frames end, told without unpacking: of what zstd makes, of what is skipped, and of what is neither. */
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ZstdFrames } from "../../src/dumps/ZstdFrames.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** What a frame holds and how it is written. */
const Frame = Schema.Struct({
  size: Schema.Literals([0, 1, 3, 255, 256, 4000, 65_791, 65_792, 140_000, 300_000]),
  /** How many values its bytes take: 1 makes blocks of one byte's run, 256 blocks that are not packed. */
  values: Schema.Literals([1, 2, 256]),
  level: Schema.Literals([1, 3, 19]),
  checksum: Schema.Boolean,
  /** Whether the frame says how long its content is. */
  sized: Schema.Boolean,
  /** Whether one to be skipped stands before it. */
  skippable: Schema.Boolean
})

let state = 1
/** Bytes of as many values, which differ from one call to the next. */
const content = ({ size, values }: typeof Frame.Type): Buffer =>
  Buffer.from(Array.from({ length: size }, () => (state = (state * 48_271) % 2_147_483_647) % values))

const skippable = (size: number): Buffer => {
  const bytes = Buffer.alloc(8 + size, 0x28)
  bytes.writeUInt32LE(0x184d2a50 + (size % 16), 0)
  bytes.writeUInt32LE(size, 4)
  return bytes
}

const pack = (frame: typeof Frame.Type, bytes: Buffer): Buffer => {
  const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag } = zlib.constants
  return zlib.zstdCompressSync(bytes, {
    params: {
      [ZSTD_c_checksumFlag]: frame.checksum ? 1 : 0,
      [ZSTD_c_compressionLevel]: frame.level,
      [ZSTD_c_contentSizeFlag]: frame.sized ? 1 : 0
    },
    ...(frame.sized ? { pledgedSrcSize: bytes.length } : {})
  })
}

/** The pieces of bytes that come so many at a time. */
const cut = (bytes: Buffer, size: number): ReadonlyArray<Uint8Array> => {
  const frames = new ZstdFrames()
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size)
  )
  return pieces.flatMap((piece) => frames.cut(piece))
}

describe.skipIf(!("zstdCompressSync" in zlib))("the frames of packed data", () => {
  it.effect.prop(
    "end where the next one begins, wherever the bytes are cut",
    [Schema.Array(Frame).check(Schema.isMaxLength(4)), Schema.Literals([1, 2, 3, 7, 1000, 1 << 24])],
    ([drawn, size]) =>
      Effect.sync(() => {
        const frames = drawn.flatMap((frame) => {
          const packed = pack(frame, content(frame))
          return frame.skippable ? [skippable(frame.size), packed] : [packed]
        })
        const all = Buffer.concat(frames)
        const pieces = cut(all, size)
        assert.isTrue(Buffer.concat(pieces).equals(all))
        const ends = new Set<number>()
        pieces.reduce((at, piece) => (ends.add(at + piece.length), at + piece.length), 0)
        frames.reduce((at, frame) => (assert.isTrue(ends.has(at + frame.length)), at + frame.length), 0)
        if (size >= all.length) assert.strictEqual(pieces.length, frames.length)
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect.prop("lose no byte of what is none", [Schema.Uint8Array, int(1, 9)], ([bytes, size]) =>
    Effect.sync(() => {
      const begun = Buffer.concat([zlib.zstdCompressSync(Buffer.from("begun")), bytes])
      assert.isTrue(Buffer.concat(cut(begun, size)).equals(begun))
      assert.isTrue(Buffer.concat(cut(Buffer.from(bytes), size)).equals(Buffer.from(bytes)))
    })
  )
})
