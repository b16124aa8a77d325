/**
 * Checksums of what tables hold, the same for the same rows in any order, on any server.
 *
 * A row counts as its text, so the settings that shape text are fixed meanwhile. The sum is there to notice what went
 * wrong, not what somebody has forged: that is for the SHA-256 of a dump.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { type Answer, type Asking, askEach } from "./Guarded.ts"
import { literal, qualified } from "./Identifier.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** What a table's rows add up to: `<rows>:<sum>`, the sum of 64 bits of each row's MD5. */
export type Checksum = string

/** Settings on which the text of a value depends, and what queries of this session are written in. */
const settings: Readonly<Record<string, string>> = {
  bytea_output: "hex",
  client_encoding: "UTF8",
  datestyle: "ISO, YMD",
  extra_float_digits: "1",
  intervalstyle: "postgres",
  lc_monetary: "C",
  quote_all_identifiers: "off",
  row_security: "off",
  search_path: "pg_catalog",
  timezone: "UTC",
  xmlbinary: "base64"
}

/** A database of another encoding holds the same text in other bytes; one of SQL_ASCII holds bytes alone. */
const hashed = (encoding: string): string =>
  encoding === "UTF8" || encoding === "SQL_ASCII" ? "md5(t::text)" : "md5(convert_to(t::text, 'UTF8'))"

interface Table {
  readonly schema: string
  readonly name: string
}

/**
 * The checksum of each table, or why it has none, in the order of the tables. Of a table with heirs only its own rows
 * count, as in a dump. Many tables are read by one query.
 *
 * The session's settings are as before when it returns.
 */
export const read = Effect.fn("Checksums.read")(function* (
  tables: ReadonlyArray<Table>,
  asking?: Asking<Table>
): Effect.fn.Return<ReadonlyArray<Answer<Checksum>>, DatabaseError, SqlClient.SqlClient> {
  if (tables.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const sum = Effect.gen(function* () {
    for (const [name, value] of Object.entries(settings)) {
      yield* sql.unsafe(`SET LOCAL ${name} = ${literal(value)}`).unprepared
    }
    const [server] = yield* sql<{ readonly encoding: string }>`select current_setting('server_encoding') as encoding`
    const hash = hashed(server?.encoding ?? "UTF8")
    const answers = yield* askEach(
      tables,
      ({ name, schema }) =>
        `select count(*)::text || ':' || coalesce(sum(('x' || substr(${hash}, 1, 16))::bit(64)::int8::numeric), 0)::text ` +
        `as value from only ${qualified(schema, name)} t`,
      asking
    )
    // The rollback takes the settings back, so what is found leaves the transaction as an error does.
    return yield* Effect.fail({ _tag: "Found" as const, answers })
  })
  return yield* sql.withTransaction(sum).pipe(
    Effect.catchTags({
      Found: ({ answers }) => Effect.succeed(answers),
      SqlError: (error) => Effect.fail(fromSqlError(error))
    })
  )
})
