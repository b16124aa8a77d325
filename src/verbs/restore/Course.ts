/** How a restore, or its undoing, goes: proof, survey, the replacing in one transaction or in several, statistics. */
import * as Effect from "effect/Effect"
import type { DumpStore } from "../../dumps/DumpStore.ts"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import * as Plan from "../../pipeline/Plan.ts"
import * as Progress from "../../pipeline/Progress.ts"
import { changing, note } from "../../pipeline/RunEvent.ts"
import * as Task from "../../pipeline/Task.ts"
import { Session } from "../../postgres/Session.ts"
import * as Lock from "../clean/Lock.ts"
import type * as DumpProof from "./DumpProof.ts"
import * as Journaling from "./Journaling.ts"
import { tableKey } from "./Statements.ts"
import { orBack, type Recover } from "./several/WayBack.ts"
import { make, type StepOptions } from "./Steps.ts"

/** What is done, and how what was there comes back when several transactions fail. */
export interface CourseOptions<E, R, T extends Task.Any, E2> extends StepOptions<E, R, T> {
  /** None where this is the way back itself. */
  readonly recover?: Recover<E2>
}

/** After the commit, so that a failure here takes nothing back. */
const analyzeTask = (proof: DumpProof.ProofTask) =>
  Task.make("analyze", {
    title: "Analyze the restored tables",
    session: "target",
    needs: { proof },
    after: ["transaction"],
    plan: ({ proof }) => {
      const tables = proof.contents.tables.map(tableKey)
      const analyze = Effect.gen(function* () {
        const session = yield* Session
        const work = (table: string) => session.execute(`ANALYZE ${table}`)
        yield* Progress.each(tables, { what: "analyzed", unit: "tables", name: (table) => `ANALYZE ${table}` }, work)
      })
      return Effect.succeed({
        value: undefined,
        ...(tables.length === 0 ? { does: "nothing" as const } : {}),
        rows: [
          Plan.row("gather statistics for the planner", {
            sql: tables.map((table) => `ANALYZE ${table}`).join("; ")
          })
        ],
        run: () =>
          Effect.catch(analyze, ({ message }) =>
            note(`Statistics were not gathered (${message}); run ANALYZE when it suits.`)
          )
      })
    }
  })

/**
 * The graph of these steps.
 *
 * @param name what the whole is called: it stands in plans
 * @throws PipelineInvalid where a task of the caller has the name of one of these, or needs one that is not there
 */
export const pipeline = <const Name extends string, E, R, const T extends Task.Any, E2>(
  name: Name,
  { recover, ...given }: CourseOptions<E, R, T, E2>
) => {
  const { options, proof, surveyed, undoes } = given
  const steps = make(given)
  const outside = [proof.name, surveyed.name]
  const what = undoes === undefined ? "the restore" : "the undoing"
  const { begun, committed, uncertain } = changing(what)
  const lockTimeout = options.lockTimeout ?? Lock.defaultLockTimeout

  const one = Pipeline.asTask("transaction", {
    title: undoes === undefined ? "Restore in one transaction" : "Bring back in one transaction",
    session: "target",
    needs: [proof, surveyed],
    pipeline: Pipeline.make(
      "transaction",
      [
        steps.lock,
        steps.save,
        steps.clean,
        steps.apply,
        steps.rights,
        steps.grant,
        steps.verify,
        steps.own,
        steps.owners
      ],
      outside
    ),
    around: (run) =>
      Effect.gen(function* () {
        const session = yield* Session
        const { backup, clean, grant, owners, tasks, verify } = yield* session.transaction(run, {
          begun,
          committed,
          uncertain,
          committing: Journaling.update,
          lockTimeout
        })
        return { apply: owners, backup, clean, grant, tasks, verify }
      }).pipe(Journaling.within)
  })

  const secure = Pipeline.asTask("secure", {
    title: "Lock and save what goes",
    session: "target",
    needs: [proof, surveyed],
    pipeline: Pipeline.make("secure", [steps.sessions, steps.lock, steps.save, steps.aside], outside),
    around: (run) =>
      Effect.flatMap(
        Session,
        (session) => session.transaction(run, { begun, committing: Journaling.replacing, lockTimeout })
        // What comes next is committed bit by bit.
      ).pipe(Effect.tap(Journaling.replacingNow))
  })
  const finish = Pipeline.asTask("finish", {
    title: "Grant and finish",
    session: "target",
    needs: [steps.apply],
    pipeline: Pipeline.make(
      "finish",
      [steps.putBack, steps.rights, steps.grant, steps.own, steps.owners, steps.keep],
      [...outside, steps.apply.name, steps.verify.name]
    ),
    around: (run) =>
      Effect.gen(function* () {
        const session = yield* Session
        const context = yield* Effect.context<DumpStore>()
        // No interruption between the COMMIT and this: it would take back what is complete. Where it cannot be written,
        // the next step tries again, tells why not, and drops nothing then.
        const complete = Effect.ignore(Effect.provide(Journaling.complete(options.keepPrevious), context))
        return yield* session.transaction(run, {
          committed: Effect.andThen(complete, committed),
          uncertain,
          lockTimeout
        })
      })
  })
  const several = Pipeline.asTask("transaction", {
    title: undoes === undefined ? "Restore in several transactions" : "Bring back in several transactions",
    session: "target",
    needs: [proof, surveyed],
    pipeline: Pipeline.make(
      "several",
      [secure, steps.cleanInBatches, steps.apply, steps.verify, finish, steps.dropOld],
      outside
    ),
    around: (run) =>
      run.pipe(
        Effect.map(({ clean, finish: { grant, keep, owners, tasks }, secure: { backup }, verify }) => ({
          apply: owners,
          backup,
          clean,
          kept: keep,
          grant,
          tasks,
          verify
        })),
        (all) => orBack(all, recover),
        Journaling.within
      )
  })
  const replaced = Task.either(surveyed, ({ course }) => course.way === "transaction", one, several)
  return Pipeline.make(name, [
    proof,
    surveyed,
    replaced,
    steps.previous,
    Task.when(options.analyze, analyzeTask(proof))
  ])
}
