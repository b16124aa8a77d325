/** The verb clean: empties schemas, by the best way that this role's rights allow. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { committed, note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import { listed, plural } from "../pipeline/Words.ts"
import type { DatabaseError, PermissionDenied } from "../postgres/DatabaseError.ts"
import { quote } from "../postgres/Identifier.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import { type Survey, survey } from "../postgres/survey/Survey.ts"
import { type Blocker, choose, type Ladder, type Rung } from "./Ladder.ts"
import { CleanRefused, noSuchSchema, type SchemaMissing } from "./VerbError.ts"

/** What the clean step did. */
export interface CleanReport {
  /** The rung of the ladder that was taken, 0 where there was nothing to drop. */
  readonly rung: 0 | 1 | 2
  readonly why: string
  /** The statements that destroyed something, in words. */
  readonly dropped: ReadonlyArray<string>
  /** What other roles own and what therefore stayed. */
  readonly stays: ReadonlyArray<string>
}

const refused = (blockers: ReadonlyArray<Blocker>, role: string): CleanRefused => {
  const lines = blockers.map(({ what, owner, why }) => `${what}, owned by ${quote(owner)}: ${why}`)
  return new CleanRefused({
    message: `The role ${quote(role)} cannot empty the target: ${plural(blockers.length, "object is", "objects are")} in the way.`,
    detail: listed(lines).join("\n"),
    suggestion: [
      "One of these helps:",
      `own the schema (ALTER SCHEMA … OWNER TO ${quote(role)}),`,
      `own the objects (ALTER TABLE … OWNER TO ${quote(role)}, or GRANT their owner TO ${quote(role)}),`,
      "or have their owner drop or move them first."
    ].join("\n"),
    state: "untouched",
    blockers
  })
}

const climb = (session: SessionService, rung: Rung): Effect.Effect<CleanReport, DatabaseError> =>
  Effect.as(
    session.savepoint(
      `pgark rung ${rung.rung}`,
      Effect.forEach(rung.statements, ({ sql }) => session.execute(sql), { discard: true })
    ),
    {
      rung: rung.rung,
      why: rung.why,
      dropped: rung.statements.filter(({ destroys }) => destroys).map(({ what }) => what),
      stays: rung.stays
    }
  )

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

const run = (
  session: SessionService,
  ladder: Ladder,
  role: string
): Effect.Effect<CleanReport, Exclude<DatabaseError, PermissionDenied> | CleanRefused> => {
  const [first, second] = ladder.rungs
  if (first === undefined) return Effect.succeed({ rung: 0, why: "nothing was there", dropped: [], stays: [] })
  const climbed = climb(session, first)
  const withFallback =
    second === undefined
      ? climbed
      : Effect.catchTag(climbed, "PermissionDenied", (error) =>
          Effect.andThen(
            note(`DROP SCHEMA was denied (${error.message}); its content is dropped object by object instead.`),
            climb(session, { ...second, why: error.message })
          )
        )
  return Effect.catchTag(withFallback, "PermissionDenied", denied(role))
}

/**
 * Empties the surveyed schemas within a transaction that is open on the session "target".
 *
 * Planning fails with CleanRefused where something is in the way. In a run PermissionDenied falls back from the first
 * rung to the second, and is gone from the error type.
 *
 * @param wanted names that will be created afterwards; see {@link choose}
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly survey: (needs: Task.PlannedNeeds<N>) => {
    readonly survey: Survey
    readonly wanted?: ReadonlySet<string>
  }
}) =>
  Task.make("clean", {
    title: "Empty the target",
    session: "target",
    needs: options.needs,
    plan: Effect.fnUntraced(function* (needs) {
      const found = options.survey(needs)
      const role = found.survey.role.name
      const ladder = choose(found.survey, found.wanted)
      if (ladder.blockers.length > 0) return yield* refused(ladder.blockers, role)
      const [first] = ladder.rungs
      return {
        value: ladder,
        rows:
          first === undefined
            ? [Plan.row("nothing to drop: the schemas are empty")]
            : [
                ...first.statements.map(({ sql, what, destroys }, index) =>
                  Plan.row(what, { sql, destroys, ...(index === 0 ? { why: `rung ${first.rung}: ${first.why}` } : {}) })
                ),
                ...first.stays.map((what) => Plan.row(`leave ${what}`))
              ],
        run: () => Effect.flatMap(Session, (session) => run(session, ladder, role))
      }
    })
  })

/** Reads the schemas of a target, all of which must exist. */
const look = (schemas: ReadonlyArray<string>) =>
  Task.read("survey", {
    title: "Survey the target",
    session: "target",
    scope: () => schemas.map((schema) => `schema ${schema}`),
    plan: Effect.fnUntraced(function* () {
      const found = yield* survey(schemas)
      const missing = found.schemas.find(({ exists }) => !exists)
      if (missing !== undefined) return yield* noSuchSchema(missing.name, found.server.database)
      return found
    })
  })

/** The verb by itself, in one transaction. */
export const pipeline = (options: { readonly schemas: ReadonlyArray<string> }) => {
  const surveyed = look(options.schemas)
  const cleaned = task({ needs: { surveyed }, survey: ({ surveyed }) => ({ survey: surveyed }) })
  return Pipeline.make(`clean ${options.schemas.map(quote).join(", ")}`, [
    surveyed,
    Pipeline.asTask("transaction", {
      title: "Clean in one transaction",
      session: "target",
      needs: [surveyed],
      pipeline: Pipeline.make("clean", [cleaned], [surveyed.name]),
      around: (inner) =>
        Effect.gen(function* () {
          const session = yield* Session
          const { clean } = yield* session.transaction(inner)
          yield* committed("the clean step was committed")
          return clean
        })
    })
  ])
}

/**
 * Empties schemas: all of it or nothing.
 *
 * Fails with CleanRefused (nothing changed) where this role may not, SchemaMissing for an unknown name, and otherwise
 * with what the server refused, rolled back.
 */
export const clean = Effect.fn("Clean.clean")(function* (options: {
  readonly schemas: ReadonlyArray<string>
}): Effect.fn.Return<CleanReport, DatabaseError | CleanRefused | SchemaMissing, Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.transaction
})
