/** One view of the database from which several connections copy tables at the same time. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { CopiedOut } from "./copy/Copy.ts"
import { ConnectionFailed, type DatabaseError, StatementFailed } from "./DatabaseError.ts"
import { literal, qualified } from "./Identifier.ts"
import type { PoolerInBetween } from "./Pooler.ts"
import * as Session from "./Session.ts"
import * as Snapshot from "./Snapshot.ts"

/** A table that somebody wants to copy. */
export interface Lockable {
  readonly oid: number
  readonly schema: string
  readonly name: string
}

/** One of the connections. */
export interface Reader {
  /** It is in a transaction that reads the snapshot. */
  readonly session: Session.SessionService
  /**
   * Copies from a table; `sql` is a `COPY … TO STDOUT` of it alone. Where somebody waits for that table to himself, and
   * so would keep this connection waiting as well, it is read over the connection that has it locked already.
   */
  readonly copyOut: <E, R>(
    table: Pick<Lockable, "name" | "schema">,
    sql: string,
    take: (chunk: Uint8Array) => Effect.Effect<void, E, R>
  ) => Effect.Effect<CopiedOut, DatabaseError | E, R>
}

/** A snapshot, and who reads it. */
export interface SharedSnapshot {
  /** Its name, for `pg_dump --snapshot` and `SET TRANSACTION SNAPSHOT`. */
  readonly name: string
  readonly readers: ReadonlyArray<Reader>
}

/** How a snapshot is shared. */
export interface SharingOptions<E = never, R = never> {
  /** Connections that read. 1: the session itself reads, and no other connection is opened. */
  readonly jobs: number
  /** The tables that will be read, as they are now. It is run twice: before they are locked, and in the snapshot. */
  readonly tables: Effect.Effect<ReadonlyArray<Lockable>, E, R>
  /** How long to wait for the locks; for ever unless told. */
  readonly lockTimeout?: Duration.Input
  /** Read what policies show, where they hide rows from the role; without it such a table is an error. */
  readonly rowSecurity?: boolean
}

/** Name of the savepoint behind which a reader has a lock on no more than one table. */
const savepoint = `"pgark table"`

/** How often the tables may change between the look at them and their locks. */
const attempts = 5

/** What pg_dump sets for itself, so that its output does not depend on anybody's defaults. */
const settings = (rowSecurity: boolean): string =>
  [
    "SET LOCAL datestyle = ISO",
    "SET LOCAL intervalstyle = postgres",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL bytea_output = hex",
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
    `SET LOCAL row_security = ${rowSecurity ? "on" : "off"}`,
    // A schema can be renamed under a locked table; what takes its place must not be a view with functions of its own.
    `SELECT pg_catalog.set_config(name, 'view, foreign-table', true) FROM pg_catalog.pg_settings
       WHERE name = 'restrict_nonsystem_relation_kind'`,
    // Such a database has bytes and no characters: there is nothing that UTF8 could be made of.
    `SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', true)
       WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'`
  ].join("; ")

const nameOf = ({ name, schema }: Pick<Lockable, "name" | "schema">): string => qualified(schema, name)

const elsewhere = (database: string) =>
  new ConnectionFailed({
    message: `A second connection to "${database}" has met another server than the first.`,
    detail: "They were not started at the same moment: something between here and the server hands connections around.",
    suggestion: "Name the server itself in the URL, or work over one connection (--jobs 1).",
    state: "untouched"
  })

/** A connection to the very server of the session. */
const beside = (session: Session.SessionService) =>
  Effect.gen(function* () {
    const other = yield* Session.open(session.url, { allowPooler: session.pooler !== undefined })
    if (other.server.started !== session.server.started) return yield* elsewhere(session.url.database)
    return other
  })

/** Nobody can change a table's rows unseen any more: what has TRUNCATEd or rewritten it is done, or waits. */
const lock = (session: Session.SessionService, tables: ReadonlyArray<Lockable>) =>
  tables.length === 0
    ? Effect.void
    : Effect.asVoid(session.execute(`LOCK TABLE ONLY ${tables.map(nameOf).join(", ONLY ")} IN ACCESS SHARE MODE`))

/** SQLSTATE of a lock that is not to be had at once. */
const lockNotAvailable = "55P03"
/** What a table is called now is another one, or none: it has changed since it was looked at. */
const gone = new Set(["42P01", "3F000", "42809"])

class Changed {
  readonly _tag = "Changed"
}

/**
 * Locks the tables, then takes the snapshot. The other way round a TRUNCATE between the two would leave a table empty to
 * the snapshot, and a rewrite too. LOCK TABLE itself takes no snapshot.
 */
const taken = Effect.fnUntraced(function* <E, R>(
  session: Session.SessionService,
  tables: Effect.Effect<ReadonlyArray<Lockable>, E, R>,
  seen: ReadonlyArray<Lockable>
): Effect.fn.Return<string, DatabaseError | E | Changed, R> {
  yield* Effect.catchIf(
    lock(session, seen),
    ({ sqlstate }) => sqlstate !== undefined && gone.has(sqlstate),
    () => Effect.fail(new Changed())
  )
  const name = yield* Snapshot.exported(session)
  // Locks go by name: one that has another table's name by now is not locked.
  const locked = new Map(seen.map((table) => [table.oid, nameOf(table)]))
  const now = yield* tables
  if (now.some((table) => locked.get(table.oid) !== nameOf(table))) return yield* Effect.fail(new Changed())
  return name
})

/** Leaves no trace in the session's transaction. */
const passing = <A, E, R>(session: Session.SessionService, body: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    session.execute(`SAVEPOINT ${savepoint}`),
    () => body,
    () =>
      // A connection that is gone has undone it.
      session
        .execute(`ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}`)
        .pipe(Effect.catchTag("ConnectionFailed", () => Effect.void))
  )

const unsteady = (session: Session.SessionService) =>
  new StatementFailed({
    message: `Tables of "${session.url.database}" change too fast to be locked.`,
    suggestion: "Try again while nobody creates or drops tables.",
    state: "untouched"
  })

/**
 * Runs `use` with a snapshot of the session's database, the tables locked (ACCESS SHARE) and so many connections that
 * read it, each in a transaction of its own; all of it ends with `use`.
 *
 * The session must be in no transaction, or in one whose snapshot is taken anew for each statement and that is no
 * savepoint deep: then it is that one that is exported.
 *
 * Fails with ConnectionFailed where not all connections lead to one and the same server, with LockTimeout where somebody
 * does not let go of a table.
 */
export const share = <A, E, R, E2, R2>(
  session: Session.SessionService,
  options: SharingOptions<E2, R2>,
  use: (shared: SharedSnapshot) => Effect.Effect<A, E, R>
): Effect.Effect<A, DatabaseError | PoolerInBetween | E | E2, R | R2> =>
  Effect.scopedWith((scope) =>
    Effect.forEach(
      options.jobs > 1 ? Array.from({ length: options.jobs }) : [],
      () => Scope.provide(beside(session), scope),
      { concurrency: "unbounded" }
    ).pipe(Effect.flatMap((others) => sharing(session, others, options, use)))
  ).pipe(Effect.withSpan("SharedSnapshot.share"))

const sharing = Effect.fnUntraced(function* <A, E, R, E2, R2>(
  session: Session.SessionService,
  others: ReadonlyArray<Session.SessionService>,
  options: SharingOptions<E2, R2>,
  use: (shared: SharedSnapshot) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, DatabaseError | E | E2, R | R2> {
  const { lockTimeout, rowSecurity = false, tables } = options
  const own = session.status() === "I"
  const alone = yield* Semaphore.make(1)

  const reader =
    (other: Session.SessionService): Reader["copyOut"] =>
    (table, sql, take) =>
      Effect.suspend(() => {
        let begun = false
        const first = other.copyOut(
          `ROLLBACK TO SAVEPOINT ${savepoint}; LOCK TABLE ONLY ${nameOf(table)} IN ACCESS SHARE MODE NOWAIT; ${sql}`,
          (chunk) => {
            begun = true
            return take(chunk)
          }
        )
        // The session's own view is the snapshot as long as its transaction keeps one.
        if (!own) return first
        return Effect.catchIf(
          first,
          (error) => !begun && (error as Partial<DatabaseError>).sqlstate === lockNotAvailable,
          () => alone.withPermit(session.copyOut(sql, take))
        )
      })

  const readAll = Effect.fnUntraced(function* (name: string) {
    const set = `SET TRANSACTION SNAPSHOT ${literal(name)}; ${settings(rowSecurity)}; SAVEPOINT ${savepoint}`
    yield* Effect.forEach(
      others,
      // Its transaction ends with its connection: there is nothing in it to be kept.
      (other) => other.execute(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${set}`),
      { concurrency: "unbounded", discard: true }
    )
    const readers = others.map((other): Reader => ({ session: other, copyOut: reader(other) }))
    return yield* use({ name, readers })
  })
  const itself: Reader = { session, copyOut: (_, sql, take) => alone.withPermit(session.copyOut(sql, take)) }
  const readAlone = (name: string) => use({ name, readers: [itself] })
  const within = (name: string) => (others.length === 0 ? readAlone(name) : readAll(name))
  const set = session.execute(settings(rowSecurity))

  const attempt = Effect.flatMap(tables, (seen) => {
    const snapshot = taken(session, tables, seen)
    // Of a transaction that goes on the settings are its own again.
    if (!own && others.length > 0) return Effect.flatMap(snapshot, within)
    if (!own) return Effect.flatMap(snapshot, (name) => passing(session, Effect.andThen(set, within(name))))
    const run = Effect.flatMap(snapshot, (name) => Effect.andThen(set, within(name)))
    return session.transaction(run, { snapshot: true, ...(lockTimeout === undefined ? {} : { lockTimeout }) })
  })
  return yield* attempt.pipe(
    Effect.retry({ times: own ? attempts - 1 : 0, while: (error) => error instanceof Changed }),
    Effect.mapError((error) => (error instanceof Changed ? unsteady(session) : error))
  )
})
