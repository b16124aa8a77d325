/**
 * Cuts one run of pg_dump, which holds all but rows, into what must be there before them and what comes behind them.
 *
 * One run, because two would read the catalogue twice and might meet two states of it. Each half is a script by itself:
 * pg_dump's settings at its head, its closing lines at its end. `\restrict` is left out: it keeps psql from running any
 * command of its own, and between the halves it has to run `\copy`.
 */
import { closing, postDataTypes, unrestricted } from "./PgDumpText.ts"
import type { SqlPart } from "./Layout.ts"
import type { StatementText } from "../../postgres/script/ScriptEvent.ts"
import { SqlScanner } from "../../postgres/script/SqlScript.ts"

/** Bytes for the end of one of the halves. */
export interface Piece {
  readonly part: Extract<SqlPart, "pre-data" | "post-data">
  readonly bytes: Uint8Array
}

/** pg_dump's settings; those at the head of a dump have no object's comment before them. */
const setting = /^(?:SET (\w+) = |SELECT pg_catalog\.set_config\()/

const semicolon = 1

/** The splitter. Push what pg_dump writes, in order, cut anywhere; then end it. */
export class SectionSplit {
  private readonly scanner = new SqlScanner()
  /** What is not handed on yet: less than one statement, and what stands before it. */
  private held: Buffer = Buffer.alloc(0)
  /** Offset of that in the dump. */
  private from = 0
  private part: Piece["part"] = "pre-data"
  private atHead = true
  private head: Buffer = Buffer.alloc(0)
  /** Settings behind the head, by name: pg_dump writes them before the first object that needs them, and not again. */
  private readonly later = new Map<string, Buffer>()
  private pieces: Array<Piece> = []

  /** Takes the next bytes; gives what is certain of the halves since. */
  push(chunk: Uint8Array): ReadonlyArray<Piece> {
    this.pieces = []
    this.held = Buffer.concat([this.held, chunk])
    for (const event of this.scanner.push(chunk)) {
      if (event._tag === "Statement" || event._tag === "CopyStart") this.take(event)
    }
    return this.pieces
  }

  /** Says that pg_dump has ended; gives the rest. Call it once. */
  end(): ReadonlyArray<Piece> {
    this.pieces = []
    const rest = unrestricted(this.held)
    if (this.part === "pre-data") {
      this.give(rest)
      this.begin()
    }
    this.give(rest)
    return this.pieces
  }

  private take({ bytes, entry, offset }: StatementText): void {
    const end = offset + bytes.length + semicolon
    const gap = unrestricted(this.held.subarray(0, offset - this.from))
    const statement = this.held.subarray(offset - this.from, end - this.from)
    this.held = this.held.subarray(end - this.from)
    this.from = end
    const [isSetting, name] = setting.exec(statement.toString("latin1", 0, 100)) ?? []
    this.atHead &&= entry === undefined && isSetting !== undefined
    if (this.atHead) this.head = Buffer.concat([this.head, gap, statement])
    else if (name !== undefined) this.later.set(name, statement)
    if (this.part === "pre-data" && entry !== undefined && postDataTypes.has(entry.type)) {
      this.give(Buffer.from(closing))
      this.begin()
    }
    this.give(gap)
    this.give(statement)
  }

  /** Begins the second half. */
  private begin(): void {
    this.part = "post-data"
    this.give(this.head)
    for (const statement of this.later.values()) this.give(Buffer.concat([Buffer.from("\n\n"), statement]))
  }

  private give(bytes: Uint8Array): void {
    if (bytes.length > 0) this.pieces.push({ part: this.part, bytes })
  }
}
