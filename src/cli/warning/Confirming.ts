/**
 * How a run that destroys data is let go on: three seconds in which Ctrl-C stops it, or, where it was asked for, a
 * question on the terminal.
 */
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { NotConfirmed } from "./NotConfirmed.ts"
import { visibleLine } from "../output/Text.ts"

/** What the flags say: go on at once, after three seconds, or when the database's name has been typed. */
export type Manner = "at once" | "countdown" | "question"

/** Where people read, and where they type. Both must be a terminal for a question. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean }
  readonly output: { readonly isTTY?: boolean; readonly columns?: number; readonly write: (text: string) => unknown }
}

/** The process's own. Node opens stdin when it is asked for, so that nobody asks before it is wanted. */
const own = (): Terminal => ({ input: process.stdin, output: process.stderr })

const canAsk = ({ input, output }: Terminal): boolean => input.isTTY === true && output.isTTY === true

/**
 * What flags say of it. Fails before anything is done where they contradict each other, or where there is nobody to be
 * asked.
 */
export const manner = Effect.fn("Confirming.manner")(function* (
  { confirm, yes }: { readonly confirm: boolean; readonly yes: boolean },
  at?: Terminal
): Effect.fn.Return<Manner, NotConfirmed> {
  if (confirm && yes) {
    return yield* new NotConfirmed({
      message: "--confirm asks before anything is destroyed, and --yes says that nothing shall ask.",
      suggestion: "Leave one of them away.",
      state: "untouched"
    })
  }
  if (confirm && !canAsk(at ?? own())) {
    return yield* new NotConfirmed({
      message: "--confirm asks on a terminal, and there is none.",
      suggestion:
        "Leave it away for a warning of 3 seconds, or give --yes in its place, which asks and waits for nothing.",
      state: "untouched"
    })
  }
  return confirm ? "question" : yes ? "at once" : "countdown"
})

const seconds = 3

const stops = "Ctrl-C stops it with nothing changed."

/** What a terminal is told while it counts: a line that wrapped could not be written over. */
const counted = (left: number, columns: number | undefined): string => {
  const begun = `Starting in ${left} …`
  const told = [`${begun} ${stops}`, `${begun} Ctrl-C stops it.`, begun]
  return told.find((text) => text.length < (columns || 80)) ?? String(left)
}

/** Counts down: on a terminal in one line that is written again and then taken away, elsewhere in one that stays. */
export const countdown = Effect.fn("Confirming.countdown")(function* (output: Terminal["output"] = process.stderr) {
  if (output.isTTY !== true) {
    output.write(`Starting in ${seconds} seconds. ${stops}\n`)
    return yield* Effect.sleep(`${seconds} seconds`)
  }
  const counting = Effect.gen(function* () {
    for (let left = seconds; left > 0; left--) {
      output.write(`\r${counted(left, output.columns)}`)
      yield* Effect.sleep("1 second")
    }
    // From here on Ctrl-C would be too late for what the line promises.
    output.write(`\r${" ".repeat(counted(seconds, output.columns).length)}\r`)
  })
  yield* Effect.onInterrupt(counting, () => Effect.sync(() => output.write("\n")))
})

/** How long a question stands: as long as it does, no other pgark can work on the database. */
const patience: Duration.Input = "5 minutes"

/** Names that may be typed until the right one. */
const attempts = 3

/** A name may hold what nobody can type, which is shown by what can be typed; spaces around it are nobody's intent. */
const names = (answer: string, database: string): boolean =>
  [database, visibleLine(database)].some((name) => answer.trim() === name.trim())

/** The next line; undefined where the input has ended. */
const line = (lines: ReturnType<typeof createInterface>) =>
  Effect.callback<string | undefined>((resume) => {
    const answered = (text: string) => resume(Effect.succeed(text))
    const ended = () => resume(Effect.undefined)
    lines.once("line", answered).once("close", ended)
    return Effect.sync(() => lines.off("line", answered).off("close", ended))
  })

const refused = (message: string) =>
  new NotConfirmed({
    message,
    suggestion: "Run it again, and type the name as the warning says it; or leave --confirm away.",
    state: "untouched"
  })

/**
 * Asks for the name of the database, three times at most. The terminal itself edits the line and turns Ctrl-C into a
 * signal, so that nothing has to be put back, however this ends.
 *
 * Fails with NotConfirmed where another name is typed, the input ends, or nobody answers for five minutes.
 */
export const question = Effect.fn("Confirming.question")(function* (
  database: string,
  { input, output }: Terminal = own()
): Effect.fn.Return<void, NotConfirmed> {
  const ask = Effect.gen(function* () {
    const lines = yield* Effect.acquireRelease(
      Effect.sync(() => createInterface({ input, terminal: false })),
      (opened) => Effect.sync(() => opened.close())
    )
    for (let attempt = 1; attempt <= attempts; attempt++) {
      output.write(`Type ${visibleLine(database)} to go on; ${stops}\n> `)
      const answer = yield* line(lines)
      if (answer === undefined) {
        output.write("\n")
        return yield* refused("The question was not answered.")
      }
      if (names(answer, database)) return
      output.write("That is not the name of the database.\n")
    }
    return yield* refused("The name of the database was not typed.")
  })
  yield* Effect.scoped(ask).pipe(
    // What a signal or the time ends leaves the cursor behind the question.
    Effect.onInterrupt(() => Effect.sync(() => output.write("\n"))),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => refused("Nobody has answered the question within 5 minutes.")
    })
  )
})
