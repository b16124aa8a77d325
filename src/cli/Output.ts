/** Where a command's words go: its payload to stdout, everything else to stderr. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { RunEvent } from "../pipeline/RunEvent.ts"
import * as Stdout from "./Stdout.ts"
import { alert, colorful, visible, visibleLine } from "./Text.ts"
import { count } from "../pipeline/Words.ts"
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

/** Milliseconds between two lines about the same task. */
const progressEvery = 3000

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
  /** Listens to a run: draws it, and records what becomes of the target. */
  readonly listen: (event: RunEvent) => Effect.Effect<void>
  readonly record: Effect.Effect<RunRecord>
}

const warn = (text: string) => Console.error(visible(text))

export const make = Effect.fnUntraced(function* (options: {
  readonly json: boolean
  readonly quiet: boolean
  readonly color: boolean
}) {
  const red = colorful(process.stderr, options.color)
  const record = yield* Ref.make(nothing)
  const shownAt = yield* Ref.make(new Map<string, number>())
  const info = (text: string) => (options.quiet ? Effect.void : warn(text))
  const line = (text: string) => info(visibleLine(text))

  const progress = Effect.fnUntraced(function* (event: Extract<RunEvent, { _tag: "TaskProgress" }>) {
    const now = yield* Clock.currentTimeMillis
    const due = yield* Ref.modify(shownAt, (shown) => {
      const last = shown.get(event.task)
      return last === undefined
        ? [false, new Map(shown).set(event.task, now)]
        : now - last < progressEvery
          ? [false, shown]
          : [true, new Map(shown).set(event.task, now)]
    })
    if (!due) return
    const show = event.unit === "bytes" ? Units.bytes : count
    const total = event.total === undefined ? "" : ` of ${show(event.total)}`
    const unit = event.unit === "bytes" ? "" : ` ${event.unit}`
    yield* line(`      ${event.what}: ${show(event.done)}${total}${unit}`)
  })

  return Output.of({
    json: options.json,
    payload: (text, document) => Stdout.print(options.json ? JSON.stringify(document, undefined, 2) : visible(text)),
    info,
    warn,
    alert: (text) => Console.error(red ? alert(visible(text)) : visible(text)),
    record: Ref.get(record),
    listen: (event) =>
      RunEvent.match(event, {
        TaskStarted: ({ title }) =>
          Ref.update(record, (known) =>
            known.committed === undefined ? known : { ...known, unfinished: [...known.unfinished, title] }
          ),
        TaskProgress: progress,
        TaskNote: ({ note }) => line(`note  ${note}`),
        TaskRetried: ({ message, milliseconds }) => line(`again in ${Units.duration(milliseconds)}: ${message}`),
        TaskFinished: ({ title, milliseconds }) =>
          Effect.andThen(
            Ref.update(record, (known) => ({
              ...known,
              unfinished: known.unfinished.filter((other) => other !== title)
            })),
            line(`done  ${title} (${Units.duration(milliseconds)})`)
          ),
        TaskFailed: ({ title, message }) => line(`fail  ${title}: ${message}`),
        TaskInterrupted: ({ title }) => line(`fail  ${title}: interrupted`),
        // The failure or the interruption that keeps it from beginning is told anyway.
        TaskSkipped: () => Effect.void,
        Began: ({ what }) => Ref.update(record, (known) => ({ ...known, begun: what })),
        Committed: ({ what }) => Ref.update(record, (known) => ({ ...known, committed: what })),
        Doubted: ({ what }) => Ref.update(record, (known) => ({ ...known, doubted: what })),
        Torn: ({ message, suggestion }) => Ref.update(record, (known) => ({ ...known, torn: { message, suggestion } }))
      })
  })
})

/** The output of one command. */
export class Output extends Context.Service<Output, OutputService>()("pgark/cli/Output") {}
