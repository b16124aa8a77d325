/** Asks the server which rights a role has, however it has them: granted itself, by membership, or by PUBLIC. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { describe, type ObjectKind, objectKinds, type ObjectRights, type Options, privileges } from "./Grants.ts"
import { among, grantableType, isOfExtension } from "./Scope.ts"
import * as ServerVersion from "./version/ServerVersion.ts"
import { fromSqlError } from "./Sqlstate.ts"
import { Unproven, unproven } from "./Usability.ts"

/** Rights that a role does not have on an object. */
export const MissingRight = Schema.Struct({
  role: Schema.String.annotateKey({ description: "Whose rights these are." }),
  kind: Schema.Literals(objectKinds).annotateKey({ description: "Kind of the object." }),
  object: Schema.String.annotateKey({
    description: "As SQL writes it: qualified and quoted, of a function with the types of its arguments."
  }),
  schema: Schema.String.annotateKey({
    description: "The schema it is in; of a schema its own name, of the database nothing."
  }),
  name: Schema.String.annotateKey({ description: "Its name within the schema." }),
  owner: Schema.String.annotateKey({ description: "Role that owns it." }),
  privileges: Schema.Array(Schema.String).annotateKey({ description: "What is missing: `SELECT`, `USAGE` …" }),
  grantable: Schema.Boolean.annotateKey({ description: "Whether the connected role may grant some of them." })
})
export type MissingRight = typeof MissingRight.Type

/** Without rights on these no other right is of use. */
export const indispensable: ReadonlySet<ObjectKind> = new Set<ObjectKind>(["database", "schema"])

/** What is known of rights that are there. Counts are objects looked at. */
export const proven = {
  schemas: Schema.Int.annotateKey({ description: "Number of schemas that were looked at." }),
  tables: Schema.Int.annotateKey({ description: "Number of tables, views and materialized views among them." }),
  sequences: Schema.Int.annotateKey({ description: "Number of sequences among them." }),
  functions: Schema.Int.annotateKey({ description: "Number of functions and procedures among them." }),
  types: Schema.Int.annotateKey({ description: "Number of types among them." }),
  unproven: Schema.Array(Unproven).annotateKey({
    description: "Where having all rights is not enough to use the object, or may not be."
  }),
  tried: Schema.Array(Schema.String).annotateKey({
    description: "The roles as which one table, view … of every schema was really read."
  })
}

/** What {@link rights} finds. */
export interface Rights extends Schema.Struct.Type<typeof proven> {
  readonly missing: ReadonlyArray<MissingRight>
}

const objectsOf = Effect.fnUntraced(function* (
  role: string,
  { schemas, profile }: Pick<Options, "schemas" | "profile">,
  version: number
) {
  const sql = yield* SqlClient.SqlClient
  const asked = privileges(profile, version)
  const inScope = among(sql, schemas)
  /** The columns that all kinds have in common. */
  const answers = (kind: ObjectKind, owner: string, oid: string, extension: string) => {
    const [may, its] = [sql.literal(`has_${kind}_privilege`), sql.literal(oid)]
    const all = sql`unnest(string_to_array(${asked[kind]}::text, ',')) p`
    return sql`
      ${kind}::text as "kind", pg_get_userbyid(${sql.literal(owner)})::text as "owner",
      ${sql.literal(extension)} as "extension",
      array(select p::text from ${all} where not ${may}(${role}::text::name, ${its}, p))::text[] as "missing",
      array(select p::text from ${all} where not ${may}(${its}, p || ' WITH GRANT OPTION'))::text[] as "ungrantable"`
  }
  const relations = (kind: "table" | "sequence", kinds: string) => sql`
    select n.nspname::text as "schema", c.relname::text as "name", null::text as "arguments",
      ${answers(kind, "c.relowner", "c.oid", isOfExtension("pg_class", "c.oid"))}
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in (${sql.literal(kinds)}) and ${inScope}`
  const found = yield* sql<Omit<ObjectRights, "role">>`
    select * from (
      select '' as "schema", d.datname::text as "name", null::text as "arguments",
        ${answers("database", "d.datdba", "d.oid", "false")}
      from pg_database d where d.datname = current_database()
      union all
      select n.nspname::text, n.nspname::text, null::text, ${answers("schema", "n.nspowner", "n.oid", "false")}
      from pg_namespace n where ${inScope}
      union all ${relations("table", "'r', 'p', 'v', 'm', 'f'")}
      union all ${relations("sequence", "'S'")}
      union all
      select n.nspname::text, f.proname::text, oidvectortypes(f.proargtypes)::text,
        ${answers("function", "f.proowner", "f.oid", "false")}
      from pg_proc f join pg_namespace n on n.oid = f.pronamespace
      where ${asked.function}::text <> '' and ${inScope} and not ${sql.literal(isOfExtension("pg_proc", "f.oid"))}
      union all
      select n.nspname::text, t.typname::text, null::text, ${answers("type", "t.typowner", "t.oid", "false")}
      from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where ${asked.type}::text <> '' and ${inScope} and ${sql.literal(grantableType)}
        and not ${sql.literal(isOfExtension("pg_type", "t.oid"))}
    ) o
    order by array_position(array['database', 'schema', 'sequence', 'table', 'function', 'type'], o."kind"),
      o."schema", o."name", o."arguments"`.pipe(Effect.mapError(fromSqlError))
  return found.map((object): ObjectRights => ({ role, ...object }))
})

/**
 * The database, and what the named schemas have of the kinds of the profile, with the rights that each role lacks on
 * it: one query for each role. Functions and types of extensions are left out.
 */
export const objects = Effect.fn("Rights.objects")(function* (
  options: Pick<Options, "roles" | "schemas" | "profile">
): Effect.fn.Return<ReadonlyArray<ObjectRights>, DatabaseError, SqlClient.SqlClient> {
  const version = yield* ServerVersion.read()
  return (yield* Effect.forEach(options.roles, (role) => objectsOf(role, options, version))).flat()
})

/** What of {@link objects} is missing; objects of extensions are left alone. */
export const missing = (found: ReadonlyArray<ObjectRights>): ReadonlyArray<MissingRight> =>
  found
    .filter(({ extension, missing }) => !extension && missing.length > 0)
    .map((object) => ({
      role: object.role,
      kind: object.kind,
      object: describe(object),
      schema: object.schema,
      name: object.name,
      owner: object.owner,
      privileges: object.missing,
      grantable: object.missing.some((privilege) => !object.ungrantable.includes(privilege))
    }))

/** Of what is missing, what the connected role may not grant. */
export const beyond = (found: ReadonlyArray<ObjectRights>): ReadonlyArray<MissingRight> =>
  missing(
    found.map((object) => ({
      ...object,
      missing: object.missing.filter((privilege) => object.ungrantable.includes(privilege))
    }))
  )

/**
 * Proves, object by object, which rights of the profile the roles have; where the connected role may act as one of
 * them, it also reads as that role. A schema that is not there is not counted. A handful of queries for each role.
 */
export const rights = Effect.fn("Rights.rights")(function* (
  options: Pick<Options, "roles" | "schemas" | "profile">
): Effect.fn.Return<Rights, DatabaseError, SqlClient.SqlClient> {
  const found = yield* objects(options)
  const lacking = missing(found)
  const known = new Set(lacking.map(({ role, object }) => JSON.stringify([role, object])))
  const usable = yield* Effect.forEach(options.roles, (role) =>
    unproven(role, options, (object) => known.has(JSON.stringify([role, object])))
  )
  const count = (kind: ObjectKind) =>
    found.filter((object) => object.kind === kind && object.role === options.roles[0] && !object.extension).length
  return {
    missing: lacking,
    schemas: count("schema"),
    tables: count("table"),
    sequences: count("sequence"),
    functions: count("function"),
    types: count("type"),
    unproven: usable.flatMap(({ unproven }) => unproven),
    tried: options.roles.filter((_, index) => usable[index]?.tried)
  }
})

/** The connected database: its owner, and whether the roles may connect to it. */
export const database = (
  roles: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<ObjectRights>, DatabaseError, SqlClient.SqlClient> =>
  objects({ roles, schemas: [], profile: "readonly" })

/** Those of the names that no role of the server has. */
export const missingRoles = Effect.fn("Rights.missingRoles")(function* (
  roles: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, DatabaseError, SqlClient.SqlClient> {
  if (roles.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const present = yield* sql<{ readonly name: string }>`
    select rolname::text as "name" from pg_roles where ${sql.in("rolname", roles)}`.pipe(Effect.mapError(fromSqlError))
  return roles.filter((role) => !present.some(({ name }) => name === role))
})

/** Those of the roles whose default privileges the connected role may not set: it has not their rights. */
export const foreignRoles = Effect.fn("Rights.foreignRoles")(function* (
  roles: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, DatabaseError, SqlClient.SqlClient> {
  if (roles.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const foreign = yield* sql<{ readonly name: string }>`
    select rolname::text as "name" from pg_roles
    where ${sql.in("rolname", roles)} and not pg_has_role(oid, 'USAGE')
    order by 1`.pipe(Effect.mapError(fromSqlError))
  return foreign.map(({ name }) => name)
})

/** Those of the schemas that the database does not have. */
export const missingSchemas = Effect.fn("Rights.missingSchemas")(function* (
  schemas: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  if (schemas.length === 0) return []
  const present = yield* sql<{ readonly name: string }>`
    select nspname::text as "name" from pg_namespace where ${sql.in("nspname", schemas)}`.pipe(
    Effect.mapError(fromSqlError)
  )
  return schemas.filter((schema) => !present.some(({ name }) => name === schema))
})
