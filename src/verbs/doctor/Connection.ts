/** The way to the server: whether it answers, how fast, encrypted, through whom, and whether its clock is ours. */
import { Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Client } from "pg"
import * as Connecting from "../../postgres/Connecting.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { type DatabaseUrl, server } from "../../postgres/DatabaseUrl.ts"
import * as Pooler from "../../postgres/Pooler.ts"
import * as PoolerProbe from "../../postgres/connecting/PoolerProbe.ts"
import type { SessionOptions } from "../../postgres/Session.ts"
import { about, everything } from "./Check.ts"
import type { Visit } from "./Visit.ts"

/** How long it may take to connect, to each server of several, to tell a pooler from a server, and to get answers. */
const patience = (url: DatabaseUrl): Duration.Input =>
  Duration.seconds(3 * Connecting.timeoutOf(url) * (1 + url.others.length) + 10)

/** How far the clocks may be apart, in milliseconds. */
const tolerance = 60_000

interface Answer {
  /** Milliseconds since 1970. */
  readonly now: number
  readonly zone: string
  /** Where it is encrypted. */
  readonly tls: string | null
}

/** What the connection is, less what is asked later over a session. */
interface Way extends Answer {
  /** Milliseconds. */
  readonly connecting: number
  readonly roundTrip: number
  /** The address that answered; none of a socket. */
  readonly address: string | undefined
  /** By how much the server's clock is ahead, in milliseconds. */
  readonly ahead: number
  readonly pooler: Pooler.PoolerFound | undefined
}

const addressOf = ({ connection: { stream } }: Client): string | undefined =>
  stream instanceof Socket ? stream.remoteAddress : undefined

const question = `
  SELECT
    (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::pg_catalog.float8 AS now,
    pg_catalog.current_setting('TimeZone') AS zone,
    (SELECT s.version || ', ' || s.cipher FROM pg_catalog.pg_stat_ssl s
     WHERE s.pid = pg_catalog.pg_backend_pid() AND s.ssl) AS tls`

const connect = Effect.fnUntraced(function* (
  url: DatabaseUrl,
  application: string
): Effect.fn.Return<Way, DatabaseError> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const begun = yield* Clock.currentTimeMillis
      const client = yield* Connecting.acquire(url, application)
      const connected = yield* Clock.currentTimeMillis
      const ask = Connecting.asking(client)
      const reached = Connecting.urlOf(client) ?? url
      const pooler = yield* PoolerProbe.behind(reached, client, yield* PoolerProbe.backendPid(reached, client))
      // The first question reads catalogues that later ones find in memory.
      yield* ask<Answer>(question)
      const [asked] = yield* Effect.timed(ask("SELECT 1"))
      const before = yield* Clock.currentTimeMillis
      const answer = yield* ask<Answer>(question)
      const after = yield* Clock.currentTimeMillis
      return {
        ...answer,
        connecting: connected - begun,
        roundTrip: Duration.toMillis(asked),
        address: addressOf(client),
        ahead: answer.now - (before + after) / 2,
        pooler
      }
    })
  )
})

/** Says what the verbs would say of it. Gives whether a session may be opened through it. */
const pooled = Effect.fnUntraced(function* (url: DatabaseUrl, { pooler }: Way, visit: Visit, allowed: boolean) {
  const what = about("connection", "pooler", "pooler")
  if (pooler === undefined) {
    visit.tell(what.ok("none"))
    return true
  }
  const refused = yield* Effect.result(Pooler.refuse(pooler, server(url), allowed))
  visit.tell(
    refused._tag === "Failure"
      ? what.failure(refused.failure, everything)
      : what.note(`${pooler.name} in session mode, which --allow-pooler lets pass`)
  )
  return pooler.mode === "session" && pooler.full !== true
})

const clock = ({ ahead, zone }: Way, visit: Visit): void => {
  const what = about("connection", "clock", "clock")
  const apart = Duration.format(Duration.seconds(Math.round(Math.abs(ahead) / 1000)))
  visit.tell(
    Math.abs(ahead) <= tolerance
      ? what.ok(`as here, time zone ${zone}`)
      : what.note(
          `the server's is ${apart} ${ahead > 0 ? "ahead of" : "behind"} this machine's; time zone ${zone}`,
          "Set both by NTP: dumps are named, ordered and kept by the clock of the machine that makes them."
        )
  )
}

/** Tells it. Gives whether more may be asked this way. */
export const look = Effect.fn("doctor.Connection.look")(function* (
  url: DatabaseUrl,
  visit: Visit,
  { allowPooler, application }: Required<SessionOptions>
): Effect.fn.Return<boolean> {
  const what = about("connection", "server", "connection")
  const way = yield* visit.ask(what, connect(url, application), { limit: patience(url), stops: everything })
  if (way === undefined) return false
  const { address, connecting, roundTrip, tls } = way
  visit.tell(
    what.ok(
      `${address === undefined || address === url.host ? "" : `${address}, `}connected in ${Math.round(connecting)} ms, ` +
        `round trip ${roundTrip < 10 ? roundTrip.toFixed(1) : Math.round(roundTrip)} ms, ` +
        (tls === null ? "not encrypted" : `encrypted (${tls})`)
    )
  )
  const usable = yield* pooled(url, way, visit, allowPooler)
  clock(way, visit)
  return usable
})
