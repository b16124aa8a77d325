/** Writing to streams whose other end may go away, or whose disk may be full. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The text did not reach stdout, or not all of it did. */
export class StdoutFailed extends Schema.TaggedError<StdoutFailed>()("StdoutFailed", {
  /** As the system says it. */
  message: Schema.String,
  /** Whoever was to read it has gone: nobody is left to be told. */
  readerGone: Schema.Boolean
}) {}

const failed = (error: NodeJS.ErrnoException): StdoutFailed =>
  new StdoutFailed({
    message: error.message,
    readerGone: error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED"
  })

/** Writes text and a line break, and waits until the system has taken them. */
export const print = (text: string): Effect.Effect<void, StdoutFailed> =>
  Effect.callback((resume) => {
    const answer = (error?: Error | null) => resume(error ? Effect.fail(failed(error)) : Effect.void)
    try {
      process.stdout.write(`${text}\n`, answer)
    } catch (error) {
      // A file is written at once, and Node 20 throws what goes wrong with that.
      answer(error as Error)
    }
  })

/**
 * Keeps an error of these streams from ending the process in the middle of its work: without a listener Node throws
 * it. What has to be known of stdout {@link print} tells; of what stderr has lost nobody could be told.
 */
export const survive = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
}
