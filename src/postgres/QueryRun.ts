/** Queries of one connection, sent by the simple protocol: started, waited for, and cancelled when nobody wants them. */
import * as Effect from "effect/Effect"
import type { Client } from "pg"
import type { Notice } from "./Completed.ts"
import * as Connecting from "./Connecting.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type { SimpleQuery } from "./SimpleQuery.ts"
import { type Place, toDatabaseError } from "./Sqlstate.ts"

/** Lets happen what an uninterruptible region around it keeps from being interrupted. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What runs queries on one connection. */
export interface QueryRun {
  readonly client: Client
  /** What the server has noted since the last query was started. */
  readonly notices: ReadonlyArray<Notice>
  /** Sends it as soon as the one before has ended. */
  readonly start: <Q extends SimpleQuery>(query: Q) => Q
  /**
   * Waits for the end of a query and gives its tag; interrupting it cancels the statement on the server and waits for
   * that. A query is started where nothing can interrupt, so that none is under way without somebody who waits for it.
   */
  readonly finish: (query: SimpleQuery, place: Place, restore?: Restore) => Effect.Effect<string, DatabaseError>
}

/** Returns when something has happened to the query: data wanted or come, socket drained, settled. */
export const progress = (query: SimpleQuery) =>
  Effect.callback<void>((resume) => {
    if (query.settled !== undefined) resume(Effect.void)
    else query.onProgress(() => resume(Effect.void))
  })

/** For a connection, whose notices it takes. */
export const make = (client: Client): QueryRun => {
  const notices: Array<Notice> = []
  client.on("notice", (notice) => {
    notices.push({ sqlstate: notice.code ?? "", message: notice.message ?? "" })
  })

  const finish: QueryRun["finish"] = (query, place, restore = (effect) => effect) => {
    const settled: Effect.Effect<string, DatabaseError> = Effect.suspend(() => {
      const state = query.settled
      if (state === undefined) return Effect.andThen(progress(query), settled)
      return "error" in state
        ? Effect.fail(toDatabaseError(Connecting.causeOf(client, state.error), place))
        : Effect.succeed(state.tag)
    })
    return Effect.onInterrupt(restore(settled), () =>
      Effect.gen(function* () {
        if (query.settled !== undefined) return
        yield* Connecting.cancel(client)
        const answered = yield* Effect.timeoutOption(Effect.exit(settled), Connecting.patience)
        if (answered._tag === "None") yield* Connecting.destroy(client)
      })
    )
  }

  const start: QueryRun["start"] = (query) => {
    notices.length = 0
    client.query(query)
    return query
  }

  return { client, notices, start, finish }
}

/** The place with its statement, where it has none yet. */
export const withStatement = (place: Place, sql: string | Uint8Array): Place =>
  place.statement === undefined
    ? {
        ...place,
        statement: typeof sql === "string" ? sql : Buffer.from(sql.subarray(0, 2000)).toString("utf8")
      }
    : place
