/** What a restore tells when it has ended. */
import * as Schema from "effect/Schema"
import { provenAgainst } from "../../dumps/Proof.ts"
import type * as Pipeline from "../../pipeline/Pipeline.ts"
import type * as Task from "../../pipeline/Task.ts"
import * as Clean from "../Clean.ts"
import { describeObject } from "../clean/Blocker.ts"
import * as Grant from "../Grant.ts"
import * as Verify from "../Verify.ts"
import { Difference } from "./Bridge.ts"
import type * as DumpProof from "./DumpProof.ts"
import type { Looked } from "./Looking.ts"
import * as Publishing from "./Publishing.ts"
import type { Applied } from "./Statements.ts"
import { ways } from "./Way.ts"
import type { Saved } from "./SafetyDump.ts"
import type { Renamed } from "./several/SetAside.ts"

/** Statements of a kind. */
const Statements = Schema.Struct({
  reason: Schema.String.annotateKey({ description: "What they have in common, and why." }),
  count: Schema.Int.annotateKey({ description: "Number of statements." })
})

/** What a restore did. */
export const RestoreReport = Schema.Struct({
  file: Schema.String.annotateKey({ description: "Path of the dump." }),
  against: Schema.Literals(provenAgainst).annotateKey({
    description: "What the dump was held against: its manifest, only its own structure, or not even that."
  }),
  unproven: Schema.Array(Schema.String).annotateKey({
    description: "What of the dump could not be proven, for people."
  }),
  way: Schema.Literals(ways).annotateKey({
    description:
      "`transaction`: everything in one. `aside`: the schemas were renamed and the dump went into fresh ones. `batches`: " +
      "in several transactions behind the safety dump."
  }),
  why: Schema.String.annotateKey({ description: "Why this way." }),
  clean: Schema.optionalKey(Clean.CleanReport).annotateKey({
    description: "What was emptied; absent where nothing was to be."
  }),
  statements: Schema.Int.annotateKey({ description: "Number of the dump's statements that were run." }),
  tables: Schema.Int.annotateKey({ description: "Number of tables that the dump has data of." }),
  rows: Schema.Int.annotateKey({ description: "Number of rows that were restored." }),
  largeObjects: Schema.Int.annotateKey({ description: "Number of large objects that were restored." }),
  skipped: Schema.Array(Statements).annotateKey({ description: "Statements that were left out." }),
  adapted: Schema.Array(Statements).annotateKey({
    description: "Statements that were said otherwise, or left out, for what the target's version does not know."
  }),
  differences: Schema.Array(Difference).annotateKey({
    description: "What of encodings and locales is otherwise in the target than in the source, and what that means."
  }),
  withoutRows: Schema.Array(Schema.String).annotateKey({
    description: "Tables that had been there and came back without a row, because the dump has none of theirs."
  }),
  published: Schema.Array(Schema.String).annotateKey({ description: "Tables that were put back into publications." }),
  partialRows: Schema.Array(Schema.String).annotateKey({
    description: "Tables of which the dump has only part of the rows, qualified and quoted."
  }),
  backup: Schema.optionalKey(Schema.String).annotateKey({
    description: "Path of the dump of what was replaced; absent where nothing was, or where none was wanted."
  }),
  kept: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        schema: Schema.String.annotateKey({ description: "The schema's own name." }),
        aside: Schema.String.annotateKey({ description: "What it is called now, as it was before." })
      })
    )
  ).annotateKey({ description: "What was replaced and stays until the next restore, with `--keep-previous`." }),
  grant: Schema.optionalKey(Grant.GrantReport).annotateKey({
    description: "What was granted; absent where nothing was to be."
  }),
  verify: Schema.optionalKey(Verify.VerifyReport).annotateKey({
    description: "What was verified before the commit; absent with `--no-verify`."
  })
})

/** The same of a restore with tasks of the caller's. */
export interface RestoreReport<T extends Task.Any = never> extends Schema.Schema.Type<typeof RestoreReport> {
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
    readonly kept?: ReadonlyArray<Renamed> | undefined
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
  ...(transaction.clean === undefined ? {} : { clean: transaction.clean }),
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
  ...(transaction.backup.dump === undefined ? {} : { backup: transaction.backup.dump.file }),
  ...(transaction.kept === undefined ? {} : { kept: transaction.kept }),
  ...(transaction.grant === undefined ? {} : { grant: transaction.grant }),
  ...(transaction.verify === undefined ? {} : { verify: transaction.verify }),
  // Without tasks there is no name to ask for.
  tasks: transaction.tasks ?? ({} as Pipeline.Results<T>)
})
