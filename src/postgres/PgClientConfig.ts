/** What `@effect/sql-pg` gets, for an app's own queries beside pgark: the same server, login and encryption. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConnectionOptions } from "node:tls"
import * as Connecting from "./Connecting.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { type DatabaseUrl, DatabaseUrlInvalid, parse } from "./DatabaseUrl.ts"
import * as Hosts from "./connecting/Hosts.ts"

/** The members of sql-pg's `PgClientConfig` that a database URL decides; `PgClient.layer` takes it as it is. */
export interface PgClientConfig {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password?: Redacted.Redacted
  readonly database: string
  readonly ssl: boolean | ConnectionOptions
  /** Milliseconds. */
  readonly connectTimeout: number
  readonly applicationName: string
  readonly startupOptions?: string
}

/** What pgark does itself and sql-pg cannot: left out, a login would be less careful than the URL wants it. */
const refused: ReadonlyArray<readonly [parameter: string, refuses: (value: string) => boolean]> = [
  ["channel_binding", (value) => value === "require"],
  ["require_auth", () => true],
  ["sslnegotiation", (value) => value === "direct"]
]

const check = ({ parameters }: DatabaseUrl): void => {
  for (const [name, refuses] of refused) {
    const value = parameters.get(name)
    if (value === undefined || value === "" || !refuses(value)) continue
    throw new DatabaseUrlInvalid({
      message: `@effect/sql-pg cannot do what ${name} asks for.`,
      suggestion: `Take ${name} out of the URL that this client gets, or query through another driver.`,
      state: "untouched"
    })
  }
}

/**
 * The configuration for the first server of a URL, encrypted or not: sql-pg knows no `sslmode=prefer` that leaves the
 * certificate alone, and one host only. {@link make} finds out both.
 *
 * @throws DatabaseUrlInvalid where the URL wants what sql-pg cannot do (`channel_binding=require`, `require_auth`,
 * `sslnegotiation=direct`), or TLS that cannot be had
 */
export const of = (url: DatabaseUrl, encrypted: boolean): PgClientConfig => {
  check(url)
  const { connectionTimeoutMillis = 0, host = url.host, options, ssl } = Connecting.toPgConfig(url, encrypted)
  return {
    host,
    port: url.port,
    username: url.user,
    ...(url.password === undefined ? {} : { password: url.password }),
    database: url.database,
    ssl: ssl ?? false,
    connectTimeout: connectionTimeoutMillis,
    applicationName: url.parameters.get("application_name") ?? Connecting.defaultApplication,
    ...(options === undefined || options.trim() === "" ? {} : { startupOptions: options })
  }
}

/** With what is wrong with the URL as the failure that it is. */
const attempt = <A>(made: () => A): Effect.Effect<A, DatabaseUrlInvalid> =>
  Effect.try({
    try: made,
    catch: (cause) => {
      if (cause instanceof DatabaseUrlInvalid) return cause
      throw cause
    }
  })

/**
 * Connects once as pgark does, to see which of the URL's servers answers and whether it encrypts, and gives the
 * configuration for just that. Where the host is a name, that is what the app connects to.
 *
 * Fails with DatabaseUrlInvalid where the URL cannot be read or sql-pg cannot do what it wants, or with what keeps it
 * from connecting.
 */
export const make = Effect.fn("PgClientConfig.make")(function* (
  url: DatabaseUrl | string | Redacted.Redacted
): Effect.fn.Return<PgClientConfig, DatabaseError | DatabaseUrlInvalid> {
  const parsed =
    typeof url === "string"
      ? yield* parse(Redacted.make(url))
      : Redacted.isRedacted(url)
        ? yield* parse(url as Redacted.Redacted)
        : url
  yield* attempt(() => check(parsed))
  return yield* Effect.scoped(
    Effect.flatMap(Connecting.acquire(parsed), (client) =>
      // An app may live longer than the host has its address.
      attempt(() => of(Hosts.unpin(Connecting.urlOf(client) ?? parsed), Connecting.isEncrypted(client)))
    )
  )
})
