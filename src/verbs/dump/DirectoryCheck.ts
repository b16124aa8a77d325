/** Whether a directory dump has the rows of the tables that it creates: they come from others than its SQL does. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { qualified } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import { type PgDumpOptions, PgDumpFailed } from "../../postgres/PgDump.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import type { PatternInvalid } from "../VerbError.ts"
import * as WantedRelations from "./WantedRelations.ts"

interface Relation {
  readonly schema: string
  readonly name: string
  /** `relkind`: only what is an `r` has rows of its own that a dump holds. */
  readonly kind: string
  readonly data: boolean
  readonly configuration: boolean
}

/** What a dump creates, and of which tables rows were read. */
export interface Read extends Pick<Contents, "creates"> {
  readonly tables: ReadonlyArray<{ readonly schema: string; readonly name: string }>
}

const keyOf = ({ name, schema }: { readonly schema: string; readonly name: string }): string =>
  objectKey({ kind: "TABLE", schema, name })

/**
 * What is wrong with it, a line each: a table that the SQL creates and whose rows are missing, or rows of a table that
 * it does not create. Rows of an extension's tables belong to what CREATE EXTENSION creates.
 *
 * @param relations of the source, as far as the dump wants them
 */
export const differences = ({ creates, tables }: Read, relations: ReadonlyArray<Relation>): ReadonlyArray<string> => {
  const wanted = new Map(relations.map((relation) => [keyOf(relation), relation]))
  const created = new Set(creates.filter(({ kind }) => kind === "TABLE").map(objectKey))
  const filled = new Set(tables.map(keyOf))
  const hasRows = ({ data, kind }: Relation) => kind === "r" && data
  const missing = relations.filter(
    (relation) => hasRows(relation) && created.has(keyOf(relation)) && !filled.has(keyOf(relation))
  )
  const foreign = tables.filter((table) => {
    const relation = wanted.get(keyOf(table))
    return relation === undefined || !hasRows(relation) || !(created.has(keyOf(table)) || relation.configuration)
  })
  const unknown = creates.filter((object) => object.kind === "TABLE" && !wanted.has(objectKey(object)))
  return [
    ...missing.map(({ schema, name }) => `${qualified(schema, name)}: created, and its rows are missing`),
    ...foreign.map(({ schema, name }) => `${qualified(schema, name)}: has rows, and is not created`),
    ...unknown.map(({ schema = "", name }) => `${qualified(schema, name)}: created, and not known when rows were read`)
  ]
}

/** Fails where there is any difference. Ask it in the snapshot that was dumped. */
export const check = Effect.fn("DirectoryCheck.check")(function* (
  read: Read,
  options: PgDumpOptions,
  database: string
): Effect.fn.Return<void, DatabaseError | PatternInvalid | PgDumpFailed, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const relations = yield* sql<Relation>`
    with ${yield* WantedRelations.read(options, database)}
    select nspname::text as "schema", relname::text as "name", relkind::text as "kind", data as "data",
      configuration as "configuration"
    from wanted where relkind <> 'S'`.pipe(Effect.mapError(fromSqlError))
  const found = differences(read, relations)
  if (found.length === 0) return
  return yield* new PgDumpFailed({
    message: `What pg_dump has written of ${plural(found.length, "table")} does not go with the rows that were read.`,
    detail: listed(found).join("\n"),
    suggestion: "Dump again, with --format plain if it stays so, and please report it. No file was left.",
    state: "untouched"
  })
})
