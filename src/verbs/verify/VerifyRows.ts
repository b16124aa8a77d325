/** Whether the tables hold what they should: how many rows and, where the dump has checksums, which. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { plural } from "../../pipeline/Words.ts"
import * as Checksums from "../../postgres/Checksums.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { Answer } from "../../postgres/Guarded.ts"
import * as Health from "../../postgres/Health.ts"
import { qualified } from "../../postgres/Identifier.ts"
import * as TableSteps from "../TableSteps.ts"
import { finding, warning } from "./Findings.ts"
import type { Finding } from "../VerbError.ts"
import type { VerifyOptions } from "../Verify.ts"

/** What a restore has learned of the rows that it loaded, by qualified and quoted table. */
export interface Restored {
  /** As the server counted them; undefined where something may have changed them since. */
  readonly rows?: ReadonlyMap<string, number>
  readonly checksums: ReadonlyMap<string, Answer<Checksums.Checksum>>
}

export interface RowsReport {
  readonly findings: ReadonlyArray<Finding>
  readonly tables: number
  readonly rows: number
  readonly checksums: number
  /** Tables that the dump does not know. */
  readonly unknown: number
}

const checkChecksums = Effect.fnUntraced(function* (
  { expected, restored }: VerifyOptions,
  counted: ReadonlyArray<Health.LiveTable>
) {
  const sums = new Map(
    (expected?.manifest?.tables ?? []).map(({ checksum, name, schema }) => [qualified(schema, name), checksum])
  )
  const compared = counted.flatMap((table) => {
    const key = qualified(table.schema, table.name)
    const sum = sums.get(key)
    return sum === undefined ? [] : [{ key, sum, table }]
  })
  const known = restored?.checksums
  const answers: ReadonlyArray<Answer<string>> =
    known === undefined
      ? yield* TableSteps.telling(
          "compared",
          compared.map(({ table }) => table),
          expected?.contents.tables ?? [],
          Checksums.read
        )
      : compared.map(({ key }) => known.get(key) ?? { unknown: "the restore has not added it up" })
  const findings = compared.flatMap(({ key, sum }, index): ReadonlyArray<Finding> => {
    const answer = answers[index]!
    if ("unknown" in answer) return [finding("content", key, "the rows that were dumped", answer.unknown)]
    return answer.value === sum ? [] : [finding("content", key, `checksum ${sum}`, answer.value)]
  })
  return { findings, checksums: compared.length }
})

/** Compares the tables of the dump with those that are there. Without a dump there is nothing to compare. */
export const checkRows = Effect.fn("Verify.rows")(function* (
  options: VerifyOptions,
  live: ReadonlyArray<Health.LiveTable>
): Effect.fn.Return<RowsReport, DatabaseError, SqlClient.SqlClient> {
  const { expected: expectation, restored } = options
  const byKey = new Map(live.map((table) => [qualified(table.schema, table.name), table]))
  if (expectation === undefined) return { findings: [], tables: live.length, rows: 0, checksums: 0, unknown: 0 }
  const findings: Array<Finding> = []
  // A dump may load a table in several goes: a partitioned one by its root, with one COPY a partition.
  const known = new Map<string, number>()
  for (const { schema, name, rows } of expectation.contents.tables) {
    const key = qualified(schema, name)
    known.set(key, (known.get(key) ?? 0) + rows)
  }
  // What a restore has loaded is all that the dump has; any other database may well hold more.
  const partial = new Set(restored === undefined ? expectation.manifest?.partialRows : [])
  const counted: Array<readonly [key: string, table: Health.LiveTable]> = []
  for (const [key, rows] of known) {
    const table = byKey.get(key)
    if (table === undefined) findings.push(finding("tables", key, `a table with ${plural(rows, "row")}`, "no table"))
    else if (partial.has(key)) {
      const said = `rows that are not compared: the dump has only the ${plural(rows, "row")} that policies showed`
      findings.push(warning("rows", key, "all rows in the dump", said))
    } else if (!table.extension) counted.push([key, table])
    else findings.push(warning("rows", key, "rows of its own", "it belongs to an extension: its rows are not compared"))
  }
  const unknown = [...byKey].filter(
    ([key, { partitioned, extension }]) => !known.has(key) && !partitioned && !extension
  )
  for (const [key] of unknown) findings.push(warning("tables", key, "no data of it in the dump", "a table"))
  const answers: ReadonlyArray<Answer<number>> =
    restored?.rows === undefined
      ? yield* TableSteps.telling(
          "counted",
          counted.map(([, table]) => table),
          expectation.contents.tables,
          Health.rowCounts
        )
      : counted.map(([key]) => {
          const value = restored.rows?.get(key)
          return value === undefined ? { unknown: "the restore loaded no rows into it" } : { value }
        })
  let rows = 0
  for (const [index, [key]] of counted.entries()) {
    const [answer, expected] = [answers[index]!, known.get(key)!]
    if ("unknown" in answer) findings.push(finding("rows", key, plural(expected, "row"), answer.unknown))
    else {
      rows += answer.value
      if (answer.value !== expected) {
        findings.push(finding("rows", key, plural(expected, "row"), plural(answer.value, "row")))
      }
    }
  }
  const differing = new Set(findings.map(({ object }) => object))
  const content = yield* checkChecksums(
    options,
    counted.flatMap(([key, table]) => (differing.has(key) ? [] : [table]))
  )
  return {
    findings: [...findings, ...content.findings],
    tables: counted.length,
    rows,
    checksums: content.checksums,
    unknown: unknown.length
  }
})
