/** Runs SQL of a dump over one session, in its order, in constant memory: statements as the bytes they are, COPY streamed. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DumpDamaged } from "../../dumps/DumpError.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { CopyStart, ScriptEvent } from "../../postgres/script/ScriptEvent.ts"
import { SqlScanner } from "../../postgres/script/SqlScript.ts"
import type { SessionService } from "../../postgres/Session.ts"
import type { Showing } from "./ApplyProgress.ts"
import { changedSince, type ReadStatement, type Statements } from "./Statements.ts"

export interface ScriptOptions<E, R> {
  readonly session: SessionService
  readonly statements: Statements
  readonly progress: Showing
  /** The next piece of the SQL, none behind the last. */
  readonly chunk: Effect.Effect<Option.Option<Uint8Array>, E, R>
  /** What it is called in errors. */
  readonly file: string
  /** Committed whenever the transaction may hold so many entries of the server's lock table; never unless told. */
  readonly budget?: number
  /** Rows that go into tables of this transaction are frozen as they come: nobody else has ever seen the tables. */
  readonly freeze?: boolean
  /** Told of every COPY that is in. */
  readonly copied?: Effect.Effect<void, E | DatabaseError, R>
}

/** The script's events one by one, read only as fast as they are taken; `undefined` behind the last. */
export const eventSource = <E, R>(
  chunk: Effect.Effect<Option.Option<Uint8Array>, E, R>
): Effect.Effect<ScriptEvent | undefined, E, R> => {
  const scanner = new SqlScanner()
  let queue: ReadonlyArray<ScriptEvent> = []
  let [at, ended] = [0, false]
  const refill: Effect.Effect<ScriptEvent | undefined, E, R> = Effect.flatMap(chunk, (bytes) => {
    ended = Option.isNone(bytes)
    queue = Option.isNone(bytes) ? scanner.end() : scanner.push(bytes.value)
    at = 0
    return next
  })
  const next: Effect.Effect<ScriptEvent | undefined, E, R> = Effect.suspend(() => {
    if (at < queue.length) return Effect.succeed(queue[at++])
    return ended ? Effect.undefined : refill
  })
  return next
}

const freezing = Buffer.from(" WITH (FREEZE)")

/** The same COPY, its rows frozen. */
const frozen = (read: ReadStatement): ReadStatement => ({
  ...read,
  bytes: read.bytes.map((sql) => Buffer.concat([sql, freezing]))
})

/** Whether the server takes its rows frozen: see `FREEZE` of COPY. */
const canFreeze = ({ kind }: ReadStatement, statements: Statements): boolean =>
  kind._tag === "CopyFrom" && kind.table !== undefined && kind.options === "" && statements.isFresh(kind.table)

/** Runs all of it in the session's open transaction. Fails with what the server refused, or DumpDamaged. */
export const run = Effect.fnUntraced(function* <E, R>(
  options: ScriptOptions<E, R>
): Effect.fn.Return<void, E | DumpDamaged | DatabaseError, R> {
  const { budget, file, progress, session, statements } = options
  const next = eventSource(options.chunk)

  const renewed = Effect.suspend(() => {
    if (budget === undefined || !statements.isFull(budget)) return Effect.void
    statements.begun()
    return session.renew
  })

  const copy = Effect.fnUntraced(function* (event: CopyStart) {
    const read = statements.read(event, file)
    if (!("kind" in read)) return yield* read
    progress.copy(read.kind._tag === "CopyFrom" ? read.kind.table : undefined)
    const sent = options.freeze === true && canFreeze(read, statements) ? frozen(read) : read
    const loaded = yield* statements.copy(session, sent, (write) =>
      Effect.gen(function* () {
        for (;;) {
          const data = yield* next
          if (data?._tag === "CopyData") {
            progress.data(data.bytes.length, data.rows)
            yield* write(data.bytes)
          } else if (data?._tag === "CopyEnd") return
          else return yield* changedSince("ends in the middle of a table's data", file, event.line)
        }
      })
    )
    progress.copied(loaded)
    if (options.copied !== undefined) yield* options.copied
  })

  for (;;) {
    const event = yield* next
    if (event === undefined) return
    if (event._tag === "Statement") {
      const read = statements.read(event, file)
      if (!("kind" in read)) return yield* read
      progress.begin(event, read.kind)
      progress.inserted(yield* statements.run(session, read))
      yield* renewed
    } else if (event._tag === "CopyStart") {
      yield* copy(event)
      yield* renewed
    } else if (event._tag === "Meta") {
      const refused = statements.readMeta(event, file)
      if (refused !== undefined) return yield* refused
    } else if (event._tag === "Unfinished" || event._tag === "Malformed") {
      return yield* changedSince("ends in the middle of a statement", file, event.line)
    }
  }
})
