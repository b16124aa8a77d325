/**
 * A named, typed step of a verb.
 *
 * A task is planned first: an Effect that only reads and gives a {@link Step}, which is the rows of the plan together
 * with the Effect that does exactly these rows. A dry run stops there; a run goes on with the same step. So what was
 * shown is what is done.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Basis } from "./Basis.ts"
import { type Limits, limited, type TimedOut } from "./Limits.ts"
import type { PlannedTask, PlanRow } from "./Plan.ts"
import type { Stakes } from "./Stakes.ts"

/** What planning a task gives. */
export interface Step<out V, out A, out E, out R, in Results> {
  /** What is done, where that was open before it was planned: instead of the task's own title. */
  readonly title?: string
  /** What later tasks may know when they are planned. */
  readonly value: V
  readonly rows: ReadonlyArray<PlanRow>
  /** The tasks that it consists of, where it is a pipeline itself. */
  readonly inner?: ReadonlyArray<PlannedTask>
  /** What the pipeline is confined to, as this task has found out. */
  readonly scope?: ReadonlyArray<string>
  /** What the rows rest on. */
  readonly basis?: Basis
  /** What the pipeline puts at stake, as this task has found out. */
  readonly stakes?: Stakes
  /** There is nothing to do, and nobody hears of it. */
  readonly does?: "nothing"
  /** Of a task that consists of others: tells the listeners that these are not run. */
  readonly skip?: Effect.Effect<void>
  /** Does the rows. It is given the results of the tasks that it needs. */
  readonly run: (results: Results) => Effect.Effect<A, E, R>
}

/** Values by task, as a pipeline hands them to its tasks. */
export type Lookup = (task: string) => unknown

/**
 * @typeParam V what is known once it is planned
 * @typeParam A what its run gives
 */
export interface Task<out Name extends string, out V, out A, out E, out R> {
  readonly name: Name
  readonly title: string
  /** The database session it works on: tasks of one session never overlap. */
  readonly session: string | undefined
  /** That session, and those of the tasks that it consists of. */
  readonly sessions: ReadonlyArray<string>
  /** When listeners hear of it: a task that only reads has done all of its work when it is planned. */
  readonly heard: "planning" | "running" | "never"
  readonly needs: ReadonlyArray<string>
  /** What a run takes before it plans, as {@link holding} says; of a task that consists of others what these take. */
  readonly holds: ReadonlyArray<Effect.Effect<void, E, R | Scope.Scope>>
  readonly plan: (planned: Lookup) => Effect.Effect<Step<V, A, E, R, Lookup>, E, R>
}

/** Any task. */
export type Any = Task<string, unknown, unknown, unknown, unknown>

/** Tasks by the name under which another one refers to them. */
export type Needs = Readonly<Record<string, Any>>

export type Planned<T> = T extends Task<string, infer V, infer _A, infer _E, infer _R> ? V : never
export type Result<T> = T extends Task<string, infer _V, infer A, infer _E, infer _R> ? A : never
export type Failure<T> = T extends Task<string, infer _V, infer _A, infer E, infer _R> ? E : never
export type Services<T> = T extends Task<string, infer _V, infer _A, infer _E, infer R> ? R : never

/** What tasks that are needed have planned, as `plan` is given it. */
export type PlannedNeeds<N extends Needs> = { readonly [K in keyof N]: Planned<N[K]> }
/** What tasks that are needed have given, as a step's `run` is given it. */
export type ResultsOfNeeds<N extends Needs> = { readonly [K in keyof N]: Result<N[K]> }

const pick = (needs: Needs, lookup: Lookup): Record<string, unknown> =>
  Object.fromEntries(Object.entries(needs).map(([key, task]) => [key, lookup(task.name)]))

/**
 * Makes a task. Its type has every failure and every requirement of `plan` and of the step's `run`.
 *
 * @param options.needs the tasks whose planned values `plan`, and whose results the step's `run`, are given
 * @param options.after names of tasks that must have ended before, without a value from them
 */
export const make = <
  const Name extends string,
  V,
  A,
  E = never,
  R = never,
  E2 = never,
  R2 = never,
  const N extends Needs = {}
>(
  name: Name,
  options: {
    readonly title: string
    readonly session?: string
    readonly needs?: N
    readonly after?: ReadonlyArray<string>
    readonly plan: (needs: PlannedNeeds<N>) => Effect.Effect<Step<V, A, E2, R2, ResultsOfNeeds<N>>, E, R>
  }
): Task<Name, V, A, E | E2, R | R2> => {
  const needs: Needs = options.needs ?? {}
  return {
    name,
    title: options.title,
    session: options.session,
    sessions: options.session === undefined ? [] : [options.session],
    heard: "running",
    needs: [...Object.values(needs).map((task) => task.name), ...(options.after ?? [])],
    holds: [],
    // The lookup holds under each name what the task of that name gave; the record's type says the same.
    plan: (planned) =>
      Effect.map(options.plan(pick(needs, planned) as PlannedNeeds<N>), (step) => ({
        ...step,
        run: (results) => step.run(pick(needs, results) as ResultsOfNeeds<N>)
      }))
  }
}

/** A task that only reads: what it finds is known when it is planned, and a run has nothing left to do. */
export const read = <const Name extends string, V, E, R, const N extends Needs = {}>(
  name: Name,
  options: {
    readonly title: string
    readonly session?: string
    readonly needs?: N
    readonly plan: (needs: PlannedNeeds<N>) => Effect.Effect<V, E, R>
    readonly rows?: (value: V) => ReadonlyArray<PlanRow>
    readonly scope?: (value: V) => ReadonlyArray<string>
    readonly basis?: (value: V) => Basis
    readonly stakes?: (value: V) => Stakes | undefined
  }
): Task<Name, V, V, E, R> => ({
  ...make<Name, V, V, E, R, never, never, N>(name, {
    title: options.title,
    ...(options.session === undefined ? {} : { session: options.session }),
    ...(options.needs === undefined ? {} : { needs: options.needs }),
    plan: (needs) =>
      Effect.map(options.plan(needs), (value) => {
        const stakes = options.stakes?.(value)
        return {
          value,
          rows: options.rows?.(value) ?? [],
          ...(options.scope === undefined ? {} : { scope: options.scope(value) }),
          ...(options.basis === undefined ? {} : { basis: options.basis(value) }),
          ...(stakes === undefined ? {} : { stakes }),
          run: () => Effect.succeed(value)
        }
      })
  }),
  heard: "planning"
})

/**
 * The task with a retry policy, a time limit, or both: what belongs to it besides its work. A limit adds TaskTimeout to
 * its failures.
 *
 *     Task.withLimits(copy, { retry: { schedule: Schedule.recurs(3), while: isTransient }, timeout: "5 minutes" })
 */
export const withLimits = <Name extends string, V, A, E, R, L extends Duration.Input | undefined = undefined>(
  task: Task<Name, V, A, E, R>,
  limits: Limits<NoInfer<E>, L>
): Task<Name, V, A, E | TimedOut<L>, R> => {
  const inTime = <B>(effect: Effect.Effect<B, E, R>) => limited<B, E, R, L>(task.name, limits, effect)
  return {
    ...task,
    plan: (planned) =>
      Effect.map(inTime(task.plan(planned)), (step) => ({ ...step, run: (results) => inTime(step.run(results)) }))
  }
}

/**
 * One of two tasks that reach the same end, chosen by what another one has planned. They have the same name, session and
 * needs.
 */
export const either = <Name extends string, D extends Any, V, A, E, R, V2, A2, E2, R2>(
  by: D,
  first: (planned: Planned<D>) => boolean,
  one: Task<Name, V, A, E, R>,
  other: Task<Name, V2, A2, E2, R2>
): Task<Name, V | V2, A | A2, E | E2, R | R2> => ({
  ...one,
  holds: [...one.holds, ...other.holds],
  plan: (planned) =>
    Effect.suspend((): Effect.Effect<Step<V | V2, A | A2, E | E2, R | R2, Lookup>, E | E2, R | R2> =>
      // The lookup holds under each name what the task of that name has planned.
      first(planned(by.name) as Planned<D>)
        ? one.plan(planned)
        : Effect.map(other.plan(planned), (step) => ({ title: other.title, ...step }))
    )
})

/**
 * The task with something that a run must have from before anything is planned until it has ended: a lock that keeps
 * others from changing what the plan rests on. The finalizers of `hold` give it back. A pipeline that is only planned
 * does not take it.
 */
export const holding = <Name extends string, V, A, E, R, E2, R2>(
  task: Task<Name, V, A, E, R>,
  hold: Effect.Effect<void, E2, R2>
): Task<Name, V, A, E | E2, R | Exclude<R2, Scope.Scope>> => ({
  ...task,
  // With a scope it needs what it needs without one, which the compiler cannot see of a type it does not know.
  holds: [...task.holds, hold as Effect.Effect<void, E2, Exclude<R2, Scope.Scope> | Scope.Scope>]
})

/** The task where `enabled`; otherwise one in its place that does nothing and gives `undefined`. */
export const when = <Name extends string, V, A, E, R>(
  enabled: boolean,
  task: Task<Name, V, A, E, R>
): Task<Name, V | undefined, A | undefined, E, R> =>
  enabled
    ? task
    : {
        ...task,
        heard: "never",
        holds: [],
        plan: () =>
          Effect.succeed({ value: undefined, rows: [], does: "nothing" as const, run: () => Effect.undefined })
      }
