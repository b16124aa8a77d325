/** The verb restore: a proven dump into a target, in one transaction. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DumpDamaged, DumpMissing, DumpUnreadable, DumpUnsafe } from "../dumps/DumpError.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import { DumpStore } from "../dumps/DumpStore.ts"
import type { Manifest } from "../dumps/Manifest.ts"
import type { ProvenAgainst } from "../dumps/Proof.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { planStale, type PlanStale } from "../pipeline/PlanStale.ts"
import { changing, note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import { listed, plural } from "../pipeline/Words.ts"
import * as Checksums from "../postgres/Checksums.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { Answer } from "../postgres/Guarded.ts"
import { quote } from "../postgres/Identifier.ts"
import { objectKey } from "../postgres/ObjectName.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { Session } from "../postgres/Session.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import { type Survey, survey, type SurveyScope } from "../postgres/survey/Survey.ts"
import { type Applied, apply, finish, tableKey } from "./Apply.ts"
import { describeObject, refused } from "./Blocker.ts"
import * as Clean from "./Clean.ts"
import * as DumpProof from "./DumpProof.ts"
import { unfit } from "./Fitness.ts"
import * as Grant from "./Grant.ts"
import { census } from "./Ladder.ts"
import * as Lock from "./Lock.ts"
import * as OwnTasks from "./OwnTasks.ts"
import { emptied, replacement, withoutRows } from "./Replacement.ts"
import { type RestoreOptions, type Settled, settled } from "./RestoreOptions.ts"
import * as StatementPolicy from "./StatementPolicy.ts"
import {
  type CleanRefused,
  type RestoreFailed,
  type RoleMissing,
  type TargetChanged,
  type TargetUnfit,
  type VerificationFailed
} from "./VerbError.ts"
import * as Verify from "./Verify.ts"

export type { RestoreOptions, Settled } from "./RestoreOptions.ts"
export type { WithTasks } from "./OwnTasks.ts"

/** What a restore did. */
export interface RestoreReport<T extends Task.Any = never> {
  readonly file: string
  readonly against: ProvenAgainst
  readonly clean: Clean.CleanReport | undefined
  readonly statements: number
  readonly tables: number
  readonly rows: number
  readonly largeObjects: number
  readonly skipped: ReadonlyArray<{ readonly reason: string; readonly count: number }>
  /** Tables that had been there and came back without a row, because the dump has none of theirs. */
  readonly withoutRows: ReadonlyArray<string>
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
type SurveyTask = ReturnType<typeof surveyTask>

/** In words, what the dump's own statements take away, and what does not come back with them. */
const replacedRows = (
  { going, hollow }: Task.Planned<SurveyTask>,
  { contents, leftOut }: Task.Planned<DumpProof.ProofTask>,
  clean: boolean
) => {
  const byItself = { destroys: true, why: "the dump's own DROP statements" }
  const words = Object.entries(contents.unusual).map(([word, n]) => `${n} ${word.toUpperCase()}`)
  const { objects, largeObjects } = clean ? { objects: [], largeObjects: [] } : going
  return [
    ...(objects.length === 0 ? [] : [Plan.row(`replace ${census(objects)}`, byItself)]),
    ...(largeObjects.length === 0
      ? []
      : [Plan.row(`replace ${plural(largeObjects.length, "large object")}`, byItself)]),
    ...(hollow.length === 0
      ? []
      : [
          Plan.row(`bring back without rows: ${listed(hollow.map(describeObject), 6).join(", ")}`, {
            destroys: true,
            why: leftOut === undefined ? "the dump has none of theirs" : `the dump was made with ${leftOut}`
          })
        ]),
    ...going.databaseWide.map(({ kind, name }) => Plan.row(`replace ${kind.toLowerCase()} ${quote(name)}`, byItself)),
    ...(words.length === 0
      ? []
      : [
          Plan.row(`execute statements that pg_dump does not write: ${words.join(", ")}`, {
            destroys: true,
            why: "what they do only the author of the dump knows"
          })
        ])
  ]
}

/** What was applied, and what the rows of the tables added up to when they were in. */
interface Loaded extends Applied {
  readonly checksums: ReadonlyMap<string, Answer<Checksums.Checksum>>
}

const withChecksums = (tables: Manifest["tables"]) => tables.filter(({ checksum }) => checksum !== undefined)

const applyTask = (needs: { readonly proof: DumpProof.ProofTask; readonly surveyed: SurveyTask }, options: Settled) =>
  Task.make("apply", {
    title: "Apply the dump",
    session: "target",
    needs,
    plan: ({ proof, surveyed }) => {
      const { contents, file, manifest } = proof
      return Effect.succeed({
        value: contents,
        rows: [
          ...replacedRows(surveyed, proof, options.clean),
          Plan.row(
            `execute ${plural(contents.statements, "statement")} and copy ${plural(DumpProof.totalRows(contents.tables), "row")} ` +
              `into ${plural(contents.tables.length, "table")}`
          )
        ],
        run: () =>
          Effect.scoped(
            Effect.gen(function* () {
              const session = yield* Session
              const store = yield* DumpStore
              const sums = new Map<string, Answer<string>>()
              const summed = options.verify ? withChecksums(manifest?.tables ?? []) : []
              const applied = yield* apply({
                session,
                chunk: (yield* store.read(file)).pull,
                file,
                length: contents.sql.length,
                sha256: contents.sql.sha256,
                decide: StatementPolicy.make({ survey: surveyed.found, cleaned: options.clean, owner: options.owner }),
                ...(summed.length === 0
                  ? {}
                  : {
                      loaded: {
                        after: contents.copies,
                        run: Effect.map(Checksums.read(summed), (answers) => {
                          for (const [index, table] of summed.entries()) sums.set(tableKey(table), answers[index]!)
                        }).pipe(Effect.provideService(SqlClient.SqlClient, session.sql))
                      }
                    })
              })
              return { ...applied, checksums: sums }
            })
          )
      })
    }
  })

/** Whether the dump has created every table that it fills, and does nothing that pg_dump would not do. */
const loadsOnlyItsOwn = ({ creates, tables, unusual }: Contents): boolean => {
  const created = new Set(creates.map(objectKey))
  return (
    Object.keys(unusual).length === 0 && tables.every((table) => created.has(objectKey({ kind: "TABLE", ...table })))
  )
}

const verifyTask = (needs: { readonly proof: DumpProof.ProofTask; readonly apply: ReturnType<typeof applyTask> }) =>
  Task.make("verify", {
    title: "Verify what was restored",
    session: "target",
    needs,
    plan: ({ proof }) =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("hold rows, keys, indexes, sequences and migrations against the manifest")],
        run: ({ apply }: { readonly apply: Loaded }) =>
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
    survey: ({ proof, surveyed: { found, going } }) => ({
      survey: found,
      wish: {
        wanted: new Set(proof.contents.creates.map(objectKey)),
        replaced: going.databaseWide,
        ...(proof.leftOut === undefined ? {} : { leftOut: proof.leftOut })
      }
    })
  })
  const applied = applyTask(needs, options)
  const granted = Grant.task({
    role: options.grantTo ?? "",
    profile: options.profile ?? "all",
    needs,
    schemas: ({ proof }) => proof.schemas
  })
  const verified = verifyTask({ proof, apply: applied })
  const inner = Pipeline.make(
    "transaction",
    [
      locked,
      Task.when(options.clean, cleaned),
      applied,
      Task.when(options.grantTo !== undefined, granted),
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
  | CleanRefused
  | DatabaseError
  | DumpDamaged
  | DumpMissing
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
    survey: { hollow },
    transaction
  } = results
  return {
    file: prove.file,
    against: prove.against,
    clean: transaction.clean,
    statements: transaction.apply.statements,
    tables: prove.contents.tables.length,
    rows: [...transaction.apply.rows.values()].reduce((sum, rows) => sum + rows, 0),
    largeObjects: prove.contents.largeObjects.count,
    skipped: [...transaction.apply.skipped].map(([reason, count]) => ({ reason, count })),
    withoutRows: hollow.map(describeObject),
    grant: transaction.grant,
    verify: transaction.verify,
    // Without tasks there is no name to ask for.
    tasks: transaction.tasks ?? ({} as Pipeline.Results<T>)
  }
})
