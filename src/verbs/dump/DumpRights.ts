/** What a dump would have to read and the role may not: known before pg_dump starts, which stops at the first. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { plural } from "../../pipeline/Words.ts"
import { type DatabaseError, PermissionDenied } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { type Closed, grantsFor } from "./ReadGrants.ts"
import type { PatternInvalid } from "../VerbError.ts"
import * as WantedRelations from "./WantedRelations.ts"

/** A table or a sequence that the role cannot read, or of which policies may hide rows from it. */
interface Relation extends Closed {
  readonly schema: string
  readonly name: string
  readonly denied: boolean
  readonly filtered: boolean
}

/** What a dump would meet. */
export interface Readable {
  /** Tables, sequences and large objects without the right to read them. */
  readonly denied: ReadonlyArray<Closed>
  /**
   * Tables of which row-level security may hide rows: the role neither bypasses it nor is an owner whom it spares. As
   * people write them, and as a manifest does, qualified and quoted.
   */
  readonly filtered: ReadonlyArray<{ readonly what: string; readonly table: string }>
}

/** Of all that pg_dump locks or reads, what is closed to the role or hidden from it. */
const relations = Effect.fnUntraced(function* (options: PgDumpOptions, database: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Relation>`
    with ${yield* WantedRelations.read(options, database)}, touched as (
      select *, data or (relkind <> 'S' and not configuration) as touched,
        not has_schema_privilege(schema_oid, 'USAGE') as schema_closed,
        not has_table_privilege(oid, 'SELECT') as closed
      from wanted
    ), met as (
      select *, format('%I.%I', nspname, relname) as what, touched and (schema_closed or closed) as denied,
        data and relkind = 'r' and row_security_active(oid) as filtered
      from touched
    )
    select
      case relkind when 'S' then 'SEQUENCE' else 'TABLE' end as kind, what,
      nspname::text as schema, relname::text as name, denied, filtered,
      case when closed then pg_get_userbyid(relowner)::text end as "owner",
      case when schema_closed then format('%I', nspname) end as "closedSchema",
      pg_get_userbyid(nspowner)::text as "schemaOwner"
    from met
    where relkind <> 'f' and (denied or filtered)
    order by denied desc, what collate "C"`.pipe(Effect.mapError(fromSqlError))
})

/** A role needs SELECT on a large object, of itself, through a role it inherits from, or as everybody has it. */
const closedLargeObjects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Closed>`
    select 'LARGE OBJECT' as kind, m.oid::text as what, pg_get_userbyid(m.lomowner)::text as "owner"
    from pg_catalog.pg_largeobject_metadata m
    where current_setting('lo_compat_privileges') = 'off'
      and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
      and not exists (
        select from aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) a
        where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_has_role(a.grantee, 'USAGE')))
    order by m.oid`.pipe(Effect.mapError(fromSqlError))
})

/**
 * What of a dump with these options is closed to the connected role, wholly or in part.
 *
 * Fails with PatternInvalid where pg_dump would refuse a pattern, or would find nothing by it and go on.
 */
export const survey = Effect.fn("DumpRights.survey")(function* (
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<Readable, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  const met = yield* relations(options, database)
  // With --schema pg_dump leaves them out.
  const largeObjects = options.schemas.length === 0 && options.schemaOnly !== true && options.largeObjects !== false
  return {
    denied: [...met.filter(({ denied }) => denied), ...(largeObjects ? yield* closedLargeObjects : [])],
    filtered: met
      .filter(({ filtered }) => filtered)
      .map(({ what, schema, name }) => ({ what, table: qualified(schema, name) }))
  }
})

/**
 * Why a dump cannot be made, all of it in one error with the GRANT statements that mend it; none where nothing is in
 * its way.
 *
 * @param partialRows whether the rows that policies show are enough
 */
export const denial = (
  { denied, filtered }: Readable,
  role: string,
  partialRows: boolean
): PermissionDenied | undefined => {
  const hidden = partialRows ? [] : filtered
  if (denied.length + hidden.length === 0) return undefined
  const objects = denied.filter(({ kind }) => kind === "LARGE OBJECT")
  const tables = denied.length - objects.length
  const reasons = [
    tables > 0 && `${plural(tables, "table or sequence is", "tables or sequences are")} closed to it`,
    hidden.length > 0 && `row-level security hides rows of ${plural(hidden.length, "table")} from it`,
    objects.length > 0 && `${plural(objects.length, "large object is", "large objects are")} closed to it`
  ]
  const remedies = [
    denied.length > 0 &&
      "Have the owners, or a superuser, run the GRANT statements" +
        (tables > 0 ? ", dump as the owner, or leave tables out with --exclude-table." : ", or dump as the owner."),
    hidden.length > 0 &&
      `Where policies apply, dump as a role with BYPASSRLS (a superuser's ALTER ROLE ${quote(role)} BYPASSRLS;), or as the ` +
        "owner of tables without FORCE ROW LEVEL SECURITY; or leave their rows out with --exclude-table-data; or take " +
        "only the rows that this role sees with --allow-partial-rows."
  ]
  const both = new Set(hidden.map(({ what }) => what))
  const closed = new Set(denied.map(({ what }) => what))
  const lines = [
    ...denied.map(({ kind, what }) => {
      if (kind === "LARGE OBJECT") return `large object ${what}`
      return both.has(what) ? `${what} (and policies)` : what
    }),
    ...hidden.filter(({ what }) => !closed.has(what)).map(({ what }) => `${what} (policies)`)
  ]
  const grants = grantsFor(denied, role)
  return new PermissionDenied({
    message: `The role ${quote(role)} may not read everything: ${reasons.filter((reason) => reason !== false).join("; ")}.`,
    detail: lines.join("\n"),
    suggestion: remedies.filter((remedy) => remedy !== false).join(" "),
    ...(grants.length === 0 ? {} : { grants }),
    state: "untouched"
  })
}
