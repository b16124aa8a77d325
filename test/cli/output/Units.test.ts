import { assert, describe, it } from "@effect/vitest"
import * as Units from "../../../src/cli/output/Units.ts"

const table = <A extends ReadonlyArray<unknown>>(
  f: (...args: A) => string,
  rows: ReadonlyArray<readonly [A, string]>
) => {
  for (const [args, text] of rows) assert.strictEqual(f(...args), text)
}

describe("units", () => {
  it("bytes are decimal, with one digit below ten, and never 1000 of a unit", () => {
    table(Units.bytes, [
      [[0], "0 B"],
      [[999], "999 B"],
      [[1000], "1.0 kB"],
      [[9949], "9.9 kB"],
      [[9950], "10 kB"],
      [[830_119], "830 kB"],
      [[999_499], "999 kB"],
      [[999_500], "1.0 MB"],
      [[1_080_000_000], "1.1 GB"],
      [[3e15], "3000 TB"]
    ])
  })

  it("spans are whole seconds, and from an hour on whole minutes", () => {
    table(Units.span, [
      [[0], "0 s"],
      [[999], "0 s"],
      [[59_999], "59 s"],
      [[60_000], "1 min 0 s"],
      [[3_599_999], "59 min 59 s"],
      [[7_500_000], "2 h 5 min"]
    ])
  })

  it("durations never show a minute of 60 seconds", () => {
    table(Units.duration, [
      [[0], "0 ms"],
      [[99], "99 ms"],
      [[100], "0.1 s"],
      [[9949], "9.9 s"],
      [[9960], "10 s"],
      [[59_400], "59 s"],
      [[59_600], "1 min 0 s"],
      [[119_700], "2 min 0 s"],
      [[200_000], "3 min 20 s"]
    ])
  })

  it("ages are told in the largest whole unit; a clock that went back is no age", () => {
    table(Units.ago, [
      [[-5000], "just now"],
      [[999], "just now"],
      [[1000], "1 second ago"],
      [[119_000], "1 minute ago"],
      [[7_200_000], "2 hours ago"],
      [[30 * 86_400_000], "30 days ago"]
    ])
  })
})
