/** What became of a run, task by task: of one that failed or was interrupted as much as of one that went well. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { type RunEvent, RunEvents } from "./RunEvent.ts"

/** How a task has ended. */
export const TaskReport = Schema.Struct({
  task: Schema.String.annotateKey({ description: "Name of the task." }),
  title: Schema.String.annotateKey({ description: "The same for people." }),
  status: Schema.Literals(["done", "failed", "interrupted", "skipped"]).annotateKey({
    description: "How it has ended."
  }),
  milliseconds: Schema.Finite.annotateKey({
    description: "From its beginning to its end, attempts and pauses between them included; 0 where it was skipped."
  }),
  retries: Schema.optionalKey(Schema.Finite).annotateKey({ description: "How often it was tried again." }),
  message: Schema.optionalKey(Schema.String).annotateKey({ description: "Of a failure: what happened." })
})
export type TaskReport = typeof TaskReport.Type

export const RunReport = Schema.Struct({
  tasks: Schema.Array(TaskReport).annotateKey({ description: "In the order in which they ended." }),
  notes: Schema.Array(Schema.Struct({ task: Schema.String, note: Schema.String })),
  committed: Schema.Array(Schema.String).annotateKey({
    description: 'What was committed, whatever became of the run: "the restore".'
  })
})
export type RunReport = typeof RunReport.Type

/** The report of a run that has not begun. */
export const empty: RunReport = { tasks: [], notes: [], committed: [] }

interface Recording {
  readonly report: RunReport
  /** Retries of tasks that have not ended. */
  readonly retries: ReadonlyMap<string, number>
}

const ended = ({ report, retries }: Recording, task: TaskReport): Recording => {
  const tried = retries.get(task.task)
  const others = new Map(retries)
  others.delete(task.task)
  return {
    report: { ...report, tasks: [...report.tasks, tried === undefined ? task : { ...task, retries: tried }] },
    retries: others
  }
}

const record = (recording: Recording, event: RunEvent): Recording => {
  const { report, retries } = recording
  switch (event._tag) {
    case "TaskStarted":
    case "TaskProgress":
    case "Began":
    case "Doubted":
    case "Torn":
      return recording
    case "TaskNote":
      return { ...recording, report: { ...report, notes: [...report.notes, { task: event.task, note: event.note }] } }
    case "TaskRetried":
      return { ...recording, retries: new Map(retries).set(event.task, event.attempt) }
    case "Committed":
      return { ...recording, report: { ...report, committed: [...report.committed, event.what] } }
    case "TaskFinished": {
      const { _tag, ...task } = event
      return ended(recording, { ...task, status: "done" })
    }
    case "TaskFailed": {
      const { _tag, ...task } = event
      return ended(recording, { ...task, status: "failed" })
    }
    case "TaskInterrupted": {
      const { _tag, ...task } = event
      return ended(recording, { ...task, status: "interrupted" })
    }
    case "TaskSkipped": {
      const { _tag, ...task } = event
      return ended(recording, { ...task, status: "skipped", milliseconds: 0 })
    }
  }
}

/**
 * Records what runs, and hands the report to `use` when it has ended, whichever way. Errors and result stay as they
 * are, and whoever listened before goes on listening.
 */
export const onExit =
  <R2>(use: (report: RunReport, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void, never, R2>) =>
  <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2> =>
    Effect.gen(function* () {
      const listen = yield* RunEvents
      const recording = yield* Ref.make<Recording>({ report: empty, retries: new Map() })
      return yield* run.pipe(
        Effect.provideService(RunEvents, (event) =>
          Effect.andThen(
            Ref.update(recording, (current) => record(current, event)),
            listen(event)
          )
        ),
        Effect.onExit((exit) => Effect.flatMap(Ref.get(recording), ({ report }) => use(report, exit)))
      )
    })

/** Runs to the end, and gives how it ended with the report: a failure is a value here. */
export const observe = <A, E, R>(
  run: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly exit: Exit.Exit<A, E>; readonly report: RunReport }, never, R> =>
  Effect.gen(function* () {
    const kept = yield* Ref.make(empty)
    const exit = yield* Effect.exit(run.pipe(onExit((report) => Ref.set(kept, report))))
    return { exit, report: yield* Ref.get(kept) }
  })
