/** What `@effect/sql-pg` gets, for an app's own queries beside pgark: the same server, login and encryption. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConnectionOptions } from "node:tls"
import * as Connecting from "./Connecting.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { type DatabaseUrl, type DatabaseUrlInvalid, parse } from "./DatabaseUrl.ts"

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

/**
 * The configuration for the first server of a URL, encrypted or not: sql-pg knows no `sslmode=prefer` that leaves the
 * certificate alone, and one host only. {@link make} finds out both.
 */
export const of = (url: DatabaseUrl, encrypted: boolean): PgClientConfig => {
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

/**
 * Connects once as pgark does, to see which of the URL's servers answers and whether it encrypts, and gives the
 * configuration for just that.
 *
 * Fails with DatabaseUrlInvalid where the URL cannot be read, or with what keeps it from connecting.
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
  return yield* Effect.scoped(
    Effect.map(Connecting.acquire(parsed), (client) =>
      of(Connecting.urlOf(client) ?? parsed, Connecting.isEncrypted(client))
    )
  )
})
