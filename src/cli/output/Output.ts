/** Where a command's words go: its payload to stdout, everything else to stderr. */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { RunEvent } from "../../pipeline/RunEvent.ts"
import * as Drawing from "../progress/Drawing.ts"
import * as Stdout from "./Stdout.ts"
import { alert, colorful, fitted, visible } from "./Text.ts"
import * as Units from "./Units.ts"

/** What became of the target in a run. */
export interface RunRecord {
  /** The transaction that was opened to change the target, where it came so far: "the restore". */
  readonly begun: string | undefined
  /** The same, once it was committed. */
  readonly committed: string | undefined
  /** The same, where nobody can tell whether it was. */
  readonly doubted: string | undefined
  /** The target was left between two states: what is to be said of it. */
  readonly torn: { readonly message: string; readonly suggestion: string } | undefined
  /** Titles of the tasks that have begun after the commit and not ended. */
  readonly unfinished: ReadonlyArray<string>
}

const nothing: RunRecord = {
  begun: undefined,
  committed: undefined,
  doubted: undefined,
  torn: undefined,
  unfinished: []
}

export interface OutputService {
  readonly json: boolean
  /** The result: `text`, or with `--json` the document. Nothing else is written to stdout. */
  readonly payload: (text: string, document: unknown) => Effect.Effect<void, Stdout.StdoutFailed>
  /** A line that `--quiet` leaves out. */
  readonly info: (line: string) => Effect.Effect<void>
  /** A line that always stands. */
  readonly warn: (line: string) => Effect.Effect<void>
  /** The same, its first line in red where colours are possible. */
  readonly alert: (text: string) => Effect.Effect<void>
  /** What else writes lines to stdout or stderr while something runs writes them by this: logs do. */
  readonly console: Console.Console
  /** Draws nothing while `work` has the terminal: a question that is asked there. */
  readonly undrawn: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Listens to a run: draws it, and records what becomes of the target. */
  readonly listen: (event: RunEvent) => Effect.Effect<void>
  readonly record: Effect.Effect<RunRecord>
}

/** The output of a command for as long as the scope lives. */
export const make = Effect.fnUntraced(function* (options: {
  readonly json: boolean
  readonly quiet: boolean
  readonly color: boolean
}) {
  const red = colorful(process.stderr, options.color)
  const record = yield* Ref.make(nothing)
  const place = { terminal: process.stderr, env: process.env, console: yield* Console.Console }
  const drawing = options.quiet ? Drawing.none(place) : yield* Drawing.make(place)
  const { console, undrawn } = drawing
  const write = (text: string) => Effect.sync(() => console.error(text))
  const warn = (text: string) => write(visible(text))
  const info = (text: string) => (options.quiet ? Effect.void : warn(text))
  const line = (label: string, text: string) => info(fitted(process.stderr, label, text))

  const told = (event: RunEvent): Effect.Effect<void> =>
    RunEvent.match(event, {
      TaskStarted: ({ title }) =>
        Ref.update(record, (known) =>
          known.committed === undefined ? known : { ...known, unfinished: [...known.unfinished, title] }
        ),
      TaskProgress: () => Effect.void,
      TaskNote: ({ note }) => line("note  ", note),
      TaskRetried: ({ message, milliseconds }) => line("", `again in ${Units.duration(milliseconds)}: ${message}`),
      TaskFinished: ({ title, milliseconds }) =>
        Effect.andThen(
          Ref.update(record, (known) => ({
            ...known,
            unfinished: known.unfinished.filter((other) => other !== title)
          })),
          line("done  ", `${title} (${Units.duration(milliseconds)})`)
        ),
      // Why it failed is told once: by the error that the run ends with, or by the note on what is done instead.
      TaskFailed: ({ title, milliseconds }) => line("fail  ", `${title} (${Units.duration(milliseconds)})`),
      TaskInterrupted: ({ title }) => line("fail  ", `${title}: interrupted`),
      // The failure or the interruption that keeps it from beginning is told anyway.
      TaskSkipped: () => Effect.void,
      Began: ({ what }) => Ref.update(record, (known) => ({ ...known, begun: what })),
      Committed: ({ what }) => Ref.update(record, (known) => ({ ...known, committed: what })),
      Doubted: ({ what }) => Ref.update(record, (known) => ({ ...known, doubted: what })),
      Torn: ({ message, suggestion }) => Ref.update(record, (known) => ({ ...known, torn: { message, suggestion } }))
    })

  return Output.of({
    json: options.json,
    payload: (text, document) =>
      Effect.andThen(drawing.end, Stdout.print(options.json ? JSON.stringify(document, undefined, 2) : visible(text))),
    info,
    warn,
    alert: (text) => write(red ? alert(visible(text)) : visible(text)),
    console,
    undrawn,
    record: Ref.get(record),
    listen: (event) => Effect.andThen(drawing.listen(event), told(event))
  })
})

/** The output of one command. */
export class Output extends Context.Service<Output, OutputService>()("pgark/cli/Output") {}
