/** The rights an app role gets on schemas, as SQL and as questions to the server whether it has them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { literal, qualified, quote } from "./Identifier.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** How much the app role may do: everything but own the objects, change rows, or only read. */
export const profiles = ["all", "readwrite", "readonly"] as const
export type GrantProfile = (typeof profiles)[number]

/** Whom to grant what. Names as they stand in the catalogue, unquoted. */
export interface Options {
  readonly role: string
  readonly schemas: ReadonlyArray<string>
  readonly profile: GrantProfile
}

/** The kinds of object that rights are granted on. "table" includes views and foreign tables, as GRANT has it. */
export type ObjectKind = "schema" | "table" | "sequence"

/** A statement of {@link statements}. */
export interface GrantStatement {
  readonly sql: string
  /** In words, an imperative. */
  readonly what: string
  readonly schema: string
  /** What it is about; "default" for objects that will be created later. */
  readonly on: ObjectKind | "default"
}

const granted: Record<GrantProfile, { readonly table: string; readonly sequence: string; readonly words: string }> = {
  all: { table: "ALL PRIVILEGES", sequence: "ALL PRIVILEGES", words: "all privileges" },
  // USAGE of a sequence is nextval and currval; setval is the business of migrations.
  readwrite: { table: "SELECT, INSERT, UPDATE, DELETE", sequence: "USAGE, SELECT", words: "reading and writing" },
  readonly: { table: "SELECT", sequence: "SELECT", words: "reading" }
}

/**
 * What is granted: per schema its use, its tables, its sequences, and default privileges for the tables and
 * sequences that the granting role will create in it.
 */
export const statements = ({ role, schemas, profile }: Options): ReadonlyArray<GrantStatement> => {
  const { table, sequence, words } = granted[profile]
  const to = `TO ${quote(role)}`
  return schemas.flatMap((name): ReadonlyArray<GrantStatement> => {
    const schema = quote(name)
    const defaults = `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT`
    return [
      { sql: `GRANT USAGE ON SCHEMA ${schema} ${to}`, what: `grant use of schema ${name}`, on: "schema" },
      {
        sql: `GRANT ${table} ON ALL TABLES IN SCHEMA ${schema} ${to}`,
        what: `grant ${words} on all tables of ${name}`,
        on: "table"
      },
      {
        sql: `GRANT ${sequence} ON ALL SEQUENCES IN SCHEMA ${schema} ${to}`,
        what: `grant ${words} on all sequences of ${name}`,
        on: "sequence"
      },
      {
        sql: `${defaults} ${table} ON TABLES ${to}`,
        what: `grant ${words} on tables that will be created in ${name}`,
        on: "default"
      },
      {
        sql: `${defaults} ${sequence} ON SEQUENCES ${to}`,
        what: `grant ${words} on sequences that will be created in ${name}`,
        on: "default"
      }
    ].map((statement) => ({ ...statement, schema: name }) as GrantStatement)
  })
}

/** The same grant on objects by name, for a role that may grant on some objects of a schema and not on all. */
export const statementFor = (
  kind: "table" | "sequence",
  objects: ReadonlyArray<Pick<ObjectRights, "schema" | "name">>,
  { role, profile }: Pick<Options, "role" | "profile">
): string =>
  `GRANT ${granted[profile][kind]} ON ${kind.toUpperCase()} ` +
  `${objects.map(({ schema, name }) => qualified(schema, name)).join(", ")} TO ${quote(role)}`

const comment = (text: string) => text.replaceAll(/[\r\n]+/g, " ")

/**
 * The statements as a file for phpPgAdmin's upload or for psql: one statement a line, plain SQL, and as a comment at
 * the end the query that shows what was granted.
 */
export const sqlFile = (options: Options): string =>
  [
    `-- Rights of the role ${comment(options.role)} (profile "${options.profile}"), written by pgark.`,
    "-- Run this file as the owner of the tables: in phpPgAdmin by SQL > Choose File > Execute, or by psql -f.",
    "",
    ...statements(options).flatMap(({ sql, what }) => [`-- ${comment(what)}`, `${sql};`]),
    "",
    "-- To see what was granted afterwards:",
    "-- SELECT table_schema, table_name, privilege_type",
    "-- FROM information_schema.table_privileges",
    `-- WHERE grantee = ${comment(literal(options.role))}`,
    `--   AND table_schema IN (${comment(options.schemas.map(literal).join(", "))})`,
    "-- ORDER BY table_schema, table_name, privilege_type;",
    ""
  ].join("\n")

/** An object and the rights of the profile that the role lacks on it. */
export interface ObjectRights {
  readonly kind: ObjectKind
  readonly schema: string
  /** Name within the schema; of a schema its own. */
  readonly name: string
  readonly owner: string
  readonly missing: ReadonlyArray<string>
  /** Whether the connected role may grant something on it: as owner, by membership, or by grant option. */
  readonly grantable: boolean
}

/** A right that the role does not have. */
export interface MissingRight {
  readonly kind: ObjectKind
  /** Qualified and quoted. */
  readonly object: string
  readonly owner: string
  readonly privileges: ReadonlyArray<string>
}

/** What {@link rights} finds. Counts are objects looked at. */
export interface Rights {
  readonly missing: ReadonlyArray<MissingRight>
  readonly tables: number
  readonly sequences: number
  readonly schemas: number
}

/** Single privileges that a profile stands for, per kind of object; MAINTAIN is part of ALL since 17. */
const privileges = (profile: GrantProfile, versionNumber: number): Record<ObjectKind, string> => ({
  schema: "USAGE",
  table: {
    all: `SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER${versionNumber >= 170000 ? ",MAINTAIN" : ""}`,
    readwrite: "SELECT,INSERT,UPDATE,DELETE",
    readonly: "SELECT"
  }[profile],
  sequence: { all: "USAGE,SELECT,UPDATE", readwrite: "USAGE,SELECT", readonly: "SELECT" }[profile]
})

/**
 * Schemas, tables and sequences of the named schemas with the rights that the role lacks on each, however it might
 * have them: granted itself, by membership, or by PUBLIC. Objects of extensions are left out.
 */
export const objects = Effect.fn("Grants.objects")(function* ({
  role,
  schemas,
  profile
}: Options): Effect.fn.Return<ReadonlyArray<ObjectRights>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  if (schemas.length === 0) return []
  const versions = yield* sql<{ readonly number: number }>`
    select current_setting('server_version_num')::int4 as "number"`.pipe(Effect.mapError(fromSqlError))
  const asked = privileges(profile, versions[0]?.number ?? 0)
  return yield* sql<ObjectRights>`
    select
      'schema' as "kind", n.nspname::text as "schema", n.nspname::text as "name",
      pg_get_userbyid(n.nspowner)::text as "owner",
      array(
        select p::text from unnest(string_to_array(${asked.schema}::text, ',')) p
        where not has_schema_privilege(${role}::text::name, n.oid, p)
      )::text[] as "missing",
      has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') as "grantable"
    from pg_namespace n
    where ${sql.in("n.nspname", schemas)}
    union all
    select
      a.kind, n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text,
      array(
        select p::text from unnest(a.privileges) p
        where not case a.kind when 'sequence' then has_sequence_privilege(${role}::text::name, c.oid, p)
          else has_table_privilege(${role}::text::name, c.oid, p) end
      )::text[],
      exists(
        select from unnest(a.privileges) p
        where case a.kind when 'sequence' then has_sequence_privilege(c.oid, p || ' WITH GRANT OPTION')
          else has_table_privilege(c.oid, p || ' WITH GRANT OPTION') end
      )
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select
        case c.relkind when 'S' then 'sequence' else 'table' end as kind,
        string_to_array(case c.relkind when 'S' then ${asked.sequence}::text else ${asked.table}::text end, ',') as privileges
    ) a
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${sql.in("n.nspname", schemas)}
      and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      )
    order by 2, 1, 3`.pipe(Effect.mapError(fromSqlError))
})

/** What of {@link objects} the role lacks, and how much was looked at. */
export const summary = (found: ReadonlyArray<ObjectRights>): Rights => ({
  missing: found
    .filter(({ missing }) => missing.length > 0)
    .map(({ kind, schema, name, owner, missing }) => ({
      kind,
      object: kind === "schema" ? quote(name) : qualified(schema, name),
      owner,
      privileges: missing
    })),
  tables: found.filter(({ kind }) => kind === "table").length,
  sequences: found.filter(({ kind }) => kind === "sequence").length,
  schemas: found.filter(({ kind }) => kind === "schema").length
})

/** Proves, object by object, which rights of the profile the role has. A schema that is not there is not counted. */
export const rights = (options: Options): Effect.Effect<Rights, DatabaseError, SqlClient.SqlClient> =>
  Effect.map(objects(options), summary)

/** Whether the server has a role of that name. */
export const roleExists = Effect.fn("Grants.roleExists")(function* (
  role: string
): Effect.fn.Return<boolean, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`select 1::int4 from pg_roles where rolname = ${role}::text`.pipe(
    Effect.mapError(fromSqlError)
  )
  return rows.length > 0
})

/** Those of the schemas that the database does not have. */
export const missingSchemas = Effect.fn("Grants.missingSchemas")(function* (
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
