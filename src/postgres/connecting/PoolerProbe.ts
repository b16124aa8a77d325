/** What the connections of a client, and of others beside it, tell of a pooler in between. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Client } from "pg"
import * as Connecting from "../Connecting.ts"
import { ConnectionFailed, type DatabaseError } from "../DatabaseError.ts"
import type { DatabaseUrl } from "../DatabaseUrl.ts"
import { literal } from "../Identifier.ts"
import { guess, type PoolerFound } from "./KnownPoolers.ts"

/** How long another client is waited for that the pooler may have no backend for. */
const patience = "2 seconds"

/** What the test connections are called in `pg_stat_activity`. */
export const application = `${Connecting.defaultApplication} pooler test`

/** How long a backend may take to end with its client, through a proxy that has none to spare. */
const farewell = "1 second"

/** How many questions are put in turn, and the longest pause before one in milliseconds. */
const turns = 32
const pause = 5

/** How many others take part in that. */
const company = 3

interface Backend {
  readonly pid: number
}

const pidQuery = "SELECT pg_catalog.pg_backend_pid() AS pid"

const nowQuery = `
  SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.clock_timestamp()::pg_catalog.text AS now`

/** The process that answers; whether it was there before a moment on the server's clock. */
const sinceQuery = (before: string) => `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         (SELECT backend_start < ${literal(before)}::timestamptz FROM pg_catalog.pg_stat_activity
          WHERE pid = pg_catalog.pg_backend_pid()) AS older`

/** The process that answers; whether another one is still there. */
const thereQuery = (pid: number) => `
  SELECT pg_catalog.pg_backend_pid() AS pid,
         EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = ${pid}) AS there`

/** What comes of it, or nothing where it takes too long. */
const bounded = <A>(effect: Effect.Effect<A, DatabaseError>) => Effect.timeoutOption(effect, patience)

/** Another client's view; nothing where the pooler has no backend for it. It goes with the scope. */
const another = Effect.fnUntraced(function* <Row extends object>(
  url: DatabaseUrl,
  sql: string
): Effect.fn.Return<{ readonly client: Client; readonly row: Row } | undefined, DatabaseError, Scope.Scope> {
  const client = yield* Connecting.acquire(url, application)
  const seen = yield* bounded(Connecting.asking(client)<Row>(sql))
  if (seen._tag === "Some") return { client, row: seen.value }
  // A goodbye would wait for the answer that does not come.
  yield* Connecting.destroy(client)
  return undefined
})

/**
 * Whether another client's backend starts with it and ends with it: then there is nobody who keeps any. A pooler starts
 * one too where it has none to spare, and keeps it for the next client.
 */
const alone = Effect.fnUntraced(function* (
  url: DatabaseUrl,
  client: Client,
  pid: number
): Effect.fn.Return<"transaction" | "full" | "own" | undefined, DatabaseError> {
  const ask = Connecting.asking(client)
  const begun = yield* bounded(ask<Backend & { readonly now: string }>(nowQuery))
  // A client that has to wait for a backend has none of its own.
  if (begun._tag === "None" || begun.value.pid !== pid) return "transaction"
  const first = begun.value
  const other = yield* Effect.scoped(
    // Null where the role may not see it.
    Effect.map(another<Backend & { readonly older: boolean | null }>(url, sinceQuery(first.now)), (seen) => seen?.row)
  )
  if (other?.pid === pid) return "transaction"
  if (other === undefined) {
    // Whose own the backend is has it still. Else it is with somebody else.
    const again = yield* bounded(ask<Backend>(pidQuery))
    return again._tag === "Some" && again.value.pid === pid ? "full" : "transaction"
  }
  if (other.older !== false) return undefined
  const last = yield* ask<Backend & { readonly there: boolean }>(thereQuery(other.pid)).pipe(
    Effect.repeat({
      until: (row) => !row.there || row.pid !== pid,
      schedule: Schedule.max([Schedule.spaced("50 millis"), Schedule.during(farewell)])
    })
  )
  if (last.pid !== pid) return "transaction"
  return last.there ? undefined : "own"
})

/**
 * Whether several clients keep each its backend while they ask in turn. By turns alone, others that are at work at the
 * same time (a second probe, say) may lead a pooler to give each what it had before; that it does so by chance many
 * times, in an order and at a pace that chance decides, is out of the question. There are more than two because a name
 * or a balancer may stand for several poolers, and what those at different ones see of each other is nothing.
 */
const interleave = Effect.fnUntraced(
  function* (
    url: DatabaseUrl,
    client: Client,
    pid: number
  ): Effect.fn.Return<"transaction" | "session" | "full", DatabaseError, Scope.Scope> {
    const others = (yield* Effect.all(
      Array.from({ length: company }, () => another<Backend>(url, pidQuery)),
      { concurrency: "unbounded" }
    )).filter((other) => other !== undefined)
    if (others.length === 0) return "full"
    const players = [{ client, pid }, ...others.map((other) => ({ client: other.client, pid: other.row.pid }))]
    if (new Set(players.map((player) => player.pid)).size < players.length) return "transaction"
    for (let turn = 0; turn < turns; turn++) {
      yield* Effect.sleep(yield* Random.nextIntBetween(0, pause))
      const player = players[yield* Random.nextIntBetween(0, players.length, { halfOpen: true })]!
      const seen = yield* bounded(Connecting.asking(player.client)<Backend>(pidQuery))
      // A goodbye would wait for the answer that does not come.
      if (seen._tag === "None") yield* Connecting.destroy(player.client)
      if (seen._tag === "None" || seen.value.pid !== player.pid) return "transaction"
    }
    return "session"
  },
  (effect) => Effect.scoped(effect)
)

/**
 * The pooler on the other side of a connection that nothing was done on yet, else undefined.
 *
 * A server that answers by itself is known by the process that it named in its greeting, without anything more being
 * asked. Where it is another one, or none, others are let in for a moment: a proxy that gives every client a backend of
 * its own (Neon's before its direct hosts, Teleport) is told by those that end with their clients, and is none. Of all
 * else it is a pooler, in transaction mode where a backend is seen to change hands. Nothing is set for it.
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
  const seen = (yield* alone(url, client, pid)) ?? (yield* interleave(url, client, pid))
  const found: PoolerFound = guessed ?? { evidence: "process", name: "a pooler", mode: "unknown" }
  if (seen === "own") return guessed === undefined ? undefined : { ...found, mode: "session" }
  if (seen === "full") return { ...found, mode: "session", full: true }
  return { ...found, mode: seen }
})

/**
 * The process that answers a client, which a pooler has let in without having one yet. It gets the time that connecting
 * has; PgBouncer's own patience is two minutes, or without an end.
 */
export const backendPid = (url: DatabaseUrl, client: Client): Effect.Effect<number, DatabaseError> => {
  const seconds = Connecting.timeoutOf(url)
  return Connecting.asking(client)<Backend>(pidQuery).pipe(
    Effect.timeoutOrElse({
      duration: Duration.seconds(seconds),
      orElse: () =>
        Effect.fail(
          new ConnectionFailed({
            message: `Nothing answers behind ${url.host}:${url.port}.`,
            detail: `The login was accepted, and a first question got no answer within ${seconds} s.`,
            suggestion:
              "A pooler whose backends are all in use does so: connect to the server itself, wait until others have " +
              "left, or give it more time: --connect-timeout.",
            state: "untouched"
          })
        )
    }),
    Effect.map(({ pid }) => pid)
  )
}
