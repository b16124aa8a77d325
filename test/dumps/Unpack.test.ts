/** Packed bytes that were changed: found, and never waited for. */
import { createHash } from "node:crypto"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Compression from "../../src/dumps/Compression.ts"

/** 64 kB that hardly pack. */
const content = Array.from({ length: 1024 }, (_, index) => createHash("sha256").update(`${index}`).digest("hex")).join(
  ""
)

/** Unpacks these bytes, given in one piece. */
const unpack = (bytes: Uint8Array) =>
  Effect.gen(function* () {
    let given = false
    const { pull } = yield* Compression.unpack(
      "gzip",
      Effect.sync(() => {
        const piece = given ? Option.none<Uint8Array>() : Option.some(bytes)
        given = true
        return piece
      })
    )
    let length = 0
    for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) length += piece.value.length
    return length
  }).pipe(Effect.scoped)

describe("gzip with one byte changed", () => {
  const packed = zlib.gzipSync(content)

  it.live("is damaged, wherever the byte stands", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* unpack(packed), content.length)
      // Behind the ten bytes of the header, some of which may say anything.
      for (let at = 10; at < packed.length; at += 701) {
        const changed = Buffer.from(packed)
        changed[at] = changed[at]! ^ 0x55
        const error = yield* Effect.flip(unpack(changed)).pipe(Effect.timeout("5 seconds"))
        assert.strictEqual(error._tag, "Corrupt", `at ${at}`)
      }
    })
  )
})
