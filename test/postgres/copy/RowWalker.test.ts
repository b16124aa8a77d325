import { assert, describe, it } from "@effect/vitest"
import { BinaryRows } from "../../../src/postgres/copy/BinaryRows.ts"
import * as RowWalker from "../../../src/postgres/copy/RowWalker.ts"
import { TextRows } from "../../../src/postgres/copy/TextRows.ts"
import * as Chance from "../../support/Chance.ts"

const int16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])
const int32 = (value: number) =>
  Buffer.from([(value >> 24) & 255, (value >> 16) & 255, (value >> 8) & 255, value & 255])
const header = Buffer.concat([Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), int32(0), int32(0)])
const trailer = int16(-1)
const field = (value: Uint8Array | null) => (value === null ? int32(-1) : Buffer.concat([int32(value.length), value]))
const row = (...values: ReadonlyArray<Uint8Array | null>) => Buffer.concat([int16(values.length), ...values.map(field)])

const walked = (walker: RowWalker.RowWalker, bytes: Uint8Array, cut: () => number) => {
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + cut())
    walker.push(bytes.subarray(at, next))
    at = next
  }
  return walker
}

const values = [null, Buffer.alloc(0), Buffer.from("a"), Buffer.from("\n\\.\n"), Buffer.alloc(70, 255)]
const rows = values.flatMap((one) => values.map((other) => row(one, other)))
const whole = Buffer.concat([header, ...rows, trailer])

describe("binary rows", () => {
  it("are counted wherever the data is cut", () => {
    const random = Chance.from(7)
    for (const cut of [
      ...Array.from({ length: 90 }, (_, size) => () => size + 1),
      () => 1 + Math.floor(random() * 40)
    ]) {
      const walker = walked(new BinaryRows(2), whole, cut)
      assert.strictEqual(walker.finish(), undefined)
      assert.deepStrictEqual([walker.rows, walker.bytes], [rows.length, whole.length])
    }
  })

  it("of a beginning of the data are never whole", () => {
    for (let end = 0; end < whole.length; end++) {
      for (const size of [1, 5, whole.length]) {
        assert.match(
          walked(new BinaryRows(), whole.subarray(0, end), () => size).finish() ?? "",
          end < header.length ? /cut within its header/ : /cut (behind|within) row \d+$/
        )
      }
    }
    assert.strictEqual(new BinaryRows().finish(), "it is cut within its header")
  })

  it("say what is wrong with them", () => {
    const problem = (...parts: ReadonlyArray<Uint8Array>) => [
      walked(new BinaryRows(), Buffer.concat(parts), () => 1000).finish(),
      walked(new BinaryRows(), Buffer.concat(parts), () => 1).finish()
    ]
    const both = (text: string) => [text, text]
    const one = row(Buffer.from("a"))
    assert.deepStrictEqual(problem(Buffer.from("1\tone\n2\ttwo\n")), both("it is not binary COPY data"))
    assert.deepStrictEqual(problem(whole, one), both("it goes on behind its end"))
    assert.deepStrictEqual(problem(header, one, row(null, null), trailer), both("row 2 has 2 fields, not 1"))
    assert.deepStrictEqual(
      problem(header, one, int16(1), int32(-2), trailer),
      both("a field of row 2 has an impossible length")
    )
    const flags = Buffer.concat([header.subarray(0, 11), int32(1 << 16), int32(0)])
    assert.deepStrictEqual(problem(flags, trailer), both("its header has flags that nobody knows"))
    assert.deepStrictEqual(problem(header, one, int16(1), field(Buffer.from("ab"))), both("it is cut behind row 2"))
    assert.strictEqual(
      walked(new BinaryRows(2), Buffer.concat([header, one, trailer]), () => 50).finish(),
      "row 1 has 1 fields, not 2"
    )
  })

  it("may have no columns, and data a longer header", () => {
    const longer = Buffer.concat([header.subarray(0, 15), int32(3), Buffer.from("new")])
    for (const size of [1, 3, 100]) {
      const walker = walked(new BinaryRows(0), Buffer.concat([longer, row(), row(), trailer]), () => size)
      assert.deepStrictEqual([walker.finish(), walker.rows], [undefined, 2])
    }
  })
})

describe("text rows", () => {
  const lines = ["1\tone", "", "\\N\t\\\\.", "\\.x", "x\\.", "\\\\.", "\\", "."].map((line) => `${line}\n`)
  const text = Buffer.from(lines.join(""))

  it("are counted wherever the data is cut", () => {
    for (let size = 1; size <= text.length; size++) {
      const walker = walked(RowWalker.make("text"), text, () => size)
      assert.deepStrictEqual([walker.finish(), walker.rows, walker.bytes], [undefined, lines.length, text.length])
    }
  })

  it("end with a line break, and not before their end", () => {
    for (let size = 1; size <= text.length; size++) {
      const cut = walked(new TextRows(), text.subarray(0, -1), () => size)
      assert.strictEqual(cut.finish(), `it is cut within row ${lines.length}`)
      const ended = walked(new TextRows(), Buffer.concat([Buffer.from("a\n\\.\n"), text]), () => size)
      assert.strictEqual(ended.finish(), "its line 2 is the end of data, and it goes on")
    }
    assert.strictEqual(new TextRows().finish(), undefined)
  })
})
