/**
 * What a restore does with each statement of a dump: one table, by kind.
 *
 * Run it, now or after the rest has been applied, or skip it with a reason that the report counts. What makes a
 * dump unsafe has been refused before, when the dump was proven. Nothing that would lose data or a constraint is ever
 * skipped.
 */
import type { Survey } from "../postgres/survey/Survey.ts"
import type { StatementKind } from "../postgres/script/Statement.ts"

export type Decision =
  | {
      readonly _tag: "Run"
      /** After everything else: an owner given away too early would deny the COPY that follows. */
      readonly later?: boolean
      /** Refusals of the server by SQLSTATE for which it is skipped, with the reason; any other ends the restore. */
      readonly unless?: { readonly sqlstates: ReadonlyArray<string>; readonly reason: string }
    }
  | { readonly _tag: "Skip"; readonly reason: string }

/** Whose the restored objects become: the dump's owners where this role may, always, or never. */
export type OwnerMode = "auto" | "keep" | "skip"

export interface PolicyOptions {
  readonly survey: Survey
  /** The clean step has run: the dump's own DROPs have nothing left to do. */
  readonly cleaned: boolean
  readonly owner: OwnerMode
}

const run: Decision = { _tag: "Run" }
const skip = (reason: string): Decision => ({ _tag: "Skip", reason })

/** Limits of the session that applies the dump are pgark's own: a dump's header would switch off what protects it. */
const ownSettings = new Set([
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "idle_session_timeout",
  "transaction_timeout",
  "client_min_messages"
])

/** Denied; or a sequence that a column owns, which stays with its table. */
const notToBeOwned = ["42501", "0A000"]

/** pg_dump also drops what partitions have from their parent, which only the parent's DROP can do. */
const inherited: Decision = {
  _tag: "Run",
  unless: { sqlstates: ["42P16", "2BP01"], reason: "it goes with the partitioned table that it comes from" }
}

const always = () => run

type Kinds = { readonly [K in StatementKind["_tag"]]: Extract<StatementKind, { readonly _tag: K }> }
type Table = { readonly [K in keyof Kinds]: (kind: Kinds[K], described: boolean) => Decision }

/**
 * Decides about a dump's statements, in their order. `described`: whether pg_dump has headed it with an object comment,
 * as it does with everything but its first settings and DROPs.
 */
export type Policy = (kind: StatementKind, described: boolean) => Decision

/** Makes the table for one restore. It remembers what was created and whether a SET SESSION AUTHORIZATION is skipped. */
export const make = (options: PolicyOptions): Policy => {
  const { survey } = options
  const settings = new Set(survey.server.settings)
  const existing = new Set(survey.schemas.flatMap(({ name, exists }) => (exists ? [name] : [])))
  const installed = new Set(survey.extensions.map(({ name }) => name))
  const roles = new Map(survey.roles.map((role) => [role.name, role]))
  const views = new Set(
    survey.objects.flatMap(({ kind, schema, name }) => (kind === "VIEW" ? [`${schema}.${name}`] : []))
  )
  const created = new Set<string | undefined>()
  let skippingAs: string | undefined

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
    const reason = `"${owner}" may not own objects in this schema: ${kept}`
    return { _tag: "Run", later, unless: { sqlstates: notToBeOwned, reason } }
  }

  const table: Table = {
    SetSetting: ({ name }) => {
      if (ownSettings.has(name)) return skip("limits of the session are pgark's own")
      // Two-part names belong to extensions and need not be known before they are set.
      if (!settings.has(name) && !name.includes(".") && name !== "role") {
        return skip(`the server does not know the setting ${name}`)
      }
      return run
    },
    SessionAuthorization: ({ role }) => {
      if (role === undefined) {
        const skipped = skippingAs
        skippingAs = undefined
        return skipped === undefined ? run : skip(`rights granted by "${skipped}" are not restored`)
      }
      if (survey.role.superuser && roles.has(role)) return run
      skippingAs = role
      return skip(`rights granted by "${role}" are not restored`)
    },
    TransactionControl: () => skip("large objects are restored in the same transaction as all else"),
    Schema: ({ schema, action, roles: named }) => {
      if (existing.has(schema)) return skip("a schema that is there keeps its own owner, rights and comment")
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
    OwnerTo: ({ owner }) => ownerTo(owner),
    Drop: ({ kind, name }) => {
      if (options.cleaned && !created.has(name)) return skip("the clean step has dropped it already")
      return kind === "CONSTRAINT" || kind === "INDEX" ? inherited : run
    },
    Create: ({ name, schema, hollow }, described) => {
      // Among its DROPs pg_dump hollows out a view that needs what would go before it. No IF EXISTS guards that.
      if (hollow && !described) {
        if (options.cleaned) return skip("the clean step has dropped it already")
        if (!views.has(`${schema}.${name}`)) return skip("a view that is not there is not prepared for its DROP")
        return { _tag: "Run", unless: { sqlstates: ["42P16"], reason: "a view of other columns is dropped as it is" } }
      }
      created.add(name)
      return run
    },
    AddConstraint: always,
    Grant: ({ roles: named }) => {
      const absent = missing(named)
      return absent === undefined ? run : skip(`the server has no role "${absent}": its rights are not restored`)
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
    LargeObjectUnlink: always,
    LargeObjectCall: always,
    AlterSystem: always,
    Other: always
  }

  return (kind, described) => {
    if (skippingAs !== undefined && kind._tag !== "SessionAuthorization") {
      return skip(`rights granted by "${skippingAs}" are not restored`)
    }
    // The table's row for a tag takes kinds of that tag, which the compiler cannot relate over the union.
    return (table[kind._tag] as Policy)(kind, described)
  }
}
