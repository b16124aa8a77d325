/**
 * What a restore does with each statement of a dump: one table, by kind.
 *
 * Run it, now or after the rest has been applied, or skip it with a reason that the report counts. What makes a
 * dump unsafe has been refused before, when the dump was proven. Nothing that would lose data or a constraint is ever
 * skipped.
 */
import { isSystemSchema } from "../../postgres/Identifier.ts"
import { databaseWide, objectKey } from "../../postgres/ObjectName.ts"
import type { Survey } from "../../postgres/survey/Survey.ts"
import type { StatementKind } from "../../postgres/script/StatementKind.ts"
import type { QualifiedName } from "../../postgres/script/StatementTokens.ts"

export type Decision =
  | {
      readonly _tag: "Run"
      /** After everything else: an owner given away too early would deny the COPY that follows. */
      readonly later?: boolean
      /** Refusals of the server, by SQLSTATE, for which it is skipped, with the reason; any other ends the restore. */
      readonly unless?: ReadonlyMap<string, string>
    }
  | {
      readonly _tag: "Skip"
      readonly reason: string
      /** What it would create is there all the same. */
      readonly there?: boolean
      /** What is executed in its place. */
      readonly instead?: string
    }

/** Whose the restored objects become: the dump's owners where this role may, always, or never. */
export const ownerModes = ["auto", "keep", "skip"] as const
export type OwnerMode = (typeof ownerModes)[number]

export interface PolicyOptions {
  readonly survey: Survey
  /** The clean step has run: the dump's own DROPs have nothing left to do. */
  readonly cleaned: boolean
  readonly owner: OwnerMode
}

const run: Decision = { _tag: "Run" }
const excused = (sqlstates: ReadonlyArray<string>, reason: string): ReadonlyMap<string, string> =>
  new Map(sqlstates.map((sqlstate) => [sqlstate, reason]))
const runUnless = (sqlstates: ReadonlyArray<string>, reason: string) => ({
  _tag: "Run" as const,
  unless: excused(sqlstates, reason)
})
const skip = (reason: string): Extract<Decision, { readonly _tag: "Skip" }> => ({ _tag: "Skip", reason })
const notActing = (role: string) => skip(`this role may not act as "${role}", and makes itself what that role would`)

/** Limits of the session that applies the dump are pgark's own: a dump's header would switch off what protects it. */
const ownSettings = new Set([
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
  "client_min_messages"
])

/**
 * Kinds that only a superuser, or the owner of something else, may create, and without which no row and no constraint is
 * lost. What cannot do without them (a foreign table, an index of an operator class) fails when its turn comes, and
 * everything is rolled back.
 */
const spare = new Set([
  ...databaseWide,
  "CAST",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "TEXT SEARCH PARSER",
  "TEXT SEARCH TEMPLATE",
  "TRANSFORM"
])

/** GRANT's and COMMENT's words for some of them. */
const spareName = (kind: string): string => (kind === "FOREIGN SERVER" ? "SERVER" : kind)

/** Denied, or about something that is not there because it was denied. */
const deniedOrAbsent = ["42501", "42704", "42883"]
/** Denied, or the server has no such library or label provider. */
const deniedOrUnknown = ["42501", "42704", "58P01", "22023"]
/** Of a DROP without IF EXISTS: what it drops is not there. */
const absent = ["42704", "42883", "42P01", "3F000"]

const unlessAbsent = runUnless(absent, "what the dump would drop is not there")

/** pg_dump also drops what partitions have from their parent, which only the parent's DROP can do. */
const inherited = runUnless([...absent, "42703", "42P16", "2BP01"], "it is not there, or goes with its parent table")

const always = () => run

/** Where new tables are put; a server that lacks the place puts them into its default one. */
const placements = new Set(["default_tablespace", "default_table_access_method"])

/** Rights on what is another's, whether the server refuses them or says by a warning that it gave none. */
export const notGranted = "rights that this role may not give or take are left as they are"

/** `an operator class` */
const aKind = (kind: string): string => `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind.toLowerCase()}`

/** pg_dump has what was changed of the rights on the system's own objects, which differ from major to major. */
const ofSystem = {
  _tag: "Run" as const,
  unless: new Map([
    ...excused(["42501"], notGranted),
    ...excused(["42883", "42P01", "42704"], "the server lacks the system's object that the rights are on")
  ])
}

const keyOf = (kind: string, name: Partial<QualifiedName>) =>
  name.name === undefined ? undefined : objectKey({ kind, ...name, name: name.name })

const unlessDenied = (kind: string, sqlstates: ReadonlyArray<string> = deniedOrAbsent) =>
  runUnless(sqlstates, `this role may not create or change ${aKind(kind)}`)

type Kinds = { readonly [K in StatementKind["_tag"]]: Extract<StatementKind, { readonly _tag: K }> }
type Table = { readonly [K in keyof Kinds]: (kind: Kinds[K], described: boolean) => Decision }

/**
 * Decides about a dump's statements, in their order. `described`: whether pg_dump has headed it with an object comment,
 * as it does with everything but its first settings and DROPs.
 */
export type Policy = (kind: StatementKind, described: boolean) => Decision

/** What gives or takes rights, and no object. */
const isAboutRights = (kind: StatementKind): boolean =>
  kind._tag === "Grant" ||
  kind._tag === "DefaultPrivileges" ||
  (kind._tag === "Schema" && (kind.action === "grant" || kind.action === "revoke"))

/**
 * Makes the table for one restore. It remembers what was created and whether a SET SESSION AUTHORIZATION is skipped.
 *
 * pg_dump acts as another role for two reasons: for the rights that this role has granted, which are no other's to give,
 * and with `--use-set-session-authorization` for everything that it owns. The latter is made by the role that restores,
 * and the rights on it then, too: skipping it would lose tables and rows.
 */
export const make = (options: PolicyOptions): Policy => {
  const { survey } = options
  const settings = new Set(survey.server.settings)
  const scope = new Set(survey.schemas.map(({ name }) => name))
  const installed = new Set(survey.extensions.map(({ name }) => name))
  const roles = new Map(survey.roles.map((role) => [role.name, role]))
  const views = new Set(survey.objects.flatMap((object) => (object.kind === "VIEW" ? [objectKey(object)] : [])))
  const wide = new Map(survey.databaseWide.map((object) => [objectKey(object), object]))
  const content = new Set(survey.objects.flatMap((object) => (object.extension === null ? [objectKey(object)] : [])))
  const created = new Set<string>()
  /** What was in the target and is gone by now: leaving its successor out would lose it. */
  const gone = new Set<string>(options.cleaned ? content : [])
  let skippingAs: string | undefined
  /** The session acts as another role. */
  let acting = false
  /** Roles that this one cannot act as and that made something, which this role makes instead. */
  const stoodInFor = new Set<string>()

  const missing = (names: ReadonlyArray<string>) => names.find((name) => !roles.has(name))

  const ownerTo = (owner: string): Decision => {
    if (options.owner === "skip") return skip("owners are not restored (--owner skip)")
    if (owner === survey.role.name) return run
    const known = roles.get(owner)
    const later = !survey.role.superuser && known?.inherits !== true
    if (options.owner === "keep") return { _tag: "Run", later }
    const kept = "its objects are now this role's"
    if (known === undefined) return skip(`the server has no role "${owner}": ${kept}`)
    if (survey.role.superuser) return run
    if (!known.settable) return skip(`this role may not SET ROLE to "${owner}": ${kept}`)
    // A sequence that a column owns has its table's owner already, and is then no longer this role's to change.
    const unless = excused(["42501", "0A000"], `"${owner}" may not own it here, or owns it already with its table`)
    return { _tag: "Run", later, unless }
  }

  const table: Table = {
    SetSetting: ({ name }) => {
      if (placements.has(name)) {
        return runUnless(["22023", "42704"], `the server lacks this ${name}`)
      }
      if (ownSettings.has(name)) return skip("limits of the session are pgark's own")
      // Two-part names belong to extensions and need not be known before they are set.
      if (!settings.has(name) && !name.includes(".") && name !== "role") {
        return skip(`the server does not know the setting ${name}`)
      }
      return run
    },
    SessionAuthorization: ({ role }) => {
      const [skipped, acted] = [skippingAs, acting]
      skippingAs = undefined
      acting = false
      if (role === undefined) return skipped === undefined ? run : notActing(skipped)
      if (survey.role.superuser && roles.has(role)) {
        acting = true
        return run
      }
      skippingAs = role
      return acted ? { ...notActing(role), instead: "RESET SESSION AUTHORIZATION" } : notActing(role)
    },
    TransactionControl: () => skip("large objects are restored in the same transaction as all else"),
    Schema: ({ schema, action, roles: named }) => {
      if (survey.server.schemas.has(schema))
        return skip("a schema that is there keeps its own owner, rights and comment")
      if (action === "owner") return ownerTo(named[0] ?? "")
      const absent = missing(named)
      if (absent !== undefined && (action === "grant" || action === "revoke")) {
        return skip(`the server has no role "${absent}": its rights are not restored`)
      }
      return run
    },
    Extension: ({ name, action }) => {
      if (action === "drop") return skip("extensions are never dropped")
      return installed.has(name) ? skip("the extension is installed already") : run
    },
    Database: () => skip("what concerns the database itself is left as it is"),
    Role: always,
    OwnerTo: ({ kind, owner }) => {
      const decision = ownerTo(owner)
      if (decision._tag === "Skip" || !spare.has(kind)) return decision
      return { ...decision, unless: new Map([...unlessDenied(kind).unless, ...(decision.unless ?? [])]) }
    },
    Alter: ({ compression, kind }) => {
      if (compression === true) return runUnless(["0A000"], "the server lacks this compression method")
      return spare.has(kind) ? unlessDenied(kind) : run
    },
    Comment: ({ kind }) => (spare.has(kind) ? unlessDenied(kind) : run),
    SecurityLabel: () => unlessDenied("SECURITY LABEL", deniedOrUnknown),
    Drop: ({ kind, guarded, ...named }) => {
      const dropped = keyOf(kind, named)
      if (dropped !== undefined && databaseWide.has(kind)) {
        const there = wide.get(dropped)
        if (there === undefined) return skip("what the dump would drop is not there")
        if (!there.droppable)
          return skip(`${kind.toLowerCase()} "${there.name}" is left as it is: it is not this role's`)
        gone.add(dropped)
        return guarded ? run : unlessAbsent
      }
      if (named.schema !== undefined && !scope.has(named.schema)) {
        return skip(`nothing of schema "${named.schema}" is in the dump: what is there stays`)
      }
      if (options.cleaned && kind !== "CAST" && kind !== "TRANSFORM") {
        // A dump may drop what it has itself created; all else is gone.
        if (dropped === undefined || !created.has(dropped)) {
          return skip("the clean step has dropped it already")
        }
      }
      if (dropped !== undefined && content.has(dropped)) gone.add(dropped)
      if (kind === "CONSTRAINT" || kind === "INDEX") return inherited
      return guarded ? run : unlessAbsent
    },
    Create: ({ kind, hollow, native, ...named }, described) => {
      // Among its DROPs pg_dump hollows out a view that needs what would go before it. No IF EXISTS guards that.
      if (hollow && !described) {
        if (options.cleaned) return skip("the clean step has dropped it already")
        if (!views.has(keyOf(kind, named) ?? "")) return skip("a view that is not there is not prepared for its DROP")
        return runUnless(["42P16"], "a view of other columns is dropped as it is")
      }
      const made = keyOf(kind, named)
      if (made !== undefined) created.add(made)
      const replaced = made !== undefined && gone.has(made)
      if (made !== undefined && wide.has(made) && !replaced) {
        return skip(`${kind.toLowerCase()} "${named.name}" is there already and left as it is`)
      }
      if (replaced) return run
      if (spare.has(kind)) return unlessDenied(kind)
      return native === true ? unlessDenied("FUNCTION IN C", deniedOrUnknown) : run
    },
    AddConstraint: always,
    Grant: ({ kind = "", roles: named, ...object }) => {
      const absent = missing(named)
      if (absent !== undefined) return skip(`the server has no role "${absent}": its rights are not restored`)
      if (spare.has(spareName(kind))) return unlessDenied(spareName(kind))
      // Of what the dump does not create (an extension's, the system's) the rights may be another's to give.
      const on = keyOf(kind, object)
      if (object.schema !== undefined && isSystemSchema(object.schema)) return ofSystem
      // Of large objects a dump has the rights of those that it creates.
      return on === undefined || kind === "LARGE OBJECT" || created.has(on) ? run : runUnless(["42501"], notGranted)
    },
    DefaultPrivileges: ({ forRole, roles: named }) => {
      const absent = missing([...named, ...(forRole === undefined ? [] : [forRole])])
      if (absent !== undefined) return skip(`the server has no role "${absent}": its rights are not restored`)
      const settable = forRole === undefined || survey.role.superuser || roles.get(forRole)?.inherits === true
      return settable ? run : skip(`default privileges of "${forRole}" are not this role's to change`)
    },
    CopyFrom: always,
    CopyTo: always,
    SequenceValue: always,
    InsertInto: always,
    LargeObjectUnlink: () => (options.cleaned ? skip("the clean step has dropped it already") : unlessAbsent),
    LargeObjectCall: always,
    RestoreStatistics: () => runUnless(["42883", "42501"], "the planner's statistics are gathered anew"),
    AlterSystem: always,
    Other: always
  }

  return (kind, described) => {
    if (skippingAs !== undefined && kind._tag !== "SessionAuthorization") {
      if (!isAboutRights(kind)) stoodInFor.add(skippingAs)
      else if (!stoodInFor.has(skippingAs)) return skip(`rights granted by "${skippingAs}" are not restored`)
    }
    // The table's row for a tag takes kinds of that tag, which the compiler cannot relate over the union.
    return (table[kind._tag] as Policy)(kind, described)
  }
}
