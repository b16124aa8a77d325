/** The database to work on, as a layer: from its URL, or from the configuration of the app. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import * as DatabaseUrl from "./DatabaseUrl.ts"
import type { PoolerInBetween } from "./Pooler.ts"
import { Session, type SessionOptions } from "./Session.ts"
import * as Tls from "./connecting/Tls.ts"

/** What a verb works on: one connection for as long as the layer lives, and queries over it. */
export type Database = Session | SqlClient.SqlClient

/**
 * A session on the database of this URL: `postgresql://user:password@host:5432/database`. Parameters that libpq does
 * not know are dropped, so an ORM's URL will do.
 *
 * Fails with DatabaseUrlInvalid, with PoolerInBetween where it is not the server that answers (`allowPooler` lets a
 * pooler through that is in session mode), or with what keeps it from connecting.
 */
export const layer = (
  url: string | Redacted.Redacted,
  options: SessionOptions = {}
): Layer.Layer<Database, DatabaseError | DatabaseUrl.DatabaseUrlInvalid | PoolerInBetween> =>
  DatabaseUrl.parse(typeof url === "string" ? Redacted.make(url) : url).pipe(
    Effect.tap(Tls.check),
    Effect.map((parsed) => Session.layer(parsed, options)),
    Layer.unwrap
  )

/** The same with the URL from the app's `ConfigProvider`: the environment's `DATABASE_URL` unless told. */
export const layerConfig = (
  url: Config.Config<Redacted.Redacted> = Config.Redacted("DATABASE_URL"),
  options: SessionOptions = {}
): Layer.Layer<Database, Config.ConfigError | DatabaseError | DatabaseUrl.DatabaseUrlInvalid | PoolerInBetween> =>
  Layer.unwrap(Effect.map(url, (value) => layer(value, options)))
