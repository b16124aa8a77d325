/**
 * The lower end of a terminal: a block of lines that is drawn again and again, and everything else above it.
 *
 * The cursor is never hidden, so that however a run ends there is nothing to put back: it stands at the beginning of the
 * line under the block.
 */
import { widthOf } from "./Width.ts"

/** Of a terminal what this takes. */
export interface Terminal {
  readonly columns?: number
  readonly rows?: number
  readonly write: (text: string) => unknown
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface Screen {
  /** Draws the block as it is now. */
  readonly draw: () => void
  /** Lets `write` write whole lines above the block. */
  readonly above: (write: () => void) => void
  /** Takes the block away, and draws none until `show`. */
  readonly hide: () => void
  readonly show: () => void
  /** Takes the block away for good. */
  readonly end: () => void
}

const escape = "\u001B["

/** @param lines what the block consists of now; none may be as wide as the terminal */
export const make = (terminal: Terminal, lines: (size: Size) => ReadonlyArray<string>): Screen => {
  let drawn: ReadonlyArray<string> = []
  let [hidden, ended] = [false, false]

  // A terminal that nobody has told its size says 0.
  const size = (): Size => ({ columns: terminal.columns || 80, rows: terminal.rows || 24 })

  /** To the block's first column, where it may stand on more lines than it had: narrower terminals break them. */
  const toTop = (): string => {
    const { columns } = size()
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0)
    return rows === 0 ? "" : `${escape}${rows}A\r`
  }

  const replace = (next: ReadonlyArray<string>): void => {
    if (drawn.length + next.length === 0) return
    // Each line is written over the old one: what was erased before would flicker.
    const text = next.map((line) => `${line}${escape}K\n`).join("")
    terminal.write(`${toTop()}${text}${escape}J`)
    drawn = next
  }

  const draw = (): void => replace(hidden || ended ? [] : lines(size()))

  return {
    draw,
    above: (write) => {
      replace([])
      write()
      draw()
    },
    hide: () => {
      hidden = true
      draw()
    },
    show: () => {
      hidden = false
      draw()
    },
    end: () => {
      ended = true
      draw()
    }
  }
}
