/** How far a dump is applied, for those who watch: its text and the rows in it, and what the server is at. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { Part, Progress } from "../../pipeline/RunEvent.ts"
import { count, plural } from "../../pipeline/Words.ts"
import type { Statement } from "../../postgres/script/ScriptEvent.ts"
import type { StatementKind } from "../../postgres/script/StatementKind.ts"
import type { QualifiedName } from "../../postgres/script/StatementTokens.ts"
import { type KnownTable, nameOf } from "../ReadingProgress.ts"

/** What the dump was proven to hold. */
export type Expected = Pick<Contents, "checks" | "copies" | "largeObjects" | "sql" | "statements" | "tables">

/** What takes long behind the rows, of each how many; undefined where there is none. */
export const afterRows = ({ checks }: Expected): string | undefined => {
  const indexes = checks.indexes + checks.primaryKeys + checks.uniqueConstraints
  const words = [
    indexes > 0 && plural(indexes, "index", "indexes"),
    checks.foreignKeys > 0 && plural(checks.foreignKeys, "foreign key")
  ].filter((word) => word !== false)
  return words.length === 0 ? undefined : words.join(" and ")
}

/** A statement by pg_dump's comment before it, else by its kind: its text may hold what is nobody's business. */
export const describe = ({ entry, line }: Statement, { _tag }: StatementKind): string =>
  entry === undefined ? `${_tag}, line ${count(line)}` : `${entry.type} ${entry.name}`

/** What a script tells of itself while it runs. */
export type Showing = Pick<ApplyProgress, "begin" | "copied" | "copy" | "data" | "inserted">

/** Keeps the counts of one application; {@link look} shows them. */
export class ApplyProgress {
  private readonly clock: Clock.Clock
  private readonly expected: Expected
  private readonly tables: ReadonlyMap<string, KnownTable>
  private readonly rowsExpected: number
  private readonly next: string | undefined
  private bytes = 0
  private statements = 0
  private copies = 0
  /** Rows that the server has taken as COPY data, or by INSERT. */
  private rows = 0
  private open: { readonly name: string; readonly since: number; readonly known: KnownTable | undefined } | undefined
  private openRows = 0
  private openBytes = 0
  private running: Part | undefined

  private constructor(clock: Clock.Clock, expected: Expected) {
    this.clock = clock
    this.expected = expected
    this.tables = new Map(expected.tables.map((table) => [nameOf(table), table]))
    this.rowsExpected = expected.tables.reduce((sum, { rows }) => sum + rows, 0)
    this.next = afterRows(expected)
  }

  static readonly make = (expected: Expected): Effect.Effect<ApplyProgress> =>
    Effect.map(Clock.Clock, (clock) => new ApplyProgress(clock, expected))

  /** So much of the dump was read. */
  read(bytes: number): void {
    this.bytes += bytes
  }

  /** A statement that is no COPY is about to be executed. */
  begin(statement: Statement, kind: StatementKind): void {
    this.statements++
    this.at(describe(statement, kind))
  }

  /** Something else that may take long begins. */
  at(name: string): void {
    this.running = { name, since: this.clock.currentTimeMillisUnsafe() }
  }

  /** The data of a table follows; a table without a name is one that the reader could not tell. */
  copy({ name, schema = "" }: Partial<QualifiedName> = {}): void {
    this.statements++
    this.running = undefined
    const table = name === undefined ? "COPY" : nameOf({ schema, name })
    this.open = { name: table, since: this.clock.currentTimeMillisUnsafe(), known: this.tables.get(table) }
    this.openRows = 0
    this.openBytes = 0
  }

  /** More of that data: so many bytes, and all of its rows so far. */
  data(bytes: number, rows: number): void {
    this.openBytes += bytes
    this.openRows = rows
  }

  /** That table is in. */
  copied(rows: number): void {
    this.copies++
    this.open = undefined
    this.rows += rows
  }

  /** These rows came by a statement of their own. */
  inserted(rows: number): void {
    this.rows += rows
  }

  readonly look = (): Progress => {
    const { copies, expected, open, openBytes, openRows, running, next } = this
    const loading = copies < expected.copies
    const table: ReadonlyArray<Part> =
      open === undefined
        ? []
        : [
            {
              name: open.name,
              since: open.since,
              rows: { done: openRows, ...(open.known === undefined ? {} : { total: open.known.rows }) },
              bytes: {
                done: openBytes,
                ...(open.known?.bytes === undefined ? {} : { total: open.known.bytes })
              }
            }
          ]
    return {
      what: "applied",
      bytes: { done: this.bytes, total: expected.sql.length },
      rows: { done: this.rows + (open === undefined ? 0 : openRows), total: this.rowsExpected },
      tables: { done: copies, total: expected.copies },
      statements: { done: this.statements, total: expected.statements },
      parts: running === undefined ? table : [...table, running],
      ...(loading && next !== undefined ? { next } : {})
    }
  }
}
