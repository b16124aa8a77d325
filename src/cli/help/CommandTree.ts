/** The tree of commands as a service, for the commands that tell of others. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import type { HelpDoc } from "effect/cli/HelpDoc"
import { type CommandPage, fromHelpDoc } from "./CommandPage.ts"

export interface CommandTreeService {
  /** Names of the commands, as help lists them. */
  readonly names: ReadonlyArray<string>
  /** What the parser tells of a command, or without a name of the program. */
  readonly doc: (name?: string) => Effect.Effect<HelpDoc, never, Command.Environment>
}

export class CommandTree extends Context.Service<CommandTree, CommandTreeService>()("pgark/cli/help/CommandTree") {}

/** The parser's account of a command. It is given to whoever presents help, and in no other way. */
export const docOf = <Name extends string, Input, ContextInput, E, R>(
  cli: Command.Command<Name, Input, ContextInput, E, R>,
  path: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const docs: Array<HelpDoc> = []
    const capture = CliOutput.layerPresenter({
      present: (event) => Effect.sync(() => void ("helpDoc" in event && docs.push(event.helpDoc)))
    })
    yield* Effect.provide(Command.runWith(cli, { version: "" })([...path, "--help"]), capture)
    const [doc] = docs
    return doc === undefined ? yield* Effect.die(new Error(`No help for ${path.join(" ")}`)) : doc
  }).pipe(Effect.orDie)

/** Names of the commands of a program, without those that help leaves out. */
export const namesOf = ({ subcommands }: Pick<Command.Command.Any, "subcommands">): ReadonlyArray<string> =>
  subcommands.flatMap(({ commands }) => commands.flatMap(({ name, unlisted }) => (unlisted ? [] : [name])))

/** The page of the program, and one of each command. */
export const pages: Effect.Effect<
  { readonly program: CommandPage; readonly commands: ReadonlyArray<CommandPage> },
  never,
  CommandTree | Command.Environment
> = Effect.gen(function* () {
  const { doc, names } = yield* CommandTree
  return {
    program: fromHelpDoc(yield* doc()),
    commands: yield* Effect.forEach(names, (name) => Effect.map(doc(name), fromHelpDoc))
  }
})
