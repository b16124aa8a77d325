/** How far several connections have come together, for those who watch: what each is at, and all of it in numbers. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Part, Progress } from "../../../pipeline/RunEvent.ts"
import { nameOf } from "../../ReadingProgress.ts"
import { afterRows, describe, type Expected, type Showing } from "../ApplyProgress.ts"
import type { TablePart } from "./RowSource.ts"

interface At {
  readonly name: string
  readonly since: number
  readonly total?: number
  sent: number
}

/** Keeps the counts; {@link look} shows them. Connections are counted from 0. */
export class GraphProgress {
  private readonly clock: Clock.Clock
  private readonly totals: {
    readonly bytes: number
    readonly rows: number
    readonly tables: number
    readonly parts: number
  }
  private readonly expected: Expected
  private readonly at = new Map<number, At>()
  private bytes = 0
  private rows = 0
  private parts = 0
  private statements = 0

  private constructor(clock: Clock.Clock, expected: Expected, parts: ReadonlyArray<TablePart>) {
    this.clock = clock
    this.expected = expected
    this.totals = {
      bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      rows: expected.tables.reduce((sum, { rows }) => sum + rows, 0),
      tables: new Set(parts.map(({ name, schema }) => nameOf({ schema, name }))).size,
      parts: parts.length
    }
  }

  static readonly make = (expected: Expected, parts: ReadonlyArray<TablePart>): Effect.Effect<GraphProgress> =>
    Effect.map(Clock.Clock, (clock) => new GraphProgress(clock, expected, parts))

  /** A connection begins something; `total` are the bytes that it is to send, where it sends any. */
  begin(connection: number, name: string, total?: number): void {
    const since = this.clock.currentTimeMillisUnsafe()
    this.at.set(connection, { name, since, sent: 0, ...(total === undefined ? {} : { total }) })
  }

  /** So many bytes more. */
  sent(connection: number, bytes: number): void {
    this.bytes += bytes
    const at = this.at.get(connection)
    if (at !== undefined) at.sent += bytes
  }

  /** A part is in, with so many rows. */
  copied(rows: number): void {
    this.parts++
    this.rows += rows
  }

  /** So many of the dump's statements more are done. */
  executed(statements: number): void {
    this.statements += statements
  }

  /** A connection has nothing to do for the moment. */
  end(connection: number): void {
    this.at.delete(connection)
  }

  /** What a script on this connection tells. */
  script(connection: number): Showing {
    return {
      begin: (statement, kind) => {
        this.statements++
        this.begin(connection, describe(statement, kind))
      },
      copy: ({ name, schema = "" } = {}) =>
        this.begin(connection, name === undefined ? "COPY" : nameOf({ schema, name })),
      data: () => {},
      copied: (rows) => void (this.rows += rows),
      inserted: (rows) => void (this.rows += rows)
    }
  }

  readonly look = (): Progress => {
    const { bytes, expected, parts, rows, statements, totals } = this
    const now = [...this.at].toSorted(([one], [other]) => one - other)
    const next = parts < totals.parts ? afterRows(expected) : undefined
    return {
      what: "applied",
      bytes: { done: bytes, total: totals.bytes },
      rows: { done: rows, total: totals.rows },
      statements: { done: statements, total: Math.max(statements, expected.statements) },
      parts: now.map(([, { name, sent, since, total }]): Part => ({
        name,
        since,
        ...(total === undefined ? {} : { bytes: { done: sent, total } })
      })),
      ...(next === undefined ? {} : { next })
    }
  }
}
