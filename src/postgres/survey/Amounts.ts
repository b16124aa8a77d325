/** How much stands in tables that will go: told before, to people, so that nobody is made to wait for it. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { Session, type SessionService } from "../Session.ts"
import { fromSqlError } from "../Sqlstate.ts"
import type { CatalogObject } from "./Objects.ts"

/** Rows and size of some tables. */
export interface Amounts {
  /** Counted where `exact`, else an estimate. */
  readonly rows: number
  readonly exact: boolean
  /** Tables that nothing is known of: never analyzed, not counted by the statistics, and too much to count. */
  readonly uncounted: number
  /** On the server's disk, indexes and all. */
  readonly bytes: number
}

/** Up to here counting takes less time than reading that it was not done: a tenth of a second for all of it. */
const mostTables = 50
const mostBytes = 50_000_000

/** The number of `pg_class` itself, with which keys of relations begin. */
const relation = /^1259:(\d+)$/

interface Estimate {
  readonly oid: string
  /** Pages and rows as VACUUM or ANALYZE found them last; neither is known where both are 0 or rows are -1. */
  readonly pages: number
  readonly rows: number
  /** Rows as the statistics have them, which forget all in a crash. */
  readonly live: number
}

interface Size {
  readonly oid: string
  readonly pages: number
  readonly bytes: number
}

/** From the catalogue alone, for which no lock is waited. */
const readEstimates = Effect.fnUntraced(function* (oids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Estimate>`
    select c.oid::int8::text as "oid", c.relpages as "pages", c.reltuples::float8 as "rows",
      coalesce(pg_stat_get_live_tuples(c.oid), 0)::float8 as "live"
    from pg_class c where c.oid = any(string_to_array(${oids.join(",")}::text, ',')::oid[])`.pipe(
    Effect.mapError(fromSqlError)
  )
})

/** Asks where nobody waits for long, and does without the answer where there is none: a role may drop what it may not read. */
const briefly = Effect.fnUntraced(function* <A>(what: string, question: Effect.Effect<A, DatabaseError>) {
  const { execute, transaction } = yield* Session
  const limits = execute("SET LOCAL lock_timeout = 200; SET LOCAL statement_timeout = 1000")
  return yield* Effect.catch(transaction(Effect.andThen(limits, question)), ({ message }) =>
    Effect.as(Effect.logDebug(`${what} not known: ${message}`), undefined)
  )
})

const readSizes = ({ sql }: SessionService, oids: ReadonlyArray<string>) =>
  sql<Size>`
    select oid::int8::text as "oid", bytes::float8 as "bytes",
      (pg_relation_size(oid) / current_setting('block_size')::int8)::float8 as "pages"
    from (
      select oid, pg_total_relation_size(oid) as bytes
      from unnest(string_to_array(${oids.join(",")}::text, ',')::oid[]) oid
    ) of_table where bytes is not null`.pipe(Effect.mapError(fromSqlError))

const count = ({ sql }: SessionService, tables: ReadonlyArray<CatalogObject>) => {
  const each = tables.map(({ identity }) => `select count(*) as rows from only ${identity}`).join(" union all ")
  return sql<{ readonly rows: number }>`
    select sum(rows)::float8 as "rows" from (${sql.literal(each)}) counted`.pipe(
    Effect.mapError(fromSqlError),
    Effect.map(([counted]) => counted?.rows)
  )
}

/** The planner's way: rows for each page as they were, times the pages that there are now. */
const estimated = ({ live, pages, rows }: Estimate, size: Size | undefined): number | undefined => {
  if (size?.pages === 0) return 0
  if (rows > 0) return size === undefined || pages === 0 ? rows : Math.round((rows / pages) * size.pages)
  return live > 0 ? live : undefined
}

const nothing: Amounts = { rows: 0, exact: true, uncounted: 0, bytes: 0 }

/**
 * How much these tables hold. Few and small ones are counted; of others the planner's estimate is taken, and of such as
 * were never analyzed what the statistics say. Whatever others hold locked is waited for a fifth of a second.
 *
 * @see https://www.postgresql.org/docs/current/catalog-pg-class.html (reltuples, relpages)
 */
export const read = Effect.fn("Amounts.read")(function* (
  tables: ReadonlyArray<CatalogObject>
): Effect.fn.Return<Amounts, DatabaseError, Session | SqlClient.SqlClient> {
  const oids = tables.flatMap(({ key }) => relation.exec(key)?.[1] ?? [])
  if (oids.length === 0) return nothing
  const session = yield* Session
  const estimates = yield* readEstimates(oids)
  // What fails in the caller's own transaction would end it.
  const alone = session.status() === "I"
  const sizes = (alone ? yield* briefly("Sizes are", readSizes(session, oids)) : undefined) ?? []
  const bytes = sizes.reduce((sum, size) => sum + size.bytes, 0)
  if (sizes.length === tables.length && tables.length <= mostTables && bytes <= mostBytes) {
    const rows = yield* briefly("Exact rows are", count(session, tables))
    if (rows !== undefined) return { rows, exact: true, uncounted: 0, bytes }
  }
  const sizeOf = new Map(sizes.map((size) => [size.oid, size]))
  const found = estimates.map((estimate) => estimated(estimate, sizeOf.get(estimate.oid)))
  return {
    rows: found.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    exact: false,
    uncounted: found.filter((one) => one === undefined).length,
    bytes
  }
})
