/** Reports of restores, for people. */
import { dirname } from "node:path"
import { undoCommand } from "../../dumps/UndoCommand.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import type { CloneReport } from "../../verbs/Clone.ts"
import type { RestoreReport } from "../../verbs/Restore.ts"
import * as Way from "../../verbs/restore/Way.ts"
import type { ExchangeReport, RecoveryReport, UndoReport } from "../../verbs/Undo.ts"
import * as RenderReport from "./RenderReport.ts"
import { fitted, hang } from "../output/Text.ts"

/** A row where there is something to list. */
const row = (label: string, items: ReadonlyArray<string>, text: (list: string) => string): ReadonlyArray<string> =>
  items.length === 0 ? [] : [hang(label, text(listed(items, 6).join(", ")))]

/** Restores and undoings tell all of that, and more. */
type Replaced = Omit<CloneReport, "source">

type Kept = ExchangeReport["kept"]

const keptAs = (kept: Kept): string =>
  listed(
    kept.map(({ aside, schema }) => `${schema} as ${aside}`),
    6
  ).join(", ")

const wayBack = (kept: Kept, directory: string): ReadonlyArray<string> =>
  kept.length === 0
    ? []
    : [
        hang(
          "  way back   ",
          `${undoCommand(directory)} brings back at once what was there, which is kept until the next restore: ${keptAs(kept)}`
        )
      ]

const proof = ({ unproven }: Pick<RestoreReport, "unproven">, words: string): ReadonlyArray<string> => [
  hang("  proof      ", words),
  ...unproven.map((what) => hang("  not proven ", what))
]

/** @param from where what was restored comes from */
const body = (
  report: Replaced,
  { directory = "", from = "the dump" }: { readonly directory?: string; readonly from?: string } = {}
): ReadonlyArray<string> => [
  ...(report.way === "transaction" ? [] : [hang("  way        ", `${Way.words[report.way]}: ${report.why}`)]),
  ...(report.clean === undefined ? [] : RenderReport.clean(report.clean)),
  hang(
    "  restored   ",
    `${plural(report.rows, "row")} in ${plural(report.tables, "table")}, ` +
      `${plural(report.statements, "statement")}, ${plural(report.largeObjects, "large object")}`
  ),
  ...row("  no rows    ", report.withoutRows, (list) => `${list}: ${from} has none of theirs`),
  ...row("  published  ", report.published, (list) => `as before: ${list}`),
  ...row(
    "  partial    ",
    report.partialRows,
    (list) => `only part of the rows of ${list}: row-level security hid the others from ${from}`
  ),
  ...report.skipped.map(({ reason, count }) => hang("  skipped    ", `${plural(count, "statement")}: ${reason}`)),
  ...report.adapted.map(({ reason, count }) => hang("  adapted    ", `${plural(count, "statement")}: ${reason}`)),
  ...report.differences.map(({ what, why }) => hang("  differs    ", `${what}: ${why}`)),
  ...(report.grant === undefined ? [] : RenderReport.grant(report.grant)),
  ...(report.verify === undefined ? ["  verified   no (--no-verify)"] : RenderReport.verify(report.verify)),
  ...wayBack(report.kept ?? [], directory),
  ...(report.backup === undefined
    ? []
    : [
        hang(
          "  way back   ",
          `${undoCommand(dirname(dirname(report.backup)))} brings back what was there, from ${report.backup}`
        )
      ])
]

/**
 * What a restore did.
 *
 * @param directory the folder of dumps, for the command that takes it back
 */
export const restore = (report: RestoreReport, proofWords: string, database: string, directory: string): string =>
  [
    fitted(process.stdout, "", `Restored ${report.file} into ${database}`),
    ...proof(report, proofWords),
    ...body(report, { directory })
  ].join("\n")

/**
 * What a clone did.
 *
 * @param directory the folder of dumps, for the command that takes it back
 */
export const clone = (report: CloneReport, database: string, directory: string): string =>
  [
    fitted(process.stdout, "", `Cloned ${report.source} into ${database}`),
    ...body(report, { directory, from: "the clone" })
  ].join("\n")

/** What an undoing did that was done by names alone. */
export const exchanged = ({ back, kept, undone }: ExchangeReport, database: string, directory: string): string =>
  [
    fitted(
      process.stdout,
      "",
      `Brought back what was in ${database} before ${undone.file} was restored (${undone.at})`
    ),
    hang("  renamed    ", back.map(({ aside, schema }) => `${aside} to ${schema}`).join(", ")),
    ...(kept.length === 0 ? ["  dropped    what was there since (--no-backup-first)"] : wayBack(kept, directory))
  ].join("\n")

/** What became of a restore that had been cut short. */
export const recovered = ({ undone, recovered }: RecoveryReport, database: string): string =>
  [
    fitted(
      process.stdout,
      "",
      `Brought back what was in ${database} before the restore of ${undone.file} (${undone.at}), which had been cut short`
    ),
    recovered === "aside"
      ? hang("  way back   ", "the old schemas have their names again, and what was begun is dropped")
      : hang("  way back   ", "what was begun is dropped, and the safety dump restored and verified")
  ].join("\n")

/** What an undoing did. */
export const undo = (report: UndoReport, proofWords: string, database: string): string =>
  [
    fitted(
      process.stdout,
      "",
      `Brought back what was in ${database} before ${report.undone.file} was restored (${report.undone.at})`
    ),
    ...proof(report, proofWords),
    ...body(report)
  ].join("\n")
