/** What happens while a pipeline runs, for whoever draws or records it. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const ended = { task: Schema.String, title: Schema.String, milliseconds: Schema.Finite }

/**
 * How much of something is done, and how much there is, where that is known. Of an estimated total more may be done in
 * the end, or less.
 */
export const Amount = Schema.Struct({
  done: Schema.Finite,
  total: Schema.optionalKey(Schema.Finite),
  estimated: Schema.optionalKey(Schema.Literal(true))
})
export type Amount = typeof Amount.Type

/** What work is counted in. What is not counted is absent. */
const amounts = {
  bytes: Schema.optionalKey(Amount),
  rows: Schema.optionalKey(Amount),
  tables: Schema.optionalKey(Amount),
  statements: Schema.optionalKey(Amount)
}

/** Something that a task is at, maybe beside others: a table, a file, a statement that may take long. */
export const Part = Schema.Struct({
  /** As people write it: `public."User"`, `INDEX User_email_key`. */
  name: Schema.String,
  /** When it began: milliseconds since 1970. What is not counted has only this to tell. */
  since: Schema.Finite,
  ...amounts
})
export type Part = typeof Part.Type

/**
 * An event of a run. Times are milliseconds.
 *
 * Every task of a run ends in exactly one of TaskFinished, TaskFailed, TaskInterrupted and TaskSkipped. A task that
 * consists of others ends after all of these.
 */
export const RunEvent = Schema.TaggedUnion({
  TaskStarted: { task: Schema.String, title: Schema.String },
  /**
   * How far a task is: all there is to say of that, so that each such event stands for those before it. `task` is empty
   * for work that no task does.
   */
  TaskProgress: {
    task: Schema.String,
    /** What it does with what is counted: "read", "applied". */
    what: Schema.String,
    ...amounts,
    /** What it is at. */
    parts: Schema.Array(Part),
    /** What comes when all that has a total is done, where that may take long: "indexes and constraints". */
    next: Schema.optionalKey(Schema.String)
  },
  /** Something a reader of the report should know: skipped, adapted, fell back, with the reason. */
  TaskNote: { task: Schema.String, note: Schema.String },
  /** It failed for the `attempt`th time, counted from 1, and is tried again after so many milliseconds. */
  TaskRetried: { task: Schema.String, attempt: Schema.Finite, milliseconds: Schema.Finite, message: Schema.String },
  TaskFinished: ended,
  TaskFailed: { ...ended, message: Schema.String },
  /** Somebody stopped the run, or another task failed. */
  TaskInterrupted: ended,
  /** It was not begun, because another task failed or the run was stopped. */
  TaskSkipped: { task: Schema.String, title: Schema.String },
  /** A transaction that will change the target is open: short of its commit, all it does is taken back. */
  Began: { what: Schema.String },
  /** It has ended well: from here on the target is not as it was, whatever happens to the run. */
  Committed: { what: Schema.String },
  /** Its commit was sent and not answered, and nobody could be asked what became of it. */
  Doubted: { what: Schema.String },
  /** It was committed in parts, and not to its end: the target is neither as it was nor as it should be. */
  Torn: { message: Schema.String, suggestion: Schema.String }
})
export type RunEvent = typeof RunEvent.Type

/** Where events go. By default nowhere. The run goes on when the listener has returned. */
export const RunEvents = Context.Reference<(event: RunEvent) => Effect.Effect<void>>("pgark/pipeline/RunEvents", {
  defaultValue: () => () => Effect.void
})

/** The name of the task that is running, for events from deep inside it. */
export const CurrentTask = Context.Reference<string>("pgark/pipeline/CurrentTask", { defaultValue: () => "" })

/** An error in one line. */
export const failureMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** How a task has ended, as the event that says so. */
export const ending = (
  task: { readonly task: string; readonly title: string; readonly milliseconds: number },
  cause: Cause.Cause<unknown> | undefined
): RunEvent => {
  if (cause === undefined) return RunEvent.cases.TaskFinished.make(task)
  return Cause.hasInterruptsOnly(cause)
    ? RunEvent.cases.TaskInterrupted.make(task)
    : RunEvent.cases.TaskFailed.make({ ...task, message: failureMessage(Cause.squash(cause)) })
}

/** Adds a note to the running task. */
export const note = Effect.fnUntraced(function* (text: string) {
  const publish = yield* RunEvents
  yield* publish(RunEvent.cases.TaskNote.make({ task: yield* CurrentTask, note: text }))
})

const tell = (event: RunEvent): Effect.Effect<void> => Effect.flatMap(RunEvents, (publish) => publish(event))

/**
 * What a transaction that changes the target tells as it goes: to be given to whatever brackets it, because only there
 * no interruption can come between the commit and the word of it.
 *
 * @param what a noun: "the restore"
 */
export const changing = (what: string) => ({
  begun: tell(RunEvent.cases.Began.make({ what })),
  committed: tell(RunEvent.cases.Committed.make({ what })),
  uncertain: tell(RunEvent.cases.Doubted.make({ what }))
})

/** Tells that the target is left between two states: in a sentence, and what to do next. */
export const torn = (message: string, suggestion: string): Effect.Effect<void> =>
  tell(RunEvent.cases.Torn.make({ message, suggestion }))

/** Keeps from the listeners what becomes of the target: of work that is not what was asked for, but takes it back. */
export const unsaid = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(RunEvents, (publish) =>
    Effect.provideService(work, RunEvents, (event) =>
      RunEvent.isAnyOf(["Began", "Committed", "Doubted"])(event) ? Effect.void : publish(event)
    )
  )

/** Tells that the running task has failed and is tried again. */
export const retried = Effect.fnUntraced(function* (attempt: {
  readonly attempt: number
  readonly milliseconds: number
  readonly message: string
}) {
  const publish = yield* RunEvents
  yield* publish(RunEvent.cases.TaskRetried.make({ task: yield* CurrentTask, ...attempt }))
})

/** What a task says of how far it is. */
export type Progress = Omit<Extract<RunEvent, { readonly _tag: "TaskProgress" }>, "_tag" | "task">

/** Tells how far the running task is. {@link file://./Progress.ts} does so now and then. */
export const progress = Effect.fnUntraced(function* (made: Progress) {
  const publish = yield* RunEvents
  yield* publish(RunEvent.cases.TaskProgress.make({ task: yield* CurrentTask, ...made }))
})
