/** Asking tables one after the other, telling at which one it is. */
import * as Effect from "effect/Effect"
import * as Progress from "../pipeline/Progress.ts"
import { plural } from "../pipeline/Words.ts"
import type { Asking } from "../postgres/Guarded.ts"
import { type KnownTable, nameOf } from "./ReadingProgress.ts"

/** Rows from which on a table is asked by itself. */
const large = 100_000

interface Table {
  readonly schema: string
  readonly name: string
}

/**
 * @param what is done with the tables: "counted"
 * @param known how many rows they should have
 * @param ask asks all of them, as it is told
 */
export const telling = <T extends Table, A, E, R>(
  what: string,
  tables: ReadonlyArray<T>,
  known: ReadonlyArray<KnownTable>,
  ask: (tables: ReadonlyArray<T>, asking: Asking<Table>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const rows = new Map(known.map((table) => [nameOf(table), table.rows]))
    return Progress.stepwise({ what, unit: "tables", total: tables.length }, (begun) =>
      ask(tables, {
        alone: (table) => (rows.get(nameOf(table)) ?? 0) >= large,
        begun: (asked, answered) => {
          const [first] = asked
          begun(asked.length === 1 && first !== undefined ? nameOf(first) : plural(asked.length, "table"), answered)
        }
      })
    )
  })
