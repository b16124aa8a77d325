/** How far a run is where nothing can be redrawn: a line every few seconds, whole in itself. */
import { visibleLine } from "../output/Text.ts"
import type { Board } from "./Board.ts"
import { type Facts, ofPart, ofTask } from "./Facts.ts"

/** Milliseconds between two lines about the same task. */
const every = 3000

const sentence = ({ facts }: Facts): string => facts.map(({ text }) => text).join(", ")

/** What is due, and when each task was last spoken of. */
export interface Due {
  readonly lines: ReadonlyArray<string>
  readonly told: ReadonlyMap<string, number>
}

/**
 * The lines that are due, as `      Apply the dump: 45 %, 120 MB of 300 MB, 41 MB/s, 4 s left; public."User": 60 %`.
 *
 * Tasks that consist of others are silent while one of these runs.
 */
export const due = ({ running }: Board, told: ReadonlyMap<string, number>, now: number): Due => {
  const spoken = new Map<string, number>()
  const lines = running.flatMap((one, index) => {
    const { since, task, title, told: progress } = one
    const last = told.get(task) ?? since
    spoken.set(task, last)
    if (now - last < every || (progress === undefined && index < running.length - 1)) return []
    spoken.set(task, now)
    const parts = (progress?.parts ?? []).flatMap((part) => {
      const facts = ofPart(part, now)
      return facts === undefined ? [] : [`${part.name}: ${sentence(facts)}`]
    })
    return [visibleLine(`      ${[`${title}: ${sentence(ofTask(one, now))}`, ...parts].join("; ")}`)]
  })
  return { lines, told: spoken }
}
