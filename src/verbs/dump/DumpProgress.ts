/** How far a dump is, held against what the catalogue guesses of it. */
import type * as Clock from "effect/Clock"
import type { ReadingPosition } from "../../dumps/DumpReading.ts"
import type { Progress } from "../../pipeline/RunEvent.ts"
import { amount, nameOf, sinceWhen } from "../ReadingProgress.ts"
import type { TableEstimate } from "./TableEstimates.ts"

/** The share of a dump from which on the rest is guessed from it: before, a small table would say much of large ones. */
export const telling = 0.02

/**
 * Gives what is to be told of a dump that has come so far.
 *
 * The length of its text is guessed from what there is of it and from the share that this is: a finished table counts
 * with its size on the server's disk, the one that is open with the part of its rows that was seen.
 */
export const make = (estimates: ReadonlyArray<TableEstimate>, clock: Clock.Clock) => {
  const tables = new Map(estimates.map((table) => [nameOf(table), table]))
  const rows = estimates.reduce((sum, table) => sum + table.rows, 0)
  const whole = estimates.reduce((sum, { bytes }) => sum + bytes, 0)
  const since = sinceWhen(clock)
  let [seen, finished] = [0, 0]
  return (position: ReadingPosition, what: string): Progress => {
    const { bytes, closed, table } = position
    for (; seen < closed.length; seen++) finished += tables.get(nameOf(closed[seen]!))?.bytes ?? 0
    const name = table === undefined ? "" : nameOf(table)
    const open = tables.get(name)
    const part = table === undefined || open === undefined || open.rows === 0 ? 0 : Math.min(1, table.rows / open.rows)
    const share = whole === 0 ? 0 : Math.min(1, (finished + part * (open?.bytes ?? 0)) / whole)
    return {
      what,
      bytes: amount(bytes, share < telling ? undefined : Math.round(bytes / share), true),
      rows: amount(position.rows, rows === 0 ? undefined : rows, true),
      tables: amount(closed.length, tables.size === 0 ? undefined : tables.size),
      parts:
        table === undefined
          ? []
          : [
              {
                name,
                since: since(position),
                rows: amount(table.rows, open === undefined || open.rows === 0 ? undefined : open.rows, true),
                bytes: amount(table.bytes, undefined)
              }
            ]
    }
  }
}
