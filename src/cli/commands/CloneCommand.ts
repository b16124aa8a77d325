import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Ends from "../config/Ends.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as PrismaHint from "../render/PrismaHint.ts"
import * as RenderRestore from "../render/RenderRestore.ts"

export const clone = Command.make(
  "clone",
  {
    from: Flags.from,
    to: Flags.to,
    jobs: Flags.cloneJobs,
    dir: Flags.dir,
    schemas: Flags.schemas({
      description: "Only this schema of --from, repeatable; leaves out extensions",
      standard: "the whole database"
    }),
    excludeTables: Flags.excludeTables,
    excludeTableData: Flags.excludeTableData,
    clean: Flag.Boolean("clean").pipe(
      Flag.withDescription(
        "Empty the cloned schemas in --to first: DESTROYS what is in them, after a 3-second warning"
      ),
      Flag.withDefault(false)
    ),
    cascadeOutside: Flags.cascadeOutside.pipe(
      Flag.withDescription(
        "With --clean: DROPS FOR GOOD what stands in other schemas and depends on what goes, as far as the role may"
      )
    ),
    yes: Flags.yes,
    confirm: Flags.confirm,
    grantTo: Flags.grantTo("Grant this role its rights on the clone, and prove them; repeatable"),
    forRole: Flags.forRole("With --grant-to: whose future tables they may use, repeatable"),
    profile: Flags.profile("Which rights --grant-to grants"),
    owner: Flags.owner("the source's"),
    verify: Flags.verify("the source"),
    analyze: Flags.analyze,
    backupFirst: Flags.backupFirst,
    keepPrevious: Flags.keepPrevious,
    tune: Flags.tune,
    whileInUse: Flags.whileInUse,
    lockTimeout: Flags.lockTimeout,
    wait: Flags.wait,
    allowPartialRows: Flags.allowPartialRows.pipe(
      Flag.withDescription("Clone only the rows that policies show to the role of --from, where they hide others")
    ),
    pgDump: Flags.pgDump,
    dryRun: Flags.dryRun,
    plan: Flags.plan
  },
  ({
    confirm,
    dir: folder,
    dryRun,
    excludeTableData,
    excludeTables,
    forRole,
    from,
    grantTo,
    lockTimeout,
    pgDump: tool,
    plan,
    profile,
    schemas,
    to,
    wait,
    yes,
    ...flags
  }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Clone = yield* load(() => import("../../verbs/Clone.ts"))
        const Confirming = yield* load(() => import("../warning/Confirming.ts"))
        const Warning = yield* load(() => import("../warning/Warning.ts"))
        yield* Target.checkCascade(flags)
        yield* Ends.alone
        const manner = yield* Confirming.manner({ confirm, yes })
        const output = yield* Output
        const [source, narrowing] = yield* Effect.all([
          Target.databaseUrl("reads"),
          Flags.values({ schemas, excludeTables, excludeTableData })
        ]).pipe(Ends.at("--from", from))
        const [target, rights] = yield* Effect.all([
          Target.databaseUrl("replaces"),
          Flags.values({ grantTo, forRole, profile })
        ]).pipe(Ends.at("--to", to))
        const { dir, pgDump } = yield* Flags.values({ dir: folder, pgDump: tool })
        const asked = {
          ...flags,
          ...narrowing,
          profile: rights.profile,
          wait,
          ...Flags.givenAll("grantTo", rights.grantTo),
          ...Flags.givenAll("forRoles", rights.forRole),
          ...Flags.given("lockTimeout", lockTimeout)
        }
        const dry = yield* Target.isDryRun({ dryRun, plan })
        return yield* Effect.gen(function* () {
          const database = yield* Target.reached
          const options = { ...asked, source: yield* Target.beside(source, "clone") }
          if (dry) {
            return yield* Clone.planned(options, (pipeline) => Target.dryRun(pipeline, target, { dryRun, plan }))
          }
          const report = yield* Warning.before(output, { database, manner })(Clone.clone(options))
          const hints = yield* PrismaHint.lines(report.verify?.prisma)
          return {
            text: [RenderRestore.clone(report, database, dir), ...hints].join("\n"),
            document: { clone: report }
          }
        }).pipe(Effect.scoped, Effect.provide(Target.layer(target, "clone", dir, pgDump)))
      }),
      () => import("../documents/Clone.ts")
    )
).pipe(
  Command.withDescription(
    "Make a database what another one is now, without a dump in between: its rows go straight from one server to the " +
      "other. As with a restore it happens, or the target is as it was; what is replaced there is saved first."
  ),
  Command.withShortDescription("Make a database what another one is now"),
  Command.withExamples([
    {
      command: "pgark clone --from production --to staging --clean",
      description: "Both by their names in the configuration"
    },
    { command: "pgark clone --from production --to staging --clean --dry-run", description: "What it would do" },
    {
      command: 'pgark clone --from "$PRODUCTION_URL" --to "$STAGING_URL" --clean --jobs 4',
      description: "A large database, over four connections to each"
    }
  ]),
  Command.annotate(SideEffects, {
    reads: [],
    writes: [
      "The safety dump of what goes, with its manifest, in `before-restore/` in `--dir`; the newest 3 are kept. None with `--no-backup-first` or `--keep-previous`.",
      "A journal beside the safety dumps, `restore_<time>_<id>.json`, which tells `pgark undo` what to do after a kill.",
      "What `pg_dump` writes of schema and large objects, in a temporary folder of its own, which goes with the run."
    ],
    database:
      "`--from` is read only, in one snapshot that is held until the end; its tables are locked against DROP and ALTER meanwhile, not against writing. `--to` becomes what a restore of a dump of that moment would make of it, in one transaction, or with `--jobs` above 1 in several: see `pgark restore`. `--database-url` and `--database` are refused, and `DATABASE_URL` and `PGARK_DATABASE` do not count."
  })
)
