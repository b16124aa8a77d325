/** What a restore tells when it has ended. */
import type { ProvenAgainst } from "../../dumps/Proof.ts"
import type * as Pipeline from "../../pipeline/Pipeline.ts"
import type * as Task from "../../pipeline/Task.ts"
import type * as Clean from "../Clean.ts"
import { describeObject } from "../clean/Blocker.ts"
import type * as Grant from "../Grant.ts"
import type * as Verify from "../Verify.ts"
import type { Applied } from "./Apply.ts"
import type { Difference } from "./Bridge.ts"
import type * as DumpProof from "./DumpProof.ts"
import type { Looked } from "./Looking.ts"
import * as Publishing from "./Publishing.ts"
import type { Chosen } from "./Way.ts"
import type { Saved } from "./SafetyDump.ts"

/** What a restore did. */
export interface RestoreReport<T extends Task.Any = never> {
  readonly file: string
  readonly against: ProvenAgainst
  /** What of the dump could not be proven, for people. */
  readonly unproven: ReadonlyArray<string>
  /** One transaction or several, and why. */
  readonly way: Chosen["way"]
  readonly why: string
  readonly clean: Clean.CleanReport | undefined
  readonly statements: number
  readonly tables: number
  readonly rows: number
  readonly largeObjects: number
  readonly skipped: ReadonlyArray<{ readonly reason: string; readonly count: number }>
  /** Statements that were said otherwise, or left out, for what the target's version does not know. */
  readonly adapted: ReadonlyArray<{ readonly reason: string; readonly count: number }>
  /** What of encodings and locales is otherwise in the target than in the source, and what that means. */
  readonly differences: ReadonlyArray<Difference>
  /** Tables that had been there and came back without a row, because the dump has none of theirs. */
  readonly withoutRows: ReadonlyArray<string>
  /** Tables that were put back into publications. */
  readonly published: ReadonlyArray<string>
  /** Tables of which the dump has only part of the rows, qualified and quoted. */
  readonly partialRows: ReadonlyArray<string>
  /** The dump of what was replaced; absent where nothing was, or where none was wanted. */
  readonly backup: string | undefined
  readonly grant: Grant.GrantReport | undefined
  readonly verify: Verify.VerifyReport | undefined
  /** What the caller's tasks gave, under their names. */
  readonly tasks: Pipeline.Results<T>
}

/** What the tasks of a restore gave. */
export interface Outcomes<T extends Task.Any> {
  readonly prove: DumpProof.Proven
  readonly survey: Looked
  readonly transaction: {
    readonly apply: Applied
    readonly backup: Saved
    readonly clean: Clean.CleanReport | undefined
    readonly grant: Grant.GrantReport | undefined
    readonly verify: Verify.VerifyReport | undefined
    readonly tasks: Pipeline.Results<T> | undefined
  }
}

/** All of that in one. */
export const report = <T extends Task.Any = never>({
  prove,
  survey: { course, differences, going, hollow },
  transaction
}: Outcomes<T>): RestoreReport<T> => ({
  file: prove.file,
  against: prove.against,
  unproven: prove.unproven,
  way: course.way,
  why: course.why,
  clean: transaction.clean,
  statements: transaction.apply.statements,
  tables: prove.contents.tables.length,
  rows: [...transaction.apply.rows.values()].reduce((sum, rows) => sum + rows, 0),
  largeObjects: prove.contents.largeObjects.count,
  skipped: [...transaction.apply.skipped].map(([reason, count]) => ({ reason, count })),
  adapted: [...transaction.apply.adapted].map(([reason, count]) => ({ reason, count })),
  differences,
  withoutRows: hollow.map(describeObject),
  published: going.published.map(Publishing.describe),
  partialRows: prove.partialRows,
  backup: transaction.backup.dump?.file,
  grant: transaction.grant,
  verify: transaction.verify,
  // Without tasks there is no name to ask for.
  tasks: transaction.tasks ?? ({} as Pipeline.Results<T>)
})
