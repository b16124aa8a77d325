/** The version of the server, as a number. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "../DatabaseError.ts"
import { fromSqlError } from "../Sqlstate.ts"

/** 18 of `server_version_num` 180004. */
export const majorOf = (versionNumber: number): number => Math.floor(versionNumber / 10_000)

/** `server_version_num`: 150018 is 15.18. */
export const read = Effect.fn("ServerVersion.read")(function* (): Effect.fn.Return<
  number,
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly number: number }>`
    select current_setting('server_version_num')::int4 as "number"`.pipe(Effect.mapError(fromSqlError))
  return row?.number ?? 0
})
