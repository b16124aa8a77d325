/** Opening a `pg` connection as libpq would, cancelling on it, and closing it in bounded time. */
import { TLSSocket } from "node:tls"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Client, type ClientConfig, Connection } from "pg"
import { elsewhere, explainAll, NoAnswer, Refusal, strangerBy } from "./connecting/ConnectFailure.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type * as DatabaseUrl from "./DatabaseUrl.ts"
import { FrugalSocket } from "./connecting/FrugalSocket.ts"
import * as Hosts from "./connecting/Hosts.ts"
import * as LoginPolicy from "./connecting/LoginPolicy.ts"
import * as ParserGuard from "./connecting/ParserGuard.ts"
import { connecting, isRestarting, mayConnectSoon } from "./Retrying.ts"
import { traced } from "./SqlSpan.ts"
import { sqlstateOf, toDatabaseError } from "./Sqlstate.ts"
import * as Tls from "./connecting/Tls.ts"

/** How long a cancelled statement, a rollback or a goodbye may take before the socket is closed. */
export const patience = "5 seconds"

/** What a connection says of itself in `pg_stat_activity`, unless told. */
export const defaultApplication = "pgark"

/** Closes the socket without a goodbye; the server rolls back what is open. */
export const destroy = (client: Client): Effect.Effect<void> =>
  Effect.sync(() => void client.connection.stream.destroy())

/** How long a connection may take that is told of no time, in seconds. */
export const defaultTimeout = 10

/** No timer takes more seconds: 24 days, where libpq's own number of them ends much later. */
const longestTimeout = 2_147_483

/**
 * How long getting a connection may take in all, in seconds: looking up the host, TLS, login, further attempts; where
 * the URL names several servers as often as there are. It is the URL's `connect_timeout`. Where that is 0 or less, which
 * to libpq is for ever, it is as if it were not given.
 */
export const timeoutOf = (url: DatabaseUrl.DatabaseUrl): number => {
  const timeout = Number(url.parameters.get("connect_timeout") ?? defaultTimeout)
  return Number.isFinite(timeout) && timeout > 0 ? Math.min(timeout, longestTimeout) : defaultTimeout
}

/** The same database, with another time to connect to it: whole seconds. */
export const withTimeout = (url: DatabaseUrl.DatabaseUrl, seconds: number): DatabaseUrl.DatabaseUrl => ({
  ...url,
  parameters: new Map([...url.parameters, ["connect_timeout", String(seconds)]])
})

/** Keeps the driver from looking for one where libpq would have, which the URL's reader has done. */
const withoutPassword = (() => undefined) as unknown as () => string

/**
 * What the `pg` driver gets, for the first server of the URL. Its words for TLS differ from libpq's: see
 * {@link file://./connecting/Tls.ts}.
 *
 * @throws DatabaseUrlInvalid where TLS or the login cannot be had as the URL wants it
 */
export const toPgConfig = (
  url: DatabaseUrl.DatabaseUrl,
  encrypted: boolean,
  application: string = defaultApplication
): ClientConfig => {
  if (!encrypted) Tls.checkWords(url)
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
    connectionTimeoutMillis: timeoutOf(url) * 1000,
    keepAlive: true,
    ssl: encrypted && Tls.options(url),
    sslnegotiation: encrypted && url.parameters.get("sslnegotiation") === "direct" ? "direct" : "postgres",
    enableChannelBinding: encrypted && url.parameters.get("channel_binding") === "require"
  }
}

/** What the server said last, or the system, of a connection that was lost while no query was at work on it. */
const losses = new WeakMap<Client, unknown>()

/**
 * The server that a connection leads to, alone: where the URL names several, which one answered; where the host's name
 * has several addresses, at which.
 */
const servers = new WeakMap<Client, DatabaseUrl.DatabaseUrl>()
export const urlOf = (client: Client): DatabaseUrl.DatabaseUrl | undefined => servers.get(client)

/** Whether it is encrypted. */
export const isEncrypted = (client: Client): boolean => client.connection.stream instanceof TLSSocket

/** Why a query failed: of a connection that was lost before it the driver itself only says that it is lost. */
export const causeOf = (client: Client, error: unknown): unknown =>
  sqlstateOf(error) === undefined ? (losses.get(client) ?? error) : error

/** How far an attempt has come. */
interface Way {
  reached: boolean
  secured: boolean
}

const attempt = Effect.fnUntraced(function* (
  url: DatabaseUrl.DatabaseUrl,
  encrypted: boolean,
  application: string,
  way: Way
) {
  // How long it may take in all is the caller's; a timer of the driver's would know of this attempt only.
  const config = yield* Effect.try({
    try: () => ({ ...toPgConfig(url, encrypted, application), connectionTimeoutMillis: 0 }),
    catch: (cause) => new Refusal(cause)
  })
  return yield* Effect.callback<Client, Refusal>((resume) => {
    // What is encrypted Node reads by itself.
    const client = new Client(encrypted ? config : { ...config, stream: () => new FrugalSocket() })
    const { connection } = client
    const socket = connection.stream
    Object.assign(way, { reached: false, secured: false })
    const fail = (cause: unknown) => {
      connection.stream.destroy()
      resume(Effect.fail(new Refusal(cause, way.reached, way.secured)))
    }
    socket.once("connect", () => (way.reached = true))
    connection.once("sslconnect", () => connection.stream.once("secureConnect", () => (way.secured = true)))
    ParserGuard.guard(connection)
    LoginPolicy.watch(client, url, fail)
    // Without a listener a connection lost between two queries would end the process; the next query reports it.
    client.on("error", (error) => {
      if (!losses.has(client)) losses.set(client, error)
    })
    client.connect((error?: Error | null) => (error ? fail(error) : resume(Effect.succeed(client))))
    // TLS from the first byte on has the socket to itself.
    if (config.sslnegotiation !== "direct") {
      socket.prependOnceListener("data", (bytes: Buffer) => {
        const stranger = strangerBy(bytes, encrypted ? "TLS" : "login")
        if (stranger !== undefined) fail(stranger)
      })
    }
    return destroy(client)
  })
})

const refusedLogin = ({ cause }: Refusal): boolean => sqlstateOf(cause) === "28000"

/** Somebody has answered, and no encryption came about. */
const unencrypted = ({ cause, reached, secured }: Refusal): boolean =>
  reached && !secured && sqlstateOf(cause) === undefined

/**
 * Tries TLS and plain as libpq does: `prefer` TLS first, `allow` plain first, the others one of them. `prefer` means
 * doing without TLS wherever none comes about, for whatever reason.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS
 */
const connect = (url: DatabaseUrl.DatabaseUrl, application: string, way: Way): Effect.Effect<Client, Refusal> => {
  const [plain, tls] = [attempt(url, false, application, way), attempt(url, true, application, way)]
  if (Tls.isLocal(url) || url.sslMode === "disable") return plain
  if (url.sslMode === "allow") return Effect.catchIf(plain, refusedLogin, () => tls)
  if (url.sslMode !== "prefer") return tls
  return Effect.catchIf(
    tls,
    (refusal) => unencrypted(refusal) || refusedLogin(refusal),
    () => plain
  )
}

/** Puts questions over a connection that nothing else uses at the moment, each of which gives one row. */
export const asking =
  (client: Client) =>
  <Row extends object>(sql: string, values: ReadonlyArray<unknown> = []): Effect.Effect<Row, DatabaseError> =>
    Effect.tryPromise({
      try: async (): Promise<Row> => (await client.query(sql, [...values])).rows[0],
      catch: (cause) => toDatabaseError(causeOf(client, cause), { statement: sql })
    }).pipe(traced(sql))

const close = (client: Client): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    void client.end().finally(() => resume(Effect.void))
  }).pipe(Effect.timeoutOption(patience), Effect.andThen(destroy(client)))

/** One connection, to the first server of the URL that will do; each has the URL's time. */
const open = (url: DatabaseUrl.DatabaseUrl, application: string, way: Way) => {
  const seconds = timeoutOf(url)
  return Hosts.connect<Client, Refusal>(url, {
    attempt: (one) =>
      connect(one, application, way).pipe(
        Effect.timeoutOrElse({
          duration: Duration.seconds(seconds),
          orElse: () => Effect.fail(new Refusal(new NoAnswer(seconds), way.reached, way.secured))
        })
      ),
    elsewhere,
    ask: (client, sql) =>
      Effect.tryPromise({
        try: async () => (await client.query(sql)).rows[0],
        catch: (cause) => new Refusal(cause)
      }),
    close
  }).pipe(
    Effect.map(({ connection, url: one }) => {
      servers.set(connection, Hosts.pin(one, connection.connection.stream))
      return connection
    })
  )
}

/** Of what became of each server, what another attempt would have to do with: a restart first. */
const passing = (tried: ReadonlyArray<Hosts.Tried<Refusal>>): unknown => {
  if (!elsewhere(tried.at(-1)?.error)) return undefined
  const causes = tried.flatMap(({ error }) => (error instanceof Refusal ? [error.cause] : []))
  return causes.find(isRestarting) ?? causes.find(mayConnectSoon)
}

/** A connection within the URL's time for each of its servers, with as many attempts as there is sense in. */
const connected = (url: DatabaseUrl.DatabaseUrl, application: string) =>
  Effect.suspend(() => {
    const seconds = timeoutOf(url)
    const way: Way = { reached: false, secured: false }
    let last: ReadonlyArray<Hosts.Tried<Refusal>> | undefined
    return open(url, application, way).pipe(
      Effect.tapError((tried) => Effect.sync(() => (last = tried))),
      Effect.retry(
        Schedule.tap(connecting(passing), ({ attempt }) => Effect.logDebug(`No connection yet (attempt ${attempt})`))
      ),
      Effect.timeoutOrElse({
        duration: Duration.seconds(seconds * (1 + url.others.length)),
        orElse: () =>
          Effect.fail(last ?? [{ url, error: new Refusal(new NoAnswer(seconds), way.reached, way.secured) }])
      })
    )
  })

/**
 * A connection for as long as the scope lives.
 *
 * Fails with what stands in the way: server not reachable, login refused, no such database. A server that may be there
 * in a moment is asked again, one that restarts as long as {@link timeoutOf} says.
 *
 * @param application its `application_name`
 */
export const acquire = (
  url: DatabaseUrl.DatabaseUrl,
  application: string = defaultApplication
): Effect.Effect<Client, DatabaseError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.mapError(connected(url, application), (tried) => explainAll(url, tried)),
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
interface ConnectionSettings extends ClientConfig {
  readonly sslNegotiation?: "postgres" | "direct"
}
interface BackendKey {
  readonly processID: number | null
  readonly secretKey: number | null
  readonly ssl: ClientConfig["ssl"]
  readonly sslNegotiation: "postgres" | "direct"
}

/** The process that serves this connection, by the server's greeting; none where it named none (Amazon RDS Proxy). */
export const backendOf = (client: Client): number | null => (client as Client & BackendKey).processID

/**
 * Asks the server, over a connection of its own as the protocol wants it, to cancel what this backend is doing.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export const cancel = (client: Client): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const { processID, secretKey, ssl, sslNegotiation } = client as Client & BackendKey
    if (processID === null || secretKey === null) return resume(Effect.void)
    const direct = sslNegotiation === "direct"
    const settings: ConnectionSettings = ssl ? { ssl, sslNegotiation } : {}
    const connection = new Connection(settings) as unknown as CancelConnection
    const end = () => {
      connection.stream.destroy()
      resume(Effect.void)
    }
    connection.on("error", end)
    if (ssl && !direct) connection.on("connect", () => connection.requestSsl())
    connection.on(ssl ? "sslconnect" : "connect", () => {
      connection.stream.once("close", end)
      connection.cancel(processID, secretKey)
    })
    if (client.host.startsWith("/")) connection.connect(`${client.host}/.s.PGSQL.${client.port}`)
    else connection.connect(client.port, client.host)
    return Effect.sync(() => void connection.stream.destroy())
  }).pipe(Effect.timeoutOption(patience), Effect.asVoid)
