/** The parts that reports of several commands share. */
import type { Method } from "../../dumps/Compression.ts"
import type { Manifest } from "../../dumps/Manifest.ts"
import type { CleanReport } from "../../verbs/Clean.ts"
import type { GrantReport } from "../../verbs/Grant.ts"
import type { VerifyReport } from "../../verbs/Verify.ts"
import { grouped } from "../../verbs/verify/FindingLines.ts"
import { hang } from "../output/Text.ts"
import * as Units from "../output/Units.ts"
import { listed, plural } from "../../pipeline/Words.ts"

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

const notGranted = ({ kind, object, owner, privileges, role }: GrantReport["notGranted"][number]) =>
  `${kind} ${object} of ${owner}: no ${privileges.join(", ")} for ${role}`

const notProven = ({ kind, object, role, why }: GrantReport["unproven"][number]) =>
  `${kind} ${object} for ${role}: ${why}`

export const grant = (report: GrantReport): ReadonlyArray<string> => {
  const objects = [
    plural(report.schemas, "schema"),
    plural(report.tables, "table or view", "tables and views"),
    plural(report.sequences, "sequence"),
    ...(report.functions === 0 ? [] : [plural(report.functions, "function")]),
    ...(report.types === 0 ? [] : [plural(report.types, "type")])
  ]
  return [
    hang(
      "  granted    ",
      `${report.roles.join(", ")} ${report.roles.length === 1 ? "has" : "have"} the rights "${report.profile}" on ` +
        `${objects.slice(0, -1).join(", ")} and ${objects.at(-1)}, and may connect: proven one by one`
    ),
    ...(report.tried.length === 0
      ? []
      : [hang("  tried      ", `read as ${report.tried.join(", ")}: one object of each kind in each schema`)]),
    ...listed(report.notGranted.map(notGranted), shown).map((what) => hang("  not given  ", what)),
    ...listed(report.unproven.map(notProven), shown).map((what) => hang("  not proven ", what)),
    ...report.refused.map((what) => hang("             ", `not needed: ${what}`))
  ]
}

/** Of a report that came to be, so what it found are warnings. */
export const verify = (report: VerifyReport): ReadonlyArray<string> => [
  hang(
    "  verified   ",
    `${plural(report.tables, "table")}, ${plural(report.rows, "row")}, ` +
      (report.checksums === 0 ? "" : `${plural(report.checksums, "checksum")}, `) +
      `${plural(report.sequences, "sequence")}, ${plural(report.migrations, "migration")}: no difference`
  ),
  ...grouped(report.findings).map((line) => hang("  warning    ", line))
]

/** Size of a dump: `512 kB`, or `110 kB gzip (512 kB unpacked)`. */
export const stored = (size: number, method: Method = "none", unpacked?: number): string =>
  [
    Units.bytes(size),
    ...(method === "none" ? [] : [method, ...(unpacked === undefined ? [] : [`(${Units.bytes(unpacked)} unpacked)`])])
  ].join(" ")

/** What keeps a dump from being that of the whole database. */
export const narrowing = (
  manifest: Partial<Pick<Manifest, "excluded" | "onlySchemas" | "partialRows">> | undefined
): ReadonlyArray<string> =>
  [
    ["only schema", manifest?.onlySchemas] as const,
    ["without the tables", manifest?.excluded?.tables] as const,
    ["without the rows of", manifest?.excluded?.data] as const,
    ["only the rows that policies show of", manifest?.partialRows] as const
  ].flatMap(([what, names = []]) => (names.length === 0 ? [] : [`${what} ${names.join(", ")}`]))
