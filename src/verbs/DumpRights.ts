/** What a dump would have to read and the role may not: known before pg_dump starts, which stops at the first. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { listed, plural } from "../pipeline/Words.ts"
import { type DatabaseError, PermissionDenied } from "../postgres/DatabaseError.ts"
import type { PgDumpOptions } from "../postgres/PgDump.ts"
import * as TablePattern from "../postgres/pgdump/TablePattern.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import { PatternInvalid } from "./VerbError.ts"

/** SQLSTATE of a regular expression that the server cannot read. */
const invalidRegularExpression = "2201B"

/** Something closed to the role. */
interface Closed {
  /** As people write it. */
  readonly what: string
  /** Why: no right to read it; policies that hide rows, so that pg_dump refuses; a large object without SELECT. */
  readonly by: "rights" | "policies" | "largeObject"
}

const syntax = "Write [schema.]table; * and ? stand for any characters, and double quotes keep capitals and dots."

const invalid = (pattern: string, message: string, more: { readonly detail?: string; readonly hint?: string } = {}) =>
  new PatternInvalid({
    message: `The pattern ${pattern} ${message}.`,
    ...(more.detail === undefined ? {} : { detail: more.detail }),
    suggestion: more.hint === undefined ? syntax : `${more.hint} ${syntax}`,
    state: "untouched",
    pattern
  })

/** The patterns, read; fails with the first that pg_dump would refuse. */
const readPatterns = Effect.fnUntraced(function* (patterns: ReadonlyArray<string>, database: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* Effect.forEach(
    patterns,
    Effect.fnUntraced(function* (pattern) {
      const read = TablePattern.parse(pattern)
      if (read === undefined) return yield* invalid(pattern, "has more dots than a table's name can have")
      if (read.database !== undefined && read.database !== database) {
        return yield* invalid(pattern, `names another database than ${database}`)
      }
      yield* sql`select '' ~ ${read.name}, '' ~ ${read.schema ?? ""}`.pipe(
        Effect.mapError((error) => {
          const refusal = fromSqlError(error)
          return "sqlstate" in refusal && refusal.sqlstate === invalidRegularExpression
            ? invalid(pattern, "cannot be read", { detail: refusal.message })
            : refusal
        })
      )
      return read
    })
  )
})

/**
 * The search path that pg_dump's session begins with, on which patterns without a schema depend. It may name schemas of
 * anybody, so nothing is looked up by it here.
 */
const searchPathOfPgDump = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [own] = yield* sql<{ readonly before: string; readonly reset: string }>`
    select current_setting('search_path') as before, reset_val as reset
    from pg_catalog.pg_settings where name = 'search_path'`
  const set = (path: string | undefined) => sql`select pg_catalog.set_config('search_path', ${path}, false)`
  yield* set(own?.reset)
  const [path] = yield* sql<{ readonly schemas: ReadonlyArray<string> }>`
    select pg_catalog.current_schemas(true)::pg_catalog.text[] as schemas`
  yield* set(own?.before)
  return path?.schemas ?? []
}).pipe(Effect.mapError(fromSqlError))

/** Kinds of relations that `--exclude-table` leaves out, and those of them whose data `--exclude-table-data` does. */
const [relations, withRows] = [
  ["r", "p", "v", "m", "f", "S"],
  ["r", "m", "S"]
]

/** How many of the tables that may have been meant are named. */
const named = 3

/** As a POSIX shell takes it for one word. */
const shellQuoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/**
 * Fails where a pattern matches nothing. pg_dump would say nothing of it and dump all of what was to be left out; most
 * often the pattern lacks the double quotes that keep capitals.
 */
const checkMatches = Effect.fnUntraced(function* (
  patterns: ReadonlyArray<string>,
  read: ReadonlyArray<TablePattern.TablePattern>,
  searchPath: ReadonlyArray<string>,
  kinds: ReadonlyArray<string>
) {
  const sql = yield* SqlClient.SqlClient
  for (const [index, pattern] of patterns.entries()) {
    const parsed = read[index]!
    const found = yield* sql<{ readonly what: string; readonly matches: boolean; readonly counts: boolean }>`
      select format('%I.%I', n.nspname, c.relname) as what, m.matches, c.relkind::text = any(${kinds}::text[]) as counts
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      cross join lateral (select ${TablePattern.matches(sql, parsed, searchPath)} as matches) m
      where c.relkind::text = any(${relations}::text[]) and c.relpersistence <> 't'
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and ${TablePattern.resembles(sql, parsed)}
      order by matches desc, counts desc, what limit ${named}`.pipe(Effect.mapError(fromSqlError))
    const [best] = found
    if (best?.matches === true && best.counts) continue
    if (best?.matches === true) {
      return yield* invalid(pattern, `matches nothing that holds rows itself: ${best.what} does not`, {
        hint: "The rows of a partitioned table lie in its partitions: match these."
      })
    }
    const meant = found.map(({ what }) => shellQuoted(what)).join(" or ")
    return yield* invalid(pattern, "matches no table", best === undefined ? {} : { hint: `Did you mean ${meant}?` })
  }
})

const closedTables = Effect.fnUntraced(function* (options: PgDumpOptions, database: string) {
  const sql = yield* SqlClient.SqlClient
  const searchPath = yield* searchPathOfPgDump
  const any = (patterns: ReadonlyArray<TablePattern.TablePattern>): Fragment =>
    patterns.length === 0
      ? sql`false`
      : sql.or(patterns.map((pattern) => TablePattern.matches(sql, pattern, searchPath)))
  const excluded = yield* readPatterns(options.excludeTables, database)
  const emptied = yield* readPatterns(options.excludeTableData, database)
  yield* checkMatches(options.excludeTables, excluded, searchPath, relations)
  yield* checkMatches(options.excludeTableData, emptied, searchPath, withRows)
  const [leftOut, withoutData] = [any(excluded), any(emptied)]
  const scope = options.schemas.length === 0 ? sql`true` : sql.in("n.nspname", options.schemas)
  return yield* sql<Closed>`
    with wanted as (
      select c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) as what,
        not (has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT')) as closed,
        not (${withoutData}) and not ${options.schemaOnly === true} as data
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't'
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and ${scope} and not (${leftOut})
        and not exists (select from pg_catalog.pg_depend d
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    )
    select what, case when closed then 'rights' else 'policies' end as by
    from wanted
    where case when closed then data or relkind <> 'S'
      else data and relkind = 'r' and row_security_active(oid) end
    order by closed desc, what`.pipe(Effect.mapError(fromSqlError))
})

/** A role needs SELECT on a large object, of itself, through a role it inherits from, or as everybody has it. */
const closedLargeObjects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Closed>`
    select format('large object %s', m.oid) as what, 'largeObject' as by
    from pg_catalog.pg_largeobject_metadata m
    where current_setting('lo_compat_privileges') = 'off'
      and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
      and not exists (
        select from aclexplode(coalesce(m.lomacl, acldefault('L', m.lomowner))) a
        where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_has_role(a.grantee, 'USAGE')))
    order by m.oid`.pipe(Effect.mapError(fromSqlError))
})

const explain = (closed: ReadonlyArray<Closed>, role: string): PermissionDenied => {
  const count = (by: Closed["by"]) => closed.filter((each) => each.by === by).length
  const [rights, policies, largeObjects] = [count("rights"), count("policies"), count("largeObject")]
  const reasons = [
    rights > 0 && `${plural(rights, "table or sequence is", "tables or sequences are")} closed to it`,
    policies > 0 && `row-level security hides rows of ${plural(policies, "table")} from it`,
    largeObjects > 0 && `${plural(largeObjects, "large object is", "large objects are")} closed to it`
  ]
  const remedies = [
    rights > 0 &&
      `Have their owners run GRANT SELECT ON … TO "${role}", dump as their owner, or leave tables out with --exclude-table.`,
    policies > 0 &&
      "Where policies apply, dump as a role with BYPASSRLS, or as the owner of tables without FORCE ROW LEVEL SECURITY, " +
        "or leave their rows out with --exclude-table-data.",
    largeObjects > 0 &&
      `Have the owners of the large objects run GRANT SELECT ON LARGE OBJECT … TO "${role}", or dump as their owner.`
  ]
  const lines = closed.map(({ what, by }) => (by === "policies" ? `${what} (policies)` : what))
  return new PermissionDenied({
    message: `The role "${role}" may not read everything: ${reasons.filter((reason) => reason !== false).join("; ")}.`,
    detail: listed(lines).join("\n"),
    suggestion: remedies.filter((remedy) => remedy !== false).join(" "),
    state: "untouched"
  })
}

/**
 * What stands in the way of a dump with these options as this role, all of it in one error; none where nothing does.
 *
 * Fails with PatternInvalid where pg_dump would refuse a pattern, or would find nothing by it and go on.
 */
export const denial = Effect.fn("DumpRights.denial")(function* (
  options: PgDumpOptions,
  database: string,
  role: string
): Effect.fn.Return<PermissionDenied | undefined, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  const tables = yield* closedTables(options, database)
  // With --schema pg_dump leaves them out.
  const wholeDatabase = options.schemas.length === 0 && options.schemaOnly !== true
  const closed = [...tables, ...(wholeDatabase ? yield* closedLargeObjects : [])]
  return closed.length === 0 ? undefined : explain(closed, role)
})
