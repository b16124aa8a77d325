/** A pipeline as data: what each of its tasks would execute. The same rows are executed by a run. */
import * as Schema from "effect/Schema"
import { Basis } from "./Basis.ts"
import { Stakes } from "./Stakes.ts"

/** One thing that a task will do. */
export const PlanRow = Schema.Struct({
  what: Schema.String.annotateKey({ description: "In words, an imperative: `drop 18 tables`." }),
  sql: Schema.optionalKey(Schema.String).annotateKey({ description: "The SQL, as it will be sent." }),
  argv: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "The program and its arguments, as they will be started; no secret is among them."
  }),
  destroys: Schema.Boolean.annotateKey({ description: "Whether data or definitions of the target go away by it." }),
  why: Schema.optionalKey(Schema.String).annotateKey({ description: "Why it is done, or done in this way." })
})
export type PlanRow = typeof PlanRow.Type

/** One task of a plan. */
export const PlannedTask = Schema.Struct({
  name: Schema.String.annotateKey({ description: "Name of the task." }),
  title: Schema.String.annotateKey({ description: "The same for people." }),
  within: Schema.optionalKey(Schema.String).annotateKey({
    description: "The task that this one is a part of: its transaction, for example."
  }),
  needs: Schema.Array(Schema.String).annotateKey({ description: "Names of the tasks that must have ended before." }),
  session: Schema.optionalKey(Schema.String).annotateKey({
    description: "The database session it runs on, where it uses one."
  }),
  rows: Schema.Array(PlanRow).annotateKey({ description: "What it would do." })
})
export type PlannedTask = typeof PlannedTask.Type

/** What a pipeline would do, in the order of its needs. */
export const Plan = Schema.Struct({
  pipeline: Schema.String.annotateKey({ description: "The verb that it is a plan of." }),
  scope: Schema.Array(Schema.String).annotateKey({
    description: "What it is confined to, in words: nothing else is read for it or changed by it."
  }),
  tasks: Schema.Array(PlannedTask).annotateKey({ description: "Its tasks." }),
  stakes: Schema.optionalKey(Stakes).annotateKey({
    description: "What it puts at stake, as one of its tasks has found out; no part of what the plan rests on."
  }),
  basis: Basis.annotateKey({ description: "What it rests on." }),
  digest: Schema.String.annotateKey({ description: "One digest over the basis, 64 hexadecimal digits." })
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
