/** What belongs to a task besides its work: how often it is tried, and how long it may take. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { failureMessage, retried } from "./RunEvent.ts"

/** A task was not done in the time that it has; its statements were cancelled (exit code 6). */
export class TaskTimeout extends Schema.TaggedError<TaskTimeout>()("TaskTimeout", {
  /** One sentence: what happened. */
  message: Schema.String,
  /** More lines. */
  detail: Schema.optionalKey(Schema.String),
  /** What to do next. */
  suggestion: Schema.String,
  /** Not known to the pipeline: what the task had done by then the task's own bracket undoes. */
  state: Schema.optionalKey(Schema.Literals(["untouched", "rolled-back", "changed", "unknown"])),
  task: Schema.String,
  milliseconds: Schema.Finite
}) {}

/**
 * When planning or running a task is tried again after a failure, and after which. One that leaves the target changed, or
 * in a state that nobody knows, is never tried again, whatever the policy says. Within a transaction a statement that
 * failed has broken it: what is to be tried again there needs a savepoint of its own.
 */
export interface Retry<in E> {
  readonly schedule: Schedule.Schedule<unknown>
  /** After any failure unless told. */
  readonly while?: (error: E) => boolean
}

/** What belongs to a task. */
export interface Limits<in E, out L extends Duration.Input | undefined> {
  readonly retry?: Retry<E>
  /** How long planning it may take, and how long running it, all attempts together. */
  readonly timeout?: L
}

/** What a time limit adds to the failures of a task. */
export type TimedOut<L> = [L] extends [undefined] ? never : TaskTimeout

/** Whether nothing has come of it, as far as the error can tell: a write of unknown outcome is never repeated. */
const harmless = (error: unknown): boolean =>
  !Predicate.hasProperty(error, "state") || (error.state !== "changed" && error.state !== "unknown")

const policy = <E>({ schedule, while: accepts = () => true }: Retry<E>): Schedule.Schedule<unknown, E> =>
  schedule.pipe(
    Schedule.setInputType<E>(),
    Schedule.while(({ input }) => harmless(input) && accepts(input)),
    Schedule.tap(({ attempt, duration, input }) =>
      retried({ attempt, milliseconds: Duration.toMillis(duration), message: failureMessage(input) })
    )
  )

/** The effect under the limits of the task of that name. */
export const limited = <A, E, R, L extends Duration.Input | undefined>(
  task: string,
  { retry, timeout }: Limits<E, L>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | TimedOut<L>, R> => {
  const repeated = retry === undefined ? effect : Effect.retry(effect, policy(retry))
  if (timeout === undefined) return repeated
  const milliseconds = Duration.toMillis(timeout)
  const timedOut = new TaskTimeout({
    message: `The task "${task}" was not done within ${Duration.format(Duration.millis(milliseconds))}.`,
    suggestion: "Look at what it waits for, give it more time, or try again later.",
    task,
    milliseconds
  })
  return Effect.timeoutOrElse(repeated, {
    duration: milliseconds,
    // A limit is given, so that the type has its error.
    orElse: () => Effect.fail(timedOut as TimedOut<L>)
  })
}
