/**
 * What pgark and its libraries log, in the form of all else on stderr. Lines go through the `Console` of whoever logs:
 * whatever is drawn on the terminal meanwhile makes room for them.
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { visibleLine } from "./Text.ts"

/** In one line; of an error what has caused it, too. */
const inWords = (part: unknown): string => {
  if (!(part instanceof Error)) return String(part)
  return part.cause === undefined ? part.message : `${part.message}: ${inWords(part.cause)}`
}

const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
  const words = [message].flat().map(inWords)
  if (cause.reasons.length > 0) words.push(inWords(Cause.squash(cause)))
  fiber.getRef(Console.Console).error(visibleLine(`${logLevel.toLowerCase().padEnd(5)} ${words.join(" ")}`))
})

/** Writes what is logged, and with `--log-level debug` every span and statement; see {@link file://./DebugLog.ts}. */
export const logged = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const quietly = Effect.provideService(work, Logger.CurrentLoggers, new Set([logger]))
  const level = Option.getOrElse(yield* GlobalFlag.LogLevel, () => "Info" as const)
  if (!LogLevel.isLessThanOrEqualTo(level, "Debug")) return yield* quietly
  const { tracer } = yield* Effect.promise(() => import("./DebugLog.ts"))
  const console = yield* Console.Console
  return yield* Effect.withTracer(
    quietly,
    tracer((line) => console.error(line), level !== "Debug")
  )
})
