/** A restore's plan as a file: what was asked for, of which database, and the plan itself. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Plan } from "../pipeline/Plan.ts"
import { problemFields } from "../postgres/DatabaseError.ts"
import { profiles } from "../postgres/Grants.ts"
import { type RestoreOptions, settled } from "./restore/RestoreOptions.ts"
import { ownerModes } from "./restore/StatementPolicy.ts"

/** What a restore can be asked for, as far as a plan depends on it. */
const Options = Schema.Struct({
  /** The dump's path. */
  file: Schema.String,
  clean: Schema.Boolean,
  cascadeOutside: Schema.Boolean,
  owner: Schema.Literals(ownerModes),
  grantTo: Schema.Array(Schema.String),
  forRoles: Schema.Array(Schema.String),
  profile: Schema.Literals(profiles),
  verify: Schema.Boolean,
  analyze: Schema.Boolean,
  acceptUnproven: Schema.Boolean,
  allowPartialRows: Schema.Boolean,
  backupFirst: Schema.Boolean,
  whileInUse: Schema.Boolean
})

export const SavedPlan = Schema.Struct({
  /** `user@host:port/database` */
  database: Schema.String,
  options: Options,
  plan: Plan
})
export type SavedPlan = typeof SavedPlan.Type

/** A plan file that cannot be used (exit code 2). */
export class PlanInvalid extends Schema.TaggedError<PlanInvalid>()("PlanInvalid", problemFields) {}

/** What a plan file keeps of options; `file` is the dump that was chosen. */
export const savedOptions = (options: RestoreOptions, file: string): SavedPlan["options"] => {
  const {
    lockTimeout: _lockTimeout,
    wait: _wait,
    exact: _exact,
    plan: _plan,
    several: _several,
    ...kept
  } = settled(options)
  return { ...kept, file }
}

/** Reads a plan's JSON. Fails with PlanInvalid where it is none, or of another database. */
export const decode = Effect.fn("SavedPlan.decode")(function* (
  text: string,
  file: string,
  database: string
): Effect.fn.Return<SavedPlan, PlanInvalid> {
  const saved = yield* Schema.decodeEffect(Schema.fromJsonString(SavedPlan))(text).pipe(
    Effect.mapError(
      ({ message }) =>
        new PlanInvalid({
          message: `${file} is no plan of a restore.`,
          detail: message,
          suggestion: "Make one with `pgark restore … --dry-run --plan json > plan.json`.",
          state: "untouched"
        })
    )
  )
  if (saved.database === database) return saved
  return yield* new PlanInvalid({
    message: `The plan ${file} is for ${saved.database}, and this is ${database}.`,
    suggestion: "Connect to the database that the plan was made for, as the same role, or make a new plan.",
    state: "untouched"
  })
})
