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
  file: Schema.String.annotateKey({ description: "The dump's path." }),
  clean: Schema.Boolean.annotateKey({ description: "`--clean`" }),
  cascadeOutside: Schema.Boolean.annotateKey({ description: "`--cascade-outside`" }),
  owner: Schema.Literals(ownerModes).annotateKey({ description: "`--owner`" }),
  grantTo: Schema.Array(Schema.String).annotateKey({ description: "`--grant-to`" }),
  forRoles: Schema.Array(Schema.String).annotateKey({ description: "`--for-role`" }),
  profile: Schema.Literals(profiles).annotateKey({ description: "`--profile`" }),
  verify: Schema.Boolean.annotateKey({ description: "not `--no-verify`" }),
  analyze: Schema.Boolean.annotateKey({ description: "not `--no-analyze`" }),
  acceptUnproven: Schema.Boolean.annotateKey({ description: "`--accept-unproven`" }),
  allowPartialRows: Schema.Boolean.annotateKey({ description: "`--allow-partial-rows`" }),
  backupFirst: Schema.Boolean.annotateKey({ description: "not `--no-backup-first`" }),
  whileInUse: Schema.Boolean.annotateKey({ description: "`--while-in-use`" }),
  jobs: Schema.Int.annotateKey({ description: "`--jobs`" }),
  keepPrevious: Schema.Boolean.annotateKey({ description: "`--keep-previous`" }),
  tune: Schema.Boolean.annotateKey({ description: "not `--no-tune`" })
})

export const SavedPlan = Schema.Struct({
  database: Schema.String.annotateKey({ description: "`user@host:port/database`" }),
  options: Options.annotateKey({ description: "What was asked for." }),
  plan: Plan.annotateKey({ description: "What it comes to." })
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
