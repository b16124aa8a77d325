/** The verb clean: empties schemas, by the best way that this role's rights allow. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import * as Progress from "../pipeline/Progress.ts"
import { changing, note } from "../pipeline/RunEvent.ts"
import type { Stakes as StakesFound } from "../pipeline/Stakes.ts"
import * as Task from "../pipeline/Task.ts"
import { listed } from "../pipeline/Words.ts"
import type { DatabaseError, PermissionDenied } from "../postgres/DatabaseError.ts"
import { quote } from "../postgres/Identifier.ts"
import * as LockLimit from "../postgres/LockLimit.ts"
import * as Retrying from "../postgres/Retrying.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import { type Survey, survey } from "../postgres/survey/Survey.ts"
import { describeObject, refused } from "./clean/Blocker.ts"
import * as Dependents from "./clean/Dependents.ts"
import { choose, type Ladder, lost, type Rung, type RungStatement, type Wish } from "./clean/Ladder.ts"
import * as Lock from "./clean/Lock.ts"
import * as Stakes from "./Stakes.ts"
import { hold, type HoldOptions } from "./TargetHold.ts"
import {
  type CleanBlocked,
  CleanRefused,
  noSuchSchema,
  type SchemaMissing,
  type TargetBusy,
  type TargetChanged
} from "./VerbError.ts"

/** What the clean step did. */
export const CleanReport = Schema.Struct({
  rung: Schema.Literals([0, 1, 2]).annotateKey({
    description:
      "The rung of the ladder that was taken: 0 nothing was there to drop, 1 the schema was dropped and put back, 2 it was " +
      "kept and its content dropped."
  }),
  why: Schema.String.annotateKey({ description: "Why this rung." }),
  dropped: Schema.Array(Schema.String).annotateKey({
    description: "The statements that destroyed something, in words."
  }),
  stays: Schema.Array(Schema.String).annotateKey({ description: "What other roles own and what therefore stayed." }),
  lost: Schema.Array(Schema.String).annotateKey({ description: "What went and is not created again." }),
  outside: Schema.Array(Schema.String).annotateKey({
    description: "What stood outside of the schemas and went, too, for good."
  })
})
export type CleanReport = typeof CleanReport.Type

/** Those that destroy something, in words. */
export const destroyed = (statements: ReadonlyArray<RungStatement>) =>
  statements.filter(({ destroys }) => destroys).map(({ what }) => what)

const climb = (session: SessionService, rung: Rung): Effect.Effect<Climbed, DatabaseError> =>
  Effect.as(
    session.savepoint(
      `pgark rung ${rung.rung}`,
      Progress.each(rung.statements, { what: "dropped", unit: "statements", name: ({ what }) => what }, ({ sql }) =>
        session.execute(sql)
      )
    ),
    { rung: rung.rung, why: rung.why, dropped: destroyed(rung.statements), stays: rung.stays }
  )
type Climbed = Omit<CleanReport, "lost" | "outside">

/** What no survey could see: the last rung was denied too, and its savepoint rolled back. */
const denied = (role: string) => (error: PermissionDenied) =>
  Effect.fail(
    new CleanRefused({
      message: `The role ${quote(role)} may not drop everything: ${error.message}`,
      ...(error.statement === undefined ? {} : { detail: error.statement }),
      suggestion: `Own the schema or the objects, or GRANT their owner TO ${quote(role)}.`,
      state: "rolled-back",
      blockers: []
    })
  )

/**
 * What the clean step can fail with. PermissionDenied is not among it: the ladder has handled it, by the next rung or, on
 * the last one, by CleanRefused. The verbs have it still, by what they do around this step: the survey reads catalogues
 * that may be closed to a role, and a COMMIT runs deferred triggers.
 */
export type CleanStepError = CleanBlocked | CleanRefused | Exclude<DatabaseError, PermissionDenied>

const run = (
  session: SessionService,
  { beside, rungs: [first, second] }: Ladder,
  role: string
): Effect.Effect<Climbed, CleanStepError> => {
  const fallBack = (climbed: Effect.Effect<Climbed, DatabaseError>) =>
    second === undefined
      ? climbed
      : Effect.catchTag(climbed, "PermissionDenied", (error) =>
          Effect.andThen(
            note(`Dropping the schema was denied (${error.message}); it is kept and its content dropped.`),
            climb(session, { ...second, why: error.message })
          )
        )
  const climbed: Effect.Effect<Climbed, DatabaseError> =
    first === undefined
      ? Effect.succeed({ rung: 0, why: "nothing was there", dropped: [], stays: [] })
      : fallBack(climb(session, first))
  return Effect.gen(function* () {
    for (const { sql } of beside) yield* session.execute(sql)
    const report = yield* climbed
    return { ...report, dropped: [...destroyed(beside), ...report.dropped] }
  }).pipe(Effect.catchTag("PermissionDenied", denied(role)))
}

const planned = ({ rungs: [first], ...ladder }: Ladder): Ladder => ({
  ...ladder,
  rungs: first === undefined ? [] : [first]
})

const row = ({ sql, what, destroys }: RungStatement) => Plan.row(what, { sql, destroys })

/** What is to be emptied. */
export interface Emptying {
  readonly survey: Survey
  /** What will be created afterwards, where something will be. */
  readonly wish?: Wish
}

/** What the ladder makes of it. Fails with CleanRefused or CleanBlocked where something is in the way. */
export const decided = Effect.fnUntraced(function* ({ survey, wish }: Emptying, cascadeOutside: boolean | undefined) {
  const ladder = choose(survey, wish, cascadeOutside)
  if (ladder.blockers.length > 0) return yield* refused(ladder.blockers, survey.role.name, "empty the target")
  return {
    ladder,
    lost: wish === undefined ? [] : lost(survey, wish).map(describeObject),
    outside: ladder.outside.map(Dependents.describe)
  }
})

/** What a rung comes to, as the reason of its statements. */
const ways = {
  1: "the schema is dropped and put back",
  2: "the schema is kept, and its content dropped"
} satisfies Record<Rung["rung"], string>

/** Rows of a plan that empties by this rung. */
export const rowsOf = (
  { wish }: Emptying,
  { ladder, lost, outside }: Effect.Success<ReturnType<typeof decided>>,
  rung: Rung | undefined
) => [
  ...(outside.length === 0
    ? []
    : [
        Plan.row(`lose what stands outside of the schemas: ${outside.join(", ")}`, {
          destroys: true,
          why: "it depends on what goes (--cascade-outside), and no undo brings it back"
        })
      ]),
  ...ladder.beside.map(row),
  ...(rung === undefined
    ? [Plan.row("nothing to drop: the schemas are empty")]
    : rung.statements.map((statement, index) => ({
        ...row(statement),
        ...(index === 0 ? { why: `${ways[rung.rung]}: ${rung.why}` } : {})
      }))),
  ...(lost.length === 0
    ? []
    : [
        Plan.row(`of these the dump does not bring back: ${listed(lost, 6).join(", ")}`, {
          destroys: true,
          ...(wish?.leftOut === undefined ? {} : { why: `it was made with ${wish.leftOut}` })
        })
      ]),
  ...(rung?.stays ?? []).map((what) => Plan.row(`leave ${what}`))
]

/**
 * Empties the surveyed schemas within a transaction that is open on the session "target".
 *
 * Planning fails with CleanRefused where something is in the way. In a run PermissionDenied falls back from the first
 * rung to the second, and is gone from the error type ({@link CleanStepError}).
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  /** Take the planned rung or none: there is no falling back from a plan that is run as it is. */
  readonly exact?: boolean
  /** Let go, too, what needs what goes and stands outside of the schemas, as far as this role may drop it. */
  readonly cascadeOutside?: boolean | undefined
  readonly survey: (needs: Task.PlannedNeeds<N>) => Emptying
}): Task.Task<"clean", Ladder, CleanReport, CleanStepError, Session> =>
  Task.make("clean", {
    title: "Empty the target",
    session: "target",
    needs: options.needs,
    plan: Effect.fnUntraced(function* (needs) {
      const emptying = options.survey(needs)
      const found = yield* decided(emptying, options.cascadeOutside)
      const { ladder, lost, outside } = found
      return {
        value: ladder,
        rows: rowsOf(emptying, found, ladder.rungs[0]),
        run: () =>
          Effect.flatMap(Session, (session) =>
            Effect.map(
              run(session, options.exact === true ? planned(ladder) : ladder, emptying.survey.role.name),
              (report): CleanReport => ({ ...report, lost, outside })
            )
          )
      }
    })
  })

interface Looked {
  readonly found: Survey
  /** Absent where nothing goes. */
  readonly stakes: StakesFound | undefined
}

/** Reads the schemas of a target, all of which must exist. */
const look = ({ lockTimeout = Lock.defaultLockTimeout, schemas }: CleanOptions) =>
  Task.withLimits(
    Task.read("survey", {
      title: "Survey the target",
      session: "target",
      scope: () => schemas.map((schema) => `schema ${schema}`),
      plan: Effect.fnUntraced(function* () {
        const found = yield* LockLimit.reading(lockTimeout, survey({ schemas }))
        const missing = found.schemas.find(({ exists }) => !exists)
        if (missing !== undefined) return yield* noSuchSchema(missing.name, found.server.database)
        const objects = found.objects.filter(({ droppable, extension }) => droppable && extension === null)
        const stakes =
          objects.length === 0 ? undefined : yield* Stakes.read({ survey: found, objects, largeObjects: [] }, null)
        const looked: Looked = { found, stakes }
        return looked
      }),
      basis: ({ found }: Looked) => Lock.basisOf(found),
      stakes: ({ stakes }: Looked) => stakes
    }),
    { retry: Retrying.reads }
  )

export interface CleanOptions extends HoldOptions {
  readonly schemas: ReadonlyArray<string>
  /** How long others may hold what is to be dropped before the clean step gives up; 30 seconds unless told. */
  readonly lockTimeout?: Duration.Input
  /**
   * Drop what stands outside of the schemas and depends on what goes, by name, as far as this role may: it is lost. Not
   * unless told: then it is in the way.
   */
  readonly cascadeOutside?: boolean
}

/** The verb by itself, in one transaction. */
export const pipeline = (options: CleanOptions) => {
  const { schemas } = options
  const surveyed = Task.holding(look(options), hold(options))
  const locked = Lock.task({
    needs: { surveyed },
    refuse: Lock.changed,
    what: ({ surveyed }) => ({
      scope: { schemas },
      survey: surveyed.found,
      going: surveyed.found.objects.filter(({ extension }) => extension === null),
      more: false
    })
  })
  const cleaned = task({
    needs: { surveyed },
    cascadeOutside: options.cascadeOutside,
    survey: ({ surveyed }) => ({ survey: surveyed.found })
  })
  return Pipeline.make("clean", [
    surveyed,
    Pipeline.asTask("transaction", {
      title: "Clean in one transaction",
      session: "target",
      needs: [surveyed],
      pipeline: Pipeline.make("clean", [locked, cleaned], [surveyed.name]),
      around: (inner) =>
        Effect.gen(function* () {
          const session = yield* Session
          const { clean } = yield* session.transaction(inner, {
            ...changing("the clean step"),
            lockTimeout: options.lockTimeout ?? Lock.defaultLockTimeout
          })
          return clean
        })
    })
  ])
}

/**
 * Empties schemas of all that this role may drop, in one transaction; what stays is in the report.
 *
 * Fails with CleanRefused (nothing changed) where it may drop nothing, or something is in the way, with CleanBlocked where
 * no right is missing but a decision; SchemaMissing for an unknown name, TargetBusy where another pgark is at work there,
 * TargetChanged where others were in between, and otherwise with what the server refused, rolled back.
 */
export const clean = Effect.fn("Clean.clean")(function* (
  options: CleanOptions
): Effect.fn.Return<
  CleanReport,
  DatabaseError | CleanBlocked | CleanRefused | PoolerInBetween | SchemaMissing | TargetBusy | TargetChanged,
  Session | SqlClient.SqlClient
> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.transaction
})
