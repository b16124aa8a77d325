/** Other sessions in the database: between two transactions of a restore they would see, and write to, half of it. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Plan from "../../../pipeline/Plan.ts"
import * as Task from "../../../pipeline/Task.ts"
import { listed, plural } from "../../../pipeline/Words.ts"
import { describe } from "../../../postgres/Blockers.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { others } from "../../../postgres/OtherSessions.ts"
import { TargetInUse } from "../../VerbError.ts"

/** Fails with TargetInUse, naming them, where there are any. */
const refuse = Effect.fnUntraced(function* (
  why: string
): Effect.fn.Return<void, DatabaseError | TargetInUse, SqlClient.SqlClient> {
  const found = yield* others
  if (found.length === 0) return
  return yield* new TargetInUse({
    message: `${plural(found.length, "other session is", "other sessions are")} connected to the database, and this takes several transactions: ${why}.`,
    detail: listed(found.map(describe)).join("\n"),
    suggestion:
      "Stop what is connected there and try again. With --while-in-use they stay: they may see the schemas empty or half " +
      "filled, and what they write meanwhile may be lost.",
    state: "rolled-back"
  })
})

/** The step that makes sure of it, on the session "target". */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  /** Let them be. */
  readonly allowed: boolean
  readonly why: (needs: Task.PlannedNeeds<N>) => string
}) =>
  Task.make("sessions", {
    title: "Look for other sessions",
    session: "target",
    needs: options.needs,
    plan: (needs) =>
      Effect.succeed({
        value: undefined,
        rows: [
          options.allowed
            ? Plan.row("let other sessions go on, which may see half of it", { why: "--while-in-use" })
            : Plan.row("stop where other sessions are connected to the database", { why: "they would see half of it" })
        ],
        run: () => (options.allowed ? Effect.void : refuse(options.why(needs)))
      })
  })
