/** `COPY … FROM STDIN`: rows to the server, with the socket's back-pressure. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { StatementFailed } from "../DatabaseError.ts"
import { progress, type QueryRun, withStatement } from "../QueryRun.ts"
import { SimpleQuery } from "../SimpleQuery.ts"
import { traced } from "../SqlSpan.ts"
import type { CopyIn, WriteCopyData } from "./Copy.ts"
import { rowsOf } from "./CopyTag.ts"

/** On this connection. */
export const make =
  ({ finish, start }: QueryRun): CopyIn =>
  (sql, given, body) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const place = withStatement(given, sql)
        const query = start(new SimpleQuery(sql, true))
        const answered: Effect.Effect<void> = Effect.suspend(() =>
          query.settled !== undefined || query.isCopying ? Effect.void : Effect.andThen(progress(query), answered)
        )
        const write: WriteCopyData = (chunk) =>
          Effect.suspend(() => {
            if (query.settled !== undefined) return Effect.asVoid(finish(query, place))
            return query.writeCopyData(chunk) ? Effect.void : progress(query)
          })
        // Only a server that has asked for data reads CopyFail, and one that is busy with a row (a trigger, a lock) does
        // not; it is cancelled when the time is up. Waiting for data, on the other hand, it hears of no cancelling.
        const abandon = answered.pipe(
          Effect.timeoutOption("500 millis"),
          Effect.andThen(Effect.sync(() => query.failCopy("the client stopped"))),
          Effect.andThen(Effect.exit(finish(query, place)).pipe(Effect.timeoutOption("500 millis")))
        )
        return Effect.andThen(answered, body(write)).pipe(
          restore,
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : abandon)),
          Effect.andThen(
            Effect.suspend(() => {
              query.endCopy()
              return finish(query, place, restore)
            })
          ),
          Effect.flatMap((tag) => {
            const rows = rowsOf(tag)
            return rows === undefined
              ? Effect.fail(
                  new StatementFailed({
                    message: `The server answered "${tag}" to a COPY.`,
                    suggestion: "Only COPY … FROM STDIN is followed by data: make the dump again.",
                    ...place
                  })
                )
              : Effect.succeed(rows)
          }),
          traced(place.statement ?? "")
        )
      })
    )
