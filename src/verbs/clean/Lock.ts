/**
 * Locks what will be dropped, and makes sure that it is still what the plan was made from: between the plan and these
 * locks lie the seconds of the warning, in which others may have worked.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Basis, differences, fact } from "../../pipeline/Basis.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Progress from "../../pipeline/Progress.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as Task from "../../pipeline/Task.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import { describe } from "../../postgres/Blockers.ts"
import { Session, type SessionService } from "../../postgres/Session.ts"
import { facts } from "../../postgres/survey/Facts.ts"
import type { Holder } from "../../postgres/survey/Holders.ts"
import type { CatalogObject } from "../../postgres/survey/Objects.ts"
import { type Survey, survey, type SurveyScope } from "../../postgres/survey/Survey.ts"
import { TargetChanged } from "../VerbError.ts"

/** How long a transaction with these locks waits for others that hold what is to be dropped, unless told. */
export const defaultLockTimeout: Duration.Input = "30 seconds"

/** What a plan rests on. */
export interface LockScope {
  readonly scope: SurveyScope
  readonly survey: Survey
  /** What will go. */
  readonly going: ReadonlyArray<CatalogObject>
  /** Whether something goes besides: then the target is looked at again although no object goes. */
  readonly more: boolean
}

/** How many sessions a plan names. */
const named = 6

const describeHolder = (holder: Holder): string =>
  `${describe(holder)}: it holds ${plural(holder.relations, "table, view or sequence", "tables, views and sequences")}`

/** A survey as what a plan rests on. */
export const basisOf = (survey: Survey): Basis =>
  Object.assign({}, ...facts(survey).map(({ name, state }) => fact(name, state)))

/** Others were at work between plan and run. */
export const changed = (found: ReadonlyArray<string>, database: string): TargetChanged =>
  new TargetChanged({
    message: `${database} has changed since the plan was made: ${plural(found.length, "difference")}.`,
    detail: listed(found).join("\n"),
    suggestion: "Others are at work there. Run it again: the new plan and its warning will name what is there now.",
    state: "rolled-back"
  })

const lockOf = (tables: ReadonlyArray<CatalogObject>): string =>
  `LOCK TABLE ${tables.map(({ identity }) => identity).join(", ")} IN EXCLUSIVE MODE`

/** Locks all that this role may lock. The owner of a schema may drop tables that it may not; DROP locks them then. */
const lockOneByOne = Effect.fnUntraced(function* (session: SessionService, tables: ReadonlyArray<CatalogObject>) {
  const open: Array<string> = []
  for (const table of tables) {
    yield* Effect.catchTag(session.savepoint("pgark lock", session.execute(lockOf([table]))), "PermissionDenied", () =>
      Effect.sync(() => void open.push(table.identity))
    )
  }
  yield* note(
    `${plural(open.length, "table")} could not be locked for want of UPDATE, DELETE or TRUNCATE on them: ` +
      `${listed(open, named).join(", ")}. What others write there until they are dropped is lost, and saved nowhere.`
  )
})

/** SQLSTATE of two sessions that wait for each other: one took the tables in another order. */
const deadlock = "40P01"

/** The savepoint has given back all locks, so that the other session can go on. */
const again = Schedule.exponential("50 millis").pipe(Schedule.jittered)

/**
 * The task. Writers wait from its run on; what they have committed until then is what is replaced.
 *
 * Fails with LockTimeout where others hold the tables for too long, and with what `refuse` makes of the differences
 * where the target is not what the plan says.
 */
export const task = <N extends Task.Needs, E>(options: {
  readonly needs: N
  readonly refuse: (differences: ReadonlyArray<string>, database: string) => E
  readonly what: (needs: Task.PlannedNeeds<N>) => LockScope
}) =>
  Task.make("lock", {
    title: "Lock what goes",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const { scope, survey: planned, going, more } = options.what(needs)
      const tables = going.filter(({ kind, droppable }) => kind === "TABLE" && droppable)
      const sql = lockOf(tables)
      return Effect.succeed({
        value: undefined,
        ...(going.length === 0 && !more ? { does: "nothing" as const } : {}),
        rows:
          tables.length === 0
            ? []
            : [
                Plan.row(`lock ${plural(tables.length, "table")}: writers wait, readers go on`, { sql }),
                ...listed(planned.holders.map(describeHolder), named).map((holder) =>
                  Plan.row(`wait for ${holder}`, { why: "it is at work there now; --lock-timeout says for how long" })
                )
              ],
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            if (tables.length > 0) {
              yield* session.savepoint("pgark lock", session.execute(sql)).pipe(
                Progress.during(`LOCK TABLE of ${plural(tables.length, "table")}: others are at work there`),
                Effect.retry({ times: 6, schedule: again, while: ({ sqlstate }) => sqlstate === deadlock }),
                Effect.catchTag("PermissionDenied", () => lockOneByOne(session, tables)),
                // A table is gone: the survey below says which.
                Effect.catchIf(
                  ({ sqlstate }) => sqlstate === "42P01",
                  () => Effect.void
                )
              )
            }
            const found = differences(basisOf(planned), basisOf(yield* survey(scope)))
            if (found.length > 0) return yield* Effect.fail(options.refuse(found, planned.server.database))
          })
      })
    }
  })
