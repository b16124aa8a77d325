/** Opening a `pg` connection as libpq would, cancelling on it, and closing it in bounded time. */
import { readFileSync } from "node:fs"
import { isIP } from "node:net"
import { TLSSocket } from "node:tls"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Client, type ClientConfig, Connection } from "pg"
import {
  AuthenticationFailed,
  ConnectionFailed,
  type DatabaseError,
  DatabaseMissing,
  PermissionDenied,
  type ServerFields,
  withFields
} from "./DatabaseError.ts"
import { advice } from "./Advice.ts"
import * as DatabaseUrl from "./DatabaseUrl.ts"
import * as Hosts from "./Hosts.ts"
import { quote } from "./Identifier.ts"
import { mayConnectSoon, soon } from "./Retrying.ts"
import { sqlstateOf, toDatabaseError } from "./Sqlstate.ts"

/** How long a cancelled statement, a rollback or a goodbye may take before the socket is closed. */
export const patience = "5 seconds"

/** What a connection says of itself in `pg_stat_activity`, unless told. */
export const defaultApplication = "pgark"

/** Closes the socket without a goodbye; the server rolls back what is open. */
export const destroy = (client: Client): Effect.Effect<void> =>
  Effect.sync(() => void client.connection.stream.destroy())

/** Keeps the driver from looking for one where libpq would have, which the URL's reader has done. */
const withoutPassword = (() => undefined) as unknown as () => string

/**
 * What the `pg` driver gets, for the first server of the URL. Its words for TLS differ from libpq's: `require` encrypts without looking at the
 * certificate unless `sslrootcert` names who must have signed it, `verify-ca` checks the chain, `verify-full` the host
 * name too.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBQ-SSL-CERTIFICATES
 */
export const toPgConfig = (
  url: DatabaseUrl.DatabaseUrl,
  encrypted: boolean,
  application: string = defaultApplication
): ClientConfig => {
  const [ca, cert, key] = DatabaseUrl.tlsFiles.map((parameter) => {
    const path = encrypted ? DatabaseUrl.tlsPath(url, parameter) : undefined
    return path === undefined ? undefined : readFileSync(path)
  })
  const { sslMode } = url
  const timeout = Number(url.parameters.get("connect_timeout") ?? 10)
  // Where it is told of none the driver takes those of the environment, which would be other ones than pg_dump's.
  const options = url.parameters.get("options") ?? (process.env["PGOPTIONS"] === undefined ? undefined : " ")
  return {
    host: url.hostaddr ?? url.host,
    port: url.port,
    user: url.user,
    database: url.database,
    password: url.password === undefined ? withoutPassword : Redacted.value(url.password),
    ...(options === undefined ? {} : { options }),
    application_name: application,
    connectionTimeoutMillis: (Number.isFinite(timeout) && timeout > 0 ? timeout : 10) * 1000,
    keepAlive: true,
    ssl: encrypted && {
      rejectUnauthorized: sslMode.startsWith("verify-") || (sslMode === "require" && ca !== undefined),
      ...(sslMode === "verify-full" ? {} : { checkServerIdentity: () => undefined }),
      // Where the connection goes to an address, the certificate is still the host's.
      ...(url.hostaddr === undefined ? {} : { host: url.host }),
      ...(url.hostaddr === undefined || isIP(url.host) !== 0 ? {} : { servername: url.host }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key })
    }
  }
}

/** What the driver threw, until {@link explain} has read it. */
class Refusal {
  readonly cause: unknown
  constructor(cause: unknown) {
    this.cause = cause
  }
}

/** What the server said last, or the system, of a connection that was lost while no query was at work on it. */
const losses = new WeakMap<Client, unknown>()

/** The server that a connection leads to, alone: where the URL names several, which one answered. */
const reached = new WeakMap<Client, DatabaseUrl.DatabaseUrl>()
export const urlOf = (client: Client): DatabaseUrl.DatabaseUrl | undefined => reached.get(client)

/** Whether it is encrypted. */
export const isEncrypted = (client: Client): boolean => client.connection.stream instanceof TLSSocket

/** Why a query failed: of a connection that was lost before it the driver itself only says that it is lost. */
export const causeOf = (client: Client, error: unknown): unknown =>
  sqlstateOf(error) === undefined ? (losses.get(client) ?? error) : error

const attempt = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, encrypted: boolean, application: string) {
  const config = yield* Effect.try({
    try: () => toPgConfig(url, encrypted, application),
    catch: (cause) => new Refusal(cause)
  })
  return yield* Effect.callback<Client, Refusal>((resume) => {
    const client = new Client(config)
    // Without a listener a connection lost between two queries would end the process; the next query reports it.
    client.on("error", (error) => {
      if (!losses.has(client)) losses.set(client, error)
    })
    client.connect((error?: Error | null) => {
      if (!error) return resume(Effect.succeed(client))
      client.connection.stream.destroy()
      resume(Effect.fail(new Refusal(error)))
    })
    return destroy(client)
  })
})

/** `pg` has no code for this answer; the text is its own, not the server's. */
const unsupported = ({ cause }: Refusal) => cause instanceof Error && cause.message.includes("does not support SSL")

/**
 * Tries TLS and plain as libpq does: `prefer` TLS first, `allow` plain first, the others one of them.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS
 */
const connect = (url: DatabaseUrl.DatabaseUrl, application: string): Effect.Effect<Client, Refusal> => {
  const [plain, tls] = [attempt(url, false, application), attempt(url, true, application)]
  const refusedLogin = ({ cause }: Refusal) => sqlstateOf(cause) === "28000"
  if (url.host.startsWith("/") || url.sslMode === "disable") return plain
  if (url.sslMode === "allow") return Effect.catchIf(plain, refusedLogin, () => tls)
  if (url.sslMode !== "prefer") return tls
  return Effect.catchIf(
    tls,
    (refusal) => unsupported(refusal) || refusedLogin(refusal),
    () => plain
  )
}

/** `pg` refuses by itself, without a code, to log in where the server wants a password and there is none. */
const passwordMissing = (cause: unknown): boolean =>
  cause instanceof Error && !("code" in cause) && cause.message.startsWith("SASL")

/** What to look at, by the way in which a login was refused. */
const loginAdvice = (error: DatabaseError): string => {
  if (error.sqlstate === undefined) return "Put the password into the database URL, or set PGPASSWORD."
  if (error.sqlstate === "28P01") {
    return "Check user and password in the database URL; special characters in the password need percent-encoding."
  }
  return (
    "Check that the user may log in, and that the server's pg_hba.conf lets it into this database from here, " +
    "with or without TLS (sslmode)."
  )
}

/** What to look at, by what became of the connection; Node's codes of a certificate that it refuses are words. */
const wayAdvice = (refusal: Refusal, error: DatabaseError): string => {
  if (error.sqlstate !== undefined) return advice(error.sqlstate)
  if (unsupported(refusal)) {
    return "The server has no TLS. Have it switched on there, or use sslmode=prefer where the network is trusted."
  }
  const { cause } = refusal
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  return /CERT|SIGNATURE/.test(code)
    ? "sslrootcert must name the certificate of the authority that signed the server's, and with " +
        "sslmode=verify-full the host must be one that it was made for."
    : "Check host and port in the database URL, and that the server is running and reachable from here."
}

const explain = (url: DatabaseUrl.DatabaseUrl, refusal: Refusal): DatabaseError => {
  const error = passwordMissing(refusal.cause)
    ? new AuthenticationFailed({ message: "The server wants a password, and none is given." })
    : toDatabaseError(refusal.cause)
  const server = `${url.host}:${url.port}`
  const fields = (message: string, suggestion: string): ServerFields => ({
    message,
    detail: error.message === "" ? "no answer" : error.message,
    suggestion,
    state: "untouched",
    ...(error.sqlstate === undefined ? {} : { sqlstate: error.sqlstate })
  })
  switch (error._tag) {
    case "AuthenticationFailed":
      return new AuthenticationFailed(
        fields(`The server at ${server} refuses the login of "${url.user}".`, loginAdvice(error))
      )
    case "DatabaseMissing":
      return new DatabaseMissing(
        fields(
          `There is no database "${url.database}" at ${server}.`,
          "Create it first, or correct the name at the end of the database URL."
        )
      )
    case "ConnectionFailed":
      return new ConnectionFailed(fields(`Cannot connect to the server at ${server}.`, wayAdvice(refusal, error)))
    case "PermissionDenied":
      return new PermissionDenied(
        fields(
          `The role "${url.user}" may not connect to database "${url.database}" at ${server}.`,
          `Have the database's owner run: GRANT CONNECT ON DATABASE ${quote(url.database)} TO ${quote(url.user)};`
        )
      )
    default:
      return withFields(error, { state: "untouched" })
  }
}

/** Puts questions over a connection that nothing else uses at the moment, each of which gives one row. */
export const asking =
  (client: Client) =>
  <Row extends object>(sql: string, values: ReadonlyArray<unknown> = []): Effect.Effect<Row, DatabaseError> =>
    Effect.tryPromise({
      try: async (): Promise<Row> => (await client.query(sql, [...values])).rows[0],
      catch: (cause) => toDatabaseError(causeOf(client, cause), { statement: sql })
    })

const isPassing = ({ cause }: Refusal): boolean => mayConnectSoon(cause)

/** Whether another server may do better: as with libpq not where one has answered, unless it is only starting. */
const elsewhere = (error: Refusal | Hosts.Unfit | undefined): boolean =>
  !(error instanceof Refusal) ||
  isPassing(error) ||
  (sqlstateOf(error.cause) === undefined && !passwordMissing(error.cause))

/** One connection, to the first server of the URL that will do. */
const open = (url: DatabaseUrl.DatabaseUrl, application: string) =>
  Hosts.connect<Client, Refusal>(url, {
    attempt: (one) => connect(one, application),
    elsewhere,
    ask: (client, sql) =>
      Effect.tryPromise({
        try: async () => (await client.query(sql)).rows[0],
        catch: (cause) => new Refusal(cause)
      }),
    close
  }).pipe(
    Effect.map(({ connection, url: one }) => {
      reached.set(connection, one)
      return connection
    })
  )

const words = ({ cause }: Refusal): string => (cause instanceof Error ? cause.message : String(cause)) || "no answer"

/** What all of the servers that were tried have come to: the login that one refused, or nobody who will do. */
const explainAll = (url: DatabaseUrl.DatabaseUrl, tried: ReadonlyArray<Hosts.Tried<Refusal>>): DatabaseError => {
  const last = tried.at(-1)
  const detail = Hosts.lines(tried, words)
  if (last?.error instanceof Refusal && (tried.length === 1 || !elsewhere(last.error))) {
    const error = explain(last.url, last.error)
    return tried.length === 1 ? error : withFields(error, { detail })
  }
  const answered = tried.some((one) => one.error instanceof Hosts.Unfit)
  return new ConnectionFailed({
    message: answered
      ? `No server of the database URL is what target_session_attrs=${Hosts.wanted(url)} asks for.`
      : "Cannot connect to any server of the database URL.",
    detail,
    suggestion: "Check hosts and ports in the database URL, and that the servers are running and reachable from here.",
    state: "untouched"
  })
}

const close = (client: Client): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    void client.end().finally(() => resume(Effect.void))
  }).pipe(Effect.timeoutOption(patience), Effect.andThen(destroy(client)))

/**
 * A connection for as long as the scope lives.
 *
 * Fails with what stands in the way: server not reachable, login refused, no such database. A server that may be there
 * in a moment is asked again for some two seconds.
 *
 * @param application its `application_name`
 */
export const acquire = (
  url: DatabaseUrl.DatabaseUrl,
  application: string = defaultApplication
): Effect.Effect<Client, DatabaseError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.retry(open(url, application), {
      schedule: Schedule.tap(soon, ({ attempt }) => Effect.logDebug(`No connection yet (attempt ${attempt})`)),
      while: (tried) =>
        elsewhere(tried.at(-1)?.error) && tried.some(({ error }) => error instanceof Refusal && isPassing(error))
    }).pipe(Effect.mapError((tried) => explainAll(url, tried))),
    close,
    { interruptible: true }
  )

/** The members of `pg` 8.23 that its published types leave out; `test/postgres/Session.test.ts` pins them. */
interface CancelConnection {
  readonly stream: Connection["stream"]
  on(event: "connect" | "sslconnect" | "error", listener: () => void): void
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processId: number, secretKey: number): void
}
interface BackendKey {
  readonly processID: number
  readonly secretKey: number
  readonly ssl: ClientConfig["ssl"]
}

/** The process that serves this connection. */
export const backendOf = (client: Client): number => (client as Client & BackendKey).processID

/**
 * Asks the server, over a connection of its own as the protocol wants it, to cancel what this backend is doing.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export const cancel = (client: Client): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const { processID, secretKey, ssl } = client as Client & BackendKey
    const connection = new Connection(ssl ? { ssl } : {}) as unknown as CancelConnection
    const end = () => {
      connection.stream.destroy()
      resume(Effect.void)
    }
    connection.on("error", end)
    if (ssl) connection.on("connect", () => connection.requestSsl())
    connection.on(ssl ? "sslconnect" : "connect", () => {
      connection.stream.once("close", end)
      connection.cancel(processID, secretKey)
    })
    if (client.host.startsWith("/")) connection.connect(`${client.host}/.s.PGSQL.${client.port}`)
    else connection.connect(client.port, client.host)
    return Effect.sync(() => void connection.stream.destroy())
  }).pipe(Effect.timeoutOption(patience), Effect.asVoid)
