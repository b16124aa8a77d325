/** The parts that reports of several commands share. */
import type { CleanReport } from "../verbs/Clean.ts"
import type { GrantReport } from "../verbs/Grant.ts"
import type { VerifyReport } from "../verbs/Verify.ts"
import { grouped } from "../verbs/Findings.ts"
import { hang } from "./Text.ts"
import { listed, plural } from "../pipeline/Words.ts"

/** How many objects a line names. */
const shown = 6

const waysToEmpty = {
  0: "nothing was there to drop",
  1: "dropped the schema and put it back",
  2: "kept the schema, dropped its content"
}

export const clean = (report: CleanReport): ReadonlyArray<string> => [
  hang("  emptied    ", `${waysToEmpty[report.rung]}${report.rung === 0 ? "" : ` (${report.why})`}`),
  ...report.dropped.map((what) => hang("             - ", what)),
  ...(report.outside.length === 0 ? [] : [hang("  outside    ", `lost: ${listed(report.outside, shown).join(", ")}`)]),
  ...report.stays.map((what) => hang("  stays      ", what)),
  ...(report.lost.length === 0
    ? []
    : [hang("  not back   ", `${listed(report.lost, shown).join(", ")}: not in the dump`)])
]

export const grant = (report: GrantReport): ReadonlyArray<string> => [
  hang(
    "  granted    ",
    `${report.role} has the rights "${report.profile}" on ${plural(report.schemas, "schema")}, ` +
      `${plural(report.tables, "table")} and ${plural(report.sequences, "sequence")}, and may connect: proven one by one`
  ),
  ...report.unproven.map(({ kind, object, why }) => hang("  not proven ", `${kind} ${object}: ${why}`)),
  ...report.refused.map((what) => hang("             ", `not needed: ${what}`))
]

/** Of a report that came to be, so what it found are warnings. */
export const verify = (report: VerifyReport): ReadonlyArray<string> => [
  `  verified   ${plural(report.tables, "table")}, ${plural(report.rows, "row")}, ` +
    (report.checksums === 0 ? "" : `${plural(report.checksums, "checksum")}, `) +
    `${plural(report.sequences, "sequence")}, ${plural(report.migrations, "migration")}: no difference`,
  ...grouped(report.findings).map((line) => `  warning    ${line}`)
]
