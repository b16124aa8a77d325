/** What a restore can be told, and what it does where it is not. */
import type * as Duration from "effect/Duration"
import type * as Plan from "../../pipeline/Plan.ts"
import type { GrantProfile } from "../../postgres/Grants.ts"
import type { HoldOptions } from "../TargetHold.ts"
import type { OwnerMode } from "./StatementPolicy.ts"

export interface RestoreOptions extends HoldOptions {
  /** The dump's file; the newest dump of the target's database in the store where it is missing. */
  readonly file?: string
  /** Empty the dump's schemas first; not unless told. */
  readonly clean?: boolean
  /**
   * With `clean`: drop what stands outside of the dump's schemas and depends on what goes, by name, as far as this role
   * may. It is lost. Not unless told: then it is in the way.
   */
  readonly cascadeOutside?: boolean
  /** Whose the objects will be: `auto` unless told. */
  readonly owner?: OwnerMode
  /** The app role, or roles, to grant their rights to. */
  readonly grantTo?: string | ReadonlyArray<string>
  /** The roles that will create more tables, on which these have their rights too: the connected one unless told. */
  readonly forRoles?: ReadonlyArray<string>
  /** Which rights; all unless told. */
  readonly profile?: GrantProfile
  /** Hold the restored database against the manifest before the commit: done unless told. */
  readonly verify?: boolean
  /** Gather the planner's statistics after the commit: done unless told. */
  readonly analyze?: boolean
  /** Let a dump pass that lacks pg_dump's closing lines; not unless told. */
  readonly acceptUnproven?: boolean
  /** Take a dump that has only part of the rows of some tables; not unless told. */
  readonly allowPartialRows?: boolean
  /**
   * Look at everything in detail and do what the plan says or nothing: for plans that are kept. There is no falling back
   * to another rung, and the target's objects must have kept their definitions when the locks are taken.
   */
  readonly exact?: boolean
  /** The plan to run, made before with these options and `exact`. */
  readonly plan?: Plan.Plan
  /**
   * Save what goes first, under the locks of the restore, so that `Undo` can bring it back: done unless told. It takes the
   * right to read all of that, and a second connection.
   */
  readonly backupFirst?: boolean
  /**
   * Set the sessions' own memory for indexes, and let rows and commits of several connections go in as fast as they may:
   * done unless told. Nothing of it outlives the restore.
   */
  readonly tune?: boolean
  /** Connections that restore; 1 unless told. More than one cannot share a transaction. */
  readonly jobs?: number
  /**
   * Keep what is replaced in the database, in schemas of other names, until the next restore: `Undo` renames them back.
   * No dump of it is made. Not unless told.
   */
  readonly keepPrevious?: boolean
  /** Restore in several transactions even where one is thought to do. Not unless told. */
  readonly several?: boolean
  /** With several transactions: let other sessions in the database go on, which may see half of it. Not unless told. */
  readonly whileInUse?: boolean
  /** How long others may hold what is to be replaced before the restore gives up; 30 seconds unless told. */
  readonly lockTimeout?: Duration.Input
}

/** Options with nothing left open. */
export type Settled = Omit<RestoreOptions, "grantTo"> &
  Required<Pick<RestoreOptions, "clean" | "cascadeOutside" | "owner" | "forRoles" | "profile">> &
  Required<Pick<RestoreOptions, "verify" | "analyze" | "acceptUnproven" | "allowPartialRows">> &
  Required<Pick<RestoreOptions, "backupFirst" | "several" | "whileInUse">> &
  Required<Pick<RestoreOptions, "jobs" | "keepPrevious" | "tune">> & {
    readonly grantTo: ReadonlyArray<string>
  }

/** The options, and the defaults of the command line for what they leave open. */
export const settled = ({ grantTo = [], ...options }: RestoreOptions): Settled => ({
  clean: false,
  cascadeOutside: false,
  owner: "auto",
  forRoles: [],
  profile: "all",
  verify: true,
  analyze: true,
  acceptUnproven: false,
  allowPartialRows: false,
  backupFirst: true,
  jobs: 1,
  tune: true,
  keepPrevious: false,
  several: false,
  whileInUse: false,
  grantTo: [...new Set(typeof grantTo === "string" ? [grantTo] : grantTo)],
  ...options
})
