/** Packing and unpacking: what comes back, and what is noticed. */
import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Compression from "../../src/dumps/Compression.ts"
import { ZstdFrames } from "../../src/dumps/ZstdFrames.ts"

/** The last of them makes frames. */
const packings = [{ method: "gzip" }, { method: "zstd" }, { method: "zstd", level: 1 }] as const

const pack = Effect.fnUntraced(function* (compression: Compression.Compression, chunks: ReadonlyArray<Uint8Array>) {
  const packed: Array<Uint8Array> = []
  const packer = yield* Compression.pack(compression, (bytes) => Effect.sync(() => void packed.push(bytes)))
  const chunk = Buffer.alloc(Math.max(0, ...chunks.map(({ length }) => length)))
  yield* Effect.forEach(
    chunks,
    (bytes) => {
      // What it is given is good until it returns.
      chunk.set(bytes)
      return packer.append(chunk.subarray(0, bytes.length))
    },
    { discard: true }
  )
  yield* packer.end
  return Buffer.concat(packed)
}, Effect.scoped)

/** Pieces of a few sizes, the first of them as small as they come. */
const pieces = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const unpack = Effect.fnUntraced(function* (method: "gzip" | "zstd", chunks: ReadonlyArray<Uint8Array>) {
  let next = 0
  const { pull } = yield* Compression.unpack(
    method,
    Effect.sync(() => Option.fromNullishOr(chunks[next++]))
  )
  const found: Array<Uint8Array> = []
  for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) found.push(piece.value)
  return Buffer.concat(found)
}, Effect.scoped)

const Bytes = Schema.Uint8Array.check(Schema.isMaxLength(2000))
const Chunks = Schema.Array(Bytes).check(Schema.isMaxLength(12))
const Level = Schema.Int.check(Schema.isBetween({ minimum: -3, maximum: 30 }))
const Method = Schema.Literals(Compression.methods)
const Packing = Schema.Literals([0, 1, 2])
const Size = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3000 }))

describe("what --compress takes", () => {
  it("is a method, with a level of its range or none", () => {
    assert.deepStrictEqual(Compression.parse("none"), { method: "none" })
    assert.deepStrictEqual(Compression.parse("gzip:9"), { method: "gzip", level: 9 })
    assert.deepStrictEqual(Compression.parse("zstd:19"), { method: "zstd", level: 19 })
    for (const text of ["", "gzip:", "gzip:0", "gzip:10", "zstd:20", "none:1", "GZIP", "gzip:1:2", "gzip: 1", "lz4"]) {
      assert.isUndefined(Compression.parse(text), text)
    }
  })

  it.effect.prop("comes back as it is shown, and only in its range", [Method, Level], ([method, level]) =>
    Effect.sync(() => {
      const top = { none: 0, gzip: 9, zstd: 19 }[method]
      const parsed = Compression.parse(`${method}:${level}`)
      assert.deepStrictEqual(parsed, level >= 1 && level <= top ? { method, level } : undefined)
      if (parsed !== undefined) assert.strictEqual(Compression.show(parsed), `${method}:${level}`)
      assert.deepStrictEqual(Compression.parse(method), { method })
      assert.include(Compression.choices, method)
    })
  )

  it.effect.prop("is nothing that it cannot show again", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const parsed = Compression.parse(text)
      if (parsed !== undefined) assert.deepStrictEqual(Compression.parse(Compression.show(parsed)), parsed)
    })
  )
})

describe("what was packed", () => {
  it.effect.prop("comes back, in whatever pieces", [Packing, Chunks, Size], ([packing, chunks, size]) =>
    Effect.gen(function* () {
      const packed = yield* pack(packings[packing], chunks)
      assert.isTrue((yield* unpack(packings[packing].method, pieces(packed, size))).equals(Buffer.concat(chunks)))
    })
  )

  it.effect.prop("comes back of several that stand one behind the other", [Packing, Chunks, Size], (drawn) =>
    Effect.gen(function* () {
      const [packing, chunks, size] = drawn
      const members = yield* Effect.forEach(chunks, (chunk) => pack(packings[packing], [chunk]))
      if (members.length === 0) return
      const unpacked = yield* unpack(packings[packing].method, pieces(Buffer.concat(members), size))
      assert.isTrue(unpacked.equals(Buffer.concat(chunks)))
    })
  )

  it.effect.prop("is refused with bytes behind it", [Packing, Bytes, Bytes, Size], ([packing, bytes, more, size]) =>
    Effect.gen(function* () {
      const packed = yield* pack(packings[packing], [bytes])
      const behind = Buffer.concat([Buffer.from([0x21]), more])
      const error = yield* Effect.flip(unpack(packings[packing].method, pieces(Buffer.concat([packed, behind]), size)))
      assert.strictEqual((error as { readonly _tag: string })._tag, "Corrupt")
    })
  )

  it.effect("comes back of many frames, at once and in pieces, and is refused where it is longer than allowed", () =>
    Effect.gen(function* () {
      const text = Buffer.from(Array.from({ length: 150_000 }, (_, i) => `${i}\t${(i * 7919) % 100_003}\n`).join(""))
      for (const size of [8192, 100_000, 256 * 1024, 256 * 1024 + 1]) {
        const packed = yield* pack({ method: "zstd", level: 1 }, pieces(text, size))
        assert.isAbove(new ZstdFrames().cut(packed).length, 4, `${size}`)
        assert.isTrue((yield* unpack("zstd", pieces(packed, 10_000))).equals(text))
        assert.isTrue(Buffer.from(yield* Compression.unpackNow("zstd", packed, text.length)).equals(text))
        const refused = yield* Effect.flip(Compression.unpackNow("zstd", packed, text.length - 1))
        assert.strictEqual(refused._tag, "Corrupt")
      }
    })
  )

  for (const packing of packings) {
    const { method } = packing
    it.effect(`is refused wherever it is cut: ${Compression.show(packing)}`, () =>
      Effect.gen(function* () {
        const text = Buffer.from(Array.from({ length: 60 }, (_, i) => `${i}\t${(i * 7919) % 1009}\n`).join(""))
        const packed = yield* pack(packing, [text])
        assert.isBelow(packed.length, text.length)
        // Between two frames nothing is missed: a dump's closing lines, its trailer and its manifest tell.
        const whole = new ZstdFrames().cut(packed)[0]!.length
        yield* Effect.forEach(
          Arr.range(1, whole - 1),
          Effect.fnUntraced(function* (length) {
            const error = yield* Effect.flip(unpack(method, [packed.subarray(0, length)]))
            assert.deepInclude(error, { _tag: "Corrupt" }, `cut to ${length} bytes`)
          })
        )
      })
    )

    it.effect(`is refused, or comes back, wherever a byte of it is changed: ${Compression.show(packing)}`, () =>
      Effect.gen(function* () {
        const text = Buffer.from("COPY public.a (id) FROM stdin;\n1\n2\n3\n\\.\n".repeat(20))
        const packed = yield* pack(packing, [text])
        yield* Effect.forEach(
          Arr.range(0, packed.length - 1),
          Effect.fnUntraced(function* (at) {
            const changed = Buffer.from(packed)
            changed[at] = changed[at]! ^ 0x55
            const unpacked = yield* Effect.result(unpack(method, [changed]))
            // A gzip header has bytes without a meaning, such as its time.
            if (unpacked._tag === "Success") assert.isTrue(unpacked.success.equals(text), `byte ${at}`)
          })
        )
      })
    )
  }
})
