import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { CleanReport } from "../../verbs/Clean.ts"
import { plural } from "../../pipeline/Words.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as RenderReport from "../render/RenderReport.ts"

/** @param database as people write it */
const headline = (schemas: ReadonlyArray<string>, { stays }: CleanReport, database: string): string =>
  stays.length === 0
    ? `Cleaned ${schemas.join(", ")} in ${database}`
    : `Emptied ${schemas.join(", ")} in part: ${plural(stays.length, "object of another role stays", "objects of other roles stay")}, in ${database}`

export const clean = Command.make(
  "clean",
  {
    schemas: Flags.ownSchemas({
      description: "Schema to empty, repeatable",
      standard: "the URL's schema parameter, else public"
    }),
    cascadeOutside: Flags.cascadeOutside.pipe(
      Flag.withDescription("DROP, too, what stands in other schemas and depends on what goes, as far as the role may")
    ),
    lockTimeout: Flags.lockTimeout,
    wait: Flags.wait,
    yes: Flags.yes,
    confirm: Flags.confirm,
    dryRun: Flags.dryRun,
    plan: Flags.plan
  },
  ({ cascadeOutside, confirm, dryRun, lockTimeout, plan, schemas, wait, yes }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Clean = yield* load(() => import("../../verbs/Clean.ts"))
        const Confirming = yield* load(() => import("../warning/Confirming.ts"))
        const Warning = yield* load(() => import("../warning/Warning.ts"))
        const manner = yield* Confirming.manner({ confirm, yes })
        const url = yield* Target.databaseUrl("replaces")
        const output = yield* Output
        const options = {
          schemas: yield* Target.schemas((yield* schemas.chosen).value, url),
          cascadeOutside,
          wait,
          ...Flags.given("lockTimeout", lockTimeout)
        }
        const layer = Target.session(url, "clean")
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(Target.dryRun(Clean.pipeline(options), url, { dryRun, plan }), layer)
        }
        const { database, report } = yield* Effect.gen(function* () {
          const database = yield* Target.reached
          yield* Target.leftover(output, (yield* Flags.usualDir.chosen).value)
          const report = yield* Warning.before(output, { database, manner })(Clean.clean(options))
          return { database, report }
        }).pipe(Effect.provide(layer))
        return {
          text: [headline(options.schemas, report, database), ...RenderReport.clean(report)].join("\n"),
          document: { complete: report.stays.length === 0, clean: report }
        }
      }),
      () => import("../documents/Clean.ts")
    )
).pipe(
  Command.withDescription(
    "Empty schemas of all that this role may drop, in one transaction: DESTROYS what is in them, after a 3-second " +
      "warning. What other roles own may stay, and is named then"
  ),
  Command.withShortDescription("Empty schemas"),
  Command.withExamples([
    { command: "pgark clean --dry-run", description: "What would be dropped, and how" },
    { command: "pgark clean --schema app --yes", description: "Without the 3 seconds" }
  ]),
  Command.annotate(SideEffects, {
    reads: [],
    writes: [],
    database:
      "Loses what is in the schemas, in one transaction. No safety dump is made: `pgark dump` before it is the way back."
  })
)
