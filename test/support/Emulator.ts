/** As much of a terminal as pgark's output asks of one. */
import { assert } from "@effect/vitest"

/** A sequence that moves the cursor, erases or colours, or one character. */
const sequences = new RegExp(`${String.fromCodePoint(27)}\\[(\\d*)([A-Za-z])|[^]`, "g")

/** A terminal of these columns that breaks lines as terminals do, also when it is made narrower. */
export class Emulator {
  columns: number
  readonly rows = 24
  /** Lines as they were written, and the rows that they take. */
  private text: Array<string> = [""]
  private row = 0
  private column = 0

  constructor(columns: number) {
    this.columns = columns
  }

  readonly write = (text: string): void => {
    for (const [token, parameter, command] of text.matchAll(sequences)) {
      if (command === "A") this.row -= Number(parameter)
      else if (command === "K") this.text[this.row] = this.text[this.row]!.slice(0, this.column)
      else if (command === "J") {
        this.text[this.row] = this.text[this.row]!.slice(0, this.column)
        this.text.length = this.row + 1
      } else if (token === "\r") this.column = 0
      else if (token === "\n") this.feed()
      else if (command === undefined) {
        if (this.column === this.columns) this.feed()
        const line = this.text[this.row]!.padEnd(this.column)
        this.text[this.row] = line.slice(0, this.column) + token + line.slice(this.column + 1)
        this.column++
      }
      assert.isAtLeast(this.row, 0, "the cursor leaves the screen")
    }
  }

  private feed(): void {
    this.row++
    this.column = 0
    this.text[this.row] ??= ""
  }

  resize(columns: number): void {
    this.columns = columns
    this.text = this.text.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, "g")) ?? [""])
    this.row = this.text.length - 1
    this.column = 0
  }

  get shown(): ReadonlyArray<string> {
    return this.text.map((line) => line.trimEnd())
  }
}
