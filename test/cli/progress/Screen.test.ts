/** The block at the lower end of a terminal, seen by a terminal that understands what is sent. */
import { assert, describe, it } from "@effect/vitest"
import * as Screen from "../../../src/cli/progress/Screen.ts"
import { Emulator } from "../../support/Emulator.ts"

const setUp = (columns = 40) => {
  const terminal = new Emulator(columns)
  let block: ReadonlyArray<string> = []
  const screen = Screen.make(terminal, () => block)
  const draw = (...lines: ReadonlyArray<string>) => {
    block = lines
    screen.draw()
  }
  return { draw, screen, terminal }
}

describe("the lower end of a terminal", () => {
  it("is drawn over what was there, longer or shorter", () => {
    const { draw, terminal } = setUp()
    draw("Restore  10 s", "Apply the dump  33 %", "  public.t  5 %")
    draw("Restore  11 s", "Apply  34 %")
    assert.deepStrictEqual(terminal.shown, ["Restore  11 s", "Apply  34 %", ""])
    draw()
    assert.deepStrictEqual(terminal.shown, [""])
  })

  it("has all else above it, whole", () => {
    const { draw, screen, terminal } = setUp()
    draw("Apply the dump  33 %", "  public.t")
    screen.above(() => terminal.write("done  Prove the dump (0.4 s)\n"))
    screen.above(() => terminal.write("note  two\nlines\n"))
    assert.deepStrictEqual(terminal.shown, [
      "done  Prove the dump (0.4 s)",
      "note  two",
      "lines",
      "Apply the dump  33 %",
      "  public.t",
      ""
    ])
  })

  it("goes while something else is there, and comes back", () => {
    const { draw, screen, terminal } = setUp()
    draw("Apply the dump  33 %")
    screen.hide()
    draw("Apply the dump  34 %")
    assert.deepStrictEqual(terminal.shown, [""])
    screen.show()
    assert.deepStrictEqual(terminal.shown, ["Apply the dump  34 %", ""])
    screen.end()
    screen.show()
    assert.deepStrictEqual(terminal.shown, [""])
  })

  it("leaves nothing of what a narrower terminal has broken", () => {
    const { draw, screen, terminal } = setUp(40)
    screen.above(() => terminal.write("done  Prove the dump\n"))
    draw("Apply the dump  [======>   ]  33 %", "  public.t  5 %")
    terminal.resize(20)
    draw("Apply the…  33 %")
    assert.deepStrictEqual(terminal.shown, ["done  Prove the dump", "Apply the…  33 %", ""])
  })

  it("takes a terminal that nobody has told its size for one of 80 columns", () => {
    const sizes: Array<Screen.Size> = []
    const sent: Array<string> = []
    const screen = Screen.make({ columns: 0, rows: 0, write: (text) => sent.push(text) }, (size) => {
      sizes.push(size)
      return ["Apply the dump"]
    })
    screen.draw()
    screen.draw()
    assert.deepStrictEqual(sizes[0], { columns: 80, rows: 24 })
    assert.include(sent[1], "\u001B[1A\r")
  })

  it("writes nothing where there is nothing to draw, and never hides the cursor", () => {
    const sent: Array<string> = []
    let block: ReadonlyArray<string> = []
    const screen = Screen.make({ columns: 80, rows: 24, write: (text) => sent.push(text) }, () => block)
    screen.draw()
    screen.above(() => {})
    assert.deepStrictEqual(sent, [])
    block = ["Apply the dump"]
    screen.draw()
    screen.end()
    assert.isFalse(sent.join("").includes("?25"))
  })
})
