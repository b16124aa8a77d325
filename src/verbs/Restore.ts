/** The verb restore: a proven dump into a target, in one transaction. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DumpDamaged, DumpMissing, DumpUnsafe, DumpUnreadable } from "../dumps/DumpError.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import { DumpStore } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { committed, note, progress } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { qualified } from "../postgres/Identifier.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import { Session } from "../postgres/Session.ts"
import { type Survey, survey } from "../postgres/survey/Survey.ts"
import { type Applied, apply, finish, tableKey } from "./Apply.ts"
import * as Clean from "./Clean.ts"
import { unfit } from "./Fitness.ts"
import { census } from "./Ladder.ts"
import * as Grant from "./Grant.ts"
import * as StatementPolicy from "./StatementPolicy.ts"
import {
  type CleanRefused,
  type RestoreFailed,
  type RoleMissing,
  type SchemaMissing,
  type TargetUnfit,
  VerificationFailed
} from "./VerbError.ts"
import * as Verify from "./Verify.ts"

export interface RestoreOptions {
  /** The dump's file; the newest dump of the target's database in the store where it is missing. */
  readonly file?: string
  /** Empty the dump's schemas first. */
  readonly clean: boolean
  readonly owner: StatementPolicy.OwnerMode
  /** The app role to grant all rights to. */
  readonly grantTo?: string
  /** Hold the restored database against the manifest before the commit. */
  readonly verify: boolean
  readonly analyze: boolean
  /** Let a dump pass that lacks pg_dump's closing lines. */
  readonly acceptUnproven: boolean
  /** How long others may hold what is to be replaced before the restore gives up; 30 seconds unless told. */
  readonly lockTimeout?: Duration.Input
}

/** What a restore did. */
export interface RestoreReport {
  readonly file: string
  readonly against: "manifest" | "structure"
  readonly clean: Clean.CleanReport | undefined
  readonly statements: number
  readonly tables: number
  readonly rows: number
  readonly largeObjects: number
  readonly skipped: ReadonlyArray<{ readonly reason: string; readonly count: number }>
  readonly grant: Grant.GrantReport | undefined
  readonly verify: Verify.VerifyReport | undefined
}

const defaultLockTimeout: Duration.Input = "30 seconds"

/** What the dump's own DROP statements will take from the target. */
const replaced = ({ drops }: Contents, found: Survey) => {
  const names = new Set(drops.map(tableKey))
  return found.objects.filter(({ schema, name, extension }) => extension === null && names.has(qualified(schema, name)))
}

/** How many of these large objects the target has: they are unlinked before the dump's own are created. */
const largeObjectsAmong = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  if (ids.length === 0) return 0
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly count: number }>`
    select count(*)::int4 as "count" from pg_largeobject_metadata
    where oid = any(string_to_array(${ids.join(",")}::text, ',')::oid[])`.pipe(Effect.mapError(fromSqlError))
  return rows[0]?.count ?? 0
})

/** Writers wait from here on; what they have committed until now is what is replaced. */
const lockTask = (needs: { readonly proof: ProofTask; readonly surveyed: SurveyTask }, options: RestoreOptions) =>
  Task.make("lock", {
    title: "Lock what is replaced",
    session: "target",
    needs,
    plan: ({ proof, surveyed }) => {
      const timeout = Math.ceil(Duration.toMillis(options.lockTimeout ?? defaultLockTimeout))
      const all = surveyed.objects.filter(({ extension }) => extension === null)
      const going = options.clean ? all : replaced(proof.contents, surveyed)
      const tables = going.filter(({ kind, droppable }) => kind === "TABLE" && droppable)
      const sql = `LOCK TABLE ${tables.map(({ identity }) => identity).join(", ")} IN EXCLUSIVE MODE`
      return Effect.succeed({
        value: tables,
        ...(tables.length === 0 ? { does: "nothing" as const } : {}),
        rows:
          tables.length === 0 ? [] : [Plan.row(`lock ${tables.length} tables: writers wait, readers go on`, { sql })],
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            yield* session.execute(`SET LOCAL lock_timeout = ${timeout}`)
            if (tables.length === 0) return
            // An owner of the schema may drop a table that it may not lock; DROP takes the lock then.
            yield* session
              .savepoint("pgark lock", session.execute(sql))
              .pipe(
                Effect.catchTag("PermissionDenied", ({ message }) => note(`Tables are locked as they go: ${message}`))
              )
          })
      })
    }
  })

const proofTask = (options: RestoreOptions) =>
  Task.read("prove", {
    title: "Prove the dump",
    plan: () =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const session = yield* Session
        const dump = yield* options.file === undefined ? store.newest(session.url.database) : store.find(options.file)
        const proof = yield* store.prove(dump, {
          acceptUnproven: options.acceptUnproven,
          onProgress: (bytes) => progress("read", bytes, "bytes", dump.size)
        })
        return { ...proof, file: dump.file, schemas: dump.manifest?.schemas ?? proof.contents.schemas }
      }),
    rows: ({ file, contents, against }) => [
      Plan.row(`read ${file}: ${contents.tables.length} tables, ${totalRows(contents.tables)} rows`, {
        why: against === "manifest" ? "it is what its manifest says" : "it has no manifest; its structure is complete"
      })
    ]
  })
type ProofTask = ReturnType<typeof proofTask>

const totalRows = (tables: ReadonlyArray<{ readonly rows: number }>) => tables.reduce((sum, { rows }) => sum + rows, 0)

const surveyTask = (proof: ProofTask) =>
  Task.read("survey", {
    title: "Survey the target",
    session: "target",
    needs: { proof },
    plan: Effect.fnUntraced(function* ({ proof }) {
      const found = yield* survey(proof.schemas)
      const reason = unfit(found, proof.contents)
      return reason === undefined ? found : yield* reason
    }),
    scope: (found: Survey) => found.schemas.map(({ name }) => `schema ${name}`)
  })
type SurveyTask = ReturnType<typeof surveyTask>

const applyTask = (needs: { readonly proof: ProofTask; readonly surveyed: SurveyTask }, options: RestoreOptions) =>
  Task.make("apply", {
    title: "Apply the dump",
    session: "target",
    needs,
    plan: Effect.fnUntraced(function* ({ proof, surveyed }) {
      const { contents, file } = proof
      const going = options.clean ? [] : replaced(contents, surveyed)
      const unlinked = yield* largeObjectsAmong(contents.largeObjectIds)
      const byItself = { destroys: true, why: "the dump's own DROP statements" }
      return {
        value: contents,
        rows: [
          ...(going.length === 0 ? [] : [Plan.row(`replace ${census(going)}`, byItself)]),
          ...(unlinked === 0 ? [] : [Plan.row(`replace ${unlinked} large objects`, byItself)]),
          Plan.row(
            `execute ${contents.statements} statements and copy ${totalRows(contents.tables)} rows ` +
              `into ${contents.tables.length} tables`
          )
        ],
        run: () =>
          Effect.scoped(
            Effect.gen(function* () {
              const session = yield* Session
              const store = yield* DumpStore
              return yield* apply({
                session,
                chunk: (yield* store.read(file)).pull,
                file,
                encoding: contents.encoding,
                length: contents.length,
                sha256: contents.sha256,
                decide: StatementPolicy.make({ survey: surveyed, cleaned: options.clean, owner: options.owner })
              })
            })
          )
      }
    })
  })

const verifyTask = (needs: { readonly proof: ProofTask; readonly apply: ReturnType<typeof applyTask> }) =>
  Task.make("verify", {
    title: "Verify what was restored",
    session: "target",
    needs,
    plan: ({ proof }) =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("hold rows, keys, indexes, sequences and migrations against the manifest")],
        run: ({ apply }: { readonly apply: Applied }) =>
          Effect.flatMap(
            Verify.check({ manifest: proof.contents, restoredRows: apply.rows, schemas: proof.schemas }),
            Verify.failOnFindings
          ).pipe(
            Effect.catchTag("VerificationFailed", ({ message, detail, findings }) =>
              Effect.fail(
                new VerificationFailed({
                  message: `What was restored is not what the dump says. ${message}`,
                  ...(detail === undefined ? {} : { detail }),
                  suggestion: "Something in the target changes what is restored: event triggers, for example.",
                  state: "rolled-back",
                  findings
                })
              )
            )
          )
      })
  })

/** After the commit, so that a failure here takes nothing back. */
const analyzeTask = (proof: ProofTask) =>
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

/** Everything that a restore does, as a graph of tasks. */
export const pipeline = (options: RestoreOptions) => {
  const proof = proofTask(options)
  const surveyed = surveyTask(proof)
  const needs = { proof, surveyed }
  const cleaned = Clean.task({
    needs,
    survey: ({ proof, surveyed }) => ({ survey: surveyed, wanted: new Set(proof.contents.creates.map(tableKey)) })
  })
  const applied = applyTask(needs, options)
  const granted = Grant.task({
    role: options.grantTo ?? "",
    profile: "all",
    needs,
    schemas: ({ proof }) => proof.schemas
  })
  const inner = Pipeline.make(
    "transaction",
    [
      lockTask(needs, options),
      Task.when(options.clean, cleaned),
      applied,
      Task.when(options.grantTo !== undefined, granted),
      Task.when(options.verify, verifyTask({ proof, apply: applied }))
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
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.tap(restore(session.transaction(all)), () => committed("the restore was committed"))
        )
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
  | RestoreFailed
  | RoleMissing
  | SchemaMissing
  | TargetUnfit
  | VerificationFailed

/**
 * Restores a dump: it happened, or the target is as it was.
 *
 * Fails before anything is touched where the dump is missing, damaged or unsafe, or the role lacks rights; with
 * RestoreFailed and the statement where the dump cannot be applied; with VerificationFailed where the result is not
 * what the manifest says. All of these leave the target as it was.
 */
export const restore = Effect.fn("Restore.restore")(function* (
  options: RestoreOptions
): Effect.fn.Return<RestoreReport, RestoreError, DumpStore | Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  const { prove, transaction } = results
  return {
    file: prove.file,
    against: prove.against,
    clean: transaction.clean,
    statements: transaction.apply.statements,
    tables: prove.contents.tables.length,
    rows: [...transaction.apply.rows.values()].reduce((sum, rows) => sum + rows, 0),
    largeObjects: prove.contents.largeObjects,
    skipped: [...transaction.apply.skipped].map(([reason, count]) => ({ reason, count })),
    grant: transaction.grant,
    verify: transaction.verify
  }
})
