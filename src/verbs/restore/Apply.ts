/**
 * Applies a dump's SQL over one session: statements as the bytes they are, COPY data streamed, in constant memory.
 *
 * It runs inside a transaction that the caller has opened, and leaves the session with pgark's own settings.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DumpDamaged } from "../../dumps/DumpError.ts"
import * as Progress from "../../pipeline/Progress.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import type { Completed } from "../../postgres/Completed.ts"
import {
  type DatabaseError,
  fieldsOf,
  isDatabaseError,
  type ServerFields,
  StatementFailed,
  withFields
} from "../../postgres/DatabaseError.ts"
import { DumpGuard } from "../../postgres/script/DumpGuard.ts"
import { literal, qualified, quote } from "../../postgres/Identifier.ts"
import type { NamedObject } from "../../postgres/ObjectName.ts"
import type { CopyStart, ScriptEvent, Statement } from "../../postgres/script/ScriptEvent.ts"
import { privilegeWarnings } from "../../postgres/Grants.ts"
import { ownSettings, type SessionService } from "../../postgres/Session.ts"
import { SqlScanner } from "../../postgres/script/SqlScript.ts"
import type { StatementKind } from "../../postgres/script/StatementKind.ts"
import { defaultSchema, StatementReader } from "../../postgres/script/StatementReader.ts"
import { FeatureReader } from "../../postgres/version/FeatureReader.ts"
import type { Feature } from "../../postgres/version/Features.ts"
import type { QualifiedName } from "../../postgres/script/StatementTokens.ts"
import type { Place } from "../../postgres/Sqlstate.ts"
import { ApplyProgress, type Expected } from "./ApplyProgress.ts"
import { type Decision, notGranted, type Policy } from "./StatementPolicy.ts"
import { RestoreFailed } from "../VerbError.ts"

export interface ApplyOptions<E> {
  readonly session: SessionService
  /** The next piece of the dump, none behind the last. */
  readonly chunk: Effect.Effect<Option.Option<Uint8Array>, E>
  /** The dump's name, for errors. */
  readonly file: string
  /** What it was proven to hold; of its SQL the SHA-256 must be the same. */
  readonly expected: Expected
  readonly decide: Policy
  /** Whether the server lacks a feature: what of it can be said otherwise is adapted. */
  readonly lacks: (feature: Feature) => boolean
  /** What the versions have to do with a refusal of the server. */
  readonly explained: Explained
  /** Committed whenever it may hold so many entries of the server's lock table; all in one transaction unless told. */
  readonly budget?: number
  /** Run when the last of so many COPY blocks is in: no policy or trigger is there yet, and no index. */
  readonly loaded?: { readonly after: number; readonly run: Effect.Effect<void, E | DatabaseError> }
}

/** Says more of a refusal. */
export type Explained = (fields: ServerFields) => Pick<ServerFields, "detail" | "suggestion">

/** What was applied. */
export interface Applied {
  /** Statements that the server executed, COPY included. */
  readonly statements: number
  /** Rows by table ({@link tableKey}), as the server counted them. */
  readonly rows: ReadonlyMap<string, number>
  /** Statements that were skipped, by reason. */
  readonly skipped: ReadonlyMap<string, number>
  /** Statements that were said otherwise, or left out, for what the server does not know, by reason. */
  readonly adapted: ReadonlyMap<string, number>
  /** What was not created, as a statement was skipped. */
  readonly missing: ReadonlyArray<NamedObject>
  /** Statements that wait for {@link finish}, in the dump's `encoding`. */
  readonly held: ReadonlyArray<HeldStatement>
  readonly encoding: string
}

/** A statement that is executed when nothing else is left to do. */
export interface HeldStatement {
  readonly bytes: Uint8Array
  readonly place: Place
  readonly decision: Decision
}

/**
 * What one statement takes of the lock table: a table with its TOAST table and the index of that, and what it refers to;
 * an index or a constraint with its tables.
 */
const entriesPerStatement = 4
/** What dropping something takes, with all that goes with it: of a table its columns' defaults, types, constraints … */
const entriesPerDrop = 24

/** The key of a table in {@link Applied.rows}. */
export const tableKey = ({ schema, name }: QualifiedName): string =>
  schema === undefined || schema === "" ? quote(name) : qualified(schema, name)

const explain =
  (explained: Explained) =>
  (error: DatabaseError): Exclude<DatabaseError, StatementFailed> | RestoreFailed => {
    const fields = { state: error.state ?? ("rolled-back" as const) }
    return error._tag === "StatementFailed"
      ? new RestoreFailed({ ...fieldsOf(error), ...explained(fieldsOf(error)), ...fields })
      : withFields(error, fields)
  }

/** The rows of an INSERT's command tag, `INSERT 0 2`. */
const inserted = (tag: string | undefined): number => Number(/^INSERT \d+ (\d+)$/.exec(tag ?? "")?.[1] ?? 0)

const note = (reasons: Map<string, number>, reason: string): void => {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
}

/** Executes a statement as it was decided; gives the command tag, or the reason where it was skipped. */
const executeOne = Effect.fnUntraced(function* (session: SessionService, { bytes, place, decision }: HeldStatement) {
  if (decision._tag === "Skip") {
    if (decision.instead !== undefined) yield* session.execute(decision.instead)
    return { skippedFor: decision.reason }
  }
  const { unless } = decision
  const execution: Effect.Effect<Executed, DatabaseError> = session.execute(bytes, place)
  const executed =
    unless === undefined
      ? yield* execution
      : yield* session.savepoint("pgark attempt", execution).pipe(
          Effect.catchIf(
            ({ sqlstate = "" }) => unless.has(sqlstate),
            ({ sqlstate = "" }) => Effect.succeed({ skippedFor: unless.get(sqlstate) ?? "" })
          )
        )
  if (session.status() !== "T") {
    return yield* new StatementFailed({
      message: "A statement of the dump ended pgark's transaction.",
      suggestion: "Look at the target before you do anything else: `pgark verify` holds it against the dump.",
      state: "unknown",
      ...place
    })
  }
  const unheeded = "notices" in executed && executed.notices.some(({ sqlstate }) => privilegeWarnings.has(sqlstate))
  return unheeded ? { skippedFor: notGranted } : executed
})
type Executed = Completed | { readonly skippedFor: string }

/**
 * Executes what {@link apply} has held back: owners that take from this role the right to look at what it restored.
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

/** Applies the whole script. Fails with what the server refused, with file, line and statement. */
export const apply = Effect.fn("Apply.apply")(function* <E extends { readonly _tag: string }>(
  options: ApplyOptions<E>
): Effect.fn.Return<Applied, E | DumpDamaged | RestoreFailed | Exclude<DatabaseError, StatementFailed>> {
  const { session, file } = options
  const reader = new StatementReader()
  const rows = new Map<string, number>()
  const skipped = new Map<string, number>()
  const adapted = new Map<string, number>()
  const held: Array<HeldStatement> = []
  const missing: Array<NamedObject> = []
  let [statements, copies, entries] = [0, 0, 0]
  const progress = yield* ApplyProgress.make(options.expected)
  /** A large object is open, which the end of the transaction would close. */
  let writing = false

  const guard = new DumpGuard()
  const features = new FeatureReader(options.lacks)
  const hash = createHash("sha256")
  const next = eventSource(
    Effect.tap(options.chunk, (chunk) => {
      if (Option.isNone(chunk)) return Effect.void
      progress.read(chunk.value.length)
      hash.update(chunk.value)
      return RunMetrics.add(RunMetrics.bytes, chunk.value.length)
    })
  )

  const damaged = (what: string, line: number) =>
    new DumpDamaged({
      message: `The dump ${what}. It has changed since it was proven.`,
      suggestion: "Restore another copy of the dump.",
      state: "rolled-back",
      file,
      line
    })

  const skip = (reason: string) => note(skipped, reason)

  const execute = (statement: HeldStatement) =>
    Effect.map(executeOne(session, statement), (executed) => {
      if ("skippedFor" in executed) return void skip(executed.skippedFor)
      statements++
      return executed.tag
    })

  /** The dump was found safe when it was proven; a file that has changed since is not trusted for that. */
  const judge = (event: ScriptEvent, kind?: StatementKind): Decision | DumpDamaged => {
    const verdict = guard.judge(event, kind)
    if (verdict._tag === "Refuse") return damaged("does what no restore may do", "line" in event ? event.line : 1)
    if (verdict._tag === "Skip") return verdict
    return kind === undefined ? { _tag: "Run" } : options.decide(kind, "entry" in event && event.entry !== undefined)
  }

  const renewed = Effect.suspend(() => {
    if (options.budget === undefined || entries < options.budget || writing) return Effect.void
    entries = 0
    return session.renew
  })

  const count = (table: QualifiedName, loaded: number) => {
    rows.set(tableKey(table), (rows.get(tableKey(table)) ?? 0) + loaded)
  }

  const statement = (event: Statement) => {
    const kind = reader.read(event.bytes)
    progress.begin(event, kind)
    const decision = judge(event, kind)
    if (decision instanceof DumpDamaged) return Effect.fail(decision)
    const place = { file, line: event.line }
    const { instead = [event.bytes], lacking } = features.read(kind, event.bytes, reader.decode)
    if (decision._tag === "Run") {
      for (const { adapted: reason } of lacking) if (reason !== undefined) note(adapted, reason)
    }
    const [bytes, ...after] = instead
    if (bytes === undefined && decision._tag === "Run") {
      if (kind._tag === "Create") missing.push({ name: "", ...kind })
      return Effect.void
    }
    entries += kind._tag === "Drop" ? entriesPerDrop : entriesPerStatement
    if (kind._tag === "LargeObjectCall") writing = kind.call === "lo_open" || kind.call === "lowrite"
    if (decision._tag === "Skip" || decision.later !== true) {
      // What is left as it is stays so whole.
      const executed = Effect.tap(execute({ bytes: bytes ?? event.bytes, place, decision }), (tag) =>
        tag === undefined
          ? Effect.void
          : Effect.forEach(after, (more) => session.execute(more, place), { discard: true })
      )
      return Effect.map(executed, (tag) => {
        if (kind._tag === "InsertInto") {
          count(kind.table, inserted(tag))
          progress.inserted(inserted(tag))
        }
        // The hollow form of a view is only there for others to need; the view itself follows.
        const isThere = decision._tag === "Skip" && decision.there === true
        if (kind._tag === "Create" && tag === undefined && kind.hollow !== true && !isThere) {
          missing.push({ name: "", ...kind })
        }
      })
    }
    // The event's bytes are a view of a chunk that would otherwise be kept whole.
    held.push({ bytes: Uint8Array.from(bytes ?? event.bytes), place, decision })
    return Effect.void
  }

  const copy = Effect.fnUntraced(function* (event: CopyStart) {
    const kind = reader.read(event.bytes)
    const decision = judge(event, kind)
    if (decision instanceof DumpDamaged) return yield* decision
    const table = kind._tag === "CopyFrom" ? kind.table : undefined
    progress.copy(table)
    const loaded = yield* session.copyIn(event.bytes, { file, line: event.line }, (write) =>
      Effect.gen(function* () {
        for (;;) {
          const data = yield* next
          if (data?._tag === "CopyData") {
            progress.data(data.bytes.length, data.rows)
            yield* write(data.bytes)
          } else if (data?._tag === "CopyEnd") return
          else return yield* damaged("ends in the middle of a table's data", event.line)
        }
      })
    )
    statements++
    progress.copied(loaded)
    entries += entriesPerStatement
    if (table !== undefined) count(table, loaded)
    if (++copies === options.loaded?.after) {
      progress.at("checksums of the rows")
      yield* options.loaded.run
    }
  })

  const all = Effect.gen(function* () {
    yield* session.execute(`SET search_path = ${quote(defaultSchema)}`)
    for (;;) {
      const event = yield* next
      if (event === undefined) break
      if (event._tag === "Statement") {
        yield* statement(event)
        yield* renewed
      } else if (event._tag === "CopyStart") {
        yield* copy(event)
        yield* renewed
      } else if (event._tag === "Meta") {
        const decision = judge(event)
        if (decision instanceof DumpDamaged) return yield* decision
        if (decision._tag === "Skip") skip(decision.reason)
      } else if (event._tag === "Unfinished" || event._tag === "Malformed") {
        return yield* damaged("ends in the middle of a statement", event.line)
      }
    }
    // Another program may have written to the file after it was proven; what was applied then is not what was proven.
    if (hash.digest("hex") !== options.expected.sql.sha256)
      return yield* damaged("is not the file that was read before", 1)
    progress.at("constraints that were deferred")
    yield* session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    yield* session.execute("RESET SESSION AUTHORIZATION")
    yield* session.execute("RESET ALL")
    yield* session.execute(ownSettings)
    yield* RunMetrics.add(
      RunMetrics.rows,
      [...rows.values()].reduce((sum, loaded) => sum + loaded, 0)
    )
    return { statements, rows, skipped, adapted, missing, held, encoding: reader.encoding }
  })
  return yield* Effect.mapError(Progress.telling(progress.look)(all), (error) =>
    isDatabaseError(error) ? explain(options.explained)(error) : error
  )
})

/** The script's events one by one, read only as fast as they are taken; `undefined` behind the last. */
const eventSource = <E>(
  chunk: Effect.Effect<Option.Option<Uint8Array>, E>
): Effect.Effect<ScriptEvent | undefined, E> => {
  const scanner = new SqlScanner()
  let queue: ReadonlyArray<ScriptEvent> = []
  let [at, ended] = [0, false]
  const refill: Effect.Effect<ScriptEvent | undefined, E> = Effect.flatMap(chunk, (bytes) => {
    ended = Option.isNone(bytes)
    queue = Option.isNone(bytes) ? scanner.end() : scanner.push(bytes.value)
    at = 0
    return next
  })
  const next: Effect.Effect<ScriptEvent | undefined, E> = Effect.suspend(() => {
    if (at < queue.length) return Effect.succeed(queue[at++])
    return ended ? Effect.undefined : refill
  })
  return next
}
