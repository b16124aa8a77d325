/** What every command does around its own work: output, errors, exit code. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunEvents } from "../pipeline/RunEvent.ts"
import * as RunReport from "../pipeline/RunReport.ts"
import { type ExitCode, exitCodeOf, interruptionCode, type PgarkError, Status, unwritableExitCode } from "./ExitCode.ts"
import { ColorFlag, JsonFlag, QuietFlag } from "./Flags.ts"
import * as Interruption from "./Interruption.ts"
import * as Output from "./Output.ts"
import * as Problem from "./Problem.ts"

/** A failure that has been shown to the user; only its exit code is left to be told. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {}

/** What a command gives: text for people, a document for programs, and its exit code where it is not 0. */
export interface CommandResult {
  /** Absent where people have been told all on stderr. */
  readonly text?: string
  readonly document: object
  readonly exitCode?: ExitCode
  /** Nothing was run: the document has no tasks. */
  readonly planned?: boolean
}

/** Loads a module when a command needs it, so that `--help` does not wait for drivers. */
export const load = <M>(module: () => Promise<M>): Effect.Effect<M> => Effect.promise(module)

/** The document with what became of each task, where there were tasks. */
const withTasks = (document: object, { tasks }: RunReport.RunReport): object =>
  tasks.length === 0 ? document : { ...document, tasks }

const told = (problem: Problem.Problem, exitCode: ExitCode) => ({ problem, exitCode })

/** What is told of a failure, and its exit code. */
const explain = Effect.fnUntraced(function* (output: Output.OutputService, cause: Cause.Cause<PgarkError>) {
  if (Cause.hasInterruptsOnly(cause)) {
    const problem = Interruption.problem(yield* output.record)
    // The codes of the signals promise a target that is as it was.
    const leaves = problem.state === "changed" || problem.state === "unknown"
    return told(problem, leaves ? 8 : interruptionCode(yield* Status))
  }
  return Option.match(Cause.findErrorOption(cause), {
    onNone: () => told(Problem.defect(cause), 1),
    onSome: (error) => told(error, exitCodeOf(error))
  })
})

/** Tells on stderr what stdout did not take. */
const unreported = Effect.fnUntraced(function* (
  output: Output.OutputService,
  why: string,
  text: string,
  exitCode: ExitCode
) {
  const { committed } = yield* output.record
  yield* output.alert(Problem.render(Problem.unreported(why, text, committed)))
  return exitCode === 0 ? unwritableExitCode : exitCode
})

const report = Effect.fnUntraced(function* (
  output: Output.OutputService,
  exit: Exit.Exit<CommandResult, PgarkError>,
  ended: RunReport.RunReport
) {
  if (Exit.isSuccess(exit)) {
    const { document, exitCode = 0, planned = false, text } = exit.value
    if (text === undefined && !output.json) return exitCode
    return yield* output.payload(text ?? "", planned ? document : withTasks(document, ended)).pipe(
      Effect.as(exitCode),
      Effect.catchTag("StdoutFailed", ({ message, readerGone }) =>
        readerGone ? Effect.succeed(exitCode) : unreported(output, message, text ?? "", exitCode)
      )
    )
  }
  const { exitCode, problem } = yield* explain(output, exit.cause)
  yield* output.alert(Problem.render(problem))
  if (output.json) {
    // The problem stands on stderr, and its exit code says more than that of a document which is not to be had.
    const document = withTasks(Problem.toDocument(problem, exitCode), ended)
    yield* Effect.catchTag(output.payload("", document), "StdoutFailed", ({ message }) =>
      output.warn(`pgark: The document could not be written to stdout (${message}).`)
    )
  }
  return exitCode
})

/** Runs a command's work and tells how it ended, also where a signal ended it. */
export const handle = <R>(work: Effect.Effect<CommandResult, PgarkError, R | Output.Output>) =>
  // What is told is told in full: the interruption that it tells of, or a second one, does not stop it.
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const status = yield* Status
      const output = yield* Output.make({
        json: yield* JsonFlag,
        quiet: yield* QuietFlag,
        color: yield* ColorFlag
      })
      const ended = yield* restore(work).pipe(
        Effect.provideService(Output.Output, output),
        RunReport.observe,
        Effect.provideService(RunEvents, output.listen)
      )
      const exitCode = yield* report(output, ended.exit, ended.report)
      status.exitCode = exitCode
      if (exitCode !== 0) return yield* new Reported({ exitCode })
    })
  )
