import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import { CommandTree } from "../help/CommandTree.ts"
import { SideEffects } from "../help/SideEffects.ts"

export const help = Command.make(
  "help",
  {
    command: Argument.String("command").pipe(
      Argument.withDescription("The command to tell of (default: pgark itself)"),
      Argument.optional
    )
  },
  Effect.fnUntraced(function* ({ command }) {
    const { doc, names } = yield* CommandTree
    if (Option.isSome(command) && !names.includes(command.value)) {
      return yield* new CliError.ShowHelp({
        commandPath: ["pgark"],
        errors: [new CliError.UnknownSubcommand({ subcommand: command.value, suggestions: [] })]
      })
    }
    const name = Option.getOrUndefined(command)
    const helpDoc = yield* doc(name)
    const { present } = yield* CliOutput.Presenter
    const commandPath = helpDoc.commandPath ?? []
    yield* present({ _tag: "Help", reason: "Requested", commandPath, helpDoc })
  })
).pipe(
  Command.withDescription(
    "The page of a command, as its --help shows it: what it does, its flags, examples, exit codes"
  ),
  Command.withShortDescription("The page of a command"),
  Command.withExamples([
    { command: "pgark help", description: "All commands" },
    { command: "pgark help restore", description: "What restore does, and with which flags" },
    { command: "pgark help restore --json", description: "The same for programs" }
  ]),
  Command.annotate(SideEffects, { reads: [], writes: [], database: "Is not looked at." })
)
