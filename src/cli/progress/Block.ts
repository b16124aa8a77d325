/** The block that stands under a run on a terminal: a line for each running task, and for each part that it is at. */
import { widthOf } from "./Width.ts"
import { visibleLine } from "../output/Text.ts"
import type { Board } from "./Board.ts"
import { type Fact, type Facts, ofPart, ofTask } from "./Facts.ts"

/** Milliseconds of a run in which nothing is drawn: most are over before somebody could read it. */
const quick = 1000

/** Columns that a bar may have, its brackets included: a few, so that it does not change with every digit beside it. */
const bars = [32, 22, 12] as const
/** How soon it is left away. */
const barRank = 3.5

/** Columns between two pieces. */
const gap = 2

/** Columns that a name keeps beside what is said of it, where these are not most of the line. */
const leastName = 14

const graphemes = new Intl.Segmenter()

/** Text in at most so many columns: what is cut off is told by a `…`. */
export const clip = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  if (columns <= 0) return ""
  let [kept, width] = ["", 0]
  for (const { segment } of graphemes.segment(text)) {
    const more = widthOf(segment)
    if (width + more > columns - 1) break
    kept += segment
    width += more
  }
  return `${kept}…`
}

/** As many facts as there is room for, the most telling first, in their order. */
const chosen = (facts: ReadonlyArray<Fact>, room: number): ReadonlyArray<Fact> => {
  let left = room
  const taken = new Set<Fact>()
  for (const fact of facts.toSorted((one, other) => one.rank - other.rank)) {
    const width = gap + widthOf(fact.text)
    if (width > left) break
    left -= width
    taken.add(fact)
  }
  return facts.filter((fact) => taken.has(fact))
}

/** `[====>     ]`, of so many columns. */
const bar = (share: number, columns: number): string => {
  const inside = columns - 2
  const filled = Math.floor(share * inside)
  return `[${"=".repeat(filled)}>${" ".repeat(inside - filled - 1)}]`
}

const line = (indent: string, name: string, { facts, share }: Facts, columns: number): string => {
  const title = indent + visibleLine(name)
  const barred = share === undefined ? [] : [{ text: bar(share, bars[2]), rank: barRank }]
  const taken = chosen([...barred, ...facts], columns - Math.min(widthOf(title), leastName, columns >> 1))
  const said = taken.reduce((sum, { text }) => sum + gap + widthOf(text), 0)
  const shown = clip(title, columns - said)
  const free = columns - said - widthOf(shown)
  const texts = taken.map((fact) =>
    share !== undefined && fact === barred[0]
      ? bar(share, bars.find((width) => width <= bars[2] + free) ?? bars[2])
      : fact.text
  )
  return [shown, ...texts].join(" ".repeat(gap))
}

/**
 * The lines of the block, none of which is as wide as the terminal, so that none wraps.
 *
 * @param size columns and rows of the terminal
 */
export const lines = (
  board: Board,
  now: number,
  size: { readonly columns: number; readonly rows: number }
): ReadonlyArray<string> => {
  if (board.begun === undefined || now - board.begun < quick) return []
  const columns = size.columns - 1
  const all = board.running.flatMap((running) => [
    line("", running.title, ofTask(running, now), columns),
    ...(running.told?.parts ?? []).flatMap((part) => {
      const facts = ofPart(part, now)
      return facts === undefined ? [] : [line("  ", part.name, { facts: facts.facts }, columns)]
    })
  ])
  // What was drawn above the screen's top could not be taken back.
  return all.slice(0, Math.max(0, size.rows - 1))
}
