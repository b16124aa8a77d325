/** What the connections of a client, and of others beside it, tell of a pooler in between. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Client } from "pg"
import * as Connecting from "./Connecting.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import type { DatabaseUrl } from "./DatabaseUrl.ts"
import { literal } from "./Identifier.ts"
import { guess, type PoolerFound } from "./KnownPoolers.ts"

/** How long another client is waited for that the pooler may have no backend for. */
const patience = "2 seconds"

/** What the test connections are called in `pg_stat_activity`. */
export const application = `${Connecting.defaultApplication} pooler test`

/** How long a pooler may take to make a backend that a client has left ready for the next one. */
const handover = "100 millis"

/** The process that answers; whether it was there before a moment on the server's clock. */
const backendQuery = (before: string) => `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         (SELECT backend_start < ${literal(before)}::timestamptz FROM pg_catalog.pg_stat_activity
          WHERE pid = pg_catalog.pg_backend_pid()) AS older`

const nowQuery = `
  SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.clock_timestamp()::pg_catalog.text AS now`

interface Backend {
  readonly pid: number
  /** Null where the role may not see it. */
  readonly older: boolean | null
}

/** What comes of it, or nothing where it takes too long. */
const bounded = <A>(effect: Effect.Effect<A, DatabaseError>) => Effect.timeoutOption(effect, patience)

/** Another client's view, in a transaction that stays open for as long as the scope does. */
const another = Effect.fnUntraced(function* (
  url: DatabaseUrl,
  before: string
): Effect.fn.Return<Backend | "refused" | undefined, DatabaseError, Scope.Scope> {
  const client = yield* Connecting.acquire(url, application)
  const ask = Connecting.asking(client)
  const seen = yield* bounded(
    ask("BEGIN").pipe(
      Effect.andThen(ask<Backend>(backendQuery(before))),
      // In statement mode PgBouncer lets nobody begin a transaction.
      Effect.catchIf(
        ({ sqlstate }) => sqlstate === "08P01",
        () => Effect.succeed("refused" as const)
      )
    )
  )
  if (seen._tag === "None") {
    // A goodbye would wait for the answer that does not come.
    yield* Connecting.destroy(client)
    return undefined
  }
  // A pooler closes a backend that a client leaves within a transaction, and hands it to nobody.
  yield* Effect.addFinalizer(() => Effect.ignore(bounded(ask("ROLLBACK"))))
  return seen.value
})

/**
 * What this client and others see of each other:
 *
 * - transaction: another client got this one's backend while this one was there, or this one was moved to another.
 * - session: it keeps its backend, and backends are handed from one client to the next, or wait for it.
 * - own: every client has a backend that starts and ends with it, as without a pooler.
 *
 * @param pid the process that answers this client
 */
const interleave = Effect.fnUntraced(function* (
  url: DatabaseUrl,
  client: Client,
  pid: number
): Effect.fn.Return<"transaction" | "session" | "full" | "own", DatabaseError> {
  const ask = Connecting.asking(client)
  const now = ask<{ readonly pid: number; readonly now: string }>(nowQuery)
  const first = yield* now
  if (first.pid !== pid) return "transaction"
  const meanwhile = yield* Effect.scoped(
    Effect.gen(function* () {
      const other = yield* another(url, first.now)
      if (other === "refused" || other?.pid === pid) return "transaction"
      // While the other one is in its transaction, or waits for a backend: whose own is none of this one's stays.
      const again = yield* bounded(now)
      if (again._tag === "None" || again.value.pid !== pid) return "transaction"
      if (other === undefined) return "full"
      return other.older === true ? "session" : undefined
    })
  )
  if (meanwhile !== undefined) return meanwhile
  const { now: left } = yield* now
  yield* Effect.sleep(handover)
  const next = yield* Effect.scoped(another(url, left))
  if (next === undefined) return "full"
  return next !== "refused" && next.older === true ? "session" : "own"
})

/**
 * The pooler on the other side of a connection that nothing was done on yet, else undefined.
 *
 * A server that answers by itself is known by the process that it named in its greeting, without anything more being
 * asked. Where it is another one, or none, others are let in for a moment to see whether they get this one's backend.
 * A proxy that gives every client a backend of its own (Neon's before its direct hosts, Teleport) is none.
 *
 * @param pid the process that answers the client, by `pg_backend_pid()`
 */
export const behind = Effect.fn("PoolerProbe.behind")(function* (
  url: DatabaseUrl,
  client: Client,
  pid: number
): Effect.fn.Return<PoolerFound | undefined, DatabaseError> {
  const guessed = guess(url)
  const known = guessed?.evidence === "host"
  if (!known && Connecting.backendOf(client) === pid) return undefined
  if (known && guessed.mode !== "unknown") return guessed
  const seen = yield* interleave(url, client, pid)
  const found: PoolerFound = guessed ?? { evidence: "process", name: "a pooler", mode: "unknown" }
  if (seen === "own") return guessed === undefined ? undefined : { ...found, mode: "session" }
  if (seen === "full") return { ...found, mode: "session", full: true }
  return { ...found, mode: seen }
})

/** The process that answers a client. */
export const backendPid = (client: Client): Effect.Effect<number, DatabaseError> =>
  Effect.map(
    Connecting.asking(client)<{ readonly pid: number }>("SELECT pg_catalog.pg_backend_pid() AS pid"),
    ({ pid }) => pid
  )
