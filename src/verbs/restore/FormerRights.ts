/** The step of an undoing that makes the rights on schemas, and default privileges, what they were before the restore. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Plan from "../../pipeline/Plan.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as Task from "../../pipeline/Task.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { Session } from "../../postgres/Session.ts"
import * as SchemaRights from "../../postgres/survey/SchemaRights.ts"

/** Gives them, in an open transaction. What is another role's to give stays as it is, with a note. */
export const give = Effect.fn("FormerRights.give")(function* (
  former: ReadonlyArray<SchemaRights.Right>
): Effect.fn.Return<void, DatabaseError, Session | SqlClient.SqlClient> {
  const session = yield* Session
  const schemas = [...new Set(former.map(({ schema }) => schema))].filter((schema) => schema !== "")
  const statements = yield* SchemaRights.restore(former, yield* SchemaRights.read(schemas))
  for (const sql of statements) {
    yield* session
      .savepoint("pgark right", session.execute(sql))
      .pipe(Effect.catchTag("PermissionDenied", ({ message }) => note(`Left as it is: ${sql} (${message})`)))
  }
})

/**
 * The task, on the session "target".
 *
 * @param former the rights of then
 * @param after the task that applies the dump, which changes rights too
 */
export const task = (former: ReadonlyArray<SchemaRights.Right>, after: Task.Any) =>
  Task.make("rights", {
    title: "Give schemas their former rights",
    session: "target",
    after: [after.name],
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [Plan.row("give schemas the rights that they had before the restore, and default privileges too")],
        run: () => give(former)
      })
  })
