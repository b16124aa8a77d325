/** What the parser of the command line has to say: help, version, wrong usage. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import { usageExitCode } from "./ExitCode.ts"
import * as HelpText from "./HelpText.ts"
import * as Problem from "./Problem.ts"
import { alert, colorful, visible } from "./Text.ts"

/** A line that could not be understood, in the form of every other problem. */
export const usageProblem = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  commandPath: ReadonlyArray<string>
): Problem.Problem => {
  // The suggestions stand in the parser's message too, in a layout of its own.
  const [first = "Wrong usage", ...others] = errors.map(({ message }) =>
    (message.split("\n\n")[0] ?? message).replace("Expected: Schema validation failed: ", "")
  )
  const [meant] = errors.flatMap((error) => ("suggestions" in error ? error.suggestions : []))
  const help = `\`${commandPath.join(" ")} --help\``
  return {
    _tag: "UsageError",
    message: `${first}.`,
    ...(others.length === 0 ? {} : { detail: others.join("\n") }),
    suggestion: meant === undefined ? `See ${help}.` : `Did you mean ${meant}? See ${help}.`,
    state: "untouched"
  }
}

/** Usage errors go to stderr, so that stdout holds nothing but a command's payload. */
export const layer = (options: { readonly json: boolean; readonly color: boolean }) =>
  CliOutput.layerPresenter({
    present: (event) =>
      Effect.gen(function* () {
        switch (event._tag) {
          case "Help":
            return yield* Console.log(HelpText.render(event.helpDoc, colorful(process.stdout, options.color)))
          case "Version":
            return yield* Console.log(`${event.name} ${event.version}`)
          case "InvalidInvocation": {
            const problem = usageProblem(event.errors, event.commandPath)
            const text = visible(Problem.render(problem))
            yield* Console.error(colorful(process.stderr, options.color) ? alert(text) : text)
            if (options.json) yield* Console.log(Problem.toJson(problem, usageExitCode))
          }
        }
      })
  })
