/** What the survey says of each schema: its rights, and whether this role could drop it and put everything back. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { literal, quote } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { objectsOf } from "./DefaultPrivileges.ts"
import type { OutsideDependent } from "./Outside.ts"
import type { PublishedTable } from "./Publications.ts"
import { type RoleFacts, setRolePrivilege } from "./Server.ts"

/** Why `DROP SCHEMA … CASCADE` and CREATE would not leave the schema as it was. */
export interface Obstacle {
  readonly reason:
    | "not-owner"
    | "no-create-on-database"
    | "owner-not-settable"
    | "grantor-not-settable"
    | "extension"
    | "publication"
    | "default-privileges"
    | "security-label"
    | "outside-dependent"
  /** The same for people, naming what stands in the way. */
  readonly text: string
}

/** One item of a schema's ACL. */
interface Grant {
  readonly grantee: string | null
  readonly grantor: string
  readonly privilege: string
  readonly grantable: boolean
  /** Whether this role may SET ROLE to the grantor. */
  readonly settable: boolean
}

/** One right that ALTER DEFAULT PRIVILEGES … IN SCHEMA gives; `objects` as `pg_default_acl.defaclobjtype` has it. */
interface DefaultGrant {
  readonly role: string
  readonly objects: string
  readonly grantee: string | null
  readonly privilege: string
  readonly grantable: boolean
}

interface ExistingSchema {
  readonly oid: string
  readonly name: string
  readonly exists: true
  readonly owner: string
  /** This role has the owner's rights: it is the owner, a member that inherits, or superuser. */
  readonly ownedByRole: boolean
  readonly canCreate: boolean
  /** True, or what DROP SCHEMA … CASCADE and CREATE could not bring back with this role's rights. */
  readonly recreatable: true | ReadonlyArray<Obstacle>
  /**
   * Statements that create the schema again with owner, ACL, comment and default privileges, for one transaction. They carry SET LOCAL ROLE
   * where another role has to be the grantor, and end as the role they began with.
   */
  readonly recreate: ReadonlyArray<string>
}

/** A schema in scope; one that does not exist has only its name. */
export type SchemaFacts = ExistingSchema | { readonly name: string; readonly exists: false }

interface SchemaRow {
  readonly oid: string
  readonly name: string
  readonly owner: string
  readonly ownedByRole: boolean
  readonly ownerSettable: boolean
  readonly acl: string | null
  readonly comment: string | null
  readonly canCreate: boolean
  /** Grantees of what ALTER DEFAULT PRIVILEGES would add when the owner creates a schema. */
  readonly defaultGrantees: ReadonlyArray<string>
  readonly grants: string
  readonly extensions: ReadonlyArray<string>
  readonly publications: ReadonlyArray<string>
  /** Roles that this role cannot act as and that have default privileges in the schema. */
  readonly defaultPrivileges: ReadonlyArray<string>
  /** Default privileges in the schema of this role and of those it can act as. */
  readonly defaultGrants: string
  readonly securityLabels: boolean
  readonly naming: ReadonlyArray<string>
}

const grantee = (role: string | null) => (role === null ? "PUBLIC" : quote(role))

/** Statements that bring a schema back; see {@link ExistingSchema.recreate}. */
const recreateStatements = (
  row: SchemaRow,
  grants: ReadonlyArray<Grant>,
  defaults: ReadonlyArray<DefaultGrant>,
  role: string
): ReadonlyArray<string> => {
  const name = quote(row.name)
  const statements = [`CREATE SCHEMA ${name} AUTHORIZATION ${quote(row.owner)}`]
  let acting = role
  const actAs = (wanted: string) => {
    if (acting !== wanted) statements.push(`SET LOCAL ROLE ${quote(wanted)}`)
    acting = wanted
  }
  // Rights of the owner by inheritance make the owner the grantor without SET ROLE.
  const actAsOwner = () => actAs(row.ownedByRole ? role : row.owner)
  if (row.acl !== null || row.defaultGrantees.length > 0) {
    actAsOwner()
    const revoked = [...new Set(["PUBLIC", quote(row.owner), ...row.defaultGrantees.map(quote)])]
    statements.push(`REVOKE ALL ON SCHEMA ${name} FROM ${revoked.join(", ")}`)
    // In the order of the ACL: whoever passes a right on received it before.
    for (const grant of grants) {
      if (grant.grantor === row.owner) actAsOwner()
      else actAs(grant.grantor)
      const option = grant.grantable ? " WITH GRANT OPTION" : ""
      statements.push(`GRANT ${grant.privilege} ON SCHEMA ${name} TO ${grantee(grant.grantee)}${option}`)
    }
  }
  if (row.comment !== null) {
    actAsOwner()
    statements.push(`COMMENT ON SCHEMA ${name} IS ${literal(row.comment)}`)
  }
  actAs(role)
  for (const { role, objects, grantee: to, privilege, grantable } of defaults) {
    const option = grantable ? " WITH GRANT OPTION" : ""
    statements.push(
      `ALTER DEFAULT PRIVILEGES FOR ROLE ${quote(role)} IN SCHEMA ${name} ` +
        `GRANT ${privilege} ON ${objectsOf[objects]} TO ${grantee(to)}${option}`
    )
  }
  return statements
}

const obstacles = (
  row: SchemaRow,
  grants: ReadonlyArray<Grant>,
  canCreateInDatabase: boolean,
  outside: ReadonlyArray<OutsideDependent>,
  published: ReadonlyArray<PublishedTable>
): ReadonlyArray<Obstacle> => {
  const found: Array<Obstacle> = []
  const add = (reason: Obstacle["reason"], text: string) => found.push({ reason, text })
  if (!row.ownedByRole) add("not-owner", `schema ${row.name} belongs to ${row.owner}`)
  if (!canCreateInDatabase) add("no-create-on-database", "no CREATE right on the database")
  if (!row.ownerSettable) add("owner-not-settable", `may not make ${row.owner} the owner of a schema`)
  const grantors = grants.filter((grant) => !grant.settable && grant.grantor !== row.owner)
  for (const grantor of new Set(grantors.map((grant) => grant.grantor))) {
    add("grantor-not-settable", `rights on schema ${row.name} were granted by ${grantor}`)
  }
  for (const extension of row.extensions) add("extension", `extension ${extension} has objects in schema ${row.name}`)
  for (const publication of row.publications)
    add("publication", `publication ${publication} publishes schema ${row.name}`)
  for (const { table, publication, schema } of published) {
    if (schema === row.name) add("publication", `publication ${publication} publishes table ${schema}.${table}`)
  }
  for (const owner of row.defaultPrivileges) {
    add("default-privileges", `role ${owner} has default privileges in schema ${row.name}`)
  }
  if (row.securityLabels) add("security-label", `schema ${row.name} has a security label`)
  for (const { description, on, schemas } of outside) {
    if (schemas.includes(row.name)) add("outside-dependent", `${description} depends on ${on}`)
  }
  for (const description of row.naming) add("outside-dependent", `${description} depends on schema ${row.name}`)
  return found
}

/**
 * Reads the schemas of the scope, in the order they are named.
 *
 * Whether one is recreatable follows from who may do what: DROP SCHEMA wants the owner's rights, CREATE SCHEMA …
 * AUTHORIZATION wants CREATE on the database and SET ROLE to the owner (`pg_database_owner` has one member, the owner of
 * the database), GRANT wants the grantor's rights; extensions, publications, default privileges of other roles and
 * dependents outside of the scope would be gone without a way back.
 *
 * @see https://www.postgresql.org/docs/current/sql-createschema.html
 */
export const readSchemas = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>,
  known: {
    readonly versionNumber: number
    readonly canCreateInDatabase: boolean
    readonly role: RoleFacts
    readonly outside: ReadonlyArray<OutsideDependent>
    readonly published: ReadonlyArray<PublishedTable>
  }
): Effect.fn.Return<ReadonlyArray<SchemaFacts>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const settable = setRolePrivilege(known.versionNumber)
  // Publications of whole schemas came with 15; the catalogue cannot be named before.
  const publications =
    known.versionNumber >= 150000
      ? `array(select pubname::text from pg_publication_namespace m join pg_publication p on p.oid = m.pnpubid
          where m.pnnspid = n.oid order by 1)::text[]`
      : "array[]::text[]"
  const rows = yield* sql<SchemaRow>`
    with scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)})
    select
      n.oid::text as "oid",
      n.nspname::text as "name",
      o.rolname::text as "owner",
      pg_has_role(n.nspowner, 'USAGE') as "ownedByRole",
      pg_has_role(n.nspowner, ${settable}::text) as "ownerSettable",
      n.nspacl::text as "acl",
      obj_description(n.oid, 'pg_namespace') as "comment",
      has_schema_privilege(n.oid, 'CREATE') as "canCreate",
      array(
        select pg_get_userbyid(a.grantee)::text
        from pg_default_acl d, aclexplode(d.defaclacl) a
        where d.defaclrole = n.nspowner and d.defaclobjtype = 'n' and d.defaclnamespace = 0 and a.grantee <> 0
        order by 1)::text[] as "defaultGrantees",
      coalesce((
        select json_agg(json_build_object(
          'grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
          'grantor', pg_get_userbyid(a.grantor),
          'privilege', a.privilege_type,
          'grantable', a.is_grantable,
          'settable', pg_has_role(a.grantor, ${settable}::text)) order by a.position)
        from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)))
          with ordinality as a(grantor, grantee, privilege_type, is_grantable, position)), '[]')::text as "grants",
      array(
        select extname::text from pg_extension e where e.extnamespace = n.oid
        union
        select e.extname::text
        from pg_depend d
        join pg_depend m on m.classid = d.classid and m.objid = d.objid and m.deptype = 'e'
        join pg_extension e on e.oid = m.refobjid
        where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = n.oid
        order by 1)::text[] as "extensions",
      ${sql.literal(publications)} as "publications",
      array(
        select distinct pg_get_userbyid(d.defaclrole)::text
        from pg_default_acl d
        where d.defaclnamespace = n.oid and not pg_has_role(d.defaclrole, 'USAGE')
        order by 1)::text[] as "defaultPrivileges",
      coalesce((
        select json_agg(json_build_object(
          'role', pg_get_userbyid(d.defaclrole),
          'objects', d.defaclobjtype,
          'grantee', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
          'privilege', a.privilege_type,
          'grantable', a.is_grantable) order by d.oid, a.position)
        from pg_default_acl d, aclexplode(d.defaclacl)
          with ordinality as a(grantor, grantee, privilege_type, is_grantable, position)
        where d.defaclnamespace = n.oid and pg_has_role(d.defaclrole, 'USAGE')), '[]')::text as "defaultGrants",
      exists(
        select from pg_seclabel l
        where l.classoid = 'pg_catalog.pg_namespace'::regclass and l.objoid = n.oid) as "securityLabels",
      -- Expressions elsewhere that name this schema as a regnamespace constant.
      array(
        select pg_describe_object(d.classid, d.objid, d.objsubid)
        from pg_depend d, pg_identify_object_as_address(d.classid, d.objid, d.objsubid) a
        where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = n.oid
          and d.classid in ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_attrdef'::regclass,
            'pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_trigger'::regclass)
          and a.object_names[1] not in (select nspname from scope)
        order by 1)::text[] as "naming"
    from pg_namespace n
    join pg_roles o on o.oid = n.nspowner
    where n.oid in (select oid from scope)`.pipe(Effect.mapError(fromSqlError))

  const byName = new Map(rows.map((row) => [row.name, row]))
  return schemas.map((name): SchemaFacts => {
    const row = byName.get(name)
    if (row === undefined) return { name, exists: false }
    const grants: ReadonlyArray<Grant> = JSON.parse(row.grants)
    const found = obstacles(row, grants, known.canCreateInDatabase, known.outside, known.published)
    const { oid, owner, ownedByRole, canCreate } = row
    return {
      oid,
      name,
      exists: true,
      owner,
      ownedByRole,
      canCreate,
      recreatable: found.length === 0 ? true : found,
      recreate: recreateStatements(row, grants, JSON.parse(row.defaultGrants), known.role.name)
    }
  })
})
