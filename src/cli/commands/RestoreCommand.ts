import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { RestoreOptions } from "../../verbs/Restore.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as PrismaHint from "../render/PrismaHint.ts"
import * as RenderRestore from "../render/RenderRestore.ts"

/** A plan's options and the plan. It says all that there is to say, so that other flags would contradict it. */
const kept = Effect.fnUntraced(function* (path: string, asked: RestoreOptions, database: string) {
  const SavedPlan = yield* load(() => import("../../verbs/SavedPlan.ts"))
  const { unreadable } = yield* load(() => import("../../dumps/DumpFile.ts"))
  const { cascadeOutside, clean, file, grantTo, forRoles, owner, verify, analyze } = asked
  const { acceptUnproven, allowPartialRows, backupFirst, jobs, keepPrevious, tune, whileInUse } = asked
  if (
    file !== undefined ||
    clean ||
    cascadeOutside ||
    grantTo !== undefined ||
    forRoles !== undefined ||
    owner !== "auto" ||
    !verify ||
    !analyze ||
    acceptUnproven ||
    allowPartialRows ||
    !backupFirst ||
    keepPrevious ||
    jobs !== 1 ||
    !tune ||
    whileInUse
  ) {
    return yield* new SavedPlan.PlanInvalid({
      message: "--plan-file says already what is restored, and how.",
      suggestion: "Leave FILE and the other flags away (--yes may stay), or make a new plan with them.",
      state: "untouched"
    })
  }
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(fs.readFileString(path), unreadable(path))
  const { options, plan } = yield* SavedPlan.decode(text, path, database)
  return { ...options, plan } satisfies RestoreOptions
})

export const restore = Command.make(
  "restore",
  {
    file: Flags.file,
    dir: Flags.dir,
    clean: Flag.Boolean("clean").pipe(
      Flag.withDescription("Empty the dump's schemas first: DESTROYS what is in them, after a 3-second warning"),
      Flag.withDefault(false)
    ),
    cascadeOutside: Flags.cascadeOutside.pipe(
      Flag.withDescription(
        "With --clean: DROPS FOR GOOD what stands in other schemas and depends on what goes, as far as the role may"
      )
    ),
    yes: Flags.yes,
    confirm: Flags.confirm,
    grantTo: Flags.grantTo("Grant this role its rights on what is restored, and prove them; repeatable"),
    forRole: Flags.forRole("With --grant-to: whose future tables they may use, repeatable"),
    profile: Flags.profile("Which rights --grant-to grants"),
    owner: Flags.owner("the dump's"),
    verify: Flags.verify("the dump"),
    analyze: Flags.analyze,
    backupFirst: Flags.backupFirst,
    keepPrevious: Flags.keepPrevious,
    jobs: Flags.restoreJobs,
    tune: Flags.tune,
    whileInUse: Flags.whileInUse,
    lockTimeout: Flags.lockTimeout,
    wait: Flags.wait,
    acceptUnproven: Flag.Boolean("accept-unproven").pipe(
      Flag.withDescription("Take a file that lacks pg_dump's closing lines, so that a cut would not be noticed"),
      Flag.withDefault(false)
    ),
    allowPartialRows: Flags.allowPartialRows.pipe(
      Flag.withDescription(
        "Take a dump made with --allow-partial-rows: the rows that policies hid then will be missing"
      )
    ),
    dryRun: Flags.dryRun,
    plan: Flags.plan,
    planFile: Flag.String("plan-file").pipe(
      Flag.withMetavar("PATH"),
      Flag.withDescription(
        "Run exactly this plan (made by --dry-run --plan json), or refuse where anything has changed (default: plan anew)"
      ),
      Flag.optional
    )
  },
  ({
    confirm,
    dir: folder,
    dryRun,
    file,
    forRole,
    grantTo,
    lockTimeout,
    plan,
    planFile,
    profile,
    wait,
    yes,
    ...flags
  }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Restore = yield* load(() => import("../../verbs/Restore.ts"))
        const DumpProof = yield* load(() => import("../../verbs/restore/DumpProof.ts"))
        const SavedPlan = yield* load(() => import("../../verbs/SavedPlan.ts"))
        const { describe } = yield* load(() => import("../../postgres/DatabaseUrl.ts"))
        if (Option.isNone(planFile)) yield* Target.checkCascade(flags)
        const Confirming = yield* load(() => import("../warning/Confirming.ts"))
        const Warning = yield* load(() => import("../warning/Warning.ts"))
        const manner = yield* Confirming.manner({ confirm, yes })
        const url = yield* Target.databaseUrl("replaces")
        const output = yield* Output
        const { value: dir } = yield* folder.chosen
        // A plan says it already; the configuration of another day has nothing to add.
        const rights = Option.isSome(planFile)
          ? {
              grantTo: Flags.flagged(grantTo, []),
              forRole: Flags.flagged(forRole, []),
              profile: Flags.flagged(profile, "all")
            }
          : yield* Flags.values({ grantTo, forRole, profile })
        const layer = Target.layer(url, "restore", dir)
        const patience = Flags.given("lockTimeout", lockTimeout)
        const asked = {
          ...flags,
          ...Flags.given("file", file),
          profile: rights.profile,
          ...Flags.givenAll("grantTo", rights.grantTo),
          ...Flags.givenAll("forRoles", rights.forRole)
        }
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(
            Effect.flatMap(Restore.planned({ ...asked, ...patience, exact: true }), (pipeline) =>
              Target.dryRun(pipeline, url, { dryRun, plan }, (planned) => ({
                options: SavedPlan.savedOptions(asked, planned("prove").file)
              }))
            ),
            layer
          )
        }
        const wanted = Option.isSome(planFile) ? yield* kept(planFile.value, asked, describe(url)) : asked
        const options = { ...wanted, ...patience, wait }
        const { database, report } = yield* Effect.gen(function* () {
          const database = yield* Target.reached
          const report = yield* Warning.before(output, { database, manner })(Restore.restore(options))
          return { database, report }
        }).pipe(Effect.provide(layer))
        const hints = yield* PrismaHint.lines(report.verify?.prisma)
        return {
          text: [RenderRestore.restore(report, DumpProof.words[report.against], database, dir), ...hints].join("\n"),
          document: { restore: report }
        }
      }),
      () => import("../documents/Restore.ts")
    )
).pipe(
  Command.withDescription(
    "Restore a dump in one transaction: it happens, or the target is as it was. Without FILE the newest dump of the " +
      "target's database in --dir is taken."
  ),
  Command.withShortDescription("Restore a dump in one transaction"),
  Command.withExamples([
    {
      command: "pgark restore --clean --grant-to app",
      description: "The newest dump, into emptied schemas, and the app's rights"
    },
    { command: "pgark restore dumps/old.sql --clean --dry-run", description: "What it would do" },
    { command: "pgark restore --clean --jobs 4", description: "A directory dump, over four connections" }
  ]),
  Command.annotate(SideEffects, {
    reads: ["The dump and its manifest, or the plan of `--plan-file`."],
    writes: [
      "The safety dump of what goes, with its manifest, in `before-restore/` in `--dir`; the newest 3 are kept. None with `--no-backup-first` or `--keep-previous`.",
      "A journal beside the safety dumps, `restore_<time>_<id>.json`, which tells `pgark undo` what to do after a kill.",
      "The folder's record of proven dumps, `.pgark-proofs.json`, where it can be written."
    ],
    database:
      "Gets what the dump holds, in one transaction where the server's lock table can hold that: it happens, or the database is as it was. With `--clean` the dump's schemas lose what is in them first. With `--jobs` above 1 it takes several transactions, on so many connections: the old schemas stand aside meanwhile, or a safety dump leads back. With `--keep-previous` the old schemas stay as `pgark_previous_<number>` until the next restore has happened, which drops them."
  })
)
