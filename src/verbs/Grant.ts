/**
 * The verb grant: gives the app role its rights, and proves that it has them.
 *
 * What counts is what the role has in the end, however it has it. A statement that the server refuses, or answers
 * with the warning that nothing was granted, is no failure where the role has these rights anyway.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { changing, note } from "../pipeline/RunEvent.ts"
import * as Task from "../pipeline/Task.ts"
import { listed, plural } from "../pipeline/Words.ts"
import { type DatabaseError, PermissionDenied } from "../postgres/DatabaseError.ts"
import * as Grants from "../postgres/Grants.ts"
import { quote } from "../postgres/Identifier.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import { noSuchSchema, RoleMissing, type SchemaMissing } from "./VerbError.ts"

/** Whom to grant what on which schemas; names unquoted. */
export type GrantOptions = Grants.Options

/** What was granted and proven. */
export interface GrantReport extends Omit<Grants.Rights, "missing"> {
  readonly role: string
  readonly profile: Grants.GrantProfile
  /** What the server refused, in words, and the role does not need because it has the rights otherwise. */
  readonly refused: ReadonlyArray<string>
}

/** A statement that did not have its effect, or not all of it. */
interface Refusal {
  readonly sql: string
  readonly what: string
  /** The server's words. */
  readonly answer: string
}

/** SQLSTATEs of the warnings "no privileges were granted" and "no privileges could be revoked". */
const privilegeWarnings = new Set(["01007", "01006"])

/** Runs one statement under a savepoint; gives what the server did not grant. */
const attempt = Effect.fnUntraced(function* (session: SessionService, sql: string, what: string) {
  const refusal = (answer: string): ReadonlyArray<Refusal> => [{ sql, what, answer }]
  return yield* session.savepoint("pgark grant", session.execute(sql)).pipe(
    Effect.map(({ notices }) => {
      const answers = notices.filter(({ sqlstate }) => privilegeWarnings.has(sqlstate))
      return answers.length === 0 ? [] : refusal([...new Set(answers.map(({ message }) => message))].join("; "))
    }),
    Effect.catchTag("PermissionDenied", ({ message }) => Effect.succeed(refusal(message)))
  )
})

/** What the refused `ON ALL …` form did not do: the same, on the objects that this role may grant on. */
const grantOneByOne = Effect.fnUntraced(function* (
  session: SessionService,
  options: GrantOptions,
  { on, schema }: Grants.GrantStatement
) {
  if (schema === undefined || (on !== "table" && on !== "sequence")) return
  const found = yield* Grants.objects({ ...options, schemas: [schema] })
  const own = found.filter(({ kind, missing, grantable }) => kind === on && missing.length > 0 && grantable)
  if (own.length === 0) return
  yield* attempt(session, Grants.statementFor(on, own, options), `grant on ${own.length} of the ${on}s of ${schema}`)
})

const incomplete = (options: GrantOptions, rights: Grants.Rights, refusals: ReadonlyArray<Refusal>) => {
  const owners = [...new Set(rights.missing.map(({ owner }) => quote(owner)))]
  const lines = rights.missing.map(
    ({ kind, object, owner, privileges }) => `${kind} ${object} of ${quote(owner)}: no ${privileges.join(", ")}`
  )
  return new PermissionDenied({
    message:
      `The role ${quote(options.role)} could not be given all rights of the profile "${options.profile}": ` +
      `${plural(lines.length, "object lacks", "objects lack")} some.`,
    detail: [...listed(lines), ...refusals.map(({ what, answer }) => `${what}: ${answer}`)].join("\n"),
    suggestion:
      `Only an owner may grant: run \`pgark grant\` as ${owners.join(" and ")} (or as a member of it), ` +
      "or have the owner run the file that `--sql-file` writes.",
    state: "rolled-back",
    sqlstate: "42501",
    ...(refusals[0] === undefined ? {} : { statement: refusals[0].sql })
  })
}

/** Nothing that a restore does can change this, so it is said before. */
const mayNotConnect = ({ name, owner }: Grants.ObjectRights, role: string) =>
  new PermissionDenied({
    message: `The role ${quote(role)} may not connect to the database ${quote(name)}, and this role may not let it.`,
    detail: `database ${quote(name)} of ${quote(owner)}: no CONNECT`,
    suggestion: `Have ${quote(owner)} or a superuser run: ${Grants.connecting(role, name).sql}`,
    state: "untouched",
    sqlstate: "42501"
  })

const run = Effect.fnUntraced(function* (
  options: GrantOptions,
  statements: ReadonlyArray<Grants.GrantStatement>
): Effect.fn.Return<GrantReport, DatabaseError, Session | SqlClient.SqlClient> {
  const session = yield* Session
  const refusals: Array<Refusal> = []
  for (const statement of statements) {
    const refused = yield* attempt(session, statement.sql, statement.what)
    if (refused.length > 0) yield* grantOneByOne(session, options, statement)
    refusals.push(...refused)
  }
  const rights = yield* Grants.rights(options)
  const { missing, ...counts } = rights
  if (missing.length > 0) return yield* incomplete(options, rights, refusals)
  const refused = refusals.map(({ what, answer }) => `${what}: ${answer}`)
  for (const text of refused) {
    yield* note(`The server did not ${text}. It does not matter: ${quote(options.role)} has these rights.`)
  }
  return { role: options.role, profile: options.profile, ...counts, refused }
})

/**
 * Grants within a transaction that is open on the session "target", and proves the rights.
 *
 * Planning it fails with RoleMissing where the server has no such role, and with PermissionDenied where the role may
 * not connect to the database and this role may not let it. Running it fails with PermissionDenied, which
 * lists what is missing and whose it is, where the role does not have all rights in the end.
 */
export const task = <const N extends Task.Needs = {}>(
  options: Omit<GrantOptions, "schemas"> & {
    readonly needs?: N
    /** The schemas, where they are known only from other tasks. */
    readonly schemas: ReadonlyArray<string> | ((needs: Task.PlannedNeeds<N>) => ReadonlyArray<string>)
  }
) =>
  Task.make("grant", {
    title: `Grant ${options.role} its rights`,
    session: "target",
    ...(options.needs === undefined ? {} : { needs: options.needs }),
    plan: Effect.fnUntraced(function* (needs: Task.PlannedNeeds<N>) {
      const schemas = typeof options.schemas === "function" ? options.schemas(needs) : options.schemas
      const granted: GrantOptions = { role: options.role, profile: options.profile, schemas }
      if (!(yield* Grants.roleExists(options.role))) {
        return yield* new RoleMissing({
          message: `The server has no role "${options.role}".`,
          suggestion:
            `Check the spelling (roles are case-sensitive here), or create it: ` +
            `CREATE ROLE ${quote(options.role)} LOGIN`,
          state: "untouched",
          role: options.role
        })
      }
      const database = yield* Grants.database(options.role)
      const connects = database === undefined || database.missing.length === 0
      if (!connects && !database.grantable) return yield* mayNotConnect(database, options.role)
      const statements = [
        ...(connects ? [] : [Grants.connecting(options.role, database.name)]),
        ...Grants.statements(granted)
      ]
      return {
        value: statements,
        rows: [
          ...statements.map(({ sql, what }) => Plan.row(what, { sql })),
          Plan.row(`prove that ${options.role} may connect, and has these rights on every object`)
        ],
        run: () => run(granted, statements)
      }
    })
  })

/** The verb by itself: the schemas must be there, and all is granted in one transaction or nothing. */
export const pipeline = (options: GrantOptions) => {
  const schemas = Task.withLimits(
    Task.read("look for schemas", {
      title: "Look for the schemas",
      session: "target",
      scope: () => options.schemas.map((schema) => `schema ${schema}`),
      plan: Effect.fnUntraced(function* () {
        const [missing] = yield* Grants.missingSchemas(options.schemas)
        if (missing === undefined) return options.schemas
        const { url } = yield* Session
        return yield* noSuchSchema(missing, url.database)
      })
    }),
    { retry: Retrying.reads }
  )
  const granting = Pipeline.asTask("grant in one transaction", {
    title: "Grant in one transaction",
    session: "target",
    needs: [schemas],
    pipeline: Pipeline.make("grant", [task(options)]),
    around: (granted) =>
      Effect.flatMap(Session, (session) =>
        session.transaction(
          Effect.map(granted, (results) => results.grant),
          changing(`the grant to ${options.role}`)
        )
      )
  })
  return Pipeline.make("grant", [schemas, granting])
}

/**
 * Gives a role its rights on the tables and sequences of the schemas, and on those that the connected role will create.
 *
 * Fails, with nothing changed, with RoleMissing, SchemaMissing, or PermissionDenied where a right is missing in the end.
 */
export const grant = Effect.fn("Grant.grant")(function* (
  options: GrantOptions
): Effect.fn.Return<GrantReport, DatabaseError | RoleMissing | SchemaMissing, Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results["grant in one transaction"]
})
