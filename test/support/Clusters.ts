/** Databases and roles for tests, on the servers that `globalSetup.ts` started. All of them go with their Scope. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Client, type QueryResultRow } from "pg"
import { inject } from "vitest"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { literal, quote } from "../../src/postgres/Identifier.ts"
import { toDatabaseError } from "../../src/postgres/Sqlstate.ts"

/** The majors that everything is tested on. One server of each serves the whole run. */
export const majors = [15, 18] as const
/** Those that `npm run test:all` adds; a test of the usual run that wants one of them starts its own server. */
export const moreMajors = [13, 16] as const
export type Major = (typeof majors)[number] | (typeof moreMajors)[number]

/** Databases are dumped from a server of this major, the newest, where a test has no reason for another. */
export const sourceMajor = 18 satisfies Major

/** A login. */
export interface Role {
  readonly name: string
  readonly password: Redacted.Redacted
}

const random = (kind: string) => `test_${kind}_${randomBytes(6).toString("hex")}`

/** Superuser and maintenance database of a server. */
export const superuser = Effect.fnUntraced(function* (major: Major) {
  const uri = inject("clusters")[major]
  if (uri === undefined) return yield* Effect.die(new Error(`No server of version ${major} was started`))
  return yield* Effect.orDie(DatabaseUrl.parse(Redacted.make(uri), {}))
})

/** The same database, another role. */
export const as = (url: DatabaseUrl.DatabaseUrl, role: Role): DatabaseUrl.DatabaseUrl => ({
  ...url,
  user: role.name,
  password: role.password
})

/** Rows of the last statement in `sql`. Without `params` it may be several statements. */
export type Query = <Row extends QueryResultRow = Record<string, unknown>>(
  sql: string,
  params?: ReadonlyArray<unknown>
) => Effect.Effect<ReadonlyArray<Row>, DatabaseError>

/** Several queries over one connection: a new one has the server read its catalogue afresh. */
export const connected = <A, E, R>(
  url: DatabaseUrl.DatabaseUrl,
  body: (query: Query) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | DatabaseError, R> =>
  Effect.acquireUseRelease(
    Effect.tryPromise({
      try: async () => {
        const client = new Client(Connecting.toPgConfig(url, false))
        await client.connect()
        return client
      },
      catch: (cause) => toDatabaseError(cause)
    }),
    (client) =>
      body(<Row extends QueryResultRow>(sql: string, params?: ReadonlyArray<unknown>) =>
        Effect.tryPromise({
          try: async () => {
            const result = await client.query<Row>(sql, params === undefined ? undefined : [...params])
            return [result].flat().at(-1)?.rows ?? []
          },
          catch: (cause) => toDatabaseError(cause, { statement: sql })
        })
      ),
    (client) => Effect.promise(() => client.end())
  )

/** A {@link Query} over a connection of its own. */
export const query = Effect.fn("Clusters.query")(
  <Row extends QueryResultRow = Record<string, unknown>>(
    url: DatabaseUrl.DatabaseUrl,
    sql: string,
    params?: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<Row>, DatabaseError> => connected(url, (query) => query<Row>(sql, params))
)

const command = (url: DatabaseUrl.DatabaseUrl, sql: string) => Effect.orDie(query(url, sql))

/** How {@link makeRole} may be varied. */
export interface RoleOptions {
  /** For example "SUPERUSER" or "NOINHERIT CREATEDB". */
  readonly attributes?: string
  /** Names of roles that it becomes a member of. */
  readonly memberOf?: ReadonlyArray<string>
}

/** A role that may log in. When the scope closes, what it owns or was granted in any database goes first. */
export const makeRole = Effect.fn("Clusters.makeRole")(function* (
  major: Major,
  options: RoleOptions = {}
): Effect.fn.Return<Role, never, Scope.Scope> {
  const admin = yield* superuser(major)
  const role = { name: random("role"), password: Redacted.make(randomBytes(12).toString("hex")) }
  const password = literal(Redacted.value(role.password))
  yield* Effect.acquireRelease(
    command(admin, `CREATE ROLE ${role.name} LOGIN PASSWORD ${password} ${options.attributes ?? ""}`),
    () => Effect.orDie(connected(admin, (query) => disownAndDrop(query, admin, role.name)))
  )
  for (const group of options.memberOf ?? []) yield* command(admin, `GRANT ${quote(group)} TO ${role.name}`)
  return role
})

/** Drops a role, once what keeps DROP ROLE from working is taken away, wherever it is. */
const disownAndDrop = Effect.fnUntraced(function* (query: Query, admin: DatabaseUrl.DatabaseUrl, role: string) {
  const databases = yield* query<{ datname: string }>(
    `SELECT DISTINCT coalesce(d.datname, current_database()) AS datname
     FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
     WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1::regrole`,
    [role]
  )
  for (const { datname } of databases) {
    yield* command(
      DatabaseUrl.withDatabase(admin, datname),
      `REASSIGN OWNED BY ${role} TO ${quote(admin.user)}; DROP OWNED BY ${role} CASCADE`
    )
  }
  yield* query(`DROP ROLE ${role}`)
})

/** How {@link makeDatabase} may be varied. */
export interface DatabaseOptions {
  /** Owner of the database; the superuser unless told. */
  readonly owner?: Role
  /** For example "LATIN1"; UTF8 unless told. */
  readonly encoding?: string
  /** For example "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"; the server's unless told. */
  readonly locale?: string
}

/** An empty database. Gives the superuser's URL of it; see {@link as}. Dropped with its connections at scope close. */
export const makeDatabase = Effect.fn("Clusters.makeDatabase")(function* (
  major: Major,
  options: DatabaseOptions = {}
): Effect.fn.Return<DatabaseUrl.DatabaseUrl, never, Scope.Scope> {
  const admin = yield* superuser(major)
  const name = random("database")
  const owner = options.owner === undefined ? "" : `OWNER ${quote(options.owner.name)}`
  const encoding = options.encoding === undefined ? "" : `ENCODING ${literal(options.encoding)}`
  const template = options.encoding ?? options.locale
  const from = template === undefined ? "" : `TEMPLATE template0 ${encoding} ${options.locale ?? ""}`
  // In memory, where the servers mostly are, copying files takes a third of what the pages take one by one.
  const strategy = major < 15 ? "" : "STRATEGY file_copy"
  yield* Effect.acquireRelease(command(admin, `CREATE DATABASE ${name} ${owner} ${from} ${strategy}`), () =>
    command(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  )
  return DatabaseUrl.withDatabase(admin, name)
})

/**
 * What a role may do in its database:
 *
 * - superuser: everything.
 * - databaseOwner: owns the database, and through `pg_database_owner` schema public.
 * - schemaOwner: owns schema public, not the database, and has no CREATE on it.
 * - tableOwner: has USAGE and CREATE on schema public; owns what it creates there.
 * - someTablesOwner: the same, and a table of another role, `public."NotMine"` with three rows, lies there too.
 */
export const roleKinds = ["superuser", "databaseOwner", "schemaOwner", "tableOwner", "someTablesOwner"] as const
export type RoleKind = (typeof roleKinds)[number]

/** An empty database and the role under test. */
export interface Target {
  readonly kind: RoleKind
  readonly role: Role
  /** The database as the role under test. */
  readonly url: DatabaseUrl.DatabaseUrl
  /** The same database as superuser. */
  readonly admin: DatabaseUrl.DatabaseUrl
}

/** A database with a role of the given kind. */
export const makeTarget = Effect.fn("Clusters.makeTarget")(function* (
  major: Major,
  kind: RoleKind
): Effect.fn.Return<Target, never, Scope.Scope> {
  const role = yield* makeRole(major, kind === "superuser" ? { attributes: "SUPERUSER" } : {})
  const admin = yield* makeDatabase(major, kind === "databaseOwner" ? { owner: role } : {})
  if (kind === "schemaOwner") yield* command(admin, `ALTER SCHEMA public OWNER TO ${role.name}`)
  if (kind === "tableOwner" || kind === "someTablesOwner") {
    yield* command(admin, `GRANT USAGE, CREATE ON SCHEMA public TO ${role.name}`)
  }
  if (kind === "someTablesOwner") {
    const other = yield* makeRole(major)
    yield* command(
      admin,
      `CREATE TABLE public."NotMine" AS SELECT i AS id FROM generate_series(1, 3) i;
       ALTER TABLE public."NotMine" OWNER TO ${other.name}`
    )
  }
  return { kind, role, url: as(admin, role), admin }
})
