import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Confirmation } from "../pipeline/Confirmation.ts"
import * as Flags from "./Flags.ts"
import { handle, load } from "./Handler.ts"
import { Output } from "./Output.ts"
import * as RenderReport from "./RenderReport.ts"
import * as Warning from "./Warning.ts"

export const clean = Command.make(
  "clean",
  {
    schemas: Flags.ownSchemas.pipe(
      Flag.withDescription("Schema to empty, repeatable (default: the URL's schema parameter, else public)")
    ),
    lockTimeout: Flags.lockTimeout,
    yes: Flags.yes,
    dryRun: Flags.dryRun
  },
  ({ dryRun, lockTimeout, schemas, yes }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("./Target.ts"))
        const Clean = yield* load(() => import("../verbs/Clean.ts"))
        const { describe } = yield* load(() => import("../postgres/DatabaseUrl.ts"))
        const url = yield* Target.databaseUrl
        const output = yield* Output
        const options = {
          schemas: yield* Target.schemas(schemas, url),
          ...Flags.given("lockTimeout", lockTimeout)
        }
        const layer = Target.session(url)
        if (dryRun) return yield* Effect.provide(Target.dryRun(Clean.pipeline(options), url), layer)
        const report = yield* Clean.clean(options).pipe(
          Effect.provideService(Confirmation, Warning.warn(output, { database: describe(url), yes })),
          Effect.provide(layer)
        )
        return {
          text: [`Cleaned ${options.schemas.join(", ")} in ${describe(url)}`, ...RenderReport.clean(report)].join("\n"),
          document: { clean: report }
        }
      })
    )
).pipe(
  Command.withDescription("Empty schemas, all or nothing: DESTROYS what is in them, after a 3-second warning"),
  Command.withShortDescription("Empty schemas"),
  Command.withExamples([
    { command: "pgark clean --dry-run", description: "What would be dropped, and how" },
    { command: "pgark clean --schema app --yes", description: "Without the 3 seconds" }
  ])
)
