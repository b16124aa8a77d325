/** The verb restore: a proven dump into a target, in one transaction. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DumpDamaged, DumpMissing, DumpPartial, DumpUnreadable, DumpUnsafe } from "../dumps/DumpError.ts"
import { keysOf } from "../dumps/DumpObjects.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import type { DumpStore } from "../dumps/DumpStore.ts"
import type { ProvenAgainst } from "../dumps/Proof.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { planStale, type PlanStale } from "../pipeline/PlanStale.ts"
import { changing, note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { objectKey } from "../postgres/ObjectName.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { Session } from "../postgres/Session.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import { type Survey, survey, type SurveyScope } from "../postgres/survey/Survey.ts"
import { finish, tableKey } from "./restore/Apply.ts"
import * as ApplyTask from "./restore/ApplyTask.ts"
import { describeObject, refused } from "./clean/Blocker.ts"
import * as Clean from "./Clean.ts"
import * as DumpProof from "./restore/DumpProof.ts"
import { unfit } from "./restore/Fitness.ts"
import * as Grant from "./Grant.ts"
import * as Lock from "./clean/Lock.ts"
import * as OwnTasks from "./restore/OwnTasks.ts"
import * as Publishing from "./restore/Publishing.ts"
import { emptied, replacement, withoutRows } from "./restore/Replacement.ts"
import { type RestoreOptions, type Settled, settled } from "./restore/RestoreOptions.ts"
import {
  type CleanBlocked,
  type CleanRefused,
  type RestoreFailed,
  type RoleMissing,
  type TargetChanged,
  type TargetUnfit,
  type VerificationFailed
} from "./VerbError.ts"
import * as Verify from "./Verify.ts"

export type { RestoreOptions, Settled } from "./restore/RestoreOptions.ts"
export type { WithTasks } from "./restore/OwnTasks.ts"

/** What a restore did. */
export interface RestoreReport<T extends Task.Any = never> {
  readonly file: string
  readonly against: ProvenAgainst
  /** What of the dump could not be proven, for people. */
  readonly unproven: ReadonlyArray<string>
  readonly clean: Clean.CleanReport | undefined
  readonly statements: number
  readonly tables: number
  readonly rows: number
  readonly largeObjects: number
  readonly skipped: ReadonlyArray<{ readonly reason: string; readonly count: number }>
  /** Tables that had been there and came back without a row, because the dump has none of theirs. */
  readonly withoutRows: ReadonlyArray<string>
  /** Tables that were put back into publications. */
  readonly published: ReadonlyArray<string>
  /** Tables of which the dump has only part of the rows, qualified and quoted. */
  readonly partialRows: ReadonlyArray<string>
  readonly grant: Grant.GrantReport | undefined
  readonly verify: Verify.VerifyReport | undefined
  /** What the caller's tasks gave, under their names. */
  readonly tasks: Pipeline.Results<T>
}

/** What the target is asked for: all that the dump may collide with. */
const scopeOf = (
  { contents, schemas }: Task.Planned<DumpProof.ProofTask>,
  { exact = false }: RestoreOptions
): SurveyScope => ({
  schemas,
  definitions: exact,
  largeObjects: contents.largeObjectIds,
  tables: contents.tables
})

const surveyTask = (proof: DumpProof.ProofTask, options: Settled) =>
  Task.withLimits(
    Task.read("survey", {
      title: "Survey the target",
      session: "target",
      needs: { proof },
      plan: Effect.fnUntraced(function* ({ proof }) {
        const found = yield* survey(scopeOf(proof, options))
        const reason = unfit(found, proof.contents, options)
        if (reason !== undefined) return yield* reason
        // What the clean step has in its way it tells itself.
        const going = (options.clean ? emptied : replacement)(proof.contents, found)
        if (going.blockers.length > 0) {
          return yield* refused(going.blockers, found.role.name, "replace what the dump drops")
        }
        return { found, going, hollow: withoutRows(proof.contents, going) }
      }),
      scope: ({ found }: { readonly found: Survey }) => found.schemas.map(({ name }) => `schema ${name}`),
      basis: ({ found }: { readonly found: Survey }) => Lock.basisOf(found)
    }),
    { retry: Retrying.reads }
  )

/** Whether the dump has created every table that it fills, and does nothing that pg_dump would not do. */
const loadsOnlyItsOwn = ({ creates, tables, unusual }: Contents): boolean => {
  const created = new Set(creates.map(objectKey))
  return (
    Object.keys(unusual).length === 0 && tables.every((table) => created.has(objectKey({ kind: "TABLE", ...table })))
  )
}

const verifyTask = (needs: {
  readonly proof: DumpProof.ProofTask
  readonly apply: ReturnType<typeof ApplyTask.task>
}) =>
  Task.make("verify", {
    title: "Verify what was restored",
    session: "target",
    needs,
    plan: ({ proof }) =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("hold rows, objects, their states, sequences and migrations against the dump")],
        run: ({ apply }: { readonly apply: ApplyTask.Loaded }) =>
          Effect.flatMap(
            Verify.check({
              expected: proof,
              schemas: proof.schemas,
              missing: apply.missing,
              restored: {
                // Nothing changes the rows of a table that the dump itself creates: its triggers and rules come after them.
                ...(loadsOnlyItsOwn(proof.contents) ? { rows: apply.rows } : {}),
                checksums: apply.checksums
              }
            }),
            (report) => Verify.failOnFindings(report, { during: "restore" })
          )
      })
  })

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
 * Everything that a restore does, as a graph of tasks.
 *
 * @throws PipelineInvalid where a task of the caller has the name of one of these, or needs one that is not there
 */
export const pipeline = <const T extends Task.Any = never>({
  tasks = [],
  ...asked
}: RestoreOptions & OwnTasks.WithTasks<T>) => {
  const options = settled(asked)
  const proof = DumpProof.task(options)
  const surveyed = surveyTask(proof, options)
  const needs = { proof, surveyed }
  const locked = Lock.task({
    needs,
    refuse: (differences, database) =>
      options.exact === true ? planStale(differences, "rolled-back") : Lock.changed(differences, database),
    what: ({ proof, surveyed: { found, going } }) => ({
      scope: scopeOf(proof, options),
      survey: found,
      going: going.objects,
      more: found.largeObjects.length + going.databaseWide.length > 0
    })
  })
  const cleaned = Clean.task({
    needs,
    exact: options.exact === true,
    cascadeOutside: options.cascadeOutside,
    survey: ({ proof, surveyed: { found, going } }) => ({
      survey: found,
      wish: {
        wanted: new Set(proof.contents.creates.map(objectKey)),
        replaced: going.databaseWide,
        ...(proof.leftOut === undefined ? {} : { leftOut: proof.leftOut })
      }
    })
  })
  const applied = ApplyTask.task({
    needs,
    clean: options.clean,
    owner: options.owner,
    checksums: options.verify,
    what: ({ proof, surveyed: { found, going, hollow } }) => ({ ...proof, survey: found, going, hollow })
  })
  const granted = Grant.task({
    roles: options.grantTo,
    profile: options.profile,
    forRoles: options.forRoles,
    needs,
    scope: ({ proof }) => ({ schemas: proof.schemas, restored: keysOf(proof.contents) })
  })
  const verified = verifyTask({ proof, apply: applied })
  const inner = Pipeline.make(
    "transaction",
    [
      locked,
      Task.when(options.clean, cleaned),
      applied,
      Task.when(options.grantTo.length > 0, granted),
      Task.when(options.verify, verified),
      Task.when(
        tasks.length > 0,
        OwnTasks.task(
          tasks,
          verified,
          [proof, surveyed, locked, cleaned, applied, granted].map(({ name }) => name)
        )
      )
    ],
    [proof.name, surveyed.name]
  )
  const transaction = Pipeline.asTask("transaction", {
    title: "Restore in one transaction",
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
          ...changing("the restore"),
          lockTimeout: options.lockTimeout ?? Lock.defaultLockTimeout
        })
      })
  })
  return Pipeline.make("restore", [proof, surveyed, transaction, Task.when(options.analyze, analyzeTask(proof))])
}

export type RestoreError =
  | CleanBlocked
  | CleanRefused
  | DatabaseError
  | DumpDamaged
  | DumpMissing
  | DumpPartial
  | DumpUnsafe
  | DumpUnreadable
  | PlanStale
  | RestoreFailed
  | RoleMissing
  | TargetChanged
  | TargetUnfit
  | ToolMissing
  | VerificationFailed

/**
 * Restores a dump: it happened, or the target is as it was.
 *
 * Fails before anything is touched where the dump is missing, damaged or unsafe, or the role lacks rights; with
 * RestoreFailed and the statement where the dump cannot be applied; with VerificationFailed where the result is not
 * what the manifest says; with what the caller's own tasks fail with. All of these leave the target as it was.
 */
export const restore = Effect.fn("Restore.restore")(function* <const T extends Task.Any = never>(
  options: RestoreOptions & OwnTasks.WithTasks<T>
): Effect.fn.Return<
  RestoreReport<T>,
  RestoreError | Task.Failure<T>,
  DumpStore | Session | SqlClient.SqlClient | Task.Services<T>
> {
  const { plan } = options
  const { results } = yield* plan === undefined
    ? Pipeline.run(pipeline(options))
    : Pipeline.runExactly(pipeline({ ...options, exact: true }), plan)
  const {
    prove,
    survey: { going, hollow },
    transaction
  } = results
  return {
    file: prove.file,
    against: prove.against,
    unproven: prove.unproven,
    clean: transaction.clean,
    statements: transaction.apply.statements,
    tables: prove.contents.tables.length,
    rows: [...transaction.apply.rows.values()].reduce((sum, rows) => sum + rows, 0),
    largeObjects: prove.contents.largeObjects.count,
    skipped: [...transaction.apply.skipped].map(([reason, count]) => ({ reason, count })),
    withoutRows: hollow.map(describeObject),
    published: going.published.map(Publishing.describe),
    partialRows: prove.partialRows,
    grant: transaction.grant,
    verify: transaction.verify,
    // Without tasks there is no name to ask for.
    tasks: transaction.tasks ?? ({} as Pipeline.Results<T>)
  }
})
