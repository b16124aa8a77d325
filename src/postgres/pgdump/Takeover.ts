/** A connection that the `pg` driver has opened, handed over to another client that speaks the protocol itself. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Client } from "pg"
import type { Socket } from "node:net"
import * as Connecting from "../Connecting.ts"
import type { DatabaseError } from "../DatabaseError.ts"
import type * as DatabaseUrl from "../DatabaseUrl.ts"
import { literal } from "../Identifier.ts"
import { traced } from "../SqlSpan.ts"
import { toDatabaseError } from "../Sqlstate.ts"
import type { PgDumpSettings } from "./PgDumpProgram.ts"

export interface Takeover {
  readonly socket: Socket
  /** What the server would answer to the login of the client that takes over. */
  readonly greeting: Uint8Array
}

/** What a server reports of itself at login, as far as libpq and pg_dump look at it. */
const reported = [
  "client_encoding",
  "DateStyle",
  "in_hot_standby",
  "integer_datetimes",
  "IntervalStyle",
  "is_superuser",
  "server_encoding",
  "server_version",
  "standard_conforming_strings",
  "TimeZone"
]

/** How long a request to cancel may take when the connection is given up. */
const cancelPatience = "500 millis"

const query = (client: Client, sql: string) =>
  Effect.tryPromise({
    try: () => client.query<{ readonly name: string; readonly setting: string }>(sql),
    catch: (cause) => toDatabaseError(cause, { statement: sql })
  }).pipe(traced(sql))

const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  const header = Buffer.alloc(5)
  header.write(type, "latin1")
  header.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([header, body])
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/**
 * AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
const greet = (settings: ReadonlyArray<{ readonly name: string; readonly setting: string }>): Uint8Array =>
  Buffer.concat([
    message("R", int32(0)),
    ...settings.map(({ name, setting }) => message("S", Buffer.from(`${name}\0${setting}\0`))),
    // pg_dump cancels nothing by itself; who gives up its connection cancels with the driver's key.
    message("K", int32(0), int32(0)),
    message("Z", Buffer.from("I"))
  ])

/**
 * Opens a connection with the given settings, its client encoding that of the database, and takes it from the driver:
 * what the server sends from now on goes to whoever listens to the socket.
 *
 * When the scope closes the server is told to cancel what it still does, and the socket is closed.
 */
export const takeover = Effect.fn("Takeover.takeover")(function* (
  url: DatabaseUrl.DatabaseUrl,
  settings: PgDumpSettings
): Effect.fn.Return<Takeover, DatabaseError, Scope.Scope> {
  const client = yield* Connecting.acquire(url)
  // The driver wants UTF8. Text that the server would recode is not what pg_dump gets by itself, and in a SQL_ASCII
  // database it cannot be recoded.
  const all = { ...settings, client_encoding: "" }
  for (const [name, value] of Object.entries(all)) {
    const wanted = name === "client_encoding" ? "current_setting('server_encoding')" : literal(value)
    yield* query(client, `SELECT pg_catalog.set_config(${literal(name)}, ${wanted}, false)`)
  }
  const { rows } = yield* query(
    client,
    // Some of these are not in pg_settings; what the server does not know is null.
    `SELECT * FROM (SELECT name, pg_catalog.current_setting(name, true) AS setting
       FROM pg_catalog.unnest(ARRAY[${reported.map(literal).join(", ")}]) name) reported
     WHERE setting IS NOT NULL`
  )
  const socket = client.connection.stream as Socket
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      if (socket.destroyed || socket.readableEnded) return Effect.void
      return Connecting.cancel(client).pipe(
        Effect.timeoutOption(cancelPatience),
        Effect.andThen(Connecting.destroy(client))
      )
    })
  )
  socket.removeAllListeners("data")
  return { socket, greeting: greet(rows) }
})
