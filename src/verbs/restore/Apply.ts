/**
 * Applies a dump over one session: statements as the bytes they are, COPY data streamed, in constant memory.
 *
 * It runs inside a transaction that the caller has opened, and leaves the session with pgark's own settings.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DumpDamaged } from "../../dumps/DumpError.ts"
import * as Progress from "../../pipeline/Progress.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import { type DatabaseError, isDatabaseError, type StatementFailed } from "../../postgres/DatabaseError.ts"
import { literal, quote } from "../../postgres/Identifier.ts"
import { defaultSchema } from "../../postgres/script/StatementReader.ts"
import { ownSettings, type SessionService } from "../../postgres/Session.ts"
import type { RestoreFailed } from "../VerbError.ts"
import { ApplyProgress, type Expected } from "./ApplyProgress.ts"
import * as Script from "./Script.ts"
import {
  type Applied,
  changedSince,
  executeOne,
  explain,
  type Explained,
  note,
  Statements,
  type StatementsOptions
} from "./Statements.ts"

/** What both forms of a dump are applied with. */
export interface ApplyOptions<E, R> extends StatementsOptions {
  readonly session: SessionService
  /** What the dump was proven to hold. */
  readonly expected: Expected
  /** What the versions have to do with a refusal of the server. */
  readonly explained: Explained
  /** Committed whenever it may hold so many entries of the server's lock table; all in one transaction unless told. */
  readonly budget?: number
  /** Rows of tables that the transaction has created are frozen as they come. */
  readonly freeze?: boolean
  /** Run when all rows are in: no policy or trigger is there yet, and no index. */
  readonly loaded?: Effect.Effect<void, E | DatabaseError, R>
}

export interface ApplyPlainOptions<E, R> extends ApplyOptions<E, R> {
  /** The next piece of the dump, none behind the last. */
  readonly chunk: Effect.Effect<Option.Option<Uint8Array>, E, R>
  /** The dump's name, for errors. */
  readonly file: string
}

/** What applying fails with, beside what the dump is read with. */
export type ApplyError = DumpDamaged | RestoreFailed | Exclude<DatabaseError, StatementFailed>

/**
 * Executes what was held back: owners that take from this role the right to look at what it restored.
 * To be run when all is granted and verified.
 */
export const finish = Effect.fn("Apply.finish")(function* (
  session: SessionService,
  applied: Applied,
  explained: Explained
): Effect.fn.Return<Applied, RestoreFailed | Exclude<DatabaseError, StatementFailed>> {
  if (applied.held.length === 0) return applied
  const skipped = new Map(applied.skipped)
  let { statements } = applied
  const all = Effect.gen(function* () {
    if (applied.encoding !== "") yield* session.execute(`SET client_encoding = ${literal(applied.encoding)}`)
    for (const statement of applied.held) {
      const executed = yield* executeOne(session, statement)
      if ("tag" in executed) statements++
      else note(skipped, executed.skippedFor)
    }
    yield* session.execute(ownSettings)
  })
  yield* Effect.mapError(all, explain(explained))
  return { ...applied, statements, skipped, held: [] }
})

/** What a script finds that sets no search_path of its own. */
export const beginning = (session: SessionService) => session.execute(`SET search_path = ${quote(defaultSchema)}`)

/** After a dump's last statement: what it has put off is checked, and the session is pgark's own again. */
export const ending = Effect.fnUntraced(function* (session: SessionService, { rows }: Applied) {
  yield* session.execute("SET CONSTRAINTS ALL IMMEDIATE")
  yield* session.execute("RESET SESSION AUTHORIZATION")
  yield* session.execute("RESET ALL")
  yield* session.execute(ownSettings)
  yield* RunMetrics.add(
    RunMetrics.rows,
    [...rows.values()].reduce((sum, loaded) => sum + loaded, 0)
  )
})

/** Shows how far it is, and says of the server's refusals what a restore has to say of them. */
export const showing =
  (progress: { readonly look: ApplyProgress["look"] }, explained: Explained) =>
  <A, E extends { readonly _tag: string }, R>(all: Effect.Effect<A, E, R>) =>
    Effect.mapError(
      Progress.telling(progress.look)(all),
      (error): Exclude<E, DatabaseError> | Exclude<DatabaseError, StatementFailed> | RestoreFailed =>
        isDatabaseError(error) ? explain(explained)(error) : (error as Exclude<E, DatabaseError>)
    )

/** Applies the whole script of a plain dump. Fails with what the server refused, with file, line and statement. */
export const apply = Effect.fn("Apply.apply")(function* <E extends { readonly _tag: string }, R>(
  options: ApplyPlainOptions<E, R>
): Effect.fn.Return<Applied, E | ApplyError, R> {
  const { expected, file, loaded, session } = options
  const progress = yield* ApplyProgress.make(expected)
  const statements = new Statements(options)
  const hash = createHash("sha256")
  let copies = 0
  const copied = Effect.suspend(() => {
    if (++copies !== expected.copies || loaded === undefined) return Effect.void
    progress.at("checksums of the rows")
    return loaded
  })
  const all = Effect.gen(function* () {
    yield* beginning(session)
    yield* Script.run({
      ...options,
      statements,
      progress,
      copied,
      chunk: Effect.tap(options.chunk, (chunk) => {
        if (Option.isNone(chunk)) return Effect.void
        progress.read(chunk.value.length)
        hash.update(chunk.value)
        return RunMetrics.add(RunMetrics.bytes, chunk.value.length)
      })
    })
    // Another program may have written to the file after it was proven; what was applied then is not what was proven.
    if (hash.digest("hex") !== expected.sql.sha256)
      return yield* changedSince("is not the file that was read before", file, 1)
    progress.at("constraints that were deferred")
    yield* ending(session, statements.applied)
    return statements.applied
  })
  return yield* showing(progress, options.explained)(all)
})
