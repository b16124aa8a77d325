/**
 * From what a driver reports to a typed {@link DatabaseError}.
 *
 * The decision is made on the SQLSTATE (or on Node's error code where no server answered).
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import * as Predicate from "effect/Predicate"
import type { SqlError } from "effect/sql/SqlError"
import { advice } from "./Advice.ts"
import {
  AuthenticationFailed,
  ConnectionFailed,
  type DatabaseError,
  DatabaseMissing,
  isDatabaseError,
  LockTimeout,
  ObjectConflict,
  PermissionDenied,
  ReadOnlyTarget,
  StatementFailed
} from "./DatabaseError.ts"

/** Where a statement stood, for the error that it may cause. */
export interface Place {
  readonly statement?: string
  readonly file?: string
  readonly line?: number
}

const field = (cause: unknown, name: string): string | undefined => {
  const value = Predicate.hasProperty(cause, name) ? cause[name] : undefined
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The SQLSTATE of a driver's error, where it carries one. */
export const sqlstateOf = (cause: unknown): string | undefined => {
  const code = field(cause, "code")
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && field(cause, "severity") !== undefined ? code : undefined
}

const conflicts = new Set(["42P07", "42P06", "42710", "42723", "42P04", "2BP01"])
const unavailable = new Set(["57P01", "57P02", "57P03", "57P05", "53300"])
const timeouts = new Set(["55P03", "57014", "40P01"])

/** What the driver, which has no codes, says of a connection that is gone. */
const gone = /^Connection terminated|is not queryable$/

/** How much of a statement an error shows, in characters. */
const shown = 500

/** Statements in whose texts passwords stand: of a connection, of a login on another server, of a role. */
const confidential = /^(?:create|alter)\s+(?:foreign|group|role|server|subscription|user)\b/i

/** The same in the text of a statement: of a function, of another statement in it, of a connection's parameters. */
const passwords: ReadonlyArray<readonly [where: RegExp, instead: string]> = [
  [/(\bpassword\s*=?\s*)(?:'(?!')(?:[^']|'')*(?:'|$)|''[^']+(?:'+|$))/gi, "$1'***'"],
  [/(\bpassword\s*=\s*)[^\s'&,;)]+/gi, "$1***"],
  [/(:\/\/[^\s/?#:@']*):[^\s@']+@/g, "$1:***@"]
]

/** As much of a statement as may be seen: of one that may hold a password what stands before its first text. */
export const visible = (statement: string): string => {
  const text = passwords.reduce(
    (seen, [where, instead]) => seen.replace(where, instead),
    statement.trim().slice(0, 2 * shown)
  )
  const quote = confidential.test(text.replace(/^(?:\s|--[^\n]*\n|\/\*[^]*?\*\/)+/, "")) ? text.search(/'|\$\w*\$/) : -1
  return quote < 0
    ? `${text.slice(0, shown)}${text.length > shown ? "…" : ""}`
    : `${text.slice(0, Math.min(quote, shown))}… (not shown: it may hold a password)`
}

/** Maps what a driver threw to the error that pgark reports. */
export const toDatabaseError = (cause: unknown, place: Place = {}): DatabaseError => {
  const sqlstate = sqlstateOf(cause)
  const said = field(cause, "message") ?? field(cause, "code") ?? String(cause)
  const lost = sqlstate === undefined && gone.test(said)
  const message = lost ? "The connection to the server was lost." : said
  const detail = [lost ? said : undefined, field(cause, "detail"), field(cause, "where")]
    .filter((text) => text !== undefined)
    .join("\n")
  const statement = place.statement === undefined ? undefined : visible(place.statement)
  const fields = {
    message,
    ...(detail === "" ? {} : { detail }),
    suggestion: advice(sqlstate, {
      hint: field(cause, "hint"),
      ofDump: place.file !== undefined,
      within: field(cause, "where") !== undefined
    }),
    ...(sqlstate === undefined ? {} : { sqlstate }),
    ...(statement === undefined || statement === "" ? {} : { statement }),
    ...(place.file === undefined ? {} : { file: place.file }),
    ...(place.line === undefined ? {} : { line: place.line })
  }
  if (sqlstate === undefined || sqlstate.startsWith("08") || unavailable.has(sqlstate)) {
    return new ConnectionFailed(fields)
  }
  if (sqlstate === "42501") return new PermissionDenied(fields)
  if (sqlstate.startsWith("28")) return new AuthenticationFailed(fields)
  if (sqlstate === "3D000") return new DatabaseMissing(fields)
  if (sqlstate === "25006") return new ReadOnlyTarget(fields)
  if (timeouts.has(sqlstate)) return new LockTimeout(fields)
  if (conflicts.has(sqlstate)) return new ObjectConflict(fields)
  return new StatementFailed(fields)
}

/** The same for a query that ran through `SqlClient`, whose error wraps the driver's. */
export const fromSqlError = (error: SqlError): DatabaseError => {
  const cause = Predicate.hasProperty(error.reason, "cause") ? error.reason.cause : undefined
  if (isDatabaseError(cause)) return cause
  return toDatabaseError(sqlstateOf(cause) === undefined && cause === undefined ? error.reason : cause)
}
