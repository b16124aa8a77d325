/** `COPY … TO STDOUT`: rows from the server, as fast as somebody takes them. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Connecting from "../Connecting.ts"
import { StatementFailed } from "../DatabaseError.ts"
import { type QueryRun, withStatement } from "../QueryRun.ts"
import { traced } from "../SqlSpan.ts"
import type { CopyOut } from "./Copy.ts"
import { CopyOutQuery } from "./CopyOutQuery.ts"
import { rowsOf } from "./CopyTag.ts"

/** Returns when it may hold. */
const until = (query: CopyOutQuery, holds: () => boolean) =>
  Effect.callback<void>((resume) => {
    if (holds()) resume(Effect.void)
    else query.onProgress(() => resume(Effect.void))
  })

/** On this connection. */
export const make =
  ({ client, finish, start }: QueryRun): CopyOut =>
  (sql, take) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const place = withStatement({}, sql)
        const query = start(new CopyOutQuery(Buffer.from(sql)))
        let bytes = 0
        const taken: ReturnType<typeof take> = Effect.suspend(() => {
          const chunk = query.next()
          if (chunk === undefined) {
            if (query.settled !== undefined) return Effect.void
            return Effect.andThen(
              until(query, () => query.ready),
              taken
            )
          }
          bytes += chunk.length
          return Effect.andThen(take(chunk), taken)
        })
        // The server's last word may come behind what the query has ended with.
        const released: Effect.Effect<void> = Effect.suspend(() =>
          query.holds
            ? Effect.andThen(
                until(query, () => !query.holds),
                released
              )
            : Effect.void
        )
        const abandon = Effect.gen(function* () {
          query.discard()
          if (query.settled === undefined) yield* Connecting.cancel(client)
          yield* Effect.exit(finish(query, place))
          yield* released
        }).pipe(Effect.timeoutOrElse({ duration: Connecting.patience, orElse: () => Connecting.destroy(client) }))
        return restore(taken).pipe(
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : abandon)),
          Effect.andThen(Effect.ensuring(finish(query, place), released)),
          // The server calls a COPY that is given up "cancelled", as if it were a timeout.
          Effect.mapError((error) =>
            query.unfed ? new StatementFailed({ message: "This COPY wants data and gives none.", ...place }) : error
          ),
          Effect.flatMap((tag) => {
            const rows = rowsOf(tag)
            return rows === undefined
              ? Effect.fail(new StatementFailed({ message: `The server answered "${tag}" to a COPY.`, ...place }))
              : Effect.succeed({ rows, bytes })
          }),
          traced(sql)
        )
      })
    )
