/** The server, the database and the role: what of them decides what pgark may do. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { bytes, listed, plural } from "../../pipeline/Words.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { majorOf } from "../../postgres/version/ServerVersion.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import type { RoleFacts, ServerFacts } from "../../postgres/survey/Server.ts"
import { about, type Check, everything } from "./Check.ts"

/** The majors that pgark is tried with. */
export const supported = { oldest: 13, newest: 18 } as const

/** What is known of a server and of the role besides `readServer`. */
export interface Basics {
  /** The value that sessions begin with. */
  readonly readOnly: boolean
  readonly owner: string
  /** Bytes on the server's disk; null where the role may not know. */
  readonly size: string | null
  readonly collate: string
  readonly ctype: string
  readonly bypassesRls: boolean
  readonly createsDatabases: boolean
  /** Roles of which it is a member, directly or through others. */
  readonly memberOf: ReadonlyArray<string>
  readonly ownsDatabase: boolean
  /** Roles of the server that providers make. */
  readonly providerRoles: ReadonlyArray<string>
}

/** Providers by the role that stands for as much of a superuser as they let anybody have. */
const providers: ReadonlyArray<readonly [role: string, name: string]> = [
  ["rds_superuser", "Amazon RDS or Aurora"],
  ["cloudsqlsuperuser", "Google Cloud SQL"],
  ["alloydbsuperuser", "Google AlloyDB"],
  ["azure_pg_admin", "Azure Database"],
  ["neon_superuser", "Neon"],
  ["supabase_admin", "Supabase"],
  ["doadmin", "DigitalOcean"],
  ["avnadmin", "Aiven"]
]

/** Reads them, in one query. */
export const readBasics = Effect.fn("doctor.Server.readBasics")(function* (): Effect.fn.Return<
  Basics,
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<Basics>`
    select
      (select reset_val = 'on' from pg_settings where name = 'default_transaction_read_only') as "readOnly",
      pg_get_userbyid(d.datdba)::text as "owner",
      case when has_database_privilege(d.oid, 'CONNECT') or pg_has_role('pg_read_all_stats', 'USAGE')
        then pg_database_size(d.oid)::text end as "size",
      coalesce(d.datcollate, '')::text as "collate", coalesce(d.datctype, '')::text as "ctype",
      r.rolbypassrls as "bypassesRls", r.rolcreatedb as "createsDatabases",
      array(
        select rolname::text from pg_roles m
        where not r.rolsuper and m.oid <> r.oid and pg_has_role(m.oid, 'MEMBER') and rolname <> 'pg_database_owner'
        order by 1)::text[] as "memberOf",
      pg_has_role(d.datdba, 'USAGE') as "ownsDatabase",
      array(select rolname::text from pg_roles where ${sql.in(
        "rolname",
        providers.map(([role]) => role)
      )})::text[] as "providerRoles"
    from pg_database d, pg_roles r
    where d.datname = current_database() and r.rolname = current_user`.pipe(Effect.mapError(fromSqlError))
  return yield* row === undefined
    ? Effect.die(new Error("the server knows neither its database nor its user"))
    : Effect.succeed(row)
})

const version = ({ version, versionNumber }: ServerFacts): Check => {
  const what = about("server", "version", "version")
  const major = majorOf(versionNumber)
  const { newest, oldest } = supported
  if (major < oldest) {
    return what.problem(`PostgreSQL ${version} is older than what pgark works with (${oldest} to ${newest})`, {
      stops: everything,
      mend: `Upgrade the server; meanwhile its own pg_dump writes dumps that pgark restores into ${oldest} or later.`
    })
  }
  if (major > newest) {
    return what.note(
      `PostgreSQL ${version} is newer than what pgark is tried with (${oldest} to ${newest})`,
      `It is dumped only where a pg_dump ${major} is on this machine (see below); dumps of older servers it takes as a rule.`
    )
  }
  return what.ok(`PostgreSQL ${version}`)
}

/** Who runs it, where that decides what the role may be at most. */
const provider = ({ memberOf, providerRoles }: Basics, { superuser }: RoleFacts): ReadonlyArray<Check> => {
  const known = providers.find(([role]) => providerRoles.includes(role))
  if (known === undefined || superuser) return []
  const [role, name] = known
  return [
    about("server", "provider", "provider").ok(
      `${name}; this role is ${memberOf.includes(role) ? "a" : "no"} member of ${role}`
    )
  ]
}

const access = ({ inRecovery }: ServerFacts, { readOnly }: Basics): ReadonlyArray<Check> => {
  const what = about("server", "writing", "writing")
  if (inRecovery) {
    return [
      what.problem("it is a replica, which accepts no writes", {
        stops: ["restore"],
        mend: "Connect to the primary server; dumps can be made here."
      })
    ]
  }
  return readOnly
    ? [what.ok("default_transaction_read_only is on; pgark's transactions say READ WRITE where they write")]
    : []
}

const database = ({ database, encoding }: ServerFacts, { collate, ctype, owner, size }: Basics): Check =>
  about("server", "database", "database").ok(
    `${database} of ${owner}, ${size === null ? "size hidden from this role" : bytes(Number(size))}, ${encoding}, ` +
      (collate === ctype ? `locale ${collate}` : `collate ${collate}, ctype ${ctype}`)
  )

const role = ({ name, superuser }: RoleFacts, basics: Basics, { canCreateInDatabase }: ServerFacts): Check => {
  const { bypassesRls, createsDatabases, memberOf, ownsDatabase } = basics
  const what = about("server", "role", "role")
  if (superuser) return what.ok(`${name}, a superuser`)
  return what.ok(
    [
      `${name}, no superuser`,
      ownsDatabase ? "owner of the database" : canCreateInDatabase ? "may create schemas" : "may create no schemas",
      ...(bypassesRls ? ["BYPASSRLS"] : []),
      ...(createsDatabases ? ["CREATEDB"] : []),
      ...(memberOf.length === 0
        ? []
        : [`member of ${plural(memberOf.length, "role")}: ${listed(memberOf, 4).join(", ")}`])
    ].join(", ")
  )
}

/** What there is to tell of it. */
export const checks = (server: ServerFacts, facts: RoleFacts, basics: Basics): ReadonlyArray<Check> => [
  version(server),
  ...provider(basics, facts),
  ...access(server, basics),
  database(server, basics),
  role(facts, basics, server)
]
