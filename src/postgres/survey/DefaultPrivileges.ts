/**
 * Default privileges as statements: what takes an entry of `pg_default_acl` back to the server's built-in default, and
 * what brings it back. What is created in between has the built-in rights, from which a dump's GRANTs and REVOKEs start.
 *
 * @see https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { quote } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"

/** What one role has said about the rights on one kind of objects that it will create. */
export interface DefaultPrivileges {
  readonly role: string
  /** Null where it is for all schemas. */
  readonly schema: string | null
  /** `TABLES`, `FUNCTIONS` … */
  readonly objects: string
  /** Statements after which the entry is gone. */
  readonly takeOut: ReadonlyArray<string>
  /** Statements that make it again, without taking away what others have granted meanwhile. */
  readonly putBack: ReadonlyArray<string>
}

/** A right of an ACL; the grantor of a default one is always the role itself. */
interface Right {
  /** Null for PUBLIC. */
  readonly grantee: string | null
  readonly privilege: string
  readonly grantable: boolean
}

interface EntryRow {
  readonly role: string
  readonly schema: string | null
  readonly type: string
  readonly given: string
  readonly builtIn: string
}

/**
 * `pg_default_acl.defaclobjtype` as the statement names it.
 *
 * @see https://www.postgresql.org/docs/current/catalog-pg-default-acl.html
 */
export const objectsOf: Record<string, string> = {
  r: "TABLES",
  S: "SEQUENCES",
  f: "FUNCTIONS",
  T: "TYPES",
  n: "SCHEMAS",
  L: "LARGE OBJECTS"
}

const same =
  ({ grantee, privilege }: Right) =>
  (other: Right): boolean =>
    other.grantee === grantee && other.privilege === privilege

const entry = ({ role, schema, type, ...row }: EntryRow): DefaultPrivileges => {
  const given: ReadonlyArray<Right> = JSON.parse(row.given)
  const builtIn: ReadonlyArray<Right> = JSON.parse(row.builtIn)
  const objects = objectsOf[type] ?? type
  const alter =
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${quote(role)}` + (schema === null ? "" : ` IN SCHEMA ${quote(schema)}`)
  const to = ({ grantee }: Right) => (grantee === null ? "PUBLIC" : quote(grantee))
  const grant = (right: Right) =>
    `${alter} GRANT ${right.privilege} ON ${objects} TO ${to(right)}${right.grantable ? " WITH GRANT OPTION" : ""}`
  const revoke = (right: Right, only = "") =>
    `${alter} REVOKE ${only}${right.privilege} ON ${objects} FROM ${to(right)}`
  const lacking = builtIn.filter((right) => !given.some(same(right)))
  const added = given.filter(
    (right) => !builtIn.some((other) => same(right)(other) && other.grantable === right.grantable)
  )
  return {
    role,
    schema,
    objects,
    takeOut: [
      ...added.map((right) => revoke(right, builtIn.some(same(right)) ? "GRANT OPTION FOR " : "")),
      ...lacking.map(grant)
    ],
    putBack: [...lacking.map((right) => revoke(right)), ...added.map(grant)]
  }
}

/** A list of rights as JSON, in the order of the ACL. */
const rights = (acl: string): string =>
  `coalesce((
    select json_agg(json_build_object(
      'grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
      'privilege', a.privilege_type,
      'grantable', a.is_grantable) order by a.position)
    from aclexplode(${acl}) with ordinality as a(grantor, grantee, privilege_type, is_grantable, position)), '[]')::text`

/**
 * Those that count for what a restore creates in these schemas: of this role, as a superuser of every role, whom a dump
 * may then act as.
 */
export const readDefaultPrivileges = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<DefaultPrivileges>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // Per schema there are no built-in ones; acldefault() knows sequences by another letter than the catalogue.
  const builtIn = `case when d.defaclnamespace = 0
    then acldefault(case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end::"char", d.defaclrole) end`
  const rows = yield* sql<EntryRow>`
    select
      o.rolname::text as "role",
      n.nspname::text as "schema",
      d.defaclobjtype::text as "type",
      ${sql.literal(rights("d.defaclacl"))} as "given",
      ${sql.literal(rights(builtIn))} as "builtIn"
    from pg_default_acl d
    join pg_roles o on o.oid = d.defaclrole
    left join pg_namespace n on n.oid = d.defaclnamespace
    where (d.defaclnamespace = 0 or ${sql.in("n.nspname", schemas)})
      and (o.rolname = current_user or (select rolsuper from pg_roles where rolname = current_user))
    order by 1, 2 nulls first, 3`.pipe(Effect.mapError(fromSqlError))
  return rows.map(entry)
})
