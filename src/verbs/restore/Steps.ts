/**
 * The steps that replace something in the target by what a dump has. A restore and its undoing differ in what they look
 * at before; one transaction and several, in what is around which step.
 */
import * as Effect from "effect/Effect"
import { keysOf } from "../../dumps/DumpObjects.ts"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import { planStale } from "../../pipeline/PlanStale.ts"
import * as Task from "../../pipeline/Task.ts"
import { Session } from "../../postgres/Session.ts"
import * as Clean from "../Clean.ts"
import * as Lock from "../clean/Lock.ts"
import * as Grant from "../Grant.ts"
import { finish } from "./Apply.ts"
import * as ApplyTask from "./ApplyTask.ts"
import type * as DumpProof from "./DumpProof.ts"
import * as FormerRights from "./FormerRights.ts"
import type { Looked } from "./Looking.ts"
import * as OwnTasks from "./OwnTasks.ts"
import type { Settled } from "./RestoreOptions.ts"
import * as SafetyDump from "./SafetyDump.ts"
import * as DropOld from "./several/DropOld.ts"
import * as Emptying from "./several/Emptying.ts"
import * as InUse from "./several/InUse.ts"
import * as Previous from "./several/Previous.ts"
import * as SetAside from "./several/SetAside.ts"
import * as VerifyTask from "./VerifyTask.ts"

/** What is done, and what leads to it. */
export interface StepOptions<E, R, T extends Task.Any> {
  readonly proof: DumpProof.ProofTask
  readonly surveyed: Task.Task<"survey", Looked, Looked, E, R>
  readonly options: Settled
  /** Whether what goes is dropped before the dump is applied, or by the dump's own statements. */
  readonly drops: boolean
  /** The journal of the restore that this one takes back. */
  readonly undoes?: Journal
  /** That restore was cut short: its own journal and safety dump stay what leads back. */
  readonly recovers?: true
  /** The caller's own tasks. */
  readonly tasks: ReadonlyArray<T>
}

/** The tasks by themselves. */
export const make = <E, R, const T extends Task.Any>({
  drops,
  options,
  proof,
  recovers,
  surveyed,
  tasks,
  undoes
}: StepOptions<E, R, T>) => {
  const needs = { proof, surveyed }
  const lockTimeout = options.lockTimeout ?? Lock.defaultLockTimeout
  const lock = Lock.task({
    needs,
    refuse: (differences, database) =>
      options.exact === true ? planStale(differences, "rolled-back") : Lock.changed(differences, database),
    what: ({ surveyed: { found, going, scope, touched } }) => ({
      scope,
      survey: found,
      going: touched.objects,
      more: found.largeObjects.length + going.databaseWide.length > 0
    })
  })
  const save = SafetyDump.task({
    needs,
    skip: !options.backupFirst,
    keeps: options.keepPrevious,
    jobs: options.jobs,
    ...(recovers === undefined || undoes === undefined ? {} : { known: undoes }),
    lockTimeout,
    what: ({ proof: { contents, file }, surveyed: { course, found, going, standing, touched } }) => ({
      by: undoes === undefined ? "restore" : "undo",
      way: course.way,
      ...(course.way === "aside" ? { aside: SetAside.names(found) } : {}),
      file,
      contents,
      survey: found,
      going: touched,
      published: going.published,
      grantees: undoes?.grantees ?? options.grantTo,
      ...(standing === undefined ? {} : { standing })
    })
  })
  const sessions = InUse.task({
    needs,
    allowed: options.whileInUse,
    why: ({ surveyed: { course } }) => course.why
  })
  const clean = Clean.task({
    needs,
    exact: options.exact === true,
    cascadeOutside: options.cascadeOutside,
    survey: ({ surveyed: { cleaning, wish } }) => ({ survey: cleaning, wish })
  })
  const aside = SetAside.task({
    needs,
    what: ({ surveyed: { course, found } }) => ({ survey: found, wanted: course.way === "aside" })
  })
  const cleanInBatches = Emptying.task({
    needs,
    cascadeOutside: options.cascadeOutside,
    lockTimeout: options.lockTimeout,
    what: ({ surveyed: { cleaning, course, wish } }) =>
      drops && course.way === "batches" ? { survey: cleaning, wish, course } : undefined
  })
  const apply = ApplyTask.task({
    needs,
    owner: options.owner,
    checksums: options.verify,
    what: ({ proof, surveyed: { cleaning, course, going, hollow, standing } }) => ({
      ...proof,
      survey: cleaning,
      going,
      hollow,
      emptied: drops || course.way === "aside",
      lockTimeout,
      tune: options.tune,
      ...(standing === undefined ? {} : { standing }),
      ...(course.way === "transaction" ? {} : { budget: course.budget, jobs: options.jobs })
    })
  })
  const rights = FormerRights.task(undoes, apply)
  const grant = Grant.task({
    roles: options.grantTo,
    profile: options.profile,
    forRoles: options.forRoles,
    needs,
    scope: ({ proof }) => ({ schemas: proof.schemas, restored: keysOf(proof.contents) })
  })
  const verify = VerifyTask.task({ proof, apply }, undoes !== undefined)
  const putBack = SetAside.rights({
    needs,
    what: ({ surveyed: { course, found } }) => ({ survey: found, wanted: course.way === "aside" })
  })
  /** Owners that take from this role the right to look at what it restored: when all is granted and verified. */
  const owners = Task.make("owners", {
    title: "Give away what others own",
    session: "target",
    needs: { apply },
    plan: () =>
      Effect.succeed({
        value: undefined,
        // Whether there are such is known when the dump is applied; its rows say so.
        does: "nothing" as const,
        rows: [],
        run: ({ apply }: { readonly apply: ApplyTask.Loaded }) =>
          Effect.flatMap(Session, (session) => finish(session, apply, apply.explained))
      })
  })
  const dropOld = DropOld.task({
    needs,
    keeps: options.keepPrevious,
    what: ({ surveyed: { course, found, wish } }) => ({
      survey: found,
      wanted: course.way === "aside" && !options.keepPrevious,
      wish
    })
  })
  const keep = SetAside.keep({ needs, what: ({ surveyed: { found } }) => ({ survey: found, wanted: true }) })
  const previous = Previous.task({
    needs,
    keeps: ({ surveyed: { found } }) => (options.keepPrevious ? SetAside.names(found).map(SetAside.kept) : [])
  })
  const others = [proof, surveyed, sessions, lock, save, clean, aside, apply, rights, grant, putBack, keep, owners]
  const own = OwnTasks.task(
    tasks,
    verify,
    others.map(({ name }) => name)
  )
  return {
    sessions,
    lock,
    save,
    aside,
    clean: Task.when(drops, clean),
    cleanInBatches,
    apply,
    putBack,
    rights: Task.when(undoes !== undefined, rights),
    grant: Task.when(options.grantTo.length > 0, grant),
    verify: Task.when(options.verify, verify),
    own: Task.when(tasks.length > 0, own),
    owners,
    keep: Task.when(options.keepPrevious, keep),
    dropOld,
    previous: Task.when(recovers === undefined, previous)
  }
}
