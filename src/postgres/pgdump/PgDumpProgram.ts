/** What every pg_dump can do, wherever it comes from. */
import * as Schema from "effect/Schema"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ClientProgram } from "../ClientProgram.ts"
import { type DatabaseError, problemFields } from "../DatabaseError.ts"
import type * as DatabaseUrl from "../DatabaseUrl.ts"
import type { ToolMissing } from "../ToolMissing.ts"

/** `pg_dump` ended with an error that no SQLSTATE explains; `detail` holds its last lines. */
export class PgDumpFailed extends Schema.TaggedError<PgDumpFailed>()("PgDumpFailed", {
  ...problemFields,
  exitCode: Schema.optionalKey(Schema.Int),
  /** Five-character SQLSTATE, where the server's refusal is known. */
  sqlstate: Schema.optionalKey(Schema.String)
}) {}

/** A program of the machine, or the one that is part of pgark, as WebAssembly. */
export const pgDumpKinds = ["native", "wasm"] as const
export type PgDumpKind = (typeof pgDumpKinds)[number]

/** A pg_dump; servers up to its major can be dumped. Where it has no file its name is `pg_dump`. */
export interface PgDumpTool extends ClientProgram {
  readonly kind: PgDumpKind
}

/** What rows need, the rows with values of sequences and large objects, and what needs rows. */
export type PgDumpSection = "pre-data" | "data" | "post-data"

/** What of the database goes into the dump. Patterns are those of pg_dump. */
export interface PgDumpOptions {
  readonly schemas: ReadonlyArray<string>
  /** Names of schemas to leave out. Unlike with `schemas` what stands in no schema is still in the dump. */
  readonly excludeSchemas?: ReadonlyArray<string>
  readonly excludeTables: ReadonlyArray<string>
  readonly excludeTableData: ReadonlyArray<string>
  /** Leave out all rows. */
  readonly schemaOnly?: boolean
  /** Write these sections alone; all of them unless told. */
  readonly sections?: ReadonlyArray<PgDumpSection>
  /** False: leave out large objects, which are otherwise all in the dump of a whole database. */
  readonly largeObjects?: boolean
  /** Take only the rows that policies show to the role; where they hide any, pg_dump fails otherwise. */
  readonly rowSecurity?: boolean
  /** Have pg_dump tell each step on stderr. It then writes comments with times and OIDs into the dump as well. */
  readonly verbose?: boolean
  /** How long to wait for the tables that others have locked, or wait for, in milliseconds; without end unless told. */
  readonly lockWaitTimeout?: number
  /** `client_encoding` of the dump; that of the database unless told. */
  readonly encoding?: string
  /** The name of a snapshot that a transaction has exported and holds open: the dump is of that moment. */
  readonly snapshot?: string
}

/** Settings of the server session that pg_dump opens, by name. */
export type PgDumpSettings = Readonly<Record<string, string>>

/** How a dump is run, besides what it holds. */
export interface PgDumpRun {
  readonly settings?: PgDumpSettings
  /** Gets each line that pg_dump writes to stderr: its warnings, and its steps where `verbose` is asked for. */
  readonly onLine?: (line: string) => Effect.Effect<void>
}

export type PgDumpError = DatabaseError | PgDumpFailed | ToolMissing

export interface PgDumpProgram {
  readonly tool: PgDumpTool
  /** Program and arguments, for a plan. The connection goes by environment and is not among them. */
  readonly argv: (options: PgDumpOptions) => ReadonlyArray<string>
  /**
   * The dump as plain SQL, in the encoding of the database. Fails at its end unless pg_dump ended with exit code 0.
   * Interrupting it ends pg_dump, its connection and the server's work for it.
   */
  readonly dump: (
    url: DatabaseUrl.DatabaseUrl,
    options: PgDumpOptions,
    run?: PgDumpRun
  ) => Stream.Stream<Uint8Array, PgDumpError>
}

/** Arguments that say what is dumped, and how it is written. */
export const argumentsOf = (options: PgDumpOptions): ReadonlyArray<string> => [
  "--format=plain",
  "--clean",
  "--if-exists",
  "--no-password",
  ...(options.schemaOnly === true ? ["--schema-only"] : []),
  ...(options.sections ?? []).map((section) => `--section=${section}`),
  // Its long name changed with 16.
  ...(options.largeObjects === false ? ["-B"] : []),
  ...(options.rowSecurity === true ? ["--enable-row-security"] : []),
  ...(options.verbose === true ? ["--verbose"] : []),
  ...(options.lockWaitTimeout === undefined ? [] : [`--lock-wait-timeout=${options.lockWaitTimeout}`]),
  ...(options.encoding === undefined ? [] : [`--encoding=${options.encoding}`]),
  ...(options.snapshot === undefined ? [] : [`--snapshot=${options.snapshot}`]),
  ...options.schemas.map((schema) => `--schema=${pattern(schema)}`),
  ...(options.excludeSchemas ?? []).map((schema) => `--exclude-schema=${pattern(schema)}`),
  ...options.excludeTables.map((table) => `--exclude-table=${table}`),
  ...options.excludeTableData.map((table) => `--exclude-table-data=${table}`)
]

/**
 * A schema's exact name as a pattern of pg_dump: in double quotes case and special characters stand for themselves.
 *
 * @see https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-PATTERNS
 */
const pattern = (name: string): string => `"${name.replaceAll('"', '""')}"`
