import { assert, describe, it } from "@effect/vitest"
import * as Words from "../../src/pipeline/Words.ts"

describe("words", () => {
  it("counts in groups of three, and in singular and plural", () => {
    assert.strictEqual(Words.count(0), "0")
    assert.strictEqual(Words.count(999), "999")
    assert.strictEqual(Words.count(1_234_567), "1,234,567")
    assert.strictEqual(Words.plural(1, "table"), "1 table")
    assert.strictEqual(Words.plural(0, "row"), "0 rows")
    assert.strictEqual(Words.plural(2000, "entry", "entries"), "2,000 entries")
  })

  it("lists the first ones and counts the rest", () => {
    assert.deepStrictEqual(Words.listed(["a", "b"], 2), ["a", "b"])
    assert.deepStrictEqual(Words.listed(["a", "b", "c", "d"], 2), ["a", "b", "… and 2 more"])
  })
})
