/** Writes a dump of one moment, in the format that was asked for. */
import * as Effect from "effect/Effect"
import type { WrittenDump } from "../../dumps/DumpStore.ts"
import type { ConnectionFailed, LockTimeout, PermissionDenied } from "../../postgres/DatabaseError.ts"
import type { PgDumpFailed } from "../../postgres/PgDump.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import * as SharedSnapshot from "../../postgres/SharedSnapshot.ts"
import * as Snapshot from "../../postgres/Snapshot.ts"
import * as DataTables from "./DataTables.ts"
import * as DumpDirectory from "./DumpDirectory.ts"
import { behindOthers, explain, refusedConnection, refusedReaders } from "./DumpFailure.ts"
import { partialWords } from "./DumpSource.ts"
import * as PlainDump from "./PlainDump.ts"
import { type Prepared, prepare, type Writing } from "./Prepared.ts"

/** What says why a dump failed that was under way, as far as this session can tell. */
export const explaining = ({ options, source }: Pick<Writing, "options" | "source">) => ({
  PgDumpFailed: (failure: PgDumpFailed) => explain(failure, options, source),
  LockTimeout: (failure: LockTimeout) => Effect.flatMap(behindOthers(failure), Effect.fail),
  PermissionDenied: (failure: PermissionDenied) => explain(failure, options, source),
  ConnectionFailed: (failure: ConnectionFailed) => Effect.fail(refusedConnection(failure))
})

/** Is told that the dump has its name. */
type Done = (dump: WrittenDump) => Effect.Effect<void>

const plain = Effect.fnUntraced(function* (writing: Writing, prepared: Prepared, done: Done) {
  const { session, snapshot } = writing
  const write = (snapshot: string | undefined) =>
    PlainDump.write(writing, prepared, snapshot).pipe(Effect.tap(done), Effect.catchTags(explaining(writing)))
  return yield* snapshot === undefined ? Snapshot.share(session, write) : write(snapshot)
})

const directory = Effect.fnUntraced(
  function* (writing: Writing, prepared: Prepared, done: Done) {
    const { options, session, source } = writing
    const { what } = prepared
    const { lockWaitTimeout, rowSecurity = false } = what
    const sharing = {
      jobs: options.jobs,
      tables: DataTables.find(what, source.database),
      rowSecurity,
      ...(lockWaitTimeout === undefined ? {} : { lockTimeout: lockWaitTimeout })
    }
    return yield* SharedSnapshot.share(session, sharing, (shared) =>
      DumpDirectory.write(writing, prepared, shared).pipe(Effect.tap(done), Effect.catchTags(explaining(writing)))
    )
  },
  (write, { options: { jobs } }) =>
    write.pipe(
      Effect.scoped,
      Effect.catchTag("ConnectionFailed", (failure) => Effect.fail(refusedReaders(failure, jobs)))
    )
)

/** Writes the dump and what the catalogue says beside it, both of one moment. */
export const written = Effect.fnUntraced(function* (writing: Writing) {
  const { options, source } = writing
  const { partialRows } = source
  if (partialRows.length > 0) yield* note(`The dump will ${partialWords(partialRows, source.role)}.`)
  const prepared = yield* prepare(writing)
  let complete: WrittenDump | undefined
  const done: Done = (dump) => Effect.sync(() => void (complete = dump))
  const write = options.format === "directory" ? directory : plain
  const dump = yield* write(writing, prepared, done).pipe(
    // A dump that has its name is whole, even if the server goes away before the transaction that it read has ended.
    Effect.catch((failure) => (complete === undefined ? Effect.fail(failure) : Effect.succeed(complete)))
  )
  yield* RunMetrics.add(
    RunMetrics.rows,
    dump.manifest.tables.reduce((sum, { rows }) => sum + rows, 0)
  )
  return dump
})
