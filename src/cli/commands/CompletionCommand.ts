import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as CommandTree from "../help/CommandTree.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { handle, load } from "../Handler.ts"

export const completion = Command.make(
  "completion",
  {
    shell: Argument.Literals("shell", ["bash", "zsh", "fish"]).pipe(
      Argument.withMetavar("bash|zsh|fish"),
      Argument.withDescription("Which shell: bash, zsh or fish")
    )
  },
  ({ shell }) =>
    handle(
      Effect.gen(function* () {
        const Completion = yield* load(() => import("../help/Completion.ts"))
        const script = Completion.script(shell, yield* CommandTree.pages)
        return { text: script, document: { shell, script } }
      }),
      () => import("../documents/Completion.ts")
    )
).pipe(
  Command.withDescription(
    "Print the script that lets the shell complete commands, flags, and what flags take: words, folders, files. It calls " +
      "nothing, so that completing is as quick as the shell; print it again after an update of pgark."
  ),
  Command.withShortDescription("Completion for bash, zsh or fish"),
  Command.withExamples([
    { command: `echo 'source <(pgark completion bash)' >> ~/.bashrc`, description: "bash" },
    { command: `echo 'source <(pgark completion zsh)' >> ~/.zshrc`, description: "zsh, below the line with compinit" },
    { command: "pgark completion fish > ~/.config/fish/completions/pgark.fish", description: "fish" }
  ]),
  Command.annotate(SideEffects, { reads: [], writes: [], database: "Is not looked at." })
)
