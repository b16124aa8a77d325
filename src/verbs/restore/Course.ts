/**
 * The steps that replace something in the target by what a dump has: lock it, save it, drop it, apply the dump, grant,
 * verify, commit. A restore and its undoing differ in what they look at before.
 */
import * as Effect from "effect/Effect"
import { keysOf } from "../../dumps/DumpObjects.ts"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import * as Plan from "../../pipeline/Plan.ts"
import { planStale } from "../../pipeline/PlanStale.ts"
import { changing, note } from "../../pipeline/RunEvent.ts"
import * as Task from "../../pipeline/Task.ts"
import { Session } from "../../postgres/Session.ts"
import * as Clean from "../Clean.ts"
import * as Lock from "../clean/Lock.ts"
import * as Grant from "../Grant.ts"
import { finish, tableKey } from "./Apply.ts"
import * as ApplyTask from "./ApplyTask.ts"
import type * as DumpProof from "./DumpProof.ts"
import * as FormerRights from "./FormerRights.ts"
import * as Journaling from "./Journaling.ts"
import type { Looked } from "./Looking.ts"
import * as OwnTasks from "./OwnTasks.ts"
import type { Settled } from "./RestoreOptions.ts"
import * as SafetyDump from "./SafetyDump.ts"
import * as VerifyTask from "./VerifyTask.ts"

/** What is done, and what leads to it. */
export interface CourseOptions<E, R, T extends Task.Any> {
  readonly proof: DumpProof.ProofTask
  readonly surveyed: Task.Task<"survey", Looked, Looked, E, R>
  readonly options: Settled
  /** Whether what goes is dropped before the dump is applied, or by the dump's own statements. */
  readonly drops: boolean
  /** The journal of the restore that this one takes back. */
  readonly undoes?: Journal
  /** The caller's own tasks. */
  readonly tasks: ReadonlyArray<T>
}

/** After the commit, so that a failure here takes nothing back. */
const analyzeTask = (proof: DumpProof.ProofTask) =>
  Task.make("analyze", {
    title: "Analyze the restored tables",
    session: "target",
    needs: { proof },
    after: ["transaction"],
    plan: ({ proof }) => {
      const sql = `ANALYZE ${proof.contents.tables.map(tableKey).join(", ")}`
      return Effect.succeed({
        value: undefined,
        ...(proof.contents.tables.length === 0 ? { does: "nothing" as const } : {}),
        rows: [Plan.row("gather statistics for the planner", { sql })],
        run: () =>
          Effect.flatMap(Session, (session) =>
            Effect.catch(session.execute(sql), ({ message }) =>
              note(`Statistics were not gathered (${message}); run ANALYZE when it suits.`)
            )
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
export const pipeline = <const Name extends string, E, R, const T extends Task.Any>(
  name: Name,
  { drops, options, proof, surveyed, tasks, undoes }: CourseOptions<E, R, T>
) => {
  const needs = { proof, surveyed }
  const locked = Lock.task({
    needs,
    refuse: (differences, database) =>
      options.exact === true ? planStale(differences, "rolled-back") : Lock.changed(differences, database),
    what: ({ surveyed: { found, going, scope } }) => ({
      scope,
      survey: found,
      going: going.objects,
      more: found.largeObjects.length + going.databaseWide.length > 0
    })
  })
  const saved = SafetyDump.task({
    needs,
    skip: !options.backupFirst,
    what: ({ proof: { contents, file }, surveyed: { found, going, scope } }) => ({
      by: undoes === undefined ? "restore" : "undo",
      file,
      contents,
      schemas: scope.schemas,
      survey: found,
      going,
      clean: undoes?.clean ?? options.clean
    })
  })
  const cleaned = Clean.task({
    needs,
    exact: options.exact === true,
    cascadeOutside: options.cascadeOutside,
    survey: ({ surveyed: { cleaning, wish } }) => ({ survey: cleaning, wish })
  })
  const applied = ApplyTask.task({
    needs,
    clean: drops,
    owner: options.owner,
    checksums: options.verify,
    what: ({ proof, surveyed: { cleaning, going, hollow, standing } }) => ({
      ...proof,
      survey: cleaning,
      going,
      hollow,
      ...(standing === undefined ? {} : { standing })
    })
  })
  const former = FormerRights.task(undoes?.rights ?? [], applied)
  const granted = Grant.task({
    roles: options.grantTo,
    profile: options.profile,
    forRoles: options.forRoles,
    needs,
    scope: ({ proof }) => ({ schemas: proof.schemas, restored: keysOf(proof.contents) })
  })
  const verified = VerifyTask.task({ proof, apply: applied })
  const inner = Pipeline.make(
    "transaction",
    [
      locked,
      saved,
      Task.when(drops, cleaned),
      applied,
      Task.when(undoes !== undefined, former),
      Task.when(options.grantTo.length > 0, granted),
      Task.when(options.verify, verified),
      Task.when(
        tasks.length > 0,
        OwnTasks.task(
          tasks,
          verified,
          [proof, surveyed, locked, saved, cleaned, applied, former, granted].map(({ name }) => name)
        )
      )
    ],
    [proof.name, surveyed.name]
  )
  const transaction = Pipeline.asTask("transaction", {
    title: undoes === undefined ? "Restore in one transaction" : "Bring back in one transaction",
    session: "target",
    needs: [proof, surveyed],
    pipeline: inner,
    around: (run) =>
      Effect.gen(function* () {
        const session = yield* Session
        const all = Effect.flatMap(run, (results) =>
          Effect.map(finish(session, results.apply), (apply) => ({ ...results, apply }))
        )
        return yield* session.transaction(all, {
          ...changing(undoes === undefined ? "the restore" : "the undoing"),
          lockTimeout: options.lockTimeout ?? Lock.defaultLockTimeout
        })
      }).pipe(Journaling.within)
  })
  return Pipeline.make(name, [proof, surveyed, transaction, Task.when(options.analyze, analyzeTask(proof))])
}
