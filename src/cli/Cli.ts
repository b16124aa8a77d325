/** The command tree, and how the process ends. */
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Runtime from "effect/Runtime"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { clean } from "./CleanCommand.ts"
import { demo } from "./DemoCommand.ts"
import { doctor } from "./DoctorCommand.ts"
import { dump } from "./DumpCommand.ts"
import { interruptionCode, Status, usageExitCode } from "./ExitCode.ts"
import { AllowPoolerFlag, ColorFlag, ConnectTimeoutFlag, DatabaseUrlFlag, JsonFlag, QuietFlag } from "./Flags.ts"
import { grant } from "./GrantCommand.ts"
import { inspect } from "./InspectCommand.ts"
import { list } from "./ListCommand.ts"
import { restore } from "./RestoreCommand.ts"
import * as Presenter from "./Presenter.ts"
import * as Problem from "./Problem.ts"
import * as Stdout from "./Stdout.ts"
import { Version } from "../dumps/Version.ts"
import { undo } from "./UndoCommand.ts"
import { verify } from "./VerifyCommand.ts"

export const cli = Command.make("pgark").pipe(
  Command.withDescription(
    "Dumps, cleans, restores, grants and verifies PostgreSQL databases: dumps you can prove, restores that either " +
      "happened or didn't, with the rights you really have."
  ),
  Command.withSubcommands([
    { group: "First, or when something fails", commands: [doctor] },
    { group: "Backup", commands: [dump, list, inspect, verify] },
    { group: "Target", commands: [restore, undo, clean, grant] },
    { group: "Try it", commands: [demo] }
  ]),
  Command.withGlobalFlags([DatabaseUrlFlag, ConnectTimeoutFlag, AllowPoolerFlag, JsonFlag, QuietFlag, ColorFlag])
)

/** Environment first, then `.env` in the working directory, where there is one. */
const configuration = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const environment = ConfigProvider.fromEnv()
    if (!(yield* Effect.orElseSucceed(fs.exists(".env"), () => false))) return ConfigProvider.layer(environment)
    // A file that cannot be read matters only to a command that looks for something in it.
    const file = yield* ConfigProvider.fromDotEnv({ path: ".env" }).pipe(
      Effect.catch(({ message }) =>
        Effect.succeed(ConfigProvider.make(() => Effect.fail(new ConfigProvider.SourceError({ message }))))
      )
    )
    return ConfigProvider.layer(ConfigProvider.orElse(environment, file))
  })
)

const status: Status["Service"] = { terminated: false, exitCode: undefined }

/** Runs a command line and gives the exit code. */
export const program = (argv: ReadonlyArray<string>) =>
  Command.runWith(cli, { version: Version, renderErrors: true })(argv).pipe(
    Effect.as(0),
    Effect.catchTags({
      Reported: ({ exitCode }) => Effect.succeed(exitCode),
      ShowHelp: ({ errors }) => Effect.succeed(errors.length === 0 ? 0 : usageExitCode)
    }),
    Effect.provideService(Status, status),
    Effect.provide(
      Layer.mergeAll(
        Presenter.layer({ json: argv.includes("--json"), color: !argv.includes("--no-color") }),
        configuration,
        CliConfig.layer({
          builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]
        }),
        Layer.succeed(References.LogToStderr, true)
      )
    )
  )

Stdout.survive()

/** SIGTERM has its own exit code; the runtime knows interruption only. */
process.once("SIGTERM", () => {
  status.terminated = true
})
// The terminal was closed. Node would end at once, and leave behind what only a run in order takes away.
process.on("SIGHUP", () => process.emit("SIGTERM", "SIGTERM"))

/** The exit code of the process: the command's own, or that of what stopped it. */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(typeof exit.value === "number" ? exit.value : 0)
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return onExit(status.exitCode ?? interruptionCode(status))
  }
  process.stderr.write(`${Problem.render(Problem.defect(exit.cause))}\n`)
  onExit(1)
}
