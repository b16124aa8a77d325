/**
 * What a live database holds and in what state it is: rows, constraints, indexes, sequences.
 *
 * Only reading, over any `SqlClient`. What the connected role may not read is said, never guessed. Objects of
 * extensions are left out, as pg_dump leaves them out; only {@link tables} lists theirs, marked.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import type { DatabaseError } from "./DatabaseError.ts"
import { type Answer, type Asking, askEach } from "./Guarded.ts"
import { qualified, quote } from "./Identifier.ts"
import { fromSqlError } from "./Sqlstate.ts"
import { hindrance, unreadable } from "./Hindrance.ts"

/** A table that holds rows, or is partitioned. */
export interface LiveTable {
  readonly schema: string
  readonly name: string
  readonly partitioned: boolean
  /** Whether it belongs to an extension, which creates it and knows which of its rows are worth a dump. */
  readonly extension: boolean
  /** Whether the connected role may read it at all. */
  readonly readable: boolean
  /** Whether row-level security would hide rows from the connected role. */
  readonly filtered: boolean
}

/** Numbers of objects as pg_dump writes them: those of a partition that come from its parent do not count. */
export interface Structure {
  readonly foreignKeys: number
  /** Of these and the next those with a valid index: pg_dump passes over the others, as of {@link indexes}. */
  readonly primaryKeys: number
  readonly uniqueConstraints: number
  /** Indexes that are not part of a constraint, and are valid: pg_dump passes over the others. */
  readonly indexes: number
}

/** An index or constraint that the server does not hold to be true of all rows. */
export interface Invalid {
  readonly kind: "index" | "constraint"
  /** Qualified and quoted; of a constraint with its table. */
  readonly object: string
}

/** A sequence that feeds an integer column. Numbers are decimal, as text becomes bigint. */
export interface LiveSequence {
  readonly schema: string
  readonly name: string
  /** Table and column that it belongs to, qualified and quoted; undefined where it belongs to none. */
  readonly column: string | undefined
  readonly state: Answer<SequenceState>
}

export interface SequenceState {
  readonly value: bigint
  /** Whether `value` has been handed out already. */
  readonly called: boolean
  readonly increment: bigint
  /** The column's value that is furthest in the sequence's direction; undefined without rows or column, or if hidden. */
  readonly furthest: bigint | undefined
  /** Why the column's values could not be looked at. */
  readonly hidden: string | undefined
}

/** Schemas of people, all of them or those named; the schema is `n`. */
const inScope = (sql: SqlClient.SqlClient, schemas: ReadonlyArray<string> | undefined): Fragment =>
  schemas === undefined
    ? sql.literal(`n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
    : schemas.length === 0
      ? sql.literal("false")
      : sql.in("n.nspname", schemas)

const notOfExtension = (oid: string) =>
  `not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = ${oid} and e.deptype = 'e')`

/** Every table of the schemas (all schemas of people when undefined). */
export const tables = Effect.fn("Health.tables")(function* (
  schemas: ReadonlyArray<string> | undefined
): Effect.fn.Return<ReadonlyArray<LiveTable>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<LiveTable>`
    select
      n.nspname::text as "schema",
      c.relname::text as "name",
      c.relkind = 'p' as "partitioned",
      not ${sql.literal(notOfExtension("c.oid"))} as "extension",
      has_schema_privilege(n.oid, 'USAGE') and has_any_column_privilege(c.oid, 'SELECT') as "readable",
      row_security_active(c.oid) as "filtered"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${inScope(sql, schemas)}
    order by 1, 2`.pipe(Effect.mapError(fromSqlError))
})

/**
 * Rows of each table, counted. A table counts its own rows, not those of tables that inherit from it, because COPY
 * does the same; a partitioned table counts its partitions'.
 */
export const rowCounts = Effect.fn("Health.rowCounts")(function* (
  counted: ReadonlyArray<LiveTable>,
  asking?: Asking<LiveTable>
): Effect.fn.Return<ReadonlyArray<Answer<number>>, DatabaseError, SqlClient.SqlClient> {
  const open = counted.filter((table) => hindrance(table) === undefined)
  const answers = yield* askEach(
    open,
    ({ schema, name, partitioned }) =>
      `select count(*)::text as value from ${partitioned ? "" : "only "}${qualified(schema, name)}`,
    asking
  )
  const numbers = new Map(open.map((table, index) => [table, answers[index]!]))
  return counted.map((table) => {
    const answer = numbers.get(table)
    if (answer === undefined) return { unknown: hindrance(table) ?? unreadable }
    return "value" in answer ? { value: Number(answer.value) } : answer
  })
})

/** Counts constraints and indexes of the schemas' tables and materialised views. */
export const structure = Effect.fn("Health.structure")(function* (
  schemas: ReadonlyArray<string> | undefined
): Effect.fn.Return<Structure, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Structure>`
    with relation as (
      select c.oid, c.relkind from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and ${inScope(sql, schemas)}
        and ${sql.literal(notOfExtension("c.oid"))}
    ), keys as (
      select k.contype, k.conparentid from pg_constraint k join relation r on r.oid = k.conrelid
      left join pg_index i on i.indexrelid = k.conindid and k.contype in ('p', 'u')
      where i.indexrelid is null or i.indisvalid or r.relkind = 'p'
    )
    select
      (select count(*) from keys where contype = 'f' and conparentid = 0)::int4 as "foreignKeys",
      (select count(*) from keys where contype = 'p')::int4 as "primaryKeys",
      (select count(*) from keys where contype = 'u')::int4 as "uniqueConstraints",
      (
        select count(*) from pg_index i join relation r on r.oid = i.indrelid
        where i.indisready and (i.indisvalid or r.relkind = 'p') and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
      )::int4 as "indexes"`.pipe(Effect.mapError(fromSqlError))
  return rows[0] ?? { foreignKeys: 0, primaryKeys: 0, uniqueConstraints: 0, indexes: 0 }
})

/** Indexes that are not valid (a broken CREATE INDEX CONCURRENTLY), and constraints that are NOT VALID. */
export const invalid = Effect.fn("Health.invalid")(function* (
  schemas: ReadonlyArray<string> | undefined
): Effect.fn.Return<ReadonlyArray<Invalid>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ kind: "index" | "constraint"; schema: string; table: string; name: string }>`
    select
      'index' as "kind", n.nspname::text as "schema", ''::text as "table", x.relname::text as "name"
    from pg_index i
    join pg_class x on x.oid = i.indexrelid
    join pg_namespace n on n.oid = x.relnamespace
    where not i.indisvalid and ${inScope(sql, schemas)} and ${sql.literal(notOfExtension("i.indrelid"))}
    union all
    select 'constraint', n.nspname::text, c.relname::text, k.conname::text
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    where not k.convalidated and ${inScope(sql, schemas)} and ${sql.literal(notOfExtension("c.oid"))}
    order by 1, 2, 3, 4`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ kind, schema, table, name }) => ({
    kind,
    object: kind === "index" ? qualified(schema, name) : `${quote(name)} on ${qualified(schema, table)}`
  }))
})

interface SequenceRow {
  readonly schema: string
  readonly name: string
  readonly readable: boolean
  readonly increment: string
  readonly tableSchema: string | null
  readonly table: string | null
  readonly column: string | null
  readonly columnReadable: boolean
  readonly filtered: boolean
}

const parseState = (text: string): Pick<SequenceState, "value" | "called" | "furthest"> => {
  const [value = "0", called, furthest = ""] = text.split(" ")
  return { value: BigInt(value), called: called === "t", furthest: furthest === "" ? undefined : BigInt(furthest) }
}

const hiddenColumn = (row: SequenceRow): string | undefined =>
  row.column === null ? undefined : hindrance({ readable: row.columnReadable, filtered: row.filtered })

/** Every sequence of the schemas, and for those that belong to an integer column how far the column has come. */
export const sequences = Effect.fn("Health.sequences")(function* (
  schemas: ReadonlyArray<string> | undefined
): Effect.fn.Return<ReadonlyArray<LiveSequence>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<SequenceRow>`
    select
      n.nspname::text as "schema", c.relname::text as "name",
      has_schema_privilege(n.oid, 'USAGE') and has_sequence_privilege(c.oid, 'SELECT') as "readable",
      s.seqincrement::text as "increment",
      tn.nspname::text as "tableSchema", t.relname::text as "table", a.attname::text as "column",
      coalesce(has_schema_privilege(tn.oid, 'USAGE') and has_column_privilege(t.oid, a.attnum, 'SELECT'), true)
        as "columnReadable",
      coalesce(row_security_active(t.oid), false) as "filtered"
    from pg_sequence s
    join pg_class c on c.oid = s.seqrelid
    join pg_namespace n on n.oid = c.relnamespace
    left join (
      pg_depend d
      join pg_class t on t.oid = d.refobjid
      join pg_namespace tn on tn.oid = t.relnamespace
      join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    ) on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
      and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
    where c.relpersistence <> 't' and ${inScope(sql, schemas)} and ${sql.literal(notOfExtension("c.oid"))}
    order by 1, 2`.pipe(Effect.mapError(fromSqlError))
  const open = rows.filter(({ readable }) => readable)
  const answers = yield* askEach(open, (row) => {
    const furthest =
      row.column === null || hiddenColumn(row) !== undefined
        ? "''"
        : `coalesce((select ${row.increment.startsWith("-") ? "min" : "max"}(${quote(row.column)}) ` +
          `from ${qualified(row.tableSchema!, row.table!)})::text, '')`
    return (
      `select concat_ws(' ', last_value::text, case when is_called then 't' else 'f' end, ${furthest}) as value ` +
      `from ${qualified(row.schema, row.name)}`
    )
  })
  const states = new Map(open.map((row, index) => [row, answers[index]!]))
  return rows.map((row): LiveSequence => {
    const answer = states.get(row) ?? { unknown: unreadable }
    return {
      schema: row.schema,
      name: row.name,
      column: row.column === null ? undefined : `${qualified(row.tableSchema!, row.table!)}.${quote(row.column)}`,
      state:
        "value" in answer
          ? { value: { ...parseState(answer.value), increment: BigInt(row.increment), hidden: hiddenColumn(row) } }
          : answer
    }
  })
})

/** Whether the next value has been reached or passed by the column already, so that an INSERT will collide. */
export const isBehind = ({ value, called, increment, furthest }: SequenceState): boolean => {
  if (furthest === undefined) return false
  const next = called ? value + increment : value
  return increment > 0n ? next <= furthest : next >= furthest
}
