/** How far a directory dump is, several tables of which are read at once. */
import type * as Clock from "effect/Clock"
import type { WritingPosition } from "../../dumps/directory/DirectoryWriting.ts"
import type { Part, Progress } from "../../pipeline/RunEvent.ts"
import { amount, nameOf } from "../ReadingProgress.ts"
import type { DataTable } from "./DataTables.ts"
import { telling } from "./DumpProgress.ts"
import type { TableEstimate } from "./TableEstimates.ts"

interface Known {
  /** Bytes on the server's disk. */
  readonly size: number
  /** As the catalogue guesses them; 0 where it does not. */
  readonly rows: number
  /** Files of its rows that are still to come, and rows of those that are complete. */
  files: number
  done: number
}

/** Gives what is to be told of a dump that has come so far. A table counts with its size on the server's disk. */
export const make = (
  tables: ReadonlyArray<DataTable>,
  estimates: ReadonlyArray<TableEstimate>,
  clock: Clock.Clock
): ((position: WritingPosition, what: string) => Progress) => {
  const guessed = new Map(estimates.map((table) => [nameOf(table), table.rows]))
  const known = new Map(
    tables.map((table): readonly [string, Known] => {
      const name = nameOf(table)
      return [name, { size: table.bytes, rows: guessed.get(name) ?? 0, files: table.parts.length, done: 0 }]
    })
  )
  const size = tables.reduce((sum, { bytes }) => sum + bytes, 0)
  const rows = estimates.reduce((sum, table) => sum + table.rows, 0)
  const since = new Map<string, number>()
  let [seen, finished, finishedSize] = [0, 0, 0]

  const close = (file: WritingPosition["closed"][number]) => {
    const name = nameOf(file)
    const table = known.get(name)
    if (table === undefined) return
    table.files--
    table.done += file.rows
    if (table.files > 0) return
    finished++
    finishedSize += table.size
    since.delete(name)
  }

  return ({ bytes, closed, open, rows: read }, what) => {
    for (; seen < closed.length; seen++) close(closed[seen]!)
    const opened = new Map<string, { rows: number; bytes: number }>()
    for (const file of open) {
      const name = nameOf(file)
      const before = opened.get(name) ?? { rows: 0, bytes: 0 }
      opened.set(name, { rows: before.rows + file.rows, bytes: before.bytes + file.bytes })
    }
    let begun = finishedSize
    const parts: Array<Part> = []
    for (const [name, { bytes, rows }] of opened) {
      const table = known.get(name)
      const all = rows + (table?.done ?? 0)
      if (table !== undefined && table.rows > 0) begun += table.size * Math.min(1, all / table.rows)
      if (!since.has(name)) since.set(name, clock.currentTimeMillisUnsafe())
      parts.push({
        name,
        since: since.get(name)!,
        rows: amount(all, table === undefined || table.rows === 0 ? undefined : table.rows, true),
        bytes: amount(bytes, undefined)
      })
    }
    const share = size === 0 ? 0 : Math.min(1, begun / size)
    return {
      what,
      bytes: amount(bytes, share < telling ? undefined : Math.round(bytes / share), true),
      rows: amount(read, rows === 0 ? undefined : rows, true),
      tables: amount(finished, tables.length === 0 ? undefined : tables.length),
      parts
    }
  }
}
