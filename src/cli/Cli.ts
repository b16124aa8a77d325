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
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { clean } from "./commands/CleanCommand.ts"
import { clone } from "./commands/CloneCommand.ts"
import { completion } from "./commands/CompletionCommand.ts"
import { demo } from "./commands/DemoCommand.ts"
import { doctor } from "./commands/DoctorCommand.ts"
import { dump } from "./commands/DumpCommand.ts"
import { interruptionCode, Status, usageExitCode } from "./ExitCode.ts"
import * as ConfigFile from "./config/ConfigFile.ts"
import {
  AllowPoolerFlag,
  ColorFlag,
  ConfigFlag,
  ConnectTimeoutFlag,
  DatabaseFlag,
  DatabaseUrlFlag,
  JsonFlag,
  QuietFlag
} from "./Flags.ts"
import { grant } from "./commands/GrantCommand.ts"
import { Reported } from "./Handler.ts"
import { CommandTree, type CommandTreeService, docOf, namesOf, pages } from "./help/CommandTree.ts"
import { help } from "./commands/HelpCommand.ts"
import { init } from "./commands/InitCommand.ts"
import { inspect } from "./commands/InspectCommand.ts"
import { list } from "./commands/ListCommand.ts"
import { restore } from "./commands/RestoreCommand.ts"
import * as Presenter from "./help/Presenter.ts"
import * as Problem from "./output/Problem.ts"
import * as Stdout from "./output/Stdout.ts"
import * as Usage from "./help/Usage.ts"
import { Version } from "../dumps/Version.ts"
import { undo } from "./commands/UndoCommand.ts"
import { verify } from "./commands/VerifyCommand.ts"

const globalFlags = [
  DatabaseUrlFlag,
  DatabaseFlag,
  ConfigFlag,
  ConnectTimeoutFlag,
  AllowPoolerFlag,
  JsonFlag,
  QuietFlag,
  ColorFlag
] as const

export const cli = Command.make("pgark").pipe(
  Command.withDescription(
    "Dumps, cleans, restores, grants and verifies PostgreSQL databases: dumps you can prove, restores that either " +
      "happened or didn't, with the rights you really have."
  ),
  Command.withSubcommands([
    { group: "First, or when something fails", commands: [doctor, init] },
    { group: "Backup", commands: [dump, list, inspect, verify] },
    { group: "Target", commands: [restore, clone, undo, clean, grant] },
    { group: "Try it", commands: [demo] },
    { group: "Pgark itself", commands: [help, completion] }
  ]),
  Command.withExamples([
    { command: "pgark doctor", description: "What pgark finds here, before the first dump" },
    { command: "pgark dump", description: "A proven dump of the database in DATABASE_URL, into dumps/" },
    { command: "pgark restore --clean --dry-run", description: "What restoring the newest dump would do" }
  ]),
  Command.withGlobalFlags(globalFlags)
)

/** The parser's own flags, in the words of the others. */
const builtIns = [
  {
    ...GlobalFlag.Help,
    flag: GlobalFlag.Help.flag.pipe(Flag.withDescription("Show the page of the command, with --json as a document"))
  },
  {
    ...GlobalFlag.Version,
    flag: GlobalFlag.Version.flag.pipe(Flag.withDescription("Show the version of pgark, with --json as a document"))
  },
  GlobalFlag.LogLevel
]

/** What the tree is called, for whoever mistypes it. */
const names = (): Usage.Names => {
  const declared = Command.make(
    "pgark",
    Object.fromEntries([...globalFlags, ...builtIns].map(({ flag }, i) => [i, flag]))
  )
  const { subcommands } = Completions.fromCommand(cli)
  return {
    everywhere: Usage.spellings(Completions.fromCommand(declared)),
    commands: new Map(subcommands.map((command) => [command.name, Usage.spellings(command)])),
    arguments: new Map(subcommands.flatMap(({ arguments: [first], name }) => (first ? [[name, first.name]] : [])))
  }
}

const status: Status["Service"] = { terminated: false, exitCode: undefined }

const tree: CommandTreeService = {
  names: namesOf(cli),
  doc: (name) =>
    docOf(cli, name === undefined ? [] : [name]).pipe(
      Effect.provideService(CommandTree, tree),
      Effect.provideService(ConfigFile.ConfigFile, ConfigFile.none),
      Effect.provideService(Status, status)
    )
}

/** The page of the program, and one of each command. */
export const commandPages = pages.pipe(
  Effect.provideService(CommandTree, tree),
  Effect.provide(CliConfig.layer({ builtIns }))
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

/** Runs a command line and gives the exit code. */
export const program = (argv: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const presenter = yield* CliOutput.Presenter
    const dashed = Usage.singleDash(argv, names())
    if (dashed === undefined) return yield* Command.runWith(cli, { version: Version, renderErrors: true })(argv)
    // The parser would take its letters for flags.
    const errors = [new CliError.ValidationError({ message: `${dashed} wants two dashes: -${dashed}.` })] as const
    yield* presenter.present({
      _tag: "InvalidInvocation",
      commandPath: ["pgark"],
      helpDoc: yield* tree.doc(),
      errors
    })
    return yield* new Reported({ exitCode: usageExitCode })
  }).pipe(
    Effect.as(0),
    Effect.catchTags({
      Reported: ({ exitCode }) => Effect.succeed(exitCode),
      ShowHelp: ({ errors }) => Effect.succeed(errors.length === 0 ? 0 : usageExitCode)
    }),
    Effect.provideService(CommandTree, tree),
    Effect.provideService(Status, status),
    Effect.provide(
      Layer.mergeAll(
        Presenter.layer({ json: Presenter.asksForJson(argv), color: !argv.includes("--no-color"), names }),
        configuration,
        ConfigFile.layer,
        CliConfig.layer({ builtIns }),
        Layer.succeed(References.LogToStderr, true)
      )
    )
  )

/** Listens to what may come to the process from outside while it is at work. */
export const attend = (): void => {
  Stdout.survive()
  // SIGTERM has its own exit code; the runtime knows interruption only.
  process.once("SIGTERM", () => {
    status.terminated = true
  })
  // The terminal was closed. Node would end at once, and leave behind what only a run in order takes away.
  process.on("SIGHUP", () => process.emit("SIGTERM", "SIGTERM"))
}

/** The exit code of the process: the command's own, or that of what stopped it. */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(typeof exit.value === "number" ? exit.value : 0)
  if (Cause.hasInterruptsOnly(exit.cause)) {
    return onExit(status.exitCode ?? interruptionCode(status))
  }
  process.stderr.write(`${Problem.render(Problem.defect(exit.cause))}\n`)
  onExit(1)
}
