/** What a dump will do, as the rows of a plan. */
import * as Effect from "effect/Effect"
import * as Compression from "../../dumps/Compression.ts"
import * as Plan from "../../pipeline/Plan.ts"
import { bytes, plural } from "../../pipeline/Words.ts"
import type { PgDumpProgram } from "../../postgres/PgDump.ts"
import { qualified } from "../../postgres/Identifier.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import * as DataTables from "./DataTables.ts"
import type { Settled } from "./DumpOptions.ts"
import { forPgDump, type Source } from "./DumpSource.ts"
import * as Tool from "./Tool.ts"

/** How many tables have a row of their own. */
const shown = 20

/** How long the sizes of tables are waited for: a plan can do without. */
const patience = "2 seconds"

const tableRow = ({ bytes: size, form, name, parts, schema }: DataTables.DataTable): Plan.PlanRow => {
  const split = parts.length === 1 ? "" : ` in ${plural(parts.length, "part")}`
  return Plan.row(`copy ${qualified(schema, name)}, ${bytes(size)} on the server's disk,${split} as ${form}`, {
    sql: parts.map(({ sql }) => sql).join(";\n")
  })
}

const tableRows = (tables: ReadonlyArray<DataTables.DataTable>): ReadonlyArray<Plan.PlanRow> => {
  const others = tables.slice(shown)
  const size = others.reduce((sum, { bytes }) => sum + bytes, 0)
  return [
    ...tables.slice(0, shown).map(tableRow),
    ...(others.length === 0
      ? []
      : [Plan.row(`copy ${plural(others.length, "smaller table")}, ${bytes(size)} together`)])
  ]
}

/** The rows about tables: without sizes, and so without parts, where somebody keeps a table to himself. */
const dataRows = (options: Settled, source: Source) => {
  const what = forPgDump(options, source)
  return LockLimit.reading(patience, DataTables.read(what, source.database, options.jobs)).pipe(
    Effect.map(tableRows),
    Effect.catchTag("LockTimeout", ({ message }) =>
      Effect.map(DataTables.find(what, source.database), ({ length }) => [
        Plan.row(`copy ${plural(length, "table")}`, { why: `how large they are is not known: ${message}` })
      ])
    )
  )
}

/** @param folder of the dumps */
export const rows = Effect.fn("DumpPlan.rows")(function* (
  options: Settled,
  source: Source,
  tool: PgDumpProgram,
  folder: string
) {
  const { compression, format, jobs, name, note } = options
  const directory = format === "directory"
  const what = forPgDump(options, source)
  return [
    Plan.row(`dump ${source.database} into ${folder}/${directory ? ", as a folder" : ""}`, {
      argv: tool.argv(directory ? { ...what, sections: ["pre-data", "post-data"] } : what),
      why: `pg_dump ${Tool.describe(tool)} can read a server of version ${source.version}`
    }),
    ...(directory
      ? [
          Plan.row(`read the rows over ${plural(jobs, "connection")} beside it, in the same snapshot`),
          ...(yield* dataRows(options, source))
        ]
      : []),
    ...(compression.method === "none" ? [] : [Plan.row(`pack it: ${Compression.show(compression)}`)]),
    Plan.row(`prove what was written and put a manifest ${directory ? "into" : "beside"} it`),
    ...(name === undefined ? [] : [Plan.row(`name it ${name}`)]),
    ...(note === undefined ? [] : [Plan.row(`note of it: ${note}`)])
  ]
})
