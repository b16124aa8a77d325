/** A pipeline as data: what each of its tasks would execute. The same rows are executed by a run. */
import * as Schema from "effect/Schema"
import { Basis } from "./Basis.ts"

/** One thing that a task will do. */
export const PlanRow = Schema.Struct({
  /** In words, an imperative: `drop 18 tables`. */
  what: Schema.String,
  /** The SQL, as it will be sent. */
  sql: Schema.optionalKey(Schema.String),
  /** The program and its arguments, as they will be started; no secret is among them. */
  argv: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Whether data or definitions of the target go away by it. */
  destroys: Schema.Boolean,
  /** Why it is done, or done in this way. */
  why: Schema.optionalKey(Schema.String)
})
export type PlanRow = typeof PlanRow.Type

/** One task of a plan. */
export const PlannedTask = Schema.Struct({
  name: Schema.String,
  title: Schema.String,
  /** The task that this one is a part of: its transaction, for example. */
  within: Schema.optionalKey(Schema.String),
  /** Names of the tasks that must have ended before. */
  needs: Schema.Array(Schema.String),
  /** The database session it runs on, where it uses one. */
  session: Schema.optionalKey(Schema.String),
  rows: Schema.Array(PlanRow)
})
export type PlannedTask = typeof PlannedTask.Type

/** What a pipeline would do, in the order of its needs. */
export const Plan = Schema.Struct({
  pipeline: Schema.String,
  /** What it is confined to, in words: nothing else is read for it or changed by it. */
  scope: Schema.Array(Schema.String),
  tasks: Schema.Array(PlannedTask),
  /** What it rests on. */
  basis: Basis,
  /** One digest over the basis, 64 hexadecimal digits. */
  digest: Schema.String
})
export type Plan = typeof Plan.Type

/** A row that changes nothing that was there. */
export const row = (what: string, more: Partial<Omit<PlanRow, "what">> = {}): PlanRow => ({
  what,
  destroys: false,
  ...more
})

/** The rows that take something away from the target. */
export const destructive = (plan: Plan): ReadonlyArray<PlanRow> =>
  plan.tasks.flatMap((task) => task.rows.filter((candidate) => candidate.destroys))
