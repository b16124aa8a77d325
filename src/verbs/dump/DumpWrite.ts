/** Writes a dump of one moment, in the format that was asked for. */
import * as Effect from "effect/Effect"
import type { WrittenDump } from "../../dumps/DumpStore.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import * as Snapshot from "../../postgres/Snapshot.ts"
import { explain, refusedConnection } from "./DumpFailure.ts"
import { partialWords } from "./DumpSource.ts"
import * as PlainDump from "./PlainDump.ts"
import { prepare, type Writing } from "./Prepared.ts"

/** Writes the dump and what the catalogue says beside it, both of one moment. */
export const written = Effect.fnUntraced(function* (writing: Writing) {
  const { options, session, snapshot: given, source } = writing
  const { partialRows } = source
  if (partialRows.length > 0) yield* note(`The dump will ${partialWords(partialRows, source.role)}.`)
  const prepared = yield* prepare(writing)
  let complete: WrittenDump | undefined
  const shared: typeof Snapshot.share = (session, use) =>
    given === undefined ? Snapshot.share(session, use) : use(given)
  const dump = yield* shared(session, (snapshot) =>
    PlainDump.write(writing, prepared, snapshot).pipe(
      Effect.tap((dump) => Effect.sync(() => (complete = dump))),
      Effect.catchTags({
        PgDumpFailed: (failure) => explain(failure, options, source),
        PermissionDenied: (failure) => explain(failure, options, source),
        ConnectionFailed: (failure) => Effect.fail(refusedConnection(failure))
      })
    )
  ).pipe(
    // A dump that has its name is whole, even if the server goes away before the transaction that it read has ended.
    Effect.catch((failure) => (complete === undefined ? Effect.fail(failure) : Effect.succeed(complete)))
  )
  yield* RunMetrics.add(
    RunMetrics.rows,
    dump.manifest.tables.reduce((sum, { rows }) => sum + rows, 0)
  )
  return dump
})
