/** What the parser of the command line has to say: help, version, wrong usage. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import { usageExitCode } from "../ExitCode.ts"
import { fromHelpDoc } from "./CommandPage.ts"
import * as HelpText from "./HelpText.ts"
import * as Problem from "../output/Problem.ts"
import { alert, colorful, visible, width } from "../output/Text.ts"
import * as Usage from "./Usage.ts"

/** Whether a line asks for a document, also where it cannot be understood. The last word counts. */
export const asksForJson = (argv: ReadonlyArray<string>): boolean => {
  const end = argv.indexOf("--")
  const said = argv.slice(0, end === -1 ? argv.length : end).findLast((word) => /^--(no-)?json$|^--json=/.test(word))
  return said !== undefined && !/^--no-json$|=(false|no|off|0|n)$/.test(said)
}

const document = (value: unknown) => Console.log(JSON.stringify(value, undefined, 2))

/**
 * Usage errors go to stderr, so that stdout holds nothing but a command's payload.
 *
 * @param options.names what flags and commands are called, for those who mistype them
 */
export const layer = (options: {
  readonly json: boolean
  readonly color: boolean
  readonly names: () => Usage.Names
}) =>
  CliOutput.layerPresenter({
    present: (event) =>
      Effect.gen(function* () {
        switch (event._tag) {
          case "Help": {
            const page = fromHelpDoc(event.helpDoc)
            if (options.json) return yield* document({ help: page })
            const bright = colorful(process.stdout, options.color)
            return yield* Console.log(HelpText.render(page, bright, width([process.stdout])))
          }
          case "Version": {
            const { name, version } = event
            return yield* options.json
              ? document({ name, version, node: process.versions.node })
              : Console.log(`${name} ${version}`)
          }
          case "InvalidInvocation": {
            const problem = Usage.problem(event.errors, event.commandPath, options.names())
            const text = visible(Problem.render(problem))
            yield* Console.error(colorful(process.stderr, options.color) ? alert(text) : text)
            if (options.json) yield* Console.log(Problem.toJson(problem, usageExitCode))
          }
        }
      })
  })
