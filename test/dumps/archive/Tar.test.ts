import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tar from "../../../src/dumps/archive/Tar.ts"
import { folder } from "../../support/Restores.ts"

/** A header of ustar, with the sum that it must have. */
const header = (name: string, size: string): Buffer => {
  const bytes = Buffer.alloc(512)
  bytes.write(name, 0)
  bytes.write(size, 124)
  bytes.write("        ", 148)
  bytes.write("ustar", 257)
  const sum = bytes.reduce((sum, byte) => sum + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return bytes
}

const members = Effect.fnUntraced(function* (...blocks: ReadonlyArray<Buffer>) {
  const file = join(yield* folder, "dump.tar")
  writeFileSync(file, Buffer.concat([...blocks, Buffer.alloc(1024)]))
  return yield* Tar.members(file)
})

describe("the members of a tar file", () => {
  it.live("are told with their places", () =>
    Effect.gen(function* () {
      const found = yield* members(header("toc.dat", "00000000003"), Buffer.alloc(512), header("1.dat", "00000000000"))
      assert.deepStrictEqual(found, [
        { name: "toc.dat", start: 512, size: 3 },
        { name: "1.dat", start: 1536, size: 0 }
      ])
    })
  )

  it.live("are refused where a size is none, which would be read for ever", () =>
    Effect.forEach(["-0000001000", "nonsense", "-1", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"], (size) =>
      Effect.map(Effect.flip(members(header("toc.dat", size))), (error) => assert.strictEqual(error._tag, "TarBroken"))
    )
  )
})
