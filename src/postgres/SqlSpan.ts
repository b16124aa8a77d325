/** Spans around statements, for whoever traces: OpenTelemetry of an app, or `--log-level debug`. */
import * as Effect from "effect/Effect"
import { visible } from "./Sqlstate.ts"

/** The attribute of a span that holds its statement; queries by `SqlClient` have it under this name too. */
export const textAttribute = "db.query.text"

/** What stands before rows of data in a statement: of INSERT, and of the content of a large object. */
const beforeData = /\binsert\b[^]*?\bvalues\b|\blowrite\s*\(/i

/** A statement as anybody may see it: neither what may be a password in it nor rows of data. */
export const textOf = (sql: string): string => {
  const text = visible(sql)
  const found = beforeData.exec(text)
  return found === null ? text : `${text.slice(0, found.index + found[0].length)} …`
}

/** Puts a span around a statement that is sent in another way than by `SqlClient`, which makes one of its own. */
export const traced =
  (sql: string) =>
  <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.useSpan("sql.execute", { kind: "client", level: "Debug" }, (span) => {
      span.attribute("db.system.name", "postgresql")
      span.attribute(textAttribute, textOf(sql))
      return run
    })
