/** What is said of a task, or of a part of it, piece by piece: in the block as in the lines. */
import type { Amount, Part, Progress } from "../../pipeline/RunEvent.ts"
import { count } from "../../pipeline/Words.ts"
import * as Units from "../output/Units.ts"
import type { Running } from "./Board.ts"
import * as Rate from "./Rate.ts"

/** A piece, and how soon it is left away where there is no room: the higher, the sooner. */
export interface Fact {
  readonly text: string
  readonly rank: number
}

/** What is said of something. */
export interface Facts {
  /** How much of it is done: 0 to less than 1, and undefined where that cannot be told. */
  readonly share?: number
  readonly facts: ReadonlyArray<Fact>
}

/** Milliseconds from which on a statement, or anything else without counts, is worth a word. */
const long = 1000

/** A total that cannot be right is none. */
const totalOf = ({ done, total }: Amount): number | undefined =>
  total === undefined || total <= 0 || done > total ? undefined : total

const ofTotal = (amount: Amount, show: (n: number) => string, unit: string): string => {
  const total = totalOf(amount)
  const whole = total === undefined ? "" : ` of ${amount.estimated === true ? "~" : ""}${show(total)}`
  return `${show(amount.done)}${whole}${unit}`
}

const fact = (text: string | undefined, rank: number): ReadonlyArray<Fact> =>
  text === undefined ? [] : [{ text, rank }]

/** Before its end nothing is done to a hundred per cent. */
const shareOf = (...amounts: ReadonlyArray<Amount | undefined>): number | undefined => {
  for (const amount of amounts) {
    const total = amount === undefined ? undefined : totalOf(amount)
    if (amount !== undefined && total !== undefined) return Math.min(0.99, amount.done / total)
  }
  return undefined
}

const percent = (share: number | undefined, estimated: boolean): string | undefined =>
  share === undefined ? undefined : `${estimated ? "~" : ""}${Math.floor(share * 100)} %`

/** The rows are in and what follows them has no size that is known: indexes, constraints. */
const behindRows = ({ statements, tables }: Progress): boolean =>
  statements !== undefined && tables?.total !== undefined && tables.done >= tables.total

const elapsed = (since: number, now: number): string => Units.span(now - since)

/** What is said of a task at this moment. */
export const ofTask = ({ rate, since, told }: Running, now: number): Facts => {
  const { bytes, parts = [], rows, statements, tables, next } = told ?? {}
  if (told === undefined || (bytes ?? rows ?? tables ?? statements) === undefined) {
    return { facts: now - since < long ? [] : fact(elapsed(since, now), 0) }
  }
  if (behindRows(told)) {
    return {
      facts: [
        ...fact(statements && ofTotal(statements, count, " statements"), 0),
        ...fact(parts.length === 0 ? undefined : elapsed(since, now), 1)
      ]
    }
  }
  const share = shareOf(bytes, rows, tables, statements)
  const measure = bytes ?? rows
  const guessed = measure?.estimated === true
  const total = measure === undefined ? undefined : totalOf(measure)
  const speed = rate && Rate.perSecond(rate, now)
  const time = rate && total !== undefined ? Rate.left(rate, total, now) : undefined
  const pace =
    speed === undefined || speed < 1 ? undefined : bytes ? `${Units.bytes(speed)}/s` : `${count(speed)} rows/s`
  return {
    ...(share === undefined ? {} : { share }),
    facts: [
      ...fact(percent(share, guessed), 0),
      ...fact(bytes && ofTotal(bytes, Units.bytes, ""), 1),
      ...fact(rows && ofTotal(rows, count, " rows"), bytes ? 5 : 1),
      ...fact(tables && ofTotal(tables, count, " tables"), 4),
      ...fact(bytes ? undefined : statements && ofTotal(statements, count, " statements"), 4),
      ...fact(pace, 3),
      ...fact(
        time === undefined
          ? undefined
          : `${guessed ? "~" : ""}${Units.span(Math.max(1, Math.round(time / 1000)) * 1000)} left`,
        2
      ),
      ...fact(time === undefined || next === undefined ? undefined : `then ${next}`, 6)
    ]
  }
}

/** What is said of a part of it; undefined while that is nothing. */
export const ofPart = ({ bytes, rows, since }: Part, now: number): Facts | undefined => {
  const counted = rows ?? bytes
  if (now - since < (counted === undefined ? long : long / 4)) return undefined
  if (counted === undefined) return { facts: fact(elapsed(since, now), 0) }
  const guessed = counted.estimated === true
  const share = shareOf(rows, bytes)
  return {
    ...(share === undefined ? {} : { share }),
    facts: [
      ...fact(percent(share, guessed), 0),
      ...fact(rows && ofTotal(rows, count, " rows"), 1),
      ...fact(bytes && ofTotal(bytes, Units.bytes, ""), 2)
    ]
  }
}
