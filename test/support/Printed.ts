/** What `--json` prints, held against what is published of it. */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Documents from "../../src/cli/documents/Documents.ts"

const { Failure: _, ...published } = Documents

/** The commands that have documents, `version`, and `failure` for a line that names none of them. */
export type Command = keyof typeof published

const isCommand = (text: string): text is Command =>
  text !== "failure" && text !== "version" && Object.hasOwn(published, text)

/** Flags with which the parser answers by itself. */
const answers: Readonly<Record<string, Command>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-v": "version"
}

/** The command of a command line, which may have flags before it. Without one pgark shows its help. */
export const commandOf = (args: ReadonlyArray<string>): Command =>
  args.flatMap((arg) => answers[arg] ?? [])[0] ??
  args.find(isCommand) ??
  (args.every((arg) => arg.startsWith("-")) ? "help" : "failure")

/** Whether a run by these arguments prints a document. */
export const prints = (args: ReadonlyArray<string>): boolean => args.includes("--json")

/** What is wrong with what a run has printed: not one document, or not one as it is published. */
export const problem = (args: ReadonlyArray<string>, stdout: string): string | undefined => {
  const command = commandOf(args)
  let document: unknown
  try {
    document = JSON.parse(stdout)
  } catch (error) {
    return `pgark ${args.join(" ")}: stdout is not one JSON document (${String(error)}): ${stdout}`
  }
  const decoded = Schema.decodeUnknownExit(published[command] as Schema.Codec<unknown>)(document, {
    onExcessProperty: "error"
  })
  return Exit.isSuccess(decoded)
    ? undefined
    : `pgark ${args.join(" ")}: the document is not what docs/json/${command}.json says:\n${String(decoded.cause)}`
}
