/** What each client is given for a connection string, in words. */
import { devNull } from "node:os"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { ConnectionOptions, PeerCertificate } from "node:tls"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import type { DatabaseUrlInvalid } from "../../src/postgres/DatabaseUrl.ts"
import { toWasmEnvironment } from "../../src/postgres/url/DatabaseUrlForms.ts"
import * as PgClientConfig from "../../src/postgres/PgClientConfig.ts"
import type { ConnectionString } from "./ConnectionStrings.ts"

/** Some authority of the web: nothing is connected to. */
const ca = fileURLToPath(new URL("authority.pem", import.meta.url))

const bare = (value: string | Redacted.Redacted | undefined) =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const environment = (env: Record<string, string | Redacted.Redacted>): string =>
  Object.entries(env)
    .filter(([name]) => name !== "PGAPPNAME")
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${/\s/.test(bare(value) ?? "") ? JSON.stringify(bare(value)) : bare(value)}`)
    .join(" ")
    .replaceAll(ca, "CA")
    .replace(`${devNull}/none`, "none")

const stranger = { subject: { CN: "other.example.com" }, subjectaltname: "DNS:other.example.com" } as PeerCertificate

/** How much of the server's certificate is looked at. */
const encryption = (ssl: boolean | ConnectionOptions): string => {
  if (typeof ssl === "boolean") return ssl ? "whatever Node does" : "plain"
  const host =
    ssl.checkServerIdentity === undefined || ssl.checkServerIdentity("db.example.com", stranger) !== undefined
  const checks =
    ssl.rejectUnauthorized === false ? "nothing checked" : host ? "chain and host checked" : "chain checked"
  return [`TLS, ${checks}`, ssl.ca === undefined ? "" : " by file", ssl.servername ? ` as ${ssl.servername}` : ""].join(
    ""
  )
}

/** One of them as the table has it, where both drivers get the same. */
type Received = Omit<ConnectionString, "by" | "text" | "env" | "drivers"> & {
  readonly pg: string
  readonly sqlPg: string
}

interface Login {
  readonly user: string
  readonly password: string | undefined
  readonly host: string
  readonly port: number
  readonly database: string
  readonly ssl: boolean | ConnectionOptions
  readonly milliseconds: number
  readonly options: string | undefined
}

const login = ({ database, host, milliseconds, options, password, port, ssl, user }: Login): string =>
  `${user}${password === undefined ? "" : `:${password}`}@${host}:${port}/${database}, ${encryption(ssl)}, ` +
  `${milliseconds / 1000} s${options === undefined ? "" : `, ${options}`}`

/**
 * All of it, for a connection that is encrypted where the URL allows it. Of several servers the drivers get the first:
 * which one it is becomes known when they answer.
 */
export const received = Effect.fnUntraced(function* (text: string, env: Readonly<Record<string, string>> = {}) {
  const around = { env, user: "me" }
  const url = yield* DatabaseUrl.parse(Redacted.make(text.replaceAll("CA", ca)), around)
  const encrypted = url.sslMode !== "disable" && !url.host.startsWith("/")
  const pg = Connecting.toPgConfig(url, encrypted)
  const made = yield* Effect.result(
    Effect.try({ try: () => PgClientConfig.of(url, encrypted), catch: (cause) => cause as DatabaseUrlInvalid })
  )
  const app = Result.isSuccess(made) ? made.success : made.failure
  const got: Received = {
    native: environment(DatabaseUrl.toLibpqEnvironment(url)),
    wasm: environment(toWasmEnvironment(url)),
    pg: login({
      user: pg.user ?? "",
      password: typeof pg.password === "string" ? pg.password : undefined,
      host: pg.host ?? "",
      port: pg.port ?? 0,
      database: pg.database ?? "",
      ssl: pg.ssl ?? false,
      milliseconds: pg.connectionTimeoutMillis ?? 0,
      options: pg.options
    }),
    sqlPg:
      "message" in app
        ? app.message
        : login({
            user: app.username,
            password: bare(app.password),
            host: app.host,
            port: app.port,
            database: app.database,
            ssl: app.ssl,
            milliseconds: app.connectTimeout,
            options: app.startupOptions
          }),
    ...(url.schema === undefined ? {} : { schema: url.schema }),
    record: url.record.map(({ fate, name, to }) => `${name}: ${fate}${to === undefined ? "" : ` ${to}`}`)
  }
  return got
})
