/**
 * The verb grant: gives app roles their rights, and proves that they have them.
 *
 * What counts is what a role has in the end, however it has it. A statement that the server refuses, or answers with
 * the warning that nothing was granted, is no failure where the role has these rights anyway.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { changing, note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import { listed, plural } from "../pipeline/Words.ts"
import { type DatabaseError, PermissionDenied } from "../postgres/DatabaseError.ts"
import * as Grants from "../postgres/Grants.ts"
import { quote } from "../postgres/Identifier.ts"
import { objectKey } from "../postgres/ObjectName.ts"
import * as Retrying from "../postgres/Retrying.ts"
import * as Rights from "../postgres/Rights.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import { hold, type HoldOptions } from "./TargetHold.ts"
import { noSuchSchema, RoleMissing, type SchemaMissing, type TargetBusy } from "./VerbError.ts"

/** Whom to grant what on which schemas; names unquoted. */
export interface GrantOptions extends Grants.Options {
  /** Grant on what this role may, and only tell of the rest. Without it, all is granted or nothing. */
  readonly skipOthers?: boolean
}

/** What was granted and proven. */
export const GrantReport = Schema.Struct({
  roles: Schema.Array(Schema.String).annotateKey({ description: "Who has the rights now." }),
  profile: Schema.Literals(Grants.profiles).annotateKey({ description: "Which rights." }),
  ...Rights.proven,
  notGranted: Schema.Array(Rights.MissingRight).annotateKey({
    description: "What this role may not grant, on objects that the run could do without."
  }),
  refused: Schema.Array(Schema.String).annotateKey({
    description: "What the server refused, in words, and the roles do not need because they have the rights otherwise."
  })
})
export type GrantReport = typeof GrantReport.Type

/** What is granted on. */
export interface Scope {
  readonly schemas: ReadonlyArray<string>
  /**
   * Keys of the objects that a restore brings, in whose transaction this is: they are there only when it runs. What
   * else is in the schemas may stay without rights where it belongs to others.
   */
  readonly restored?: ReadonlySet<string>
}

/** A statement that did not have its effect, or not all of it. */
interface Refusal {
  readonly statement: Grants.GrantStatement
  /** The server's words. */
  readonly answer: string
}

/** Runs one statement under a savepoint; gives what the server did not grant. */
const attempt = Effect.fnUntraced(function* (session: SessionService, statement: Grants.GrantStatement) {
  const refusal = (answer: string): ReadonlyArray<Refusal> => [{ statement, answer }]
  return yield* session.savepoint("pgark grant", session.execute(statement.sql)).pipe(
    Effect.map(({ notices }) => {
      const answers = notices.filter(({ sqlstate }) => Grants.privilegeWarnings.has(sqlstate))
      return answers.length === 0 ? [] : refusal([...new Set(answers.map(({ message }) => message))].join("; "))
    }),
    Effect.catchTag("PermissionDenied", ({ message }) => Effect.succeed(refusal(message)))
  )
})

const describeMissing = ({ kind, object, owner, privileges, role }: Rights.MissingRight) =>
  `${kind} ${object} of ${quote(owner)}: no ${privileges.join(", ")} for ${quote(role)}`

const quoted = (names: ReadonlyArray<string>) => names.map(quote).join(", ")

/** @param refusals what the server answered; none where it was not asked */
const incomplete = (
  { profile }: GrantOptions,
  missing: ReadonlyArray<Rights.MissingRight>,
  refusals: ReadonlyArray<Refusal> | undefined
) => {
  const owners = [...new Set(missing.map(({ owner }) => quote(owner)))]
  const roles = [...new Set(missing.map(({ role }) => role))]
  const objects = new Set(missing.map(({ object, kind }) => `${kind} ${object}`)).size
  const restOfUse = missing.some(({ kind }) => kind !== "schema" && kind !== "database")
  return new PermissionDenied({
    message:
      `Not all rights of the profile "${profile}" can be given to ${quoted(roles)}: ` +
      `${plural(objects, "object lacks", "objects lack")} some.`,
    detail: [
      ...listed(missing.map(describeMissing)),
      ...(refusals ?? []).map(({ statement, answer }) => `${statement.what}: ${answer}`)
    ].join("\n"),
    suggestion:
      `Only an owner may grant: run \`pgark grant\` as ${owners.join(" and ")} (or as a member of it), ` +
      `or have the owner run the file that \`--sql-file\` writes.` +
      (restOfUse && refusals === undefined ? " With `--skip-others` the rest is granted." : ""),
    state: refusals === undefined ? "untouched" : "rolled-back",
    sqlstate: "42501",
    ...(refusals?.[0] === undefined ? {} : { statement: refusals[0].statement.sql })
  })
}

/** Nothing that a restore does can change this, so it is said before. */
const mayNotConnect = ({ name, owner }: Grants.ObjectRights, roles: ReadonlyArray<string>) =>
  new PermissionDenied({
    message: `${quoted(roles)} may not connect to the database ${quote(name)}, and this role may not let it.`,
    detail: `database ${quote(name)} of ${quote(owner)}: no CONNECT`,
    suggestion: `Have ${quote(owner)} or a superuser run: ${Grants.connecting(roles, name).sql}`,
    state: "untouched",
    sqlstate: "42501"
  })

const noSuchRole = (role: string) =>
  new RoleMissing({
    message: `The server has no role "${role}".`,
    suggestion: `Check the spelling (roles are case-sensitive here), or create it: CREATE ROLE ${quote(role)} LOGIN`,
    state: "untouched",
    role
  })

const mayNotSetDefaults = (creators: ReadonlyArray<string>) =>
  new PermissionDenied({
    message: `This role may not say which rights there will be on what ${quoted(creators)} creates.`,
    suggestion: `Connect as ${creators.map(quote).join(" or ")}, as a member that inherits its rights, or as a superuser.`,
    state: "untouched",
    sqlstate: "42501"
  })

/** What the run may not end without. */
const requiredOf = (missing: ReadonlyArray<Rights.MissingRight>, { skipOthers }: GrantOptions, { restored }: Scope) =>
  restored === undefined && skipOthers !== true
    ? missing
    : missing.filter(
        ({ kind, schema, name, grantable }) =>
          grantable ||
          Rights.indispensable.has(kind) ||
          restored?.has(objectKey({ kind: kind.toUpperCase(), schema, name }))
      )

const run = Effect.fnUntraced(function* (
  options: GrantOptions,
  scope: Scope,
  statements: ReadonlyArray<Grants.GrantStatement>
): Effect.fn.Return<GrantReport, DatabaseError, Session | SqlClient.SqlClient> {
  const session = yield* Session
  const refusals = (yield* Effect.forEach(statements, (statement) => attempt(session, statement))).flat()
  // Rights on what is not there yet are nothing that could be asked for.
  const failed = refusals.find(({ statement }) => statement.on === "default")
  if (failed !== undefined) {
    return yield* new PermissionDenied({
      message: `The server refused to ${failed.statement.what}: ${failed.answer}.`,
      suggestion:
        "Name with `--for-role` a role whose member this role is, or connect as the role that creates tables.",
      state: "rolled-back",
      sqlstate: "42501",
      statement: failed.statement.sql
    })
  }
  const { missing, ...proven } = yield* Rights.rights(options)
  const required = requiredOf(missing, options, scope)
  if (required.length > 0) return yield* incomplete(options, required, refusals)
  const refused = refusals.map(({ statement, answer }) => `${statement.what}: ${answer}`)
  for (const text of refused) {
    yield* note(`The server did not ${text}. It does not matter: the rights are there.`)
  }
  for (const text of listed(missing.map(describeMissing), 6)) yield* note(`Not granted: ${text}`)
  return { roles: options.roles, profile: options.profile, ...proven, notGranted: missing, refused }
})

/** What stands in the way of any grant, before anything is done. */
const preflight = Effect.fnUntraced(function* ({ roles, forRoles = [] }: Omit<GrantOptions, "schemas">) {
  const [absent] = yield* Rights.missingRoles([...roles, ...forRoles])
  if (absent !== undefined) return yield* noSuchRole(absent)
  const foreign = yield* Rights.foreignRoles(forRoles)
  if (foreign.length > 0) return yield* mayNotSetDefaults(foreign)
  const lacking = (yield* Rights.database(roles)).filter(({ missing }) => missing.length > 0)
  const [database] = lacking
  if (database === undefined) return []
  const names = lacking.map(({ role }) => role)
  if (database.ungrantable.length > 0) return yield* mayNotConnect(database, names)
  return [Grants.connecting(names, database.name)]
})

/**
 * Grants within a transaction that is open on the session "target", and proves the rights.
 *
 * Planning it fails with RoleMissing where the server has no such role, and with PermissionDenied where it shows
 * already that a right cannot be given: to connect, to say what holds for the objects of `forRoles`, on an object of
 * another. Running it fails with PermissionDenied, which lists what is missing and whose it is, where a role does not
 * have all rights in the end.
 */
export const task = <const N extends Task.Needs = {}>({
  needs,
  scope: scopeOf,
  ...options
}: Omit<GrantOptions, "schemas"> & {
  readonly needs?: N
  readonly scope: (needs: Task.PlannedNeeds<N>) => Scope
}) =>
  Task.make("grant", {
    title: `Grant ${options.roles.join(", ")} ${options.roles.length === 1 ? "its" : "their"} rights`,
    session: "target",
    ...(needs === undefined ? {} : { needs }),
    plan: Effect.fnUntraced(function* (planned: Task.PlannedNeeds<N>) {
      const scope = scopeOf(planned)
      const granted: GrantOptions = {
        ...options,
        roles: [...new Set(options.roles)],
        schemas: scope.schemas
      }
      const before = yield* preflight(granted)
      const now = Effect.map(Rights.objects(granted), (found) => {
        return { statements: [...before, ...Grants.statements(granted, found)], hopeless: Rights.beyond(found) }
      })
      const { statements, hopeless } =
        scope.restored === undefined
          ? yield* now
          : { statements: [...before, ...Grants.statements(granted)], hopeless: [] }
      const required = requiredOf(hopeless, granted, scope)
      if (required.length > 0) return yield* incomplete(granted, required, undefined)
      const later = scope.restored !== undefined && Grants.coversFunctions(granted.profile)
      return {
        value: statements,
        rows: [
          ...statements.map(({ sql, what }) => Plan.row(what, { sql })),
          ...(later ? [Plan.row("grant use of functions and types that not everyone may use, by name")] : []),
          ...listed(hopeless.map(describeMissing), 6).map((text) => Plan.row(`leave ${text}`)),
          Plan.row(
            `prove that ${granted.roles.join(", ")} may connect, and ${granted.roles.length === 1 ? "has" : "have"} ` +
              "these rights on every object"
          )
        ],
        run: () =>
          scope.restored === undefined
            ? run(granted, scope, statements)
            : Effect.flatMap(now, (found) => run(granted, scope, found.statements))
      }
    })
  })

/** The verb by itself: the schemas must be there, and all is granted in one transaction or nothing. */
export const pipeline = ({ wait = false, ...options }: GrantOptions & HoldOptions) => {
  const looked = Task.withLimits(
    Task.read("look for schemas", {
      title: "Look for the schemas",
      session: "target",
      scope: () => options.schemas.map((schema) => `schema ${schema}`),
      plan: Effect.fnUntraced(function* () {
        const [missing] = yield* Rights.missingSchemas(options.schemas)
        if (missing === undefined) return options.schemas
        const { url } = yield* Session
        return yield* noSuchSchema(missing, url.database)
      })
    }),
    { retry: Retrying.reads }
  )
  const schemas = Task.holding(looked, hold({ wait }))
  const granting = Pipeline.asTask("grant in one transaction", {
    title: "Grant in one transaction",
    session: "target",
    needs: [schemas],
    pipeline: Pipeline.make("grant", [task({ ...options, scope: () => ({ schemas: options.schemas }) })]),
    around: (granted) =>
      Effect.flatMap(Session, (session) =>
        session.transaction(
          Effect.map(granted, (results) => results.grant),
          changing(`the grant to ${options.roles.join(", ")}`)
        )
      )
  })
  return Pipeline.make("grant", [schemas, granting])
}

/**
 * Gives roles their rights on what is in the schemas, and on what the connected role (or `forRoles`) will create there.
 *
 * Fails, with nothing changed, with RoleMissing, SchemaMissing, TargetBusy where another pgark is at work there, or
 * PermissionDenied where a right cannot be given.
 */
export const grant = Effect.fn("Grant.grant")(function* (
  options: GrantOptions & HoldOptions
): Effect.fn.Return<
  GrantReport,
  DatabaseError | PoolerInBetween | RoleMissing | SchemaMissing | TargetBusy,
  Session | SqlClient.SqlClient
> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results["grant in one transaction"]
})
