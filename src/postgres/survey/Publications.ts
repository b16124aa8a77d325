/** Tables that publications name: a DROP TABLE takes them out without a notice, and the subscriber stops silently. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { qualified, quote } from "../Identifier.ts"
import { fromSqlError } from "../Sqlstate.ts"

export interface PublishedTable {
  readonly schema: string
  readonly table: string
  readonly publication: string
  readonly owner: string
  /** This role has the rights of the publication's owner. */
  readonly owned: boolean
  /** Puts the table back, with its columns and row filter; wants the publication's and the table's owner. */
  readonly restore: string
}

interface PublishedRow extends Omit<PublishedTable, "restore"> {
  readonly columns: ReadonlyArray<string>
  readonly filter: string | null
}

/** Membership of the tables of these schemas in publications that name them one by one. */
export const readPublished = Effect.fnUntraced(function* (
  schemas: ReadonlyArray<string>,
  versionNumber: number
): Effect.fn.Return<ReadonlyArray<PublishedTable>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // Columns and row filters came with 15; the catalogue has no such columns before.
  const details =
    versionNumber >= 150000
      ? `array(select a.attname::text from unnest(r.prattrs) with ordinality as k(number, position)
          join pg_attribute a on a.attrelid = r.prrelid and a.attnum = k.number order by k.position)::text[] as "columns",
        pg_get_expr(r.prqual, r.prrelid) as "filter"`
      : `array[]::text[] as "columns", null::text as "filter"`
  const rows = yield* sql<PublishedRow>`
    select
      n.nspname::text as "schema",
      c.relname::text as "table",
      p.pubname::text as "publication",
      pg_get_userbyid(p.pubowner)::text as "owner",
      pg_has_role(p.pubowner, 'USAGE') as "owned",
      ${sql.literal(details)}
    from pg_publication_rel r
    join pg_publication p on p.oid = r.prpubid
    join pg_class c on c.oid = r.prrelid
    join pg_namespace n on n.oid = c.relnamespace
    where ${sql.in("n.nspname", schemas)}
    order by 3, 1, 2`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ columns, filter, ...row }) => {
    const { schema, table, publication } = row
    const list = columns.length === 0 ? "" : ` (${columns.map(quote).join(", ")})`
    const where = filter === null ? "" : ` WHERE (${filter})`
    const restore = `ALTER PUBLICATION ${quote(publication)} ADD TABLE ONLY ${qualified(schema, table)}${list}${where}`
    return { ...row, restore }
  })
})

/**
 * Whether subscribers may hear of it when a table is emptied. Those of all tables, or of a schema's, hear it of tables that
 * were created a moment ago; publications of single tables are not told apart.
 */
export const isTruncatePublished = Effect.fn("Publications.isTruncatePublished")(function* (
  sql: SqlClient.SqlClient
): Effect.fn.Return<boolean, DatabaseError> {
  const [found] = yield* sql<{ readonly any: boolean }>`
    select exists(select from pg_publication where pubtruncate) as "any"`.pipe(Effect.mapError(fromSqlError))
  return found?.any === true
})
