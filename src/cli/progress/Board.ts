/** What is known of a run while it is drawn: the tasks that are running, how far they are, and how fast. */
import type { Progress, RunEvent } from "../../pipeline/RunEvent.ts"
import * as Rate from "./Rate.ts"

/** A task that is running. Moments are milliseconds since 1970. */
export interface Running {
  /** Empty for work that no task does. */
  readonly task: string
  readonly title: string
  readonly since: number
  /** What it has told last. */
  readonly told?: Progress
  /** Of what is drawn as its measure: its bytes, or else its rows. */
  readonly rate?: Rate.Rate
}

/** All of them, in the order in which they began. */
export interface Board {
  /** When the first event came. */
  readonly begun?: number
  readonly running: ReadonlyArray<Running>
}

export const empty: Board = { running: [] }

const without = (running: ReadonlyArray<Running>, ...tasks: ReadonlyArray<string>) =>
  running.filter(({ task }) => !tasks.includes(task))

/** What a rate is made from. */
const measure = ({ bytes, rows }: Progress): number | undefined => (bytes ?? rows)?.done

const tell = (one: Running, told: Progress, now: number): Running => {
  const done = measure(told)
  return { ...one, told, ...(done === undefined ? {} : { rate: Rate.add(one.rate, done, now) }) }
}

/** What it shows after an event. */
export const update = (board: Board, event: RunEvent, now: number): Board => {
  const { begun = now, running } = board
  switch (event._tag) {
    case "TaskStarted": {
      const { task, title } = event
      // Work of no task has no end of its own: it is over when a task begins.
      return { begun, running: [...without(running, "", task), { task, title, since: now }] }
    }
    case "TaskProgress": {
      const { _tag, task, ...told } = event
      const known = running.some((one) => one.task === task)
      const all = known ? running : [...running, { task, title: sentence(told.what), since: now }]
      return { begun, running: all.map((one) => (one.task === task ? tell(one, told, now) : one)) }
    }
    case "TaskFinished":
    case "TaskFailed":
    case "TaskInterrupted":
    case "TaskSkipped":
      return { begun, running: without(running, event.task) }
    default:
      return board
  }
}

/** The same from the moment on at which it was to stop: what is under way is brought to an end first. */
export const stopping = ({ running, ...board }: Board, now: number): Board => ({
  ...board,
  running: [
    ...without(running, "stopping"),
    { task: "stopping", title: "Stopping, as soon as what is under way has ended", since: now }
  ]
})

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
