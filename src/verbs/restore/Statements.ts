/**
 * A dump's statements, one by one: what each is, what the policy says of it, what the server makes of it, and the counts
 * of all that. Who reads them and on which session they run is the caller's.
 *
 * They are read in the dump's order, by one reader; they may run in another, on several sessions.
 */
import * as Effect from "effect/Effect"
import type { Completed } from "../../postgres/Completed.ts"
import { DumpDamaged } from "../../dumps/DumpError.ts"
import {
  type DatabaseError,
  fieldsOf,
  type ServerFields,
  StatementFailed,
  withFields
} from "../../postgres/DatabaseError.ts"
import { privilegeWarnings } from "../../postgres/Grants.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import type { NamedObject } from "../../postgres/ObjectName.ts"
import { DumpGuard } from "../../postgres/script/DumpGuard.ts"
import type { CopyStart, Entry, Meta, Statement } from "../../postgres/script/ScriptEvent.ts"
import type { StatementKind } from "../../postgres/script/StatementKind.ts"
import { StatementReader } from "../../postgres/script/StatementReader.ts"
import { type Decode, type QualifiedName, StatementTokens } from "../../postgres/script/StatementTokens.ts"
import type { SessionService, WriteCopyData } from "../../postgres/Session.ts"
import type { Place } from "../../postgres/Sqlstate.ts"
import { FeatureReader } from "../../postgres/version/FeatureReader.ts"
import type { Feature } from "../../postgres/version/Features.ts"
import { RestoreFailed } from "../VerbError.ts"
import { type Decision, notGranted, type Policy } from "./StatementPolicy.ts"

/** Says more of a refusal. */
export type Explained = (fields: ServerFields) => Pick<ServerFields, "detail" | "suggestion">

/** What was applied. */
export interface Applied {
  /** Statements that the server executed, COPY included. */
  readonly statements: number
  /** Rows by table ({@link tableKey}), as the server counted them. */
  readonly rows: ReadonlyMap<string, number>
  /** Statements that were skipped, by reason. */
  readonly skipped: ReadonlyMap<string, number>
  /** Statements that were said otherwise, or left out, for what the server does not know, by reason. */
  readonly adapted: ReadonlyMap<string, number>
  /** What was not created, as a statement was skipped. */
  readonly missing: ReadonlyArray<NamedObject>
  /** Statements that wait until nothing else is left to do, in the dump's `encoding`. */
  readonly held: ReadonlyArray<HeldStatement>
  readonly encoding: string
}

/** A statement as it will be executed. */
export interface HeldStatement {
  readonly bytes: Uint8Array
  readonly place: Place
  readonly decision: Decision
}

/** A statement that has been read and judged. */
export interface ReadStatement {
  readonly kind: StatementKind
  readonly decision: Decision
  /** What is executed: one statement or, where the server wants it said otherwise, several or none. A copy of the text. */
  readonly bytes: ReadonlyArray<Uint8Array>
  readonly place: Place
  readonly entry?: Entry
}

/** The key of a table in {@link Applied.rows}. */
export const tableKey = ({ schema, name }: QualifiedName): string =>
  schema === undefined || schema === "" ? quote(name) : qualified(schema, name)

/** What a restore fails with where the server refuses something. */
export const explain =
  (explained: Explained) =>
  (error: DatabaseError): Exclude<DatabaseError, StatementFailed> | RestoreFailed => {
    const fields = { state: error.state ?? ("rolled-back" as const) }
    return error._tag === "StatementFailed"
      ? new RestoreFailed({ ...fieldsOf(error), ...explained(fieldsOf(error)), ...fields })
      : withFields(error, fields)
  }

/** A dump that is not what it was when it was proven. */
export const changedSince = (what: string, file: string, line?: number): DumpDamaged =>
  new DumpDamaged({
    message: `The dump ${what}. It has changed since it was proven.`,
    suggestion: "Restore another copy of the dump.",
    state: "rolled-back",
    file,
    ...(line === undefined ? {} : { line })
  })

/** What became of a statement: its command tag, or why it was skipped. */
export type Executed = Completed | { readonly skippedFor: string }

/** Executes a statement as it was decided; gives the command tag, or the reason where it was skipped. */
export const executeOne = Effect.fnUntraced(function* (
  session: SessionService,
  { bytes, place, decision }: HeldStatement
): Effect.fn.Return<Executed, DatabaseError> {
  if (decision._tag === "Skip") {
    if (decision.instead !== undefined) yield* session.execute(decision.instead)
    return { skippedFor: decision.reason }
  }
  const { unless } = decision
  const execution: Effect.Effect<Executed, DatabaseError> = session.execute(bytes, place)
  const executed =
    unless === undefined
      ? yield* execution
      : yield* session.savepoint("pgark attempt", execution).pipe(
          Effect.catchIf(
            ({ sqlstate = "" }) => unless.has(sqlstate),
            ({ sqlstate = "" }) => Effect.succeed({ skippedFor: unless.get(sqlstate) ?? "" })
          )
        )
  if (session.status() !== "T") {
    return yield* new StatementFailed({
      message: "A statement of the dump ended pgark's transaction.",
      suggestion: "Look at the target before you do anything else: `pgark verify` holds it against the dump.",
      state: "unknown",
      ...place
    })
  }
  const unheeded = "notices" in executed && executed.notices.some(({ sqlstate }) => privilegeWarnings.has(sqlstate))
  return unheeded ? { skippedFor: notGranted } : executed
})

/** Adds one to what has this reason. */
export const note = (reasons: Map<string, number>, reason: string): void => {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
}

/** The rows of an INSERT's command tag, `INSERT 0 2`. */
const inserted = (executed: Executed): number =>
  "tag" in executed ? Number(/^INSERT \d+ (\d+)$/.exec(executed.tag)?.[1] ?? 0) : 0

/**
 * What one statement takes of the lock table: a table with its TOAST table and the index of that, and what it refers to;
 * an index or a constraint with its tables.
 */
export const entriesPerStatement = 4
/** What dropping something takes, with all that goes with it: of a table its columns' defaults, types, constraints … */
const entriesPerDrop = 24

/** How statements are judged. */
export interface StatementsOptions {
  readonly decide: Policy
  /** Whether the server lacks a feature: what of it can be said otherwise is adapted. */
  readonly lacks: (feature: Feature) => boolean
}

/** The statements of one dump, be it one file or several. */
export class Statements {
  private readonly options: StatementsOptions
  private readonly reader = new StatementReader()
  private readonly guard = new DumpGuard()
  private readonly features: FeatureReader
  private readonly rows = new Map<string, number>()
  private readonly skipped = new Map<string, number>()
  private readonly adapted = new Map<string, number>()
  private readonly missing: Array<NamedObject> = []
  private readonly held: Array<HeldStatement> = []
  /** Tables that the open transaction has created; of these it may freeze the rows. */
  private readonly fresh = new Set<string>()
  /** Those that were created at all, and those of them that have heirs. */
  private readonly created = new Set<string>()
  private readonly parents = new Set<string>()
  /** Tables that are heirs or partitions. */
  private readonly heirs = new Set<string>()
  private statements = 0
  /** Entries of the server's lock table that the open transaction has taken. */
  private entries = 0
  /** A large object is open, which the end of the transaction would close. */
  private writing = false

  constructor(options: StatementsOptions) {
    this.options = options
    this.features = new FeatureReader(options.lacks)
  }

  /** From the bytes of names to text. */
  get decode(): Decode {
    return this.reader.decode
  }

  /** `client_encoding` as the dump sets it; empty as long as it has not. */
  get encoding(): string {
    return this.reader.encoding
  }

  /**
   * What the next event of the dump is, and what becomes of it; DumpDamaged where no restore may do it. The dump was
   * found safe when it was proven; a file that has changed since is not trusted for that.
   */
  read(event: CopyStart | Statement, file: string): ReadStatement | DumpDamaged {
    const kind = this.reader.read(event.bytes)
    const verdict = this.guard.judge(event, kind)
    if (verdict._tag === "Refuse") return changedSince("does what no restore may do", file, event.line)
    const decision = verdict._tag === "Skip" ? verdict : this.options.decide(kind, event.entry !== undefined)
    const { instead = [event.bytes], lacking } = this.features.read(kind, event.bytes, this.reader.decode)
    if (decision._tag === "Run") {
      for (const { adapted: reason } of lacking) if (reason !== undefined) note(this.adapted, reason)
    }
    return {
      kind,
      decision,
      bytes: instead,
      place: { file, line: event.line },
      ...(event.entry === undefined ? {} : { entry: event.entry })
    }
  }

  /** The same of a psql command, with which nothing is to be done. */
  readMeta(event: Meta, file: string): DumpDamaged | undefined {
    const verdict = this.guard.judge(event)
    if (verdict._tag === "Refuse") return changedSince("does what no restore may do", file, event.line)
    if (verdict._tag === "Skip") note(this.skipped, verdict.reason)
    return undefined
  }

  /**
   * Does with a statement what was decided, in the open transaction of the session; what came of it is to be
   * {@link record}ed when that is certain.
   */
  readonly execute = Effect.fnUntraced(function* (
    session: SessionService,
    { bytes: [bytes, ...after], decision, place }: ReadStatement
  ): Effect.fn.Return<Executed | undefined, DatabaseError> {
    if (bytes === undefined && decision._tag === "Run") return undefined
    const executed = yield* executeOne(session, { bytes: bytes ?? new Uint8Array(), place, decision })
    // What is left as it is stays so whole.
    if ("tag" in executed) for (const more of after) yield* session.execute(more, place)
    return executed
  })

  /** Counts what became of a statement; gives the rows that it inserted. */
  record({ bytes, decision, kind }: ReadStatement, executed: Executed | undefined): number {
    if (executed === undefined) {
      if (kind._tag === "Create") this.missing.push({ name: "", ...kind })
      return 0
    }
    this.entries += kind._tag === "Drop" ? entriesPerDrop : entriesPerStatement
    if (kind._tag === "LargeObjectCall") this.writing = kind.call === "lo_open" || kind.call === "lowrite"
    const ran = "tag" in executed
    if (ran) this.statements++
    else note(this.skipped, executed.skippedFor)
    // The hollow form of a view is only there for others to need; the view itself follows.
    const isThere = decision._tag === "Skip" && decision.there === true
    if (kind._tag === "Create" && !ran && kind.hollow !== true && !isThere) this.missing.push({ name: "", ...kind })
    if (kind._tag === "InsertInto") this.count(kind.table, inserted(executed))
    if (ran && decision._tag === "Run" && decision.unless === undefined) this.noteTable(kind, bytes)
    return inserted(executed)
  }

  /** Does it, counts it, or holds it back; gives the rows that it inserted. */
  run(session: SessionService, read: ReadStatement): Effect.Effect<number, DatabaseError> {
    const { bytes, decision, place } = read
    const [first] = bytes
    if (decision._tag === "Run" && decision.later === true && first !== undefined) {
      this.entries += entriesPerStatement
      // The bytes are a view of a chunk that would otherwise be kept whole.
      this.held.push({ bytes: Uint8Array.from(first), place, decision })
      return Effect.succeed(0)
    }
    return Effect.map(this.execute(session, read), (executed) => this.record(read, executed))
  }

  /**
   * Copies rows into a table and counts them, when the server has.
   *
   * @param feed writes the data
   */
  copy<E, R>(
    session: SessionService,
    { bytes: [sql = new Uint8Array()], kind, place }: ReadStatement,
    feed: (write: WriteCopyData) => Effect.Effect<void, E, R>
  ): Effect.Effect<number, DatabaseError | E, R> {
    const copying = kind._tag === "CopyFrom" ? kind : undefined
    return Effect.map(session.copyIn(sql, place, feed), (loaded) => {
      this.statements++
      this.entries += entriesPerStatement
      if (copying?.table !== undefined) this.count(copying.table, loaded)
      return loaded
    })
  }

  /** So many rows are in a table. */
  count(table: QualifiedName, loaded: number): void {
    this.rows.set(tableKey(table), (this.rows.get(tableKey(table)) ?? 0) + loaded)
  }

  /** So many statements were executed that are in no file. */
  countStatements(more: number): void {
    this.statements += more
  }

  /** Whether the open transaction has created this table, and not taken a part of that back. */
  isFresh(table: QualifiedName): boolean {
    return this.fresh.has(tableKey(table))
  }

  /** Whether the dump has created this table by itself: it is neither one of partitions, nor has it heirs. */
  isPlain(table: QualifiedName): boolean {
    return this.created.has(tableKey(table)) && !this.parents.has(tableKey(table))
  }

  /** Whether a table has columns of another: of what they are NOT NULL for, that one knows. */
  isHeir(table: QualifiedName): boolean {
    return this.heirs.has(tableKey(table))
  }

  /** Whether the open transaction has taken so many entries of the server's lock table that it is to be ended. */
  isFull(budget: number): boolean {
    return this.entries >= budget && !this.writing
  }

  /** Another transaction has begun. */
  begun(): void {
    this.entries = 0
    this.fresh.clear()
  }

  get applied(): Applied {
    const { adapted, encoding, held, missing, rows, skipped, statements } = this
    return { statements, rows, skipped, adapted, missing, held, encoding }
  }

  private noteTable(kind: StatementKind, [bytes = new Uint8Array()]: ReadonlyArray<Uint8Array>): void {
    if (kind._tag !== "Create" && kind._tag !== "Alter") return
    if (kind.kind !== "TABLE" || kind.name === undefined) return
    const key = tableKey({ ...kind, name: kind.name })
    if (kind._tag === "Alter") {
      for (const partition of behind(bytes, this.decode, "attach", "partition")) this.heirs.add(tableKey(partition))
      return
    }
    const parents = [...behind(bytes, this.decode, "inherits", "("), ...behind(bytes, this.decode, "partition", "of")]
    for (const parent of parents) this.parents.add(tableKey(parent))
    if (parents.length > 0) this.heirs.add(key)
    if (this.features.isPartitioned(kind)) return
    this.fresh.add(key)
    this.created.add(key)
  }
}

/** The tables that stand behind these words. */
const behind = (
  bytes: Uint8Array,
  decode: Decode,
  ...words: readonly [string, string]
): ReadonlyArray<QualifiedName> => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Few statements have them, and only these are read.
  if (!text.includes(words[0].toUpperCase()) && !text.includes(words[0])) return []
  const tokens = new StatementTokens(bytes, decode)
  if (!tokens.skipTo(...words)) return []
  const tables: Array<QualifiedName> = []
  do {
    const table = tokens.qualified()
    if (table !== undefined) tables.push(table)
  } while (tokens.take(","))
  return tables
}
