/** How a command draws its run: as a block on a terminal, as lines elsewhere, or not at all. */
import * as Clock from "effect/Clock"
import type * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { RunEvent } from "../../pipeline/RunEvent.ts"
import * as Board from "./Board.ts"
import * as Lines from "./Lines.ts"
import type { Screen, Terminal } from "./Screen.ts"

/** Where it is drawn, and how the process knows that. */
export interface Place {
  readonly terminal: Terminal & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly console: Console.Console
}

export interface Drawing {
  /** Takes in what happens; it is drawn by and by. */
  readonly listen: (event: RunEvent) => Effect.Effect<void>
  /** A console whose lines stand above what is drawn, whole. */
  readonly console: Console.Console
  /** Draws nothing any more: the result comes. */
  readonly end: Effect.Effect<void>
  /** Draws nothing while something else is at the terminal: a question. */
  readonly undrawn: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** How often the block is drawn, and the lines are looked for. */
const every = { block: "100 millis", lines: "500 millis" } as const

/** Whether what was written can be written over. */
export const isRedrawable = ({ env, terminal }: Place): boolean => terminal.isTTY === true && env["TERM"] !== "dumb"

/** The console, each of whose lines is written by `write`. */
const through = (console: Console.Console, write: (work: () => void) => void): Console.Console => {
  const speaking = (["debug", "error", "info", "log", "warn"] as const).map((name) => [
    name,
    (...args: ReadonlyArray<unknown>) => write(() => console[name](...args))
  ])
  return Object.assign(Object.create(console), Object.fromEntries(speaking))
}

/** The signals that end a run, which takes until what is under way has ended. */
const endings = ["SIGINT", "SIGTERM"] as const

/** Does something whenever one of them comes, for as long as the scope lives. */
const attending = (act: () => void) =>
  Effect.acquireRelease(
    Effect.sync(() => endings.forEach((signal) => process.on(signal, act))),
    () => Effect.sync(() => endings.forEach((signal) => process.off(signal, act)))
  )

/** Draws nothing. */
export const none = ({ console }: Place): Drawing => ({
  listen: () => Effect.void,
  console,
  end: Effect.void,
  undrawn: (work) => work
})

/** Draws for as long as its scope lives. */
export const make = Effect.fnUntraced(function* (place: Place) {
  const { console, terminal } = place
  const clock = yield* Clock.Clock
  let board = Board.empty
  const listen = (event: RunEvent) =>
    Effect.sync(() => void (board = Board.update(board, event, clock.currentTimeMillisUnsafe())))
  yield* attending(() => {
    board = Board.stopping(board, clock.currentTimeMillisUnsafe())
  })

  if (!isRedrawable(place)) {
    let told: ReadonlyMap<string, number> = new Map()
    const speak = Effect.sync(() => {
      const due = Lines.due(board, told, clock.currentTimeMillisUnsafe())
      told = due.told
      for (const line of due.lines) console.error(line)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every.lines), speak)))
    return { ...none(place), listen } satisfies Drawing
  }

  // What measures text is loaded where text is measured: `--help` does not wait for it.
  const [Block, { make: onScreen }] = yield* Effect.promise(() =>
    Promise.all([import("./Block.ts"), import("./Screen.ts")])
  )
  const screen: Screen = onScreen(terminal, (size) => Block.lines(board, clock.currentTimeMillisUnsafe(), size))
  const end = Effect.sync(screen.end)
  yield* Effect.addFinalizer(() => end)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every.block), Effect.sync(screen.draw))))
  return {
    listen,
    console: through(console, screen.above),
    end,
    undrawn: (work) =>
      Effect.acquireUseRelease(
        Effect.sync(screen.hide),
        () => work,
        () => Effect.sync(screen.show)
      )
  } satisfies Drawing
})
