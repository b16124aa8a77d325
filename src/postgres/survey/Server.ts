/** What the survey says of the server, the database, the connecting role and the extensions. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

export interface ServerFacts {
  /** `server_version_num`: 150018 is 15.18. */
  readonly versionNumber: number
  /** `server_version` as the server writes it. */
  readonly version: string
  readonly database: string
  /** Encoding of the database: `UTF8`, `LATIN1`, `SQL_ASCII` … */
  readonly encoding: string
  /** A replica: it accepts no writes at all. */
  readonly inRecovery: boolean
  readonly canCreateInDatabase: boolean
  /** Names of all schemas of the database, whatever is asked for. */
  readonly schemas: ReadonlySet<string>
  /** Names of the settings that the server shows to this role, in lower case. */
  readonly settings: ReadonlySet<string>
}

/** A role of the server, as the connecting role stands to it. Of a superuser all three are true. */
export interface RoleMembership {
  readonly name: string
  /** Member, directly or through others. */
  readonly member: boolean
  /** Has its privileges without SET ROLE. */
  readonly inherits: boolean
  /** May SET ROLE to it, and make it the owner of something (16 and later: granted WITH SET). */
  readonly settable: boolean
}

export interface RoleFacts {
  readonly name: string
  readonly superuser: boolean
}

export interface InstalledExtension {
  readonly name: string
  readonly schema: string
  readonly version: string
  readonly owner: string
}

export interface AvailableExtension {
  readonly name: string
  /** Only a superuser may create it … */
  readonly superuserOnly: boolean
  /** … unless it is trusted (13 and later): then CREATE on the database is enough. */
  readonly trusted: boolean
}

/** The words for `pg_has_role` that mean "may SET ROLE": a privilege of its own since 16. */
export const setRolePrivilege = (versionNumber: number): string => (versionNumber >= 160000 ? "SET" : "MEMBER")

interface ServerRow extends Omit<ServerFacts, "schemas" | "settings"> {
  readonly schemas: ReadonlyArray<string>
  readonly settings: ReadonlyArray<string>
  readonly role: string
  readonly superuser: boolean
}

/** Server, database and connecting role, in one query. */
export const readServer = Effect.fnUntraced(function* (): Effect.fn.Return<
  { readonly server: ServerFacts; readonly role: RoleFacts },
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<ServerRow>`
    select
      current_setting('server_version_num')::int4 as "versionNumber",
      current_setting('server_version') as "version",
      d.datname::text as "database",
      pg_encoding_to_char(d.encoding)::text as "encoding",
      pg_is_in_recovery() as "inRecovery",
      has_database_privilege(d.oid, 'CREATE') as "canCreateInDatabase",
      array(select nspname::text from pg_namespace)::text[] as "schemas",
      array(select lower(name)::text from pg_settings)::text[] as "settings",
      r.rolname::text as "role",
      r.rolsuper as "superuser"
    from pg_database d, pg_roles r
    where d.datname = current_database() and r.rolname = current_user`.pipe(Effect.mapError(fromSqlError))
  if (row === undefined) return yield* Effect.die(new Error("the server knows neither its database nor its user"))
  const { role, superuser, schemas, settings, ...server } = row
  return {
    server: { ...server, schemas: new Set(schemas), settings: new Set(settings) },
    role: { name: role, superuser }
  }
})

/** Every role of the server: the ones missing here are those a dump names in vain. */
export const readRoles = Effect.fnUntraced(function* (
  versionNumber: number
): Effect.fn.Return<ReadonlyArray<RoleMembership>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<RoleMembership>`
    select
      rolname::text as "name",
      pg_has_role(oid, 'MEMBER') as "member",
      pg_has_role(oid, 'USAGE') as "inherits",
      pg_has_role(oid, ${setRolePrivilege(versionNumber)}::text) as "settable"
    from pg_roles
    order by 1`.pipe(Effect.mapError(fromSqlError))
})

/** Extensions of this database. */
export const readInstalledExtensions = Effect.fnUntraced(function* (): Effect.fn.Return<
  ReadonlyArray<InstalledExtension>,
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<InstalledExtension>`
    select
      extname::text as "name",
      n.nspname::text as "schema",
      extversion as "version",
      pg_get_userbyid(extowner)::text as "owner"
    from pg_extension e
    join pg_namespace n on n.oid = e.extnamespace
    order by 1`.pipe(Effect.mapError(fromSqlError))
})

/** Those of the extensions whose files the server has, by their default version. It reads all its files for that. */
export const readAvailableExtensions = Effect.fnUntraced(function* (
  names: ReadonlyArray<string> | "all"
): Effect.fn.Return<ReadonlyArray<AvailableExtension>, DatabaseError, SqlClient.SqlClient> {
  if (names.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  // to_jsonb: the column "trusted" is not there before 13.
  return yield* sql<AvailableExtension>`
    select
      e.name::text as "name",
      v.superuser as "superuserOnly",
      coalesce((to_jsonb(v) ->> 'trusted')::bool, false) as "trusted"
    from pg_available_extensions e
    join pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
    where ${names === "all"} or e.name = any(${names === "all" ? [] : names}::text[])
    order by 1`.pipe(Effect.mapError(fromSqlError))
})
