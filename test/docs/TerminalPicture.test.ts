import { assert, describe, it } from "@effect/vitest"
import { parse, picture } from "../../docs/TerminalPicture.ts"

const draw = (output: string) => picture(output, { columns: 40, title: "A <title>" })

describe("a picture of a terminal", () => {
  it("has each line as text, in the colours that it was printed in", () => {
    const svg = draw("\u001B[1m1.\u001B[22m one\r\n   \u001B[32ma < b & c\u001B[39m\r\n\r\n")
    const texts = svg.split("\n").filter((line) => line.startsWith("<text"))
    assert.deepStrictEqual(texts, [
      `<text x="20" y="34" textLength="16.8" class="bold">1.</text>`,
      `<text x="45.2" y="34" textLength="25.2">one</text>`,
      `<text x="45.2" y="54" textLength="75.6" class="green">a &lt; b &amp; c</text>`
    ])
    assert.include(svg, `<title id="title">A &lt;title&gt;</title>`)
    assert.include(svg, `<desc id="desc">1. one\n   a &lt; b &amp; c</desc>`)
    // What GitHub does not load, or not run, is not in it.
    assert.notMatch(svg, /<script|<foreignObject|href=|url\(|@import/)
    assert.include(svg, "prefers-color-scheme: dark")
  })

  it("keeps a style over the end of a line, and knows when it is put back", () => {
    const looks = parse("\u001B[1;33ma\nb\u001B[0mc").map((line) =>
      line.map(({ bold, color, text }) => [text, bold, color])
    )
    assert.deepStrictEqual(looks, [
      [["a", true, 33]],
      [
        ["b", true, 33],
        ["c", false, undefined]
      ]
    ])
  })

  it("refuses what it would show wrongly", () => {
    assert.throws(() => draw("\u001B[2Kagain"), /cannot show/)
    assert.throws(() => draw("3 …\r2 …"), /cannot show/)
    assert.throws(() => draw("\u001B[4munderlined"), /no look/)
    assert.throws(() => draw("\u001B[35mmagenta"), /no colour/)
  })
})
