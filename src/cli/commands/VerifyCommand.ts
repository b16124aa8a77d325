import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as PrismaHint from "../render/PrismaHint.ts"
import * as RenderReport from "../render/RenderReport.ts"
import { fitted } from "../output/Text.ts"

export const verify = Command.make(
  "verify",
  {
    file: Flags.file,
    dir: Flags.dir,
    grantTo: Flags.grantTo("Check this role's rights too; repeatable"),
    profile: Flags.profile("Which rights --grant-to checks")
  },
  ({ file, ...settings }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Verify = yield* load(() => import("../../verbs/Verify.ts"))
        const { DumpStore } = yield* load(() => import("../../dumps/DumpStore.ts"))
        const url = yield* Target.databaseUrl("reads")
        const { dir, grantTo, profile } = yield* Flags.values(settings)
        const output = yield* Output
        return yield* Effect.gen(function* () {
          yield* Target.leftover(output, dir)
          const store = yield* DumpStore
          const dump = yield* Option.match(file, {
            onNone: () => store.newest(url.database),
            onSome: (file) => store.find(file, url.database)
          })
          const { prove } = yield* load(() => import("../../verbs/ReadingProgress.ts"))
          const expected = yield* prove(store, dump)
          const report = yield* Verify.verify({
            expected,
            schemas: expected.schemas,
            file: dump.file,
            ...(grantTo.length === 0 ? {} : { grantTo: { roles: grantTo, profile } })
          })
          // A right that is missing would have been a finding.
          const rights = grantTo.map(
            (role) => `  rights     ${role} has those of the profile "${profile}", checked one by one`
          )
          return {
            text: [
              fitted(process.stdout, "", `Verified ${yield* Target.reached} against ${dump.file}`),
              ...RenderReport.verify(report),
              ...rights,
              ...(yield* PrismaHint.lines(report.prisma))
            ].join("\n"),
            document: { file: dump.file, verify: report }
          }
        }).pipe(Effect.provide(Target.layer(url, "verify", dir)))
      }),
      () => import("../documents/Verify.ts")
    )
).pipe(
  Command.withDescription("Hold the live database against a dump: rows, keys, indexes, sequences, migrations, rights"),
  Command.withShortDescription("Hold the database against a dump"),
  Command.withExamples([
    { command: "pgark verify", description: "Against the newest dump in dumps/" },
    { command: "pgark verify --grant-to app", description: "And whether the app has its rights" }
  ]),
  Command.annotate(SideEffects, {
    reads: ["The dump and its manifest, to the end."],
    writes: ["The folder's record of proven dumps, `.pgark-proofs.json`, where it can be written."],
    database: "Is read only, every table of the dump to the end."
  })
)
