/**
 * Writes a directory dump: the SQL from pg_dump, the rows from connections that read the same snapshot, all at the same
 * time.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { DirectoryWriter } from "../../dumps/directory/DirectoryWriting.ts"
import { type Piece, SectionSplit } from "../../dumps/directory/SectionSplit.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import * as Progress from "../../pipeline/Progress.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import { count } from "../../pipeline/Words.ts"
import * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import { StatementFailed } from "../../postgres/DatabaseError.ts"
import { qualified } from "../../postgres/Identifier.ts"
import type { PgDumpOptions } from "../../postgres/PgDump.ts"
import type { Reader, SharedSnapshot } from "../../postgres/SharedSnapshot.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { type DataPart, type DataTable, read } from "./DataTables.ts"
import * as DirectoryCheck from "./DirectoryCheck.ts"
import * as DirectoryProgress from "./DirectoryProgress.ts"
import type { Prepared, Writing } from "./Prepared.ts"
import * as SequenceValues from "./SequenceValues.ts"

const counted = (bytes: Uint8Array) => RunMetrics.add(RunMetrics.bytes, bytes.length)

/** Runs pg_dump with what it is to write, and gives what it writes. */
type Dump = (what: PgDumpOptions) => ReturnType<Writing["tool"]["dump"]>

/** All that is created and granted, in two parts, for which pg_dump runs once. */
const objects = (dump: Dump, what: PgDumpOptions, writer: DirectoryWriter) =>
  writer.sql("pre-data", (before) =>
    writer.sql("post-data", (behind) => {
      const split = new SectionSplit()
      const write = (pieces: ReadonlyArray<Piece>) =>
        Effect.forEach(pieces, ({ bytes, part }) => (part === "pre-data" ? before : behind)(bytes), { discard: true })
      return Stream.runForEach(dump({ ...what, sections: ["pre-data", "post-data"] }), (chunk) =>
        Effect.andThen(write(split.push(chunk)), counted(chunk))
      ).pipe(Effect.andThen(Effect.suspend(() => write(split.end()))))
    })
  )

/** Whether pg_dump would write any: with `--schema` it leaves them out. */
const hasLargeObjects = Effect.fnUntraced(function* ({ largeObjects, schemaOnly, schemas }: PgDumpOptions) {
  if (largeObjects === false || schemaOnly === true || schemas.length > 0) return false
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ readonly any: boolean }>`
    select exists(select from pg_catalog.pg_largeobject_metadata) as "any"`.pipe(Effect.mapError(fromSqlError))
  return found?.any === true
})

/** Every table of every schema: what is then left of the section "data" are the large objects. */
const everyTable = "*.*"

const largeObjects = (dump: Dump, what: PgDumpOptions, writer: DirectoryWriter) => {
  const alone: PgDumpOptions = { ...what, sections: ["data"], excludeTables: [everyTable], excludeTableData: [] }
  return writer.sql("large-objects", (append) =>
    Stream.runForEach(dump(alone), (chunk) => Effect.andThen(append(chunk), counted(chunk)))
  )
}

/** Rows of a table, for one file. */
interface Item {
  readonly table: DataTable
  readonly part: DataPart
}

/** Writes one file of rows. The server's count of them must be that of who has walked them. */
const copied = Effect.fnUntraced(function* (reader: Reader, { part, table }: Item, writer: DirectoryWriter) {
  let told = 0
  const file = yield* writer.data(table, (append) =>
    Effect.map(
      reader.copyOut(table, part.sql, (chunk) => Effect.andThen(append(chunk), counted(chunk))),
      ({ rows }) => {
        told = rows
      }
    )
  )
  if (file.rows === told) return
  return yield* new StatementFailed({
    message: `The server has sent ${count(told)} rows of ${qualified(table.schema, table.name)}, and ${count(file.rows)} have come here.`,
    suggestion: "Dump again. No file was left. If it stays so, please report it.",
    state: "untouched"
  })
})

/** All rows, the largest part first, so that no connection has much left to do when the others are done. */
const rows = (readers: ReadonlyArray<Reader>, tables: ReadonlyArray<DataTable>, writer: DirectoryWriter) => {
  const items = tables
    .flatMap((table) => table.parts.map((part): Item => ({ table, part })))
    .toSorted((a, b) => b.part.bytes - a.part.bytes)
  let next = 0
  const work = (reader: Reader) =>
    Effect.whileLoop({
      while: () => next < items.length,
      body: () => copied(reader, items[next++]!, writer),
      step: () => {}
    })
  return Effect.forEach(readers, work, { concurrency: "unbounded", discard: true })
}

/** Milliseconds that pg_dump waits for a table which this run has locked already, before somebody else came. */
const patience = 30_000

/** All of a folder but the rows, of this snapshot: what pg_dump is told for it, and how a writer gets it. */
export const texts = Effect.fnUntraced(function* (
  { session: { url }, source: { database }, tool }: Writing,
  prepared: Prepared,
  snapshot: string
) {
  const catalog = yield* CatalogFacts.read()
  // The connections that read rows speak UTF8, and so shall all that stands beside them. Such a database has no
  // characters that it could be made of.
  const encoding = catalog.encoding === "SQL_ASCII" ? catalog.encoding : "UTF8"
  const what: PgDumpOptions = { lockWaitTimeout: patience, ...prepared.what, snapshot, encoding }
  const dump: Dump = (what) => tool.dump(url, what, prepared.run)
  // Before anybody else works on the session, which is a reader of rows itself where it is the only one.
  const values = yield* SequenceValues.read(what, database)
  const objectsToo = yield* hasLargeObjects(what)
  return {
    catalog,
    what,
    write: (writer: DirectoryWriter) =>
      Effect.all(
        [
          Effect.andThen(objects(dump, what, writer), objectsToo ? largeObjects(dump, what, writer) : Effect.void),
          values.length === 0
            ? Effect.void
            : writer.sql("sequences", (append) => append(Buffer.from(SequenceValues.script(values, encoding))))
        ],
        { concurrency: "unbounded", discard: true }
      )
  }
})

/** Of this snapshot, which the session and the readers are in. */
export const write = Effect.fnUntraced(function* (
  writing: Writing,
  prepared: Prepared,
  { name, readers }: SharedSnapshot
) {
  const store = yield* DumpStore
  const { database } = writing.source
  const { ask, begun, clock, doing, estimates, provenance } = prepared
  const { catalog, what, write } = yield* texts(writing, prepared, name)
  const tables = yield* read(what, database, readers.length)
  const told = DirectoryProgress.make(tables, estimates, clock)
  return yield* store.writeDirectory(
    provenance(catalog, name),
    (writer) =>
      Effect.andThen(
        begun(writer.file),
        Effect.all([write(writer), rows(readers, tables, writer)], { concurrency: "unbounded", discard: true }).pipe(
          Progress.telling(() => told(writer.position(), doing()))
        )
      ),
    (contents) => Effect.andThen(DirectoryCheck.check(contents, what, database), ask(contents))
  )
})
