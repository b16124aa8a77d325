/** The tables whose rows a dump has, and how COPY gets them out. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { CopyForm } from "../../dumps/Manifest.ts"
import * as BinaryTypes from "../../postgres/copy/BinaryTypes.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import type { Lockable } from "../../postgres/SharedSnapshot.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import type { PatternInvalid } from "../VerbError.ts"
import * as WantedRelations from "./WantedRelations.ts"

/** Rows that one COPY gives: all of a table, or those of some of its pages. */
export interface DataPart {
  /** `COPY … TO STDOUT …`, for a session in the snapshot. */
  readonly sql: string
  /** Its share of the table's bytes on disk. */
  readonly bytes: number
}

/** A table whose rows are wanted. */
export interface DataTable extends Lockable {
  /** In the order of the data: all but dropped and generated ones. */
  readonly columns: ReadonlyArray<string>
  readonly form: CopyForm
  /** On the server's disk: its pages and those of its TOAST table, without indexes. */
  readonly bytes: number
  /** At least one; together they are the table, and no row is in two. */
  readonly parts: ReadonlyArray<DataPart>
}

/** The tables that {@link read} will give, as they are now: no lock is waited for. */
export const find = Effect.fn("DataTables.find")(function* (
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<ReadonlyArray<Lockable>, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  if (options.schemaOnly === true) return []
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Lockable>`
    with ${yield* WantedRelations.read(options, database)}
    select oid::int8::float8 as "oid", nspname::text as "schema", relname::text as "name"
    from wanted where relkind = 'r' and data
    order by 2, 3`.pipe(Effect.mapError(fromSqlError))
})

interface Row extends Lockable {
  readonly columns: ReadonlyArray<string>
  readonly types: ReadonlyArray<number>
  /** Which of its rows, of an extension's table: a clause that may be empty. Null of all others. */
  readonly condition: string | null
  readonly pages: number
  readonly bytes: number
  /** Whether its rows can be asked for by their pages. */
  readonly byPage: boolean
}

/** No part of a table is smaller: below, what a COPY and a file cost by themselves begins to show. */
const smallestPart = 64 * 1024 * 1024
/** Nor greater, where that can be: so much is done again after a deadlock. */
const greatestPart = 1024 * 1024 * 1024

/**
 * Four parts for each connection, so that none of them works alone for long at the end; eight at least, as a dump that
 * one connection writes may be restored by several.
 */
const partsOf = ({ byPage, bytes, condition, pages }: Row, jobs: number): number => {
  // What an extension asks for is one query.
  if (!byPage || condition !== null) return 1
  const wanted = Math.max(8, 4 * jobs, Math.ceil(bytes / greatestPart))
  return Math.max(1, Math.min(wanted, Math.floor(bytes / smallestPart), pages))
}

/** Tables whose rows are read out of the dump itself, for which they have to be text. */
const readBack = new Set(["_prisma_migrations"])

const planned = (
  row: Row,
  types: ReadonlyMap<number, BinaryTypes.TypeFacts>,
  { jobs, text }: { readonly jobs: number; readonly text: boolean }
): DataTable => {
  const { bytes, columns, condition, name, oid, pages, schema } = row
  const table = qualified(schema, name)
  const list = columns.map(quote).join(", ")
  // What of an extension there is where they go in, in which version, may have other types.
  const own = condition === null && !readBack.has(name)
  const binary = !text && own && columns.length > 0 && row.types.every((oid) => BinaryTypes.isSafe(types, oid))
  const end = binary ? "TO STDOUT (FORMAT binary)" : "TO STDOUT"
  const count = partsOf(row, jobs)
  const border = (part: number): number => Math.floor((part * pages) / count)
  const sqlOf = (part: number): string => {
    // What an extension asks for begins with its own WHERE.
    if (condition !== null && condition !== "") return `COPY (SELECT ${list} FROM ONLY ${table} ${condition}) ${end}`
    if (count === 1) return `COPY ${table}${columns.length === 0 ? "" : ` (${list})`} ${end}`
    const limits = [
      ...(part === 0 ? [] : [`ctid >= '(${border(part)},0)'`]),
      // The table may have grown since its pages were counted.
      ...(part === count - 1 ? [] : [`ctid < '(${border(part + 1)},0)'`])
    ]
    return `COPY (SELECT ${list} FROM ONLY ${table} WHERE ${limits.join(" AND ")}) ${end}`
  }
  return {
    oid,
    schema,
    name,
    columns,
    form: binary ? "binary" : "text",
    bytes,
    parts: Array.from({ length: count }, (_, part) => ({ sql: sqlOf(part), bytes: Math.round(bytes / count) }))
  }
}

/**
 * The tables of a dump with these options, the biggest first. Sizes are asked for, which waits for whoever has a table
 * locked: best when the caller has locked them.
 *
 * @param jobs how many connections will read them
 * @param text take text alone; binary form wherever it is safe unless told
 */
export const read = Effect.fn("DataTables.read")(function* (
  options: PgDumpOptions,
  database: string,
  jobs = 1,
  text = false
): Effect.fn.Return<ReadonlyArray<DataTable>, DatabaseError | PatternInvalid, SqlClient.SqlClient> {
  if (options.schemaOnly === true) return []
  const sql = yield* SqlClient.SqlClient
  const types = yield* BinaryTypes.read()
  // The tuple identifiers of other access methods need not be in the order of pages, and below 14 each range of them
  // reads the whole table.
  const rows = yield* sql<Row>`
    with ${yield* WantedRelations.read(options, database)}
    select w.oid::int8::float8 as "oid", w."schema", w."name", w.condition, coalesce(a.columns, '{}') as "columns",
      coalesce(a.types, '{}')::float8[] as "types", w."byPage",
      (s.heap / current_setting('block_size')::int8)::float8 as "pages", (s.heap + s.toast)::float8 as "bytes"
    from (
      select c.oid, nspname::text as "schema", wanted.relname::text as "name", c.reltoastrelid,
        (select coalesce(e.extcondition[array_position(e.extconfig, c.oid)], '') from pg_catalog.pg_extension e
          where c.oid = any(e.extconfig)) as condition,
        current_setting('server_version_num')::int4 >= 140000
          and (select m.amname from pg_catalog.pg_am m where m.oid = c.relam) = 'heap' as "byPage"
      from wanted join pg_catalog.pg_class c using (oid)
      where wanted.relkind = 'r' and data
    ) w
    left join lateral (
      select array_agg(a.attname::text order by a.attnum) as columns,
        array_agg(a.atttypid::int8 order by a.attnum) as types
      from pg_catalog.pg_attribute a
      where a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    ) a on true
    cross join lateral (
      select coalesce(pg_relation_size(w.oid), 0) as heap,
        case w.reltoastrelid when 0 then 0 else coalesce(pg_relation_size(w.reltoastrelid), 0) end as toast
    ) s
    order by 9 desc, 2, 3`.pipe(Effect.mapError(fromSqlError))
  return rows.map((row) => planned(row, types, { jobs, text }))
})
