/**
 * Which of the servers that a URL names is taken: as libpq does it, the first in their order (or by chance) that answers
 * and is what `target_session_attrs` wants.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS
 */
import { isIP, Socket } from "node:net"
import type { Duplex as Stream } from "node:stream"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { type DatabaseUrl, narrow, server, type SessionAttributes } from "../DatabaseUrl.ts"
import { isLocal } from "./Tls.ts"

/** It answers, and is not what was wanted. */
export class Unfit {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** A server that was tried in vain. */
export interface Tried<E> {
  readonly url: DatabaseUrl
  readonly error: E | Unfit
}

/** What a server says of itself. */
interface Nature {
  readonly standby: boolean
  readonly readOnly: boolean
}

/** What {@link connect} does with a connection of type `C`. */
export interface Ways<C, E> {
  /** One attempt at one server. */
  readonly attempt: (url: DatabaseUrl) => Effect.Effect<C, E>
  /** Whether the next server may be better than the one that has failed so: not where a login was refused. */
  readonly elsewhere: (error: E) => boolean
  /** Puts a question that has one row for an answer. */
  readonly ask: (connection: C, sql: string) => Effect.Effect<Nature, E>
  /** Gives up a connection. */
  readonly close: (connection: C) => Effect.Effect<void>
}

/** As a transaction of this login would find it: a default of the role or the database counts. */
const natureQuery = `
  SELECT pg_catalog.pg_is_in_recovery() AS standby,
         pg_catalog.current_setting('transaction_read_only') = 'on' AS "readOnly"`

const refusals: Readonly<Record<SessionAttributes, (nature: Nature) => string | undefined>> = {
  any: () => undefined,
  "prefer-standby": () => undefined,
  "read-write": ({ readOnly }) => (readOnly ? "accepts no writes" : undefined),
  "read-only": ({ readOnly }) => (readOnly ? undefined : "accepts writes"),
  primary: ({ standby }) => (standby ? "is a standby" : undefined),
  standby: ({ standby }) => (standby ? undefined : "is no standby")
}

/** The attributes that the URL asks for. */
export const wanted = (url: DatabaseUrl): SessionAttributes =>
  (url.parameters.get("target_session_attrs") ?? "any") as SessionAttributes

/**
 * Connects to the first server that will do, and gives the URL of it alone. Fails with each that was tried, the last of
 * them the reason to stop.
 */
export const connect = <C, E>(
  url: DatabaseUrl,
  { ask, attempt, close, elsewhere }: Ways<C, E>
): Effect.Effect<{ readonly connection: C; readonly url: DatabaseUrl }, ReadonlyArray<Tried<E>>> => {
  const servers = [url, ...url.others].map((address) => narrow(url, address))
  const attributes = wanted(url)

  const fits = Effect.fnUntraced(function* (connection: C, wish: SessionAttributes): Effect.fn.Return<void, E | Unfit> {
    if (wish === "any") return
    const refusal = refusals[wish](yield* ask(connection, natureQuery))
    if (refusal !== undefined) return yield* Effect.fail(new Unfit(refusal))
  })

  const round = (order: ReadonlyArray<DatabaseUrl>, wish: SessionAttributes) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const tried: Array<Tried<E>> = []
        for (const one of order) {
          const connected = yield* Effect.result(restore(attempt(one)))
          if (Result.isFailure(connected)) {
            tried.push({ url: one, error: connected.failure })
            if (!elsewhere(connected.failure)) return yield* Effect.fail(tried)
            continue
          }
          const connection = connected.success
          const checked = yield* restore(fits(connection, wish)).pipe(
            Effect.onError(() => close(connection)),
            Effect.result
          )
          if (Result.isSuccess(checked)) return { connection, url: one }
          tried.push({ url: one, error: checked.failure })
        }
        return yield* Effect.fail(tried)
      })
    )

  const balanced = url.parameters.get("load_balance_hosts") === "random"
  return Effect.flatMap(balanced ? Random.shuffle(servers) : Effect.succeed(servers), (order) =>
    attributes === "prefer-standby" && order.length > 1
      ? Effect.catchIf(
          round(order, "standby"),
          (tried) => tried.every(({ error }) => error instanceof Unfit || elsewhere(error)),
          () => round(order, "any")
        )
      : round(order, attributes)
  )
}

/**
 * The URL of a server that has answered, with the address at which it did: a name may stand for several servers, and
 * whatever else connects shall meet this one. TLS goes on to look at the name.
 */
export const pin = (url: DatabaseUrl, stream: Stream): DatabaseUrl => {
  if (isLocal(url) || url.hostaddr !== undefined || isIP(url.host) !== 0) return url
  const hostaddr = stream instanceof Socket ? stream.remoteAddress : undefined
  // One that is good for one network only is told without that network.
  if (hostaddr === undefined || isIP(hostaddr) === 0 || /^fe80:/i.test(hostaddr)) return url
  return { ...url, hostaddr, pinned: true }
}

/** The same where the name is asked for another time: it may have moved on, to a server that took this one's place. */
export const unpin = (url: DatabaseUrl): DatabaseUrl => {
  const { pinned, ...rest } = url
  return pinned === undefined ? url : { ...rest, hostaddr: undefined }
}

/** The server at the address where it was; where nobody answers there, whoever goes by its name now. */
export const orMoved = (url: DatabaseUrl): DatabaseUrl =>
  url.pinned === undefined ? url : { ...url, others: [unpin(url)] }

/** `host:port: what became of it`, a line for each. */
export const lines = <E>(tried: ReadonlyArray<Tried<E>>, words: (error: E) => string): string =>
  tried.map(({ url, error }) => `${server(url)}: ${error instanceof Unfit ? error.message : words(error)}`).join("\n")
