/**
 * What runs are measured by, as Effect metrics: `Metric.snapshot` and every exporter see them. Each has the attribute
 * `task`; the seconds also have `status`, how the task ended.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { RunEvent } from "./RunEvent.ts"
import { CurrentTask } from "./RunEvent.ts"

/** Bytes of dumps that were read, written or applied. */
export const bytes = Metric.counter("pgark_bytes", { description: "Bytes of dumps read, written or applied" })

/** Rows that were dumped or restored. */
export const rows = Metric.counter("pgark_rows", { description: "Rows dumped or restored" })

/** Seconds that tasks took: from 10 milliseconds to two hours. */
export const seconds = Metric.histogram("pgark_task_seconds", {
  description: "Seconds that tasks took",
  boundaries: Metric.exponentialBoundaries({ start: 0.01, factor: 4, count: 11 })
})

/** Adds to one of the counters, for the running task. */
export const add = Effect.fnUntraced(function* (counter: typeof bytes, amount: number) {
  yield* Metric.update(Metric.withAttributes(counter, { task: yield* CurrentTask }), amount)
})

const statuses = { TaskFinished: "done", TaskFailed: "failed", TaskInterrupted: "interrupted" } as const

/** Records how long a task took, from the event that ends it. */
export const ended = (event: RunEvent): Effect.Effect<void> =>
  event._tag === "TaskFinished" || event._tag === "TaskFailed" || event._tag === "TaskInterrupted"
    ? Metric.update(
        Metric.withAttributes(seconds, { task: event.task, status: statuses[event._tag] }),
        event.milliseconds / 1000
      )
    : Effect.void
