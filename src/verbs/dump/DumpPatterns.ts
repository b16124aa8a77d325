/** What the patterns of a dump leave out, read as pg_dump reads them and refused where it would miss what is meant. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import * as TablePattern from "../../postgres/pgdump/TablePattern.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { PatternInvalid } from "../VerbError.ts"

/** SQLSTATE of a regular expression that the server cannot read. */
const invalidRegularExpression = "2201B"

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

/** SQL for what patterns match, among `pg_class c` and `pg_namespace n`. */
export interface Matching {
  /** Of `--exclude-table`: what is not in the dump. */
  readonly leftOut: Fragment
  /** Of `--exclude-table-data`: what is in it without its rows, or a sequence without its value. */
  readonly withoutData: Fragment
}

/**
 * The patterns of a dump as conditions.
 *
 * Fails with PatternInvalid where pg_dump would refuse a pattern, or would find nothing by it and go on.
 */
export const read = Effect.fn("DumpPatterns.read")(function* (
  options: Pick<PgDumpOptions, "excludeTableData" | "excludeTables">,
  database: string
): Effect.fn.Return<Matching, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
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
  return { leftOut: any(excluded), withoutData: any(emptied) }
})
