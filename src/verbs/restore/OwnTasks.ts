/**
 * Tasks of the caller inside a restore's transaction: masking e-mail addresses before anybody sees them, for example.
 *
 * They run one after another as the role would work by itself, with the search path, row security and timeouts that it
 * has, and not with a restore's.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import * as Pipeline from "../../pipeline/Pipeline.ts"
import type * as Task from "../../pipeline/Task.ts"
import { type DatabaseError, StatementFailed } from "../../postgres/DatabaseError.ts"
import { ownSettings, roleSettings, Session, type SessionService } from "../../postgres/Session.ts"

/** Tasks of the caller, as part of a restore. */
export interface WithTasks<T extends Task.Any> {
  /**
   * Done inside the transaction, after the verification and before the commit, in the order of their needs, else as
   * given. They work on the session of the restore, with the settings that its role has by itself; a `SqlClient` that
   * they ask for is that session's. When one fails, all of the restore is rolled back. They must not end the
   * transaction: `sql.withTransaction` is a savepoint in them.
   */
  readonly tasks?: ReadonlyArray<T>
}

const mark = 'SAVEPOINT "pgark tasks"'

const ended = (cause: DatabaseError) =>
  new StatementFailed({
    message: "A task of the caller has ended the transaction of the restore: what was done until then may be final.",
    detail: cause.message,
    suggestion:
      "Let the task use sql.withTransaction, which is a savepoint here, and not send BEGIN and COMMIT. " +
      "`pgark verify` holds the target against the dump.",
    state: "unknown"
  })

const wentOn = (cause: DatabaseError) =>
  new StatementFailed({
    message: "A task of the caller went on after one of its statements had failed, which no transaction allows.",
    detail: cause.message,
    suggestion: "Let the task fail too, or run what may fail in sql.withTransaction, which is a savepoint here.",
    state: "rolled-back"
  })

/** What the caller's tasks have done to the transaction, by SQLSTATE: no such savepoint, no transaction, a failed one. */
const misuse: Readonly<Record<string, (cause: DatabaseError) => StatementFailed>> = {
  "3B001": ended,
  "25P01": ended,
  "25P02": wentOn
}

/** Runs `body` in the open transaction. Its deferred constraints are checked, and pgark's settings back, afterwards. */
const within = <A, E, R>(session: SessionService, body: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      yield* session.execute(`${mark}; ${roleSettings}`)
      const exit = yield* restore(body).pipe(Effect.provideService(SqlClient.SqlClient, session.sql), Effect.exit)
      const after = Exit.isSuccess(exit)
        ? `SET CONSTRAINTS ALL IMMEDIATE; RELEASE ${mark}; ${roleSettings}; ${ownSettings}`
        : `ROLLBACK TO ${mark}`
      yield* session.execute(after).pipe(
        Effect.mapError((error) => misuse[error.sqlstate ?? ""]?.(error) ?? error),
        // With the connection gone there is nothing to put back, and the failure says more.
        Effect.catchTag("ConnectionFailed", (error) => (Exit.isSuccess(exit) ? Effect.fail(error) : Effect.void))
      )
      return yield* exit
    })
  )

/** Planning reads as running does, with the role's settings. No transaction is open then. */
const planning = <A, E, R>(session: SessionService, plan: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    session.execute(roleSettings),
    () => plan,
    (_, exit) =>
      session.execute(ownSettings).pipe(
        Effect.catchIf(
          () => Exit.isFailure(exit),
          () => Effect.void
        )
      )
  )

/**
 * The caller's tasks as one: in the order of their needs, else as given, all on the session "target" whatever they name.
 *
 * Fails with what they fail with, and with StatementFailed where one has ended the transaction (state `unknown`).
 *
 * @param after the task of ours that must have ended before
 * @param outside names of the other tasks of ours, which theirs may need
 * @throws PipelineInvalid where one of theirs has the name of one of ours
 */
export const task = <T extends Task.Any>(
  tasks: ReadonlyArray<T>,
  after: Task.Any,
  outside: ReadonlyArray<string>
): Task.Task<
  "tasks",
  unknown,
  Pipeline.Results<T>,
  DatabaseError | Task.Failure<T>,
  Session | SqlClient.SqlClient | Task.Services<T>
> => {
  const taken = [after.name, ...outside]
  const twice = tasks.find(({ name }) => taken.includes(name))
  if (twice !== undefined) throw new Pipeline.PipelineInvalid(`A task of the restore itself is named "${twice.name}".`)
  const own = Pipeline.asTask("tasks", {
    title: "The caller's own tasks",
    session: "target",
    needs: [after],
    pipeline: Pipeline.make(
      "tasks",
      tasks.map((one): T => ({ ...one, session: "target", sessions: ["target"] })),
      taken
    ),
    around: (run) => Effect.flatMap(Session, (session) => within(session, run))
  })
  return { ...own, plan: (planned) => Effect.flatMap(Session, (session) => planning(session, own.plan(planned))) }
}
