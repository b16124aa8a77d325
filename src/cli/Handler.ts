/** What every command does around its own work: output, errors, exit code. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunEvents } from "../pipeline/RunEvent.ts"
import { type ExitCode, exitCodeOf, type PgarkError, Status } from "./ExitCode.ts"
import { ColorFlag, JsonFlag, QuietFlag } from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Problem from "./Problem.ts"

/** A failure that has been shown to the user; only its exit code is left to be told. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", { exitCode: Schema.Int }) {}

/** What a command gives: text for people, a document for programs, and its exit code where it is not 0. */
export interface CommandResult {
  readonly text: string
  readonly document: unknown
  readonly exitCode?: ExitCode
}

/** Loads a module when a command needs it, so that `--help` does not wait for drivers. */
export const load = <M>(module: () => Promise<M>): Effect.Effect<M> => Effect.promise(module)

const reportFailure = Effect.fnUntraced(function* (output: Output.OutputService, cause: Cause.Cause<PgarkError>) {
  if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
  const failure = Cause.findErrorOption(cause)
  const [problem, exitCode] = Option.match(failure, {
    onNone: () => [Problem.defect(cause), 1] as const,
    onSome: (error) => [error, exitCodeOf(error)] as const
  })
  yield* output.alert(Problem.render(problem))
  if (output.json) yield* output.payload("", Problem.toDocument(problem, exitCode))
  return yield* new Reported({ exitCode })
})

/**
 * Runs a command's work and tells how it ended.
 *
 * Interrupted after a COMMIT the target is not as it was: that is said, and the exit code is 8 and not 130.
 */
export const handle = <R>(work: Effect.Effect<CommandResult, PgarkError, R | Output.Output>) =>
  Effect.gen(function* () {
    const status = yield* Status
    const output = yield* Output.make({
      json: yield* JsonFlag,
      quiet: yield* QuietFlag,
      color: yield* ColorFlag
    })
    const exit = yield* Effect.exit(
      work.pipe(
        Effect.provideService(Output.Output, output),
        Effect.provideService(RunEvents, output.listen),
        Effect.onInterrupt(() =>
          Effect.gen(function* () {
            const { committed } = yield* output.record
            if (committed === undefined) return
            status.interrupted = 8
            yield* output.alert(`pgark: interrupted after ${committed}. What remained was not done.`)
          })
        )
      )
    )
    if (Exit.isFailure(exit)) return yield* reportFailure(output, exit.cause)
    yield* output.payload(exit.value.text, exit.value.document)
    if (exit.value.exitCode !== undefined && exit.value.exitCode !== 0) {
      return yield* new Reported({ exitCode: exit.value.exitCode })
    }
  })
