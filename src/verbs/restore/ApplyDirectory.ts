/**
 * Applies a dump whose rows are by themselves: a folder, or another database. Over one connection everything goes into
 * the open transaction; over several, into transactions of their own.
 */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { SqlPart } from "../../dumps/directory/Layout.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { PoolerInBetween } from "../../postgres/Pooler.ts"
import { ownSettings, type SessionService } from "../../postgres/Session.ts"
import { isTruncatePublished } from "../../postgres/survey/Publications.ts"
import { type ApplyError, type ApplyOptions, beginning, ending, showing } from "./Apply.ts"
import * as Connections from "./parallel/Connections.ts"
import { copyRows } from "./parallel/CopyRows.ts"
import { GraphProgress } from "./parallel/GraphProgress.ts"
import { readAhead } from "./parallel/ReadAhead.ts"
import type { RowSource } from "./parallel/RowSource.ts"
import * as Running from "./parallel/Running.ts"
import * as Tuning from "./parallel/Tuning.ts"
import { unitsOf } from "./parallel/Units.ts"
import * as Script from "./Script.ts"
import { type Applied, Statements } from "./Statements.ts"

/** SQL of a part of a dump. */
export interface SqlText<E, R> {
  /** What it is called in errors. */
  readonly file: string
  /** The next piece, none behind the last. */
  readonly pull: Effect.Effect<Option.Option<Uint8Array>, E, R>
}

/** A dump whose rows are by themselves. */
export interface Divided<E, R> {
  /** Opens a part; one that there is not is empty. */
  readonly sql: (part: SqlPart) => Effect.Effect<SqlText<E, R>, E, R | Scope.Scope>
  readonly rows: RowSource<E, R>
}

export interface ApplyDividedOptions<E, R> extends Omit<ApplyOptions<E, R>, "loaded"> {
  readonly source: Divided<E, R>
  /** Run when all rows are in, on the connection that has time. */
  readonly loaded?: (session: SessionService) => Effect.Effect<void, E | DatabaseError, R>
}

/** Applies it in the session's open transaction. Fails with what the server refused, with file, line and statement. */
export const applyInOne = Effect.fn("ApplyDirectory.applyInOne")(function* <E extends { readonly _tag: string }, R>(
  options: ApplyDividedOptions<E, R>
): Effect.fn.Return<Applied, E | ApplyError, R> {
  const { budget, loaded, session, source } = options
  const { parts } = source.rows
  const statements = new Statements(options)
  const progress = yield* GraphProgress.make(options.expected, parts)
  const script = (part: SqlPart) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { file, pull } = yield* source.sql(part)
        yield* Script.run({
          session,
          statements,
          progress: progress.script(0),
          chunk: pull,
          file,
          ...(budget === undefined ? {} : { budget })
        })
      })
    )
  const all = Effect.gen(function* () {
    yield* beginning(session)
    yield* script("pre-data")
    for (const part of parts) {
      progress.begin(0, part.name, part.bytes)
      const freeze = options.freeze === true && statements.isFresh(part)
      const rows = yield* copyRows(session, source.rows, part, freeze, (bytes) => progress.sent(0, bytes))
      statements.count(part, rows)
      progress.copied(rows)
    }
    if (loaded !== undefined) {
      progress.begin(0, "checksums of the rows")
      yield* loaded(session)
    }
    for (const part of ["large-objects", "sequences", "post-data"] as const) yield* script(part)
    progress.begin(0, "constraints that were deferred")
    yield* ending(session, statements.applied)
    return statements.applied
  })
  return yield* showing(progress, options.explained)(all)
})

export interface ApplyInSeveralOptions<E, R> extends ApplyDividedOptions<E, R> {
  readonly jobs: number
  /** Entries of the server's lock table that all transactions together may take. */
  readonly budget: number
  readonly lockTimeout: Duration.Input
  readonly tune: boolean
  /** Within the first transaction, before anything else, and in the last one, behind everything else. */
  readonly first: Effect.Effect<void, E | DatabaseError, R>
  readonly last: Effect.Effect<void, E | DatabaseError, R>
}

/**
 * Applies it over several connections, the session's own among them, which is in no transaction: pre-data, then rows,
 * indexes and foreign keys side by side, then the rest of post-data in its order. All of that is committed bit by bit, and
 * on disk when this returns. What fails, stops everything; what was committed by then stays.
 */
export const applyInSeveral = Effect.fn("ApplyDirectory.applyInSeveral")(function* <
  E extends { readonly _tag: string },
  R
>(options: ApplyInSeveralOptions<E, R>): Effect.fn.Return<Applied, E | ApplyError | PoolerInBetween, R> {
  const { jobs, loaded, lockTimeout, session, source, tune } = options
  const budget = Math.max(1, Math.floor(options.budget / jobs))
  const { parts } = source.rows
  const statements = new Statements(options)
  const progress = yield* GraphProgress.make(options.expected, parts)
  const script = (on: SessionService, number: number, part: SqlPart) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { file, pull } = yield* source.sql(part)
        statements.begun()
        yield* Script.run({ session: on, statements, progress: progress.script(number), chunk: pull, file, budget })
      })
    )
  const all = Effect.gen(function* () {
    const connections = yield* Connections.open(session, jobs)
    if (tune) {
      const tuning = Tuning.ofSeveral(yield* Tuning.read(session, jobs))
      for (const { session } of connections) yield* session.execute(tuning)
    }
    yield* session.transaction(
      Effect.gen(function* () {
        yield* options.first
        yield* beginning(session)
        yield* script(session, 0, "pre-data")
      }),
      { lockTimeout }
    )
    const { post, settings } = yield* Effect.scoped(
      Effect.gen(function* () {
        const { file, pull } = yield* source.sql("post-data")
        return yield* readAhead({ statements, chunk: pull, file })
      })
    )
    const { rest, units } = unitsOf({
      parts,
      post,
      // A subscriber would empty its table, too, and have it so even if all of this is taken back.
      mayEmpty: !(yield* isTruncatePublished(session.sql)),
      isPlain: (table) => statements.isPlain(table),
      isHeir: (table) => statements.isHeir(table),
      decode: statements.decode,
      scripts: options.expected.largeObjects.bytes,
      checksums: loaded !== undefined,
      budget
    })
    yield* Running.run({
      connections,
      units,
      source: source.rows,
      statements,
      settings,
      progress,
      lockTimeout,
      tune,
      scripts: ({ session }, number) =>
        Effect.andThen(script(session, number, "large-objects"), script(session, number, "sequences")),
      checksums: loaded ?? (() => Effect.void)
    })
    const [main] = connections
    yield* session.transaction(
      Effect.gen(function* () {
        statements.begun()
        for (const { read, settings } of rest) {
          if (main !== undefined) yield* Connections.set(main, settings, statements)
          progress.begin(0, read.entry === undefined ? read.kind._tag : `${read.entry.type} ${read.entry.name}`)
          yield* statements.run(session, read)
          progress.executed(1)
          if (!statements.isFull(budget)) continue
          statements.begun()
          yield* session.renew
        }
        progress.begin(0, "constraints that were deferred")
        yield* ending(session, statements.applied)
        yield* options.last
        // The settings are the session's own again: this commit waits for the disk, and for all that were before it.
        yield* session.execute(Tuning.durable)
      }),
      { lockTimeout }
    )
    return statements.applied
  }).pipe(
    Effect.scoped,
    // Whoever brings back what was there does so in a session of pgark's own settings.
    Effect.onError(() => Effect.ignore(session.execute(`RESET SESSION AUTHORIZATION; RESET ALL; ${ownSettings}`)))
  )
  return yield* showing(progress, options.explained)(all)
})
