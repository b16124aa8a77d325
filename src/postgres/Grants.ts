/** The rights an app role gets on schemas, as SQL and as questions to the server whether it has them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
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
export type ObjectKind = "database" | "schema" | "table" | "sequence"

/** A statement of {@link statements}. */
export interface GrantStatement {
  readonly sql: string
  /** In words, an imperative. */
  readonly what: string
  /** The schema it is about; undefined of the database. */
  readonly schema: string | undefined
  /** What it is about; "default" for objects that will be created later. */
  readonly on: ObjectKind | "default"
}

const granted: Record<GrantProfile, { readonly table: string; readonly sequence: string; readonly words: string }> = {
  all: { table: "ALL PRIVILEGES", sequence: "ALL PRIVILEGES", words: "all privileges" },
  // USAGE of a sequence is nextval and currval; setval is the business of migrations.
  readwrite: { table: "SELECT, INSERT, UPDATE, DELETE", sequence: "USAGE, SELECT", words: "reading and writing" },
  readonly: { table: "SELECT", sequence: "SELECT", words: "reading" }
}

/** Without it no other right is of use. Usually everyone has it; where not, the owner of the database may grant it. */
export const connecting = (role: string, database: string): GrantStatement => ({
  sql: `GRANT CONNECT ON DATABASE ${quote(database)} TO ${quote(role)}`,
  what: `let ${role} connect to database ${database}`,
  schema: undefined,
  on: "database"
})

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
 *
 * @param database the one it is for; where it is not known, the right to connect to it is only a comment
 */
export const sqlFile = (options: Options, database: string | undefined): string =>
  [
    `-- Rights of the role ${comment(options.role)} (profile "${options.profile}"), written by pgark.`,
    "-- Run this file as the owner of the tables: in phpPgAdmin by SQL > Choose File > Execute, or by psql -f.",
    "",
    "-- Only the owner of the database may grant this. From others the server takes it with a warning, which does no",
    "-- harm where the role may connect anyway.",
    database === undefined
      ? `-- ${comment(connecting(options.role, "name of the database").sql)};`
      : `${connecting(options.role, database).sql};`,
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
  /** The schema it is in; of a schema its own name, of the database nothing. */
  readonly schema: string
  /** Name within the schema; of a schema and of the database its own. */
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
  /** Where having all rights is not enough to use the object, or may not be, in words. */
  readonly unproven: ReadonlyArray<Unproven>
}

/** An object that the role may not be able to use although it has its rights. */
export interface Unproven {
  readonly kind: "view" | "foreign table"
  /** Qualified and quoted. */
  readonly object: string
  readonly why: string
}

/** Single privileges that a profile stands for, per kind of object; MAINTAIN is part of ALL since 17. */
const privileges = (profile: GrantProfile, versionNumber: number): Record<Exclude<ObjectKind, "database">, string> => ({
  schema: "USAGE",
  table: {
    all: `SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER${versionNumber >= 170000 ? ",MAINTAIN" : ""}`,
    readwrite: "SELECT,INSERT,UPDATE,DELETE",
    readonly: "SELECT"
  }[profile],
  sequence: { all: "USAGE,SELECT,UPDATE", readwrite: "USAGE,SELECT", readonly: "SELECT" }[profile]
})

/** The schema `n` is one of these. */
const among = (sql: SqlClient.SqlClient, schemas: ReadonlyArray<string>): Fragment =>
  schemas.length === 0 ? sql.literal("false") : sql.in("n.nspname", schemas)

const notOfExtension = `not exists (
  select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
)`

/**
 * The database, and schemas, tables and sequences of the named schemas, with the rights that the role lacks on each,
 * however it might have them: granted itself, by membership, or by PUBLIC. Objects of extensions are left out.
 */
export const objects = Effect.fn("Grants.objects")(function* ({
  role,
  schemas,
  profile
}: Options): Effect.fn.Return<ReadonlyArray<ObjectRights>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const versions = yield* sql<{ readonly number: number }>`
    select current_setting('server_version_num')::int4 as "number"`.pipe(Effect.mapError(fromSqlError))
  const asked = privileges(profile, versions[0]?.number ?? 0)
  return yield* sql<ObjectRights>`
    select
      'database' as "kind", '' as "schema", d.datname::text as "name", pg_get_userbyid(d.datdba)::text as "owner",
      array(
        select 'CONNECT' where not has_database_privilege(${role}::text::name, d.oid, 'CONNECT')
      )::text[] as "missing",
      has_database_privilege(d.oid, 'CONNECT WITH GRANT OPTION') as "grantable"
    from pg_database d
    where d.datname = current_database()
    union all
    select
      'schema', n.nspname::text, n.nspname::text, pg_get_userbyid(n.nspowner)::text,
      array(
        select p::text from unnest(string_to_array(${asked.schema}::text, ',')) p
        where not has_schema_privilege(${role}::text::name, n.oid, p)
      )::text[],
      has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION')
    from pg_namespace n
    where ${among(sql, schemas)}
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
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}
    order by 2, 1, 3`.pipe(Effect.mapError(fromSqlError))
})

/**
 * What no right on the object itself can give: a view reads with its owner's rights (with `security_invoker` with the
 * role's own on what it reads), and what a foreign server lets the role do is known to that server alone.
 */
const unproven = Effect.fnUntraced(function* ({ role, schemas }: Options) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Omit<Unproven, "object"> & { readonly schema: string; readonly name: string }>`
    select distinct
      'view' as "kind", n.nspname::text as "schema", c.relname::text as "name",
      format('%s %I may not read %I.%I',
        case when v.invoker then 'it reads with the rights of whoever asks:' else 'it reads with the rights of its owner:' end,
        reader.rolname, tn.nspname, t.relname)::text as "why"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select exists(
        select from pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker' and o.option_value::boolean
      ) as invoker
    ) v
    join pg_roles reader on case when v.invoker then reader.rolname = ${role}::text::name else reader.oid = c.relowner end
    join pg_rewrite r on r.ev_class = c.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_class t on t.oid = d.refobjid and t.oid <> c.oid and t.relkind in ('r', 'p', 'v', 'm', 'f')
    join pg_namespace tn on tn.oid = t.relnamespace
    where c.relkind = 'v' and r.ev_type = '1' and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}
      and not has_any_column_privilege(reader.oid, t.oid, 'SELECT')
    union all
    select 'foreign table', n.nspname::text, c.relname::text,
      format('what the foreign server %I lets the role do was not asked', s.srvname)::text
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_foreign_table f on f.ftrelid = c.oid
    join pg_foreign_server s on s.oid = f.ftserver
    where ${among(sql, schemas)} and ${sql.literal(notOfExtension)}
    order by 2, 3, 4`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ kind, schema, name, why }): Unproven => ({ kind, object: qualified(schema, name), why }))
})

/** What of {@link objects} the role lacks, and how much was looked at. */
const summary = (found: ReadonlyArray<ObjectRights>) => ({
  missing: found
    .filter(({ missing }) => missing.length > 0)
    .map(({ kind, schema, name, owner, missing }) => ({
      kind,
      object: schema === "" || kind === "schema" ? quote(name) : qualified(schema, name),
      owner,
      privileges: missing
    })),
  tables: found.filter(({ kind }) => kind === "table").length,
  sequences: found.filter(({ kind }) => kind === "sequence").length,
  schemas: found.filter(({ kind }) => kind === "schema").length
})

/** Proves, object by object, which rights of the profile the role has. A schema that is not there is not counted. */
export const rights = Effect.fn("Grants.rights")(function* (
  options: Options
): Effect.fn.Return<Rights, DatabaseError, SqlClient.SqlClient> {
  return { ...summary(yield* objects(options)), unproven: yield* unproven(options) }
})

/** The connected database: its owner, and whether the role may connect to it. */
export const database = (role: string): Effect.Effect<ObjectRights | undefined, DatabaseError, SqlClient.SqlClient> =>
  Effect.map(objects({ role, schemas: [], profile: "readonly" }), ([found]) => found)

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
