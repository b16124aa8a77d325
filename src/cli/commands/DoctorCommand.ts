import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { ConfigFile } from "../config/ConfigFile.ts"
import type { ExitCode } from "../ExitCode.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as RenderDoctor from "../render/RenderDoctor.ts"

/** The exit code where something is to be mended. */
const problemsExitCode: ExitCode = 3

export const doctor = Command.make(
  "doctor",
  {
    dir: Flags.dir,
    schemas: Flags.ownSchemas({
      description: "Look at this schema alone, repeatable",
      standard: "the whole database"
    }),
    grantTo: Flags.grantTo("Look at this role of the app, too; repeatable"),
    pgDump: Flags.pgDump
  },
  ({ dir, grantTo, pgDump, schemas }) =>
    handle(
      Effect.gen(function* () {
        const Doctor = yield* load(() => import("../../verbs/Doctor.ts"))
        const Target = yield* load(() => import("../Target.ts"))
        const Diagnosis = yield* load(() => import("../config/Diagnosis.ts"))
        const { config, problems } = yield* Diagnosis.usable
        const output = yield* Output
        const report = yield* Effect.gen(function* () {
          const more = [...problems]
          const directory = yield* Diagnosis.orDefault(dir, Flags.defaultDir, more)
          const options = {
            directory,
            schemas: yield* Diagnosis.orDefault(schemas, [], more),
            grantTo: yield* Diagnosis.orDefault(grantTo, [], more),
            pgDump: yield* Diagnosis.orDefault(pgDump, "auto", more)
          }
          // Where it cannot be used that is one of the things to be told, and told of the URL alone.
          const url = yield* Effect.result(Target.databaseUrl("reads"))
          if (problems.length === 0) more.push(yield* Diagnosis.found)
          return yield* Doctor.doctor({
            ...options,
            more: more.filter(({ found }) => url._tag === "Success" || found !== url.failure.message),
            url: Effect.fromResult(url),
            allowPooler: yield* Flags.AllowPoolerFlag
          })
        }).pipe(
          Effect.provideService(ConfigFile, config),
          // What settings are told of as notes stands in the report.
          Effect.provideService(Output, { ...output, info: () => Effect.void })
        )
        return {
          text: RenderDoctor.page(report),
          document: report,
          exitCode: report.problems === 0 ? 0 : problemsExitCode
        }
      }),
      () => import("../documents/Doctor.ts")
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
