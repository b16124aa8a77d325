/** Tasks joined into a graph by what they need: planned to data, or run. */
import { isDeepStrictEqual } from "node:util"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Graph from "effect/Graph"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { differences, digest } from "./Basis.ts"
import { Confirmation } from "./Confirmation.ts"
import { destructive, type Plan, type PlannedTask } from "./Plan.ts"
import { CurrentTask, ending, RunEvent, RunEvents } from "./RunEvent.ts"
import * as RunMetrics from "./RunMetrics.ts"
import { planStale, type PlanStale } from "./PlanStale.ts"
import type { Stakes } from "./Stakes.ts"
import type * as Task from "./Task.ts"

/** Tasks in an order that respects what they need. */
export interface Pipeline<out T extends Task.Any> {
  readonly name: string
  readonly tasks: ReadonlyArray<T>
  /** For each task the names of those that must have ended before: its needs, and its session's former task. */
  readonly waits: ReadonlyMap<string, ReadonlyArray<string>>
}

/** What a run gives: each task's result under its name. */
export type Results<T extends Task.Any> = {
  readonly [Name in T["name"]]: Task.Result<Extract<T, { readonly name: Name }>>
}

/** A planned pipeline: the plan, and the run that does exactly this plan. */
export interface PlannedPipeline<T extends Task.Any> {
  readonly plan: Plan
  /** What a task has planned, for those who know its name and type. */
  readonly planned: <Name extends T["name"]>(task: Name) => Task.Planned<Extract<T, { readonly name: Name }>>
  readonly run: Effect.Effect<Results<T>, Task.Failure<T>, Task.Services<T>>
}

/** A pipeline that cannot be built; the mistake is the programmer's. */
export class PipelineInvalid extends Error {
  override readonly name = "PipelineInvalid"
}

/** How many tasks of one pipeline may run at once; those within a task of it have a bound of their own. */
const concurrency = 4

/**
 * Builds a pipeline.
 *
 * Tasks on one session become a chain, in the order given, where their needs do not order them already: a sibling's
 * statement would otherwise fall into another's savepoint. A task that consists of others works on all of their
 * sessions.
 *
 * @param outside names of tasks of an enclosing pipeline that these may need
 * @throws PipelineInvalid on two tasks of one name, a missing need, or a cycle (which it names)
 */
export const make = <const T extends Task.Any>(
  name: string,
  tasks: ReadonlyArray<T>,
  outside: ReadonlyArray<string> = []
): Pipeline<T> => {
  const invalid = (problem: string): never => {
    throw new PipelineInvalid(`Pipeline "${name}": ${problem}`)
  }
  const indices = new Map<string, number>()
  const waits = new Map<string, Array<string>>()
  const graph = Graph.directed<T, void>((mutable) => {
    for (const task of tasks) {
      if (indices.has(task.name)) invalid(`two tasks are named "${task.name}".`)
      indices.set(task.name, Graph.addNode(mutable, task))
      waits.set(task.name, [])
    }
    for (const task of tasks) {
      for (const need of task.needs) {
        const index = indices.get(need)
        if (index !== undefined) {
          Graph.addEdge(mutable, index, indices.get(task.name)!, undefined)
          waits.get(task.name)!.push(need)
        } else if (!outside.includes(need)) invalid(`task "${task.name}" needs "${need}", which is not in it.`)
      }
    }
  })
  const cycle = Graph.findCycle(graph)
  if (Option.isSome(cycle)) {
    const names = cycle.value.path.map((index) => Option.getOrThrow(Graph.getNode(graph, index)).name)
    invalid(`its tasks need each other in a circle: ${names.join(" -> ")}.`)
  }
  const order = stableOrder(graph, tasks, indices)
  const last = new Map<string, string>()
  for (const task of order) {
    for (const session of task.sessions) {
      const former = last.get(session)
      if (former !== undefined && !waits.get(task.name)!.includes(former)) waits.get(task.name)!.push(former)
      last.set(session, task.name)
    }
  }
  return { name, tasks: order, waits }
}

/** A topological order that keeps the given order wherever the needs allow it. */
const stableOrder = <T extends Task.Any>(
  graph: Graph.DirectedGraph<T, void>,
  tasks: ReadonlyArray<T>,
  indices: ReadonlyMap<string, number>
): ReadonlyArray<T> => {
  const done = new Set<number>()
  const order: Array<T> = []
  while (order.length < tasks.length) {
    for (const task of tasks) {
      const index = indices.get(task.name)!
      if (done.has(index) || !Graph.predecessors(graph, index).every((need) => done.has(need))) continue
      done.add(index)
      order.push(task)
      break
    }
  }
  return order
}

/** Steps by task name. What a single one of them can fail with is only known as one of the pipeline's failures. */
type Steps<T extends Task.Any> = ReadonlyMap<string, StepOf<T>>

type StepOf<T extends Task.Any> = Task.Step<unknown, unknown, Task.Failure<T>, Task.Services<T>, Task.Lookup>

const planSteps = Effect.fnUntraced(function* <T extends Task.Any>(pipeline: Pipeline<T>, outer: Task.Lookup) {
  const steps = new Map<string, StepOf<T>>()
  const planned: Task.Lookup = (name) => (steps.has(name) ? steps.get(name)!.value : outer(name))
  const tasks: Array<PlannedTask> = []
  const scope = new Set<string>()
  /** What tasks have waited for that have nothing to do: those behind them wait for that. */
  const absent = new Map<string, ReadonlyArray<string>>()
  const basis: Record<string, string> = {}
  let stakes: Stakes | undefined
  for (const task of pipeline.tasks) {
    const others = () => pipeline.tasks.filter((other) => other !== task)
    const step = yield* Effect.onError(planStep<T>(task, planned), () => skip(others(), steps))
    steps.set(task.name, step)
    const needs = [...new Set(pipeline.waits.get(task.name)!.flatMap((need) => absent.get(need) ?? [need]))]
    if (step.does === "nothing") {
      absent.set(task.name, needs)
      continue
    }
    Object.assign(basis, step.basis)
    stakes = step.stakes ?? stakes
    for (const name of step.scope ?? []) scope.add(name)
    tasks.push({
      name: task.name,
      title: step.title ?? task.title,
      needs,
      ...(task.session === undefined ? {} : { session: task.session }),
      rows: step.rows
    })
    tasks.push(...(step.inner ?? []).map((inner) => ({ within: task.name, ...inner })))
  }
  const plan: Plan = {
    pipeline: pipeline.name,
    scope: [...scope],
    tasks,
    ...(stakes === undefined ? {} : { stakes }),
    basis,
    digest: digest(basis)
  }
  return { plan, steps: steps as Steps<T> }
})

/** Plans one task. Where that is all of its work, it is heard of now and not in the run; of a failure always. */
const planStep = <T extends Task.Any>(task: T, planned: Task.Lookup) => {
  const step = task.plan(planned) as Effect.Effect<StepOf<T>, Task.Failure<T>, Task.Services<T>>
  const work =
    task.heard === "planning"
      ? told(task, Effect.andThen(started(task), step), () => true)
      : told(task, step, Exit.isFailure)
  return inSpan("plan", task)(work)
}

/** Tells that these tasks are not run, less those that have nothing to do or have done it. */
const skip = Effect.fnUntraced(function* <T extends Task.Any>(
  tasks: ReadonlyArray<T>,
  steps: ReadonlyMap<string, StepOf<T>>
) {
  const publish = yield* RunEvents
  for (const task of tasks) {
    const step = steps.get(task.name)
    if (task.heard === "never" || step?.does === "nothing") continue
    if (step !== undefined && task.heard === "planning") continue
    if (step?.skip !== undefined) yield* step.skip
    yield* publish(RunEvent.cases.TaskSkipped.make({ task: task.name, title: step?.title ?? task.title }))
  }
})

const prepare = <T extends Task.Any>(pipeline: Pipeline<T>) =>
  Effect.map(planSteps(pipeline, unknownTask), ({ plan, steps }) => ({
    plan,
    // A step's value is what its task has planned; the map of all steps cannot say which is whose.
    planned: (task: string) => (steps.get(task)?.value ?? unknownTask(task)) as never,
    run: execute(pipeline, steps, unknownTask),
    skip: skip(pipeline.tasks, steps)
  })).pipe(Effect.withSpan("Pipeline.plan", { attributes: { pipeline: pipeline.name } }))

/**
 * Plans every task, in order, without changing anything, and without what a run holds: others may change meanwhile what
 * the plan rests on. Its `run` takes it.
 */
export const plan = <T extends Task.Any>(
  pipeline: Pipeline<T>
): Effect.Effect<PlannedPipeline<T>, Task.Failure<T>, Task.Services<T>> =>
  Effect.map(prepare(pipeline), (planned) => ({
    plan: planned.plan,
    planned: planned.planned,
    run: held(pipeline, planned.run, planned.skip)
  }))

/**
 * Does `work` with all that tasks of the pipeline hold in a run; where that is not to be had, none of them is begun.
 *
 * @param skipped of a pipeline that is planned: tells that its tasks are not run
 */
const held = <T extends Task.Any, A, E>(
  { tasks }: Pipeline<T>,
  work: Effect.Effect<A, E, Task.Services<T>>,
  skipped?: Effect.Effect<void>
): Effect.Effect<A, E | Task.Failure<T>, Task.Services<T>> =>
  Effect.scopedWith((scope) => {
    const take = Effect.fnUntraced(function* (task: T) {
      const others = tasks.filter((other) => other !== task)
      const taken = Effect.forEach(holdsOf<T>([task]), Scope.provide(scope), { discard: true })
      const heard = told(task, taken, (exit) => skipped === undefined && Exit.isFailure(exit))
      yield* Effect.onError(heard, () => skipped ?? skip(others, new Map()))
    })
    return Effect.andThen(Effect.forEach(tasks, take, { discard: true }), work)
  })

/** What a single task holds is only known as what one of all holds; the scope it is given where it is taken. */
const holdsOf = <T extends Task.Any>(tasks: ReadonlyArray<T>) =>
  tasks.flatMap(({ holds }) => holds) as ReadonlyArray<Effect.Effect<void, Task.Failure<T>, Task.Services<T>>>

/** A run's plan, and what it gave. */
export interface Outcome<T extends Task.Any> {
  readonly plan: Plan
  readonly results: Results<T>
}

const confirmed = Effect.fnUntraced(function* <T extends Task.Any>({
  plan,
  run,
  skip
}: PlannedPipeline<T> & { readonly skip: Effect.Effect<void> }) {
  if (destructive(plan).length > 0) {
    const confirm = yield* Confirmation
    yield* Effect.onError(confirm(plan), () => skip)
  }
  const outcome: Outcome<T> = { plan, results: yield* run }
  return outcome
})

/** Takes what the tasks hold, plans, asks {@link Confirmation} where the plan destroys something, and runs. */
export const run = Effect.fn("Pipeline.run")(function* <T extends Task.Any>(
  pipeline: Pipeline<T>
): Effect.fn.Return<Outcome<T>, Task.Failure<T>, Task.Services<T>> {
  return yield* held(pipeline, Effect.flatMap(prepare(pipeline), confirmed))
})

/** In what a new plan differs from one that was kept. */
const outdated = (kept: Plan, now: Plan): ReadonlyArray<string> => {
  const found = differences(kept.basis, now.basis)
  if (found.length > 0) return found
  const same = kept.pipeline === now.pipeline && isDeepStrictEqual(kept.tasks, now.tasks)
  return same ? [] : ["changed: the steps themselves; another version of the program made the plan, or it was edited"]
}

/** The same for a plan that was kept: plans again, and runs only where that gives the very plan. */
export const runExactly = Effect.fn("Pipeline.runExactly")(function* <T extends Task.Any>(
  pipeline: Pipeline<T>,
  kept: Plan
): Effect.fn.Return<Outcome<T>, Task.Failure<T> | PlanStale, Task.Services<T>> {
  const exactly = Effect.gen(function* () {
    const planned = yield* prepare(pipeline)
    const found = outdated(kept, planned.plan)
    if (found.length === 0) return yield* confirmed(planned)
    yield* planned.skip
    return yield* planStale(found, "untouched")
  })
  return yield* held(pipeline, exactly)
})

const unknownTask: Task.Lookup = (name) => {
  throw new PipelineInvalid(`No task "${name}" has been planned.`)
}

const execute = Effect.fnUntraced(function* <T extends Task.Any>(
  pipeline: Pipeline<T>,
  steps: Steps<T>,
  outer: Task.Lookup
) {
  const results = new Map<string, unknown>()
  const lookup: Task.Lookup = (name) => (results.has(name) ? results.get(name) : outer(name))
  const ended = new Map<string, Deferred.Deferred<void>>()
  const begun = new Set<string>()
  for (const task of pipeline.tasks) ended.set(task.name, yield* Deferred.make<void>())
  const permits = yield* Semaphore.make(concurrency)
  yield* Effect.forEach(
    pipeline.tasks,
    Effect.fnUntraced(function* (planned) {
      for (const need of pipeline.waits.get(planned.name)!) yield* Deferred.await(ended.get(need)!)
      const step = steps.get(planned.name)!
      const task = step.title === undefined ? planned : { ...planned, title: step.title }
      const run = Effect.suspend(() => step.run(lookup))
      const begin = Effect.andThen(
        Effect.sync(() => void begun.add(task.name)),
        started(task)
      )
      const heard = told(task, Effect.andThen(begin, run), () => begun.has(task.name))
      const silent = task.heard !== "running" || step.does === "nothing"
      results.set(task.name, yield* Semaphore.withPermit(permits, silent ? run : inSpan("task", task)(heard)))
      yield* Deferred.succeed(ended.get(task.name)!, undefined)
    }),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    Effect.onError(() =>
      skip(
        pipeline.tasks.filter(({ name }) => !begun.has(name)),
        steps
      )
    )
  )
  return Object.fromEntries(results) as Results<T>
})

/** A span of what is done for a task. */
const inSpan = (name: string, task: Task.Any) =>
  Effect.withSpan(`${name} ${task.name}`, {
    attributes: { task: task.name, ...(task.session === undefined ? {} : { session: task.session }) }
  })

const started = Effect.fnUntraced(function* ({ name, title }: Task.Any) {
  const publish = yield* RunEvents
  yield* publish(RunEvent.cases.TaskStarted.make({ task: name, title }))
})

/** Work for a task, with an end of which listeners and metrics hear, where `heard` says that it is one. */
const told = <A, E, R>(
  { name, title }: Task.Any,
  work: Effect.Effect<A, E, R>,
  heard: (exit: Exit.Exit<A, E>) => boolean
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const publish = yield* RunEvents
    const since = yield* Clock.currentTimeMillis
    return yield* Effect.onExit(work, (exit) =>
      Effect.gen(function* () {
        if (!heard(exit)) return
        const milliseconds = (yield* Clock.currentTimeMillis) - since
        const event = ending({ task: name, title, milliseconds }, Exit.isFailure(exit) ? exit.cause : undefined)
        yield* RunMetrics.ended(event)
        yield* publish(event)
      })
    )
  }).pipe(Effect.provideService(CurrentTask, name))

/**
 * A whole pipeline as one task, with something around its run: a transaction, a lock, a time limit.
 *
 * In the plan the inner tasks stand within it. They may need what this one needs.
 */
export const asTask = <const Name extends string, T extends Task.Any, A, E, R>(
  name: Name,
  options: {
    readonly title: string
    readonly session?: string
    readonly needs: ReadonlyArray<Task.Any>
    readonly pipeline: Pipeline<T>
    readonly around: (run: Effect.Effect<Results<T>, Task.Failure<T>, Task.Services<T>>) => Effect.Effect<A, E, R>
  }
): Task.Task<Name, Plan, A, E | Task.Failure<T>, R | Task.Services<T>> => ({
  name,
  title: options.title,
  session: options.session,
  sessions: [
    ...new Set([
      ...(options.session === undefined ? [] : [options.session]),
      ...options.pipeline.tasks.flatMap(({ sessions }) => sessions)
    ])
  ],
  heard: "running",
  needs: options.needs.map((task) => task.name),
  holds: holdsOf(options.pipeline.tasks),
  plan: (outer) =>
    Effect.map(planSteps(options.pipeline, outer), ({ plan, steps }) => ({
      value: plan,
      rows: [],
      inner: plan.tasks,
      scope: plan.scope,
      basis: plan.basis,
      ...(plan.stakes === undefined ? {} : { stakes: plan.stakes }),
      skip: skip(options.pipeline.tasks, steps),
      run: (results) => options.around(execute(options.pipeline, steps, results))
    }))
})
