/** Rights on schemas, and what else a dump of their content does not have; and how one gets from some to others. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { quote } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"
import { objectsOf } from "./DefaultPrivileges.ts"

/** One right on a schema or something in it, or one of the default privileges of a role. */
export interface Right {
  /** Empty for default privileges that hold in all schemas, and for the database itself. */
  readonly schema: string
  /** What it is about, where that is not the schema: a kind as GRANT has it, and the name as SQL. */
  readonly on?: { readonly kind: string; readonly name: string; readonly column?: string }
  /** Of default privileges the role whose objects they are about, and `pg_default_acl.defaclobjtype`. */
  readonly defaults?: { readonly role: string; readonly objects: string }
  /** Null for everybody. */
  readonly grantee: string | null
  readonly grantor: string
  /** Empty where it is said that nobody has any: that differs from nothing being said. */
  readonly privilege: string
  readonly grantable: boolean
}

interface RightRow extends Omit<Right, "defaults"> {
  readonly role: string | null
  readonly objects: string | null
}

const ofRow = ({ role, objects, ...right }: RightRow): Right =>
  role === null || objects === null ? right : { ...right, defaults: { role, objects } }

interface ObjectRow extends Omit<Right, "defaults" | "on"> {
  readonly kind: string
  readonly name: string
  readonly column: string | null
}

/** What these roles, not others of which they are members, may do with the objects in these schemas, and the database. */
const ofObjects = Effect.fnUntraced(function* (schemas: ReadonlyArray<string>, grantees: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<ObjectRow>`
    with scope as (select oid, nspname from pg_namespace where ${sql.in("nspname", schemas)}),
    found(schema, kind, name, acl, attribute) as (
      select nspname::text, case relkind when 'S' then 'SEQUENCE' else 'TABLE' end, format('%I.%I', nspname, relname),
        relacl, null::text
      from pg_class c join scope s on s.oid = c.relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all
      select nspname::text, 'TABLE', format('%I.%I', nspname, relname), attacl, attname::text
      from pg_attribute t join pg_class c on c.oid = t.attrelid join scope s on s.oid = c.relnamespace
      where attacl is not null and not attisdropped
      union all
      select nspname::text, 'ROUTINE',
        format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), proacl, null
      from pg_proc p join scope s on s.oid = p.pronamespace
      union all
      select nspname::text, 'TYPE', format('%I.%I', nspname, typname), typacl, null
      from pg_type t join scope s on s.oid = t.typnamespace
      union all
      select '', 'DATABASE', format('%I', datname), datacl, null from pg_database where datname = current_database()
    )
    select f.schema as "schema", f.kind as "kind", f.name as "name", f.attribute as "column", g.rolname::text as "grantee",
      pg_get_userbyid(a.grantor)::text as "grantor", a.privilege_type as "privilege", a.is_grantable as "grantable"
    from found f cross join lateral aclexplode(f.acl) a
    join pg_roles g on g.oid = a.grantee
    where ${sql.in("g.rolname", grantees)}
    order by 1, 2, 3, 4, 5, 7`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ column, kind, name, ...right }): Right => ({
    ...right,
    on: { kind, name, ...(column === null ? {} : { column }) }
  }))
})

/**
 * Rights on these schemas, default privileges in them, and those that hold in all schemas.
 *
 * @param grantees roles of which also the rights on the objects in these schemas, and on the database, are read
 */
export const read = Effect.fn("SchemaRights.read")(function* (
  schemas: ReadonlyArray<string>,
  grantees: ReadonlyArray<string> = []
): Effect.fn.Return<ReadonlyArray<Right>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<RightRow>`
    with found(schema, role, objects, acl) as (
      select nspname::text, null::text, null::text, coalesce(nspacl, acldefault('n', nspowner))
      from pg_namespace where ${sql.in("nspname", schemas)}
      union all
      select coalesce(n.nspname::text, ''), pg_get_userbyid(d.defaclrole)::text, d.defaclobjtype::text, d.defaclacl
      from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
      where d.defaclnamespace = 0 or ${sql.in("n.nspname", schemas)}
    )
    select f.schema as "schema", f.role as "role", f.objects as "objects",
      case when a.grantee <> 0 then pg_get_userbyid(a.grantee)::text end as "grantee",
      coalesce(pg_get_userbyid(a.grantor)::text, '') as "grantor", coalesce(a.privilege_type, '') as "privilege",
      coalesce(a.is_grantable, false) as "grantable"
    from found f left join lateral aclexplode(f.acl) a on true
    order by 1, 2, 3, 4, 6`.pipe(Effect.mapError(fromSqlError))
  return [...rows.map(ofRow), ...(grantees.length === 0 ? [] : yield* ofObjects(schemas, grantees))]
})

/** What roles have by default on what they create, where nobody has changed it. */
const builtIn = Effect.fnUntraced(function* (roles: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<RightRow>`
    select '' as "schema", r.rolname::text as "role", t.objects as "objects",
      case when a.grantee <> 0 then pg_get_userbyid(a.grantee)::text end as "grantee",
      pg_get_userbyid(a.grantor)::text as "grantor", a.privilege_type as "privilege", a.is_grantable as "grantable"
    from pg_roles r
    cross join (values ('r', 'r'), ('S', 's'), ('f', 'f'), ('T', 'T'), ('n', 'n'), ('L', 'L')) t(objects, kind)
    cross join lateral aclexplode(acldefault(t.kind::"char", r.oid)) a
    where ${sql.in("r.rolname", roles)}`.pipe(Effect.mapError(fromSqlError))
  return rows.map(ofRow)
})

const everywhere = ({ defaults, schema }: Right): string | undefined =>
  defaults === undefined || schema !== "" ? undefined : JSON.stringify([defaults.role, defaults.objects])

/** What default privileges are about, as they are written: those that no schema narrows are all there, or built in. */
const whole = (rights: ReadonlyArray<Right>, known: ReadonlyArray<Right>): ReadonlyArray<Right> => {
  const changed = new Set(rights.map(everywhere))
  return [...rights, ...known.filter((right) => !changed.has(everywhere(right)))]
}

const statement = (action: "GRANT" | "REVOKE", right: Right): string => {
  const { defaults, grantable, grantee, on, privilege, schema } = right
  const to = grantee === null ? "PUBLIC" : quote(grantee)
  const whom = action === "REVOKE" ? `FROM ${to}` : `TO ${to}${grantable ? " WITH GRANT OPTION" : ""}`
  if (on !== undefined) {
    const column = on.column === undefined ? "" : ` (${quote(on.column)})`
    return `${action} ${privilege}${column} ON ${on.kind} ${on.name} ${whom}`
  }
  if (defaults === undefined) return `${action} ${privilege} ON SCHEMA ${quote(schema)} ${whom}`
  const within = schema === "" ? "" : ` IN SCHEMA ${quote(schema)}`
  const objects = objectsOf[defaults.objects] ?? defaults.objects
  return `ALTER DEFAULT PRIVILEGES FOR ROLE ${quote(defaults.role)}${within} ${action} ${privilege} ON ${objects} ${whom}`
}

/** The statements that lead from the rights that are there now to those of before; none where they are the same. */
export const restore = Effect.fn("SchemaRights.restore")(function* (
  before: ReadonlyArray<Right>,
  now: ReadonlyArray<Right>
): Effect.fn.Return<ReadonlyArray<string>, DatabaseError, SqlClient.SqlClient> {
  const roles = [...before, ...now].flatMap(({ defaults, schema }) =>
    defaults === undefined || schema !== "" ? [] : [defaults.role]
  )
  const known = roles.length === 0 ? [] : yield* builtIn([...new Set(roles)])
  const said = ({ privilege }: Right) => privilege !== ""
  const [wanted, there] = [whole(before, known).filter(said), whole(now, known).filter(said)]
  const keyOf = ({ defaults, on, schema, grantee, grantor, privilege, grantable }: Right) =>
    JSON.stringify([defaults?.role, defaults?.objects, on, schema, grantee, grantor, privilege, grantable])
  const [wantedKeys, thereKeys] = [new Set(wanted.map(keyOf)), new Set(there.map(keyOf))]
  const gone = there.filter((right) => !wantedKeys.has(keyOf(right)))
  // What is revoked of a table is revoked of its columns, too.
  const ofTable = ({ grantee, on }: Right) => JSON.stringify([on?.kind, on?.name, grantee])
  const swept = new Set(gone.filter(({ on }) => on !== undefined && on.column === undefined).map(ofTable))
  const missing = (right: Right) =>
    !thereKeys.has(keyOf(right)) || (right.on?.column !== undefined && swept.has(ofTable(right)))
  return [
    ...gone.map((right) => statement("REVOKE", right)),
    ...wanted.filter(missing).map((right) => statement("GRANT", right))
  ]
})
