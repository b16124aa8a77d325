/** The step of an undoing that makes rights what they were before the restore, as far as no dump has them. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Journal } from "../../dumps/RestoreJournal.ts"
import * as Plan from "../../pipeline/Plan.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as Task from "../../pipeline/Task.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { Session } from "../../postgres/Session.ts"
import * as SchemaRights from "../../postgres/survey/SchemaRights.ts"

/** What is left as it is, by SQLSTATE: another role's to give, or about a role or an object that is gone. */
const excused = new Set(["42501", "42704", "42P01", "42883"])

/** Gives them, in an open transaction. What cannot be given stays as it is, with a note. */
export const give = Effect.fn("FormerRights.give")(function* ({
  grantees,
  newSchemas,
  rights,
  schemas
}: Pick<Journal, "grantees" | "newSchemas" | "rights" | "schemas">): Effect.fn.Return<
  void,
  DatabaseError,
  Session | SqlClient.SqlClient
> {
  const session = yield* Session
  const there = schemas.filter((schema) => !newSchemas.includes(schema))
  const statements = yield* SchemaRights.restore(rights, yield* SchemaRights.read(there, grantees))
  for (const sql of statements) {
    yield* session.savepoint("pgark right", session.execute(sql)).pipe(
      Effect.catchIf(
        ({ sqlstate = "" }) => excused.has(sqlstate),
        ({ message }) => note(`Left as it is: ${sql} (${message})`)
      )
    )
  }
})

/**
 * The task, on the session "target".
 *
 * @param undoes the journal of the restore that is taken back, which has the rights of then; nothing where it is absent
 * @param after the task that applies the dump, which changes rights too
 */
export const task = (undoes: Journal | undefined, after: Task.Any) =>
  Task.make("rights", {
    title: "Give back former rights",
    session: "target",
    after: [after.name],
    plan: () =>
      Effect.succeed({
        value: undefined,
        rows: [
          Plan.row("make rights on schemas, default privileges and what the restore granted what they were before it")
        ],
        run: () => (undoes === undefined ? Effect.void : give(undoes))
      })
  })
