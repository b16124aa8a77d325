import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { ExitCode } from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import { handle, load } from "./Handler.ts"
import { SideEffects } from "./help/SideEffects.ts"
import * as RenderDoctor from "./RenderDoctor.ts"

/** The exit code where something is to be mended. */
const problemsExitCode: ExitCode = 3

export const doctor = Command.make(
  "doctor",
  {
    dir: Flags.dir,
    schemas: Flags.ownSchemas.pipe(
      Flag.withDescription("Look at this schema alone, repeatable (default: the whole database)")
    ),
    grantTo: Flags.grantTo.pipe(Flag.withDescription("Look at this role of the app, too; repeatable")),
    pgDump: Flags.pgDump
  },
  ({ dir, grantTo, pgDump, schemas }) =>
    handle(
      Effect.gen(function* () {
        const Doctor = yield* load(() => import("../verbs/Doctor.ts"))
        const Target = yield* load(() => import("./Target.ts"))
        // Where it cannot be used that is one of the things to be told.
        const url = yield* Effect.result(Target.databaseUrl)
        const report = yield* Doctor.doctor({
          url: Effect.fromResult(url),
          allowPooler: yield* Flags.AllowPoolerFlag,
          directory: dir,
          schemas,
          grantTo,
          pgDump
        })
        return {
          text: RenderDoctor.page(report),
          document: report,
          exitCode: report.problems === 0 ? 0 : problemsExitCode
        }
      }),
      () => import("./documents/Doctor.ts")
    )
).pipe(
  Command.withDescription(
    "Look at this machine, the database URL, the server, the role's rights and the folder of dumps, and tell what would " +
      "keep a dump or a restore from working, and what mends it. Nothing is changed anywhere, no secret is shown: the " +
      "output is fit for a bug report. Exit code 3 where it found a problem."
  ),
  Command.withShortDescription("What pgark finds here, and what it could do"),
  Command.withExamples([
    { command: "pgark doctor", description: "Before the first dump, or when something failed" },
    { command: "pgark doctor --grant-to app", description: "And whether the app's role is there and may connect" },
    { command: "pgark doctor --json", description: "The same for programs" }
  ]),
  Command.annotate(SideEffects, {
    reads: [
      "The names and the manifests of the dumps in `--dir`, and the `pg_dump` and `pg_restore` programs on this machine."
    ],
    writes: [],
    database: "Is read only."
  })
)
