/** What Prisma's migration tables in a live database say. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import * as Guarded from "./Guarded.ts"
import type { LiveTable } from "./Health.ts"
import { hindrance } from "./Hindrance.ts"
import { literal, qualified } from "./Identifier.ts"

/** A row of Prisma's migration table. */
export interface Migration {
  /** The migration table, qualified and quoted. */
  readonly table: string
  readonly name: string
  readonly state: "applied" | "failed" | "unfinished" | "rolled back"
}

/** A table of the name that Prisma uses. */
export interface MigrationTable {
  /** Qualified and quoted. */
  readonly table: string
  /** In what its columns are not Prisma's: some are missing, or all are there and some have another type. */
  readonly foreign: "columns" | "types" | undefined
  readonly migrations: Guarded.Answer<ReadonlyArray<Migration>>
}

/** The columns that tell a migration's state, with the category of their types: text and times (`pg_type.typcategory`). */
const prismaColumns = { migration_name: "S", finished_at: "D", rolled_back_at: "D", logs: "S" } as const

interface Column {
  readonly name: string
  readonly type: string
  readonly category: string
}

/** Only the catalogue is read, so no shape of the table can make it fail. */
const columnsSql = (table: string) =>
  `select a.attname::text as "name", pg_catalog.format_type(t.oid, a.atttypmod) as "type", t.typcategory::text as "category"
   from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
   where a.attrelid = pg_catalog.to_regclass(${literal(table)}) and a.attnum > 0 and not a.attisdropped`

const differences = (columns: ReadonlyArray<Column>): Pick<MigrationTable, "foreign"> & { readonly why: string } => {
  const found = new Map(columns.map((column) => [column.name, column]))
  const missing = Object.keys(prismaColumns).filter((name) => !found.has(name))
  if (missing.length > 0) return { foreign: "columns", why: `it has no column ${missing.join(", ")}` }
  const others = Object.entries(prismaColumns).flatMap(([name, category]) => {
    const column = found.get(name)!
    return column.category === category ? [] : [`its column ${name} is of type ${column.type}`]
  })
  return { foreign: others.length > 0 ? "types" : undefined, why: others.join(", ") }
}

const rowsSql = (table: string) =>
  `select migration_name::text as "name",
     case when rolled_back_at is not null then 'rolled back' when finished_at is not null then 'applied'
       when logs is not null then 'failed' else 'unfinished' end as "state"
   from ${table} order by 1, 2`

const read = Effect.fnUntraced(function* (table: string) {
  const { foreign, why } = differences(yield* Guarded.ask<Column>(columnsSql(table)))
  if (foreign !== undefined) return { table, foreign, migrations: { unknown: `not Prisma's table: ${why}` } }
  const rows = yield* Guarded.ask<Omit<Migration, "table">>(rowsSql(table))
  return { table, foreign, migrations: { value: rows.map((row) => ({ ...row, table })) } }
})

/**
 * The rows of every `_prisma_migrations` among the tables, with their state as Prisma understands it. A table that
 * cannot be read, or is not Prisma's, has the reason instead; only a lost connection is a failure.
 *
 * @see https://www.prisma.io/docs/orm/prisma-migrate/workflows/patching-and-hotfixing
 */
export const migrations = Effect.fn("Migrations.migrations")(function* (
  among: ReadonlyArray<LiveTable>
): Effect.fn.Return<ReadonlyArray<MigrationTable>, DatabaseError, SqlClient.SqlClient> {
  const found = among.filter(({ name }) => name === "_prisma_migrations")
  return yield* Effect.forEach(found, (live): Effect.Effect<MigrationTable, DatabaseError, SqlClient.SqlClient> => {
    const table = qualified(live.schema, live.name)
    const without = (unknown: string): MigrationTable => ({ table, foreign: undefined, migrations: { unknown } })
    const reason = hindrance(live)
    if (reason !== undefined) return Effect.succeed(without(reason))
    return Effect.catchIf(
      read(table),
      ({ _tag }) => _tag !== "ConnectionFailed",
      ({ message }) => Effect.succeed(without(message))
    )
  })
})
