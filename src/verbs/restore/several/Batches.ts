/** Dropping in transactions that the server's lock table holds. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Progress from "../../../pipeline/Progress.ts"
import { plural } from "../../../pipeline/Words.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import type { SessionService } from "../../../postgres/Session.ts"
import { type DropBatch, dropBatches } from "../../../postgres/survey/DropBatches.ts"
import type { Dependency, Droppable } from "../../../postgres/survey/DropOrder.ts"
import { type ForeignKey, readForeignKeys } from "../../../postgres/survey/ForeignKeys.ts"
import { readLockTable } from "../../../postgres/survey/LockTable.ts"
import { dropWeightOf, type LockWeights, readLockWeights } from "../../../postgres/survey/LockWeights.ts"
import * as LargeObjects from "../../clean/LargeObjects.ts"
import { survey } from "../../../postgres/survey/Survey.ts"
import { defaultLockTimeout } from "../../clean/Lock.ts"
import { budgetOf } from "../Way.ts"

/** What a batch consists of. */
export type Batch = DropBatch<Droppable | ForeignKey>

/** The batches that drop these objects. */
export const of = (
  objects: ReadonlyArray<Droppable>,
  dependencies: ReadonlyArray<Dependency>,
  options: {
    readonly budget: number
    readonly weights: LockWeights
    readonly foreignKeys: ReadonlyArray<ForeignKey>
  }
): ReadonlyArray<Batch> => {
  const { budget, foreignKeys, weights } = options
  return dropBatches(objects, dependencies, { budget, foreignKeys, weightOf: dropWeightOf(weights) })
}

/** Runs them, each in a transaction of its own, which waits so long for what others hold; 30 seconds unless told. */
export const run = Effect.fn("Batches.run")(function* (
  session: SessionService,
  batches: ReadonlyArray<Batch>,
  lockTimeout: Duration.Input = defaultLockTimeout
): Effect.fn.Return<void, DatabaseError> {
  yield* Progress.each(
    batches,
    {
      what: "dropped",
      unit: "statements",
      name: ({ statements }, index) => `transaction ${index + 1}: ${plural(statements.length, "DROP statement")}`
    },
    ({ statements }) => {
      const all = Effect.forEach(statements, ({ sql }) => session.execute(sql), { discard: true })
      return session.transaction(all, { lockTimeout })
    }
  )
})

/** Unlinks those of these large objects that there are, in transactions that the server's lock table holds. */
export const unlink = Effect.fn("Batches.unlink")(function* (
  session: SessionService,
  oids: ReadonlyArray<string>
): Effect.fn.Return<void, DatabaseError> {
  for (const { sql } of LargeObjects.unlink(oids)) {
    yield* session.transaction(session.execute(sql), { lockTimeout: defaultLockTimeout })
  }
})

/** Drops all that stands in these schemas, as it is found now, less what extensions own. */
export const emptySchemas = Effect.fn("Batches.emptySchemas")(function* (
  session: SessionService,
  schemas: ReadonlyArray<string>
): Effect.fn.Return<void, DatabaseError, SqlClient.SqlClient> {
  if (schemas.length === 0) return
  const found = yield* survey({ schemas })
  const { versionNumber } = found.server
  const objects = found.objects.filter(({ extension }) => extension === null)
  const batches = of(objects, found.dependencies, {
    budget: budgetOf(yield* readLockTable(versionNumber)),
    weights: yield* readLockWeights(schemas, versionNumber),
    foreignKeys: yield* readForeignKeys(schemas)
  })
  yield* run(session, batches)
})
