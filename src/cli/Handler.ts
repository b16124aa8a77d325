/** What every command does around its own work: output, errors, exit code. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunEvents } from "../pipeline/RunEvent.ts"
import * as RunReport from "../pipeline/RunReport.ts"
import { type ExitCode, exitCodeOf, interruptionCode, type PgarkError, Status, unwritableExitCode } from "./ExitCode.ts"
import * as ConfigFile from "./config/ConfigFile.ts"
import { ColorFlag, JsonFlag, QuietFlag } from "./Flags.ts"
import * as Interruption from "./output/Interruption.ts"
import { logged } from "./output/Logs.ts"
import * as Output from "./output/Output.ts"
import * as Problem from "./output/Problem.ts"
import type { Document } from "./documents/Document.ts"
import * as Units from "./output/Units.ts"

/** A failure that has been shown to the user; only its exit code is left to be told. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {}

/** What a command gives: text for people, a document for programs, and its exit code where it is not 0. */
export interface CommandResult<out A extends object = object> {
  /** Absent where people have been told all on stderr. */
  readonly text?: string
  readonly document: A
  readonly exitCode?: ExitCode
  /** Nothing was run: the document has no tasks. */
  readonly planned?: boolean
}

/** Loads a module when a command needs it, so that `--help` does not wait for drivers. */
export const load = <M>(module: () => Promise<M>): Effect.Effect<M> => Effect.promise(module)

/** A run that has ended: how, what became of its tasks, and how long all of it took. */
interface Ended<A extends object> {
  readonly exit: Exit.Exit<CommandResult<A>, PgarkError>
  readonly report: RunReport.RunReport
  readonly milliseconds: number
}

/** A document with what became of each task, where there were tasks. */
const withRun = <A extends object>(document: A, { milliseconds, report: { tasks } }: Ended<object>): A =>
  tasks.length === 0 ? document : { ...document, milliseconds, tasks }

/** What people are told, with how long it took where anything was run. */
const withTime = (text: string, { milliseconds, report: { tasks } }: Ended<object>): string =>
  tasks.length === 0 ? text : `${text}\n  took       ${Units.duration(milliseconds)}`

/** The document with what was taken from the configuration file and from the environment. */
const withSettings = <A extends object>(document: A, settings: ReadonlyArray<ConfigFile.Told>): A =>
  settings.length === 0 ? document : { ...document, settings }

const told = (problem: Problem.Problem, exitCode: ExitCode) => ({ problem, exitCode })

/** The same with 8 where the target is not as it was: the codes of defects and of signals promise that it is. */
const unless = (problem: Problem.Problem, exitCode: ExitCode) =>
  told(problem, problem.state === "changed" || problem.state === "unknown" ? 8 : exitCode)

/** What failed before anything was begun has changed nothing, also where it could not know that itself. */
const stated = (error: PgarkError, { begun, committed, doubted, torn }: Output.RunRecord): Problem.Problem =>
  error.state !== undefined || (begun ?? committed ?? doubted ?? torn) !== undefined
    ? error
    : { ...error, _tag: error._tag, message: error.message, state: "untouched" }

/** What is told of a failure, and its exit code. */
const explain = Effect.fnUntraced(function* (output: Output.OutputService, cause: Cause.Cause<PgarkError>) {
  const record = yield* output.record
  if (Cause.hasInterruptsOnly(cause)) {
    return unless(Interruption.problem(record), interruptionCode(yield* Status))
  }
  return Option.match(Cause.findErrorOption(cause), {
    onNone: () => unless({ ...Problem.defect(cause), state: Interruption.state(record) }, 1),
    onSome: (error) => told(stated(error, record), exitCodeOf(error))
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

const report = Effect.fnUntraced(function* <A extends object>(
  output: Output.OutputService,
  ended: Ended<A>,
  encode: (document: A) => Effect.Effect<unknown>
) {
  const settings = yield* ConfigFile.told()
  const { exit } = ended
  if (Exit.isSuccess(exit)) {
    const { document, exitCode = 0, planned = false, text } = exit.value
    if (text === undefined && !output.json) return exitCode
    const shown = text === undefined || planned ? (text ?? "") : withTime(text, ended)
    const encoded = output.json
      ? yield* encode(withSettings(planned ? document : withRun(document, ended), settings))
      : undefined
    return yield* output.payload(shown, encoded).pipe(
      Effect.as(exitCode),
      Effect.catchTag("StdoutFailed", ({ message, readerGone }) =>
        readerGone ? Effect.succeed(exitCode) : unreported(output, message, shown, exitCode)
      )
    )
  }
  const { exitCode, problem } = yield* explain(output, exit.cause)
  yield* output.alert(Problem.render(problem))
  if (output.json) {
    // The problem stands on stderr, and its exit code says more than that of a document which is not to be had.
    const document = withSettings(withRun(Problem.toDocument(problem, exitCode), ended), settings)
    yield* Effect.catchTag(output.payload("", document), "StdoutFailed", ({ message }) =>
      output.warn(`pgark: The document could not be written to stdout (${message}).`)
    )
  }
  return exitCode
})

/**
 * Runs a command's work and tells how it ended, also where a signal ended it.
 *
 * @param documents the module with the Schema of what the command tells with `--json`; loaded only then
 */
export const handle = <A extends object, R>(
  work: Effect.Effect<CommandResult<NoInfer<A>>, PgarkError, R | Output.Output>,
  documents: () => Promise<{ readonly Document: Document<A> }>
) =>
  // What is told is told in full: the interruption that it tells of, or a second one, does not stop it.
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const status = yield* Status
      const output = yield* Output.make({
        json: yield* JsonFlag,
        quiet: yield* QuietFlag,
        color: yield* ColorFlag
      })
      const [taken, ended] = yield* restore(work).pipe(
        Effect.provideService(Output.Output, output),
        RunReport.observe,
        Effect.provideService(RunEvents, output.listen),
        logged,
        Effect.provideService(Console.Console, output.console),
        Effect.timed
      )
      const milliseconds = Math.round(Duration.toMillis(taken))
      const exitCode = yield* report(output, { ...ended, milliseconds }, (document) =>
        Effect.flatMap(load(documents), ({ Document }) =>
          Effect.orDie(Schema.encodeEffect(Schema.toCodecJson(Document))(document))
        )
      )
      status.exitCode = exitCode
      if (exitCode !== 0) return yield* new Reported({ exitCode })
    }).pipe(Effect.scoped)
  )
