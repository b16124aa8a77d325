import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as PrismaHint from "../render/PrismaHint.ts"
import * as RenderRestore from "../render/RenderRestore.ts"

export const undo = Command.make(
  "undo",
  {
    dir: Flags.dir,
    yes: Flags.yes,
    confirm: Flags.confirm,
    cascadeOutside: Flags.cascadeOutside.pipe(
      Flag.withDescription("DROPS FOR GOOD what has come since and depends on what goes, as far as the role may")
    ),
    verify: Flags.verify("the dump"),
    analyze: Flags.analyze,
    backupFirst: Flags.backupFirst,
    jobs: Flags.restoreJobs,
    whileInUse: Flags.whileInUse,
    lockTimeout: Flags.lockTimeout,
    wait: Flags.wait,
    dryRun: Flags.dryRun,
    plan: Flags.plan
  },
  ({ confirm, dir: folder, dryRun, lockTimeout, plan, wait, yes, ...flags }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Undo = yield* load(() => import("../../verbs/Undo.ts"))
        const DumpProof = yield* load(() => import("../../verbs/restore/DumpProof.ts"))
        const Confirming = yield* load(() => import("../warning/Confirming.ts"))
        const Warning = yield* load(() => import("../warning/Warning.ts"))
        const manner = yield* Confirming.manner({ confirm, yes })
        const url = yield* Target.databaseUrl("replaces")
        const { value: dir } = yield* folder.chosen
        const output = yield* Output
        const layer = Target.layer(url, "undo", dir)
        const patience = Flags.given("lockTimeout", lockTimeout)
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(
            Effect.flatMap(Undo.planned({ ...flags, ...patience }), (pipeline) =>
              Target.dryRun(pipeline, url, { dryRun, plan })
            ),
            layer
          )
        }
        const { database, report } = yield* Effect.gen(function* () {
          const database = yield* Target.reached
          const undone = Undo.undo({ ...flags, ...patience, wait })
          return { database, report: yield* Warning.before(output, { database, manner })(undone) }
        }).pipe(Effect.provide(layer))
        if ("recovered" in report)
          return { text: RenderRestore.recovered(report, database), document: { undo: report } }
        if ("back" in report)
          return { text: RenderRestore.exchanged(report, database, dir), document: { undo: report } }
        const hints = yield* PrismaHint.lines(report.verify?.prisma)
        return {
          text: [RenderRestore.undo(report, DumpProof.words[report.against], database), ...hints].join("\n"),
          document: { undo: report }
        }
      }),
      () => import("../documents/Undo.ts")
    )
).pipe(
  Command.withDescription(
    "Bring back what the last restore into this database has replaced, from the dump that it made of it. What goes for " +
      "that is saved before, so that undo again takes the undoing back."
  ),
  Command.withShortDescription("Bring back what the last restore replaced"),
  Command.withExamples([
    { command: "pgark undo", description: "What was there before the last restore" },
    { command: "pgark undo --dry-run", description: "What it would do" }
  ]),
  Command.annotate(SideEffects, {
    reads: [
      "The newest safety dump of this database in `before-restore/` in `--dir`, or the journal of a restore that was killed."
    ],
    writes: [
      "A safety dump of what goes, as `restore` makes it; none with `--no-backup-first`, nor where the restore has kept what it replaced.",
      "The folder's record of proven dumps, `.pgark-proofs.json`, where it can be written."
    ],
    database:
      "Gets back what the last restore replaced, as `restore` would do it. What came since goes. After `restore --keep-previous` both states change places, by their schemas' names alone."
  })
)
