/** The clean step where it does not fit into one transaction: the content of the schemas goes in several. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Task from "../../../pipeline/Task.ts"
import { listed, plural } from "../../../pipeline/Words.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { Session } from "../../../postgres/Session.ts"
import type { OutsideDependent } from "../../../postgres/survey/Outside.ts"
import { readForeignKeys } from "../../../postgres/survey/ForeignKeys.ts"
import * as Clean from "../../Clean.ts"
import { defaultLockTimeout } from "../../clean/Lock.ts"
import * as Dependents from "../../clean/Dependents.ts"
import { census, type Rung, type RungStatement } from "../../clean/Ladder.ts"
import { CleanBlocked, type CleanRefused } from "../../VerbError.ts"
import type { Course } from "../Choosing.ts"
import * as Batches from "./Batches.ts"

/** What the batches drop, as a rung says it. */
const statementOf = (batches: ReadonlyArray<Batches.Batch>): ReadonlyArray<RungStatement> => {
  const statements = batches.flatMap(({ statements }) => statements)
  return statements.length === 0
    ? []
    : [
        {
          sql: batches.map(({ statements }) => statements.map(({ sql }) => sql).join("; ")).join("; COMMIT; "),
          what: `drop ${census(statements.flatMap(({ objects }) => objects))}, in ${plural(batches.length, "transaction")}`,
          destroys: true
        }
      ]
}

const forGood = (outside: ReadonlyArray<OutsideDependent>, why: string) =>
  new CleanBlocked({
    message: `What stands outside of the schemas would be lost even if the restore failed, as it takes several transactions: ${why}.`,
    detail: listed(outside.map(Dependents.describe)).join("\n"),
    suggestion: "Drop it first, and create it again afterwards; then --cascade-outside is not needed.",
    state: "untouched",
    blockers: outside.map((one) => ({
      what: one.description,
      owner: one.owner,
      why: `it depends on ${one.on}`,
      wants: "choice" as const,
      remedy: `Drop the ${one.description} first, and create it again afterwards.`
    }))
  })

/**
 * Empties the surveyed schemas on the session "target", on which no transaction is open; they are kept themselves.
 *
 * @param options.what what is to be emptied, and how; undefined where nothing is
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly cascadeOutside: boolean
  /** How long others may hold what goes; 30 seconds unless told. */
  readonly lockTimeout?: Duration.Input | undefined
  readonly what: (needs: Task.PlannedNeeds<N>) => (Clean.Emptying & { readonly course: Course }) | undefined
}): Task.Task<
  "clean",
  undefined,
  Clean.CleanReport | undefined,
  CleanBlocked | CleanRefused | DatabaseError,
  Session | SqlClient.SqlClient
> =>
  Task.make("clean", {
    title: "Empty the target, in several transactions",
    session: "target",
    needs: options.needs,
    plan: Effect.fnUntraced(function* (needs) {
      const emptying = options.what(needs)
      if (emptying === undefined) {
        return { value: undefined, does: "nothing" as const, rows: [], run: () => Effect.undefined }
      }
      const { course, survey } = emptying
      const lockTimeout = options.lockTimeout ?? defaultLockTimeout
      const found = yield* Clean.decided(emptying, options.cascadeOutside)
      const { beside, outside, rungs } = found.ladder
      // The safety dump has nothing of theirs, and what has been dropped is committed when the restore fails.
      if (outside.length > 0) return yield* forGood(outside, course.why)
      // The last one keeps the schemas.
      const last = rungs.at(-1)
      const foreignKeys = yield* readForeignKeys(survey.schemas.map(({ name }) => name))
      const batches = Batches.of(last?.drops ?? [], survey.dependencies, { ...course, foreignKeys })
      const rung: Rung | undefined = last && {
        ...last,
        why: course.why,
        statements: [...statementOf(batches), ...last.behind]
      }
      return {
        value: undefined,
        rows: Clean.rowsOf(emptying, found, rung),
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            const all = (statements: ReadonlyArray<RungStatement>) =>
              session.transaction(
                Effect.forEach(statements, ({ sql }) => session.execute(sql), { discard: true }),
                { lockTimeout }
              )
            for (const statement of beside) yield* all([statement])
            yield* Batches.run(session, batches, lockTimeout)
            yield* all(rung?.behind ?? [])
            const report: Clean.CleanReport = {
              rung: rung === undefined ? 0 : rung.rung,
              why: course.why,
              dropped: Clean.destroyed([...beside, ...(rung?.statements ?? [])]),
              stays: rung?.stays ?? [],
              lost: found.lost,
              outside: found.outside
            }
            return report
          })
      }
    })
  })
