/** Runs the units of a graph on several connections: each takes the next one as soon as it is free. */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DumpDamaged } from "../../../dumps/DumpError.ts"
import { type DatabaseError, isDatabaseError, StatementFailed } from "../../../postgres/DatabaseError.ts"
import type { SessionService } from "../../../postgres/Session.ts"
import type { Statements } from "../Statements.ts"
import { type Connection, set, transaction } from "./Connections.ts"
import { copyRows, truncateSql } from "./CopyRows.ts"
import type { GraphProgress } from "./GraphProgress.ts"
import type { Settings } from "./ReadAhead.ts"
import type { RowSource, TablePart } from "./RowSource.ts"
import { Schedule as Order } from "./Schedule.ts"
import * as Tuning from "./Tuning.ts"
import { smallTable, type Step, type Unit } from "./Units.ts"

export interface RunningOptions<E, R> {
  readonly connections: ReadonlyArray<Connection>
  readonly units: ReadonlyArray<Unit>
  readonly source: RowSource<E, R>
  readonly statements: Statements
  /** What the dump has set for its rows. */
  readonly settings: Settings
  readonly progress: GraphProgress
  readonly lockTimeout: Duration.Input
  /** Whether the sessions may be set as it suits. */
  readonly tune: boolean
  /** Runs large objects and sequences, in the connection's open transaction. */
  readonly scripts: (connection: Connection, number: number) => Effect.Effect<void, E | DatabaseError | DumpDamaged, R>
  /** Adds up the rows. */
  readonly checksums: (session: SessionService) => Effect.Effect<void, E | DatabaseError, R>
}

/** SQLSTATE of a statement that the server has cancelled because two transactions waited for each other. */
const deadlock = "40P01"
/** SQLSTATE of what this role may not do. */
const denied = "42501"

/** The other transaction goes on meanwhile; then it is this one's turn. */
const again = Schedule.spaced("100 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 10 }))

/** How many processes may help with an index, when so many connections have nothing else to do. */
const helpers = (order: Order<Unit>, connections: number): number =>
  order.waiting > 0 ? 0 : Math.max(0, connections - order.running)

/** Runs all units, and fails with the first that fails: what others are at is cancelled. */
export const run = Effect.fn("Running.run")(function* <E, R>(
  options: RunningOptions<E, R>
): Effect.fn.Return<void, E | DatabaseError | DumpDamaged, R> {
  const { connections, lockTimeout, progress, settings, source, statements, tune } = options
  const order = new Order(options.units)
  let changed = Deferred.makeUnsafe<void>()
  const state = { stopped: false }

  /** Whoever waits looks again. */
  const tell = Effect.suspend(() => {
    const waiting = changed
    changed = Deferred.makeUnsafe<void>()
    return Deferred.succeed(waiting, undefined)
  })

  /** Where nothing interrupts, as in what takes a restore back, those who wait would wait for ever. */
  const stop = Effect.suspend(() => {
    state.stopped = true
    return tell
  })

  /** Rows of a part, counted when the transaction is committed. */
  const copy = (connection: Connection, number: number, part: TablePart, freeze: boolean) =>
    copyRows(connection.session, source, part, freeze, (bytes) => progress.sent(number, bytes))

  const counted = (part: TablePart, rows: number) => {
    statements.count(part, rows)
    progress.copied(rows)
  }

  const execute = Effect.fnUntraced(function* (connection: Connection, steps: ReadonlyArray<Step>) {
    for (const { post, sql } of steps) {
      yield* set(connection, post.settings, statements)
      yield* connection.session.execute(sql, post.read.place)
      if (connection.session.status() === "T") continue
      return yield* new StatementFailed({
        message: "A statement of the dump ended pgark's transaction.",
        suggestion: "Look at the target before you do anything else: `pgark verify` holds it against the dump.",
        ...post.read.place
      })
    }
  })

  const executed = (steps: ReadonlyArray<Step>) => {
    const whole = steps.filter(({ ends }) => ends)
    for (const { post } of whole) statements.record(post.read, { tag: "", notices: [] })
    progress.executed(whole.length)
  }

  const within = <A, E2, R2>(connection: Connection, body: Effect.Effect<A, E2, R2>) =>
    transaction(connection, body, { lockTimeout })

  /** Rows of a large table; where it has all of its rows here, they come as VACUUM would leave them. */
  const rows = Effect.fnUntraced(function* (connection: Connection, number: number, part: TablePart, alone: boolean) {
    const into = (freeze: boolean) =>
      within(
        connection,
        Effect.gen(function* () {
          yield* set(connection, settings, statements)
          // Only a table that this very transaction has emptied may be given frozen rows.
          if (freeze) yield* connection.session.execute(truncateSql(part))
          return yield* copy(connection, number, part, freeze)
        })
      )
    const loaded = alone
      ? Effect.catchIf(
          into(true),
          (error): error is DatabaseError & E => isDatabaseError(error) && error.sqlstate === denied,
          () => into(false)
        )
      : into(false)
    counted(part, yield* loaded)
  })

  const work = Effect.fnUntraced(function* (
    connection: Connection,
    number: number,
    unit: Unit
  ): Effect.fn.Return<void, E | DatabaseError | DumpDamaged, R> {
    const { session } = connection
    const { work } = unit
    switch (work._tag) {
      case "Rows":
        progress.begin(number, unit.name, work.part.bytes)
        return yield* rows(connection, number, work.part, work.alone)
      case "Tables": {
        const parts = work.tables.flatMap(({ parts }) => parts)
        progress.begin(
          number,
          unit.name,
          parts.reduce((sum, { bytes }) => sum + bytes, 0)
        )
        const loaded = yield* within(
          connection,
          Effect.gen(function* () {
            yield* set(connection, settings, statements)
            const loaded: Array<readonly [TablePart, number]> = []
            for (const { parts, steps } of work.tables) {
              for (const part of parts) loaded.push([part, yield* copy(connection, number, part, false)])
              yield* execute(connection, steps)
            }
            return loaded
          })
        )
        for (const [part, rows] of loaded) counted(part, rows)
        return executed(work.tables.flatMap(({ steps }) => steps))
      }
      case "Statements":
        progress.begin(number, unit.name)
        yield* within(
          connection,
          Effect.gen(function* () {
            const processes = tune && work.sorts && unit.weight > smallTable ? helpers(order, connections.length) : 0
            if (processes > 0) yield* session.execute(Tuning.withHelp(processes))
            yield* execute(connection, work.steps)
          })
        )
        return executed(work.steps)
      case "Scripts":
        return yield* within(connection, options.scripts(connection, number))
      case "Checksums":
        progress.begin(number, unit.name)
        return yield* within(connection, options.checksums(session))
      case "Nothing":
        return
    }
  })

  const runOne = (connection: Connection, number: number, unit: Unit) =>
    work(connection, number, unit).pipe(
      Effect.retry({
        schedule: again,
        // A script is read once.
        while: (error) => unit.work._tag !== "Scripts" && isDatabaseError(error) && error.sqlstate === deadlock
      })
    )

  const turn = Effect.fnUntraced(function* (connection: Connection, number: number) {
    while (!order.finished && !state.stopped) {
      const unit = order.take()
      if (unit === undefined) {
        progress.end(number)
        yield* Deferred.await(changed)
        continue
      }
      yield* Effect.onError(runOne(connection, number, unit), () => stop)
      order.done(unit)
      yield* tell
    }
    progress.end(number)
  })

  yield* Effect.forEach(connections, turn, { concurrency: "unbounded", discard: true })
})
