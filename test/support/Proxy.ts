/**
 * A way to a server, without TLS, on which a COMMIT, or the answer to it, gets lost.
 *
 * It reads the messages of both sides as the protocol frames them: a type, a length that counts itself, and the rest;
 * only the first message of a client has no type.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { connect, createServer, type Server, type Socket } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"

/** What happens on the way, and afterwards. */
export interface Route {
  /**
   * Of the first COMMIT of a transaction that changes something:
   *
   * - lost: it does not reach the server, and both sides are cut.
   * - unanswered: the server has answered it, the client is cut without having heard so, and so is the server.
   * - answered: nothing is lost.
   * - left: it is on its way to the server when the client is cut; the server hears of no cut and goes on.
   */
  readonly commit: "answered" | "lost" | "unanswered" | "left"
  /** For how long nobody listens then: milliseconds, or for ever. At once somebody does unless told. */
  readonly closed?: number
  /** What becomes of a message of the server's: another one of the same length. */
  readonly rewrite?: (message: Buffer) => Buffer
  /** Another server that answers from then on. */
  readonly instead?: DatabaseUrl
}

export interface Proxy {
  /** The database, by this way. */
  readonly url: DatabaseUrl
  /** Waits until that COMMIT has met its fate. */
  readonly cut: Effect.Effect<void>
  /** How many connections were opened since. */
  readonly opened: () => number
}

/** Hands over whole messages, each with its type, or none for the first of a client. */
const framed = (untyped: boolean, take: (type: string, message: Buffer) => void) => {
  let [rest, first] = [Buffer.alloc(0), untyped]
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const start = first ? 0 : 1
      if (rest.length < start + 4) return
      const length = start + rest.readInt32BE(start)
      if (rest.length < length) return
      const message = rest.subarray(0, length)
      rest = rest.subarray(length)
      take(first ? "" : message.toString("latin1", 0, 1), message)
      first = false
    }
  }
}

/** A restore takes its locks before anything else; what only looks does not. */
const changes = (message: Buffer) => /LOCK TABLE|INSERT INTO|CREATE /.test(message.toString("latin1"))

const isCommit = (type: string, message: Buffer) => type === "Q" && message.toString("latin1", 5) === "COMMIT\0"

const listen = (server: Server, port: number): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    server.listen(port, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Opens it. All that it holds is closed with the scope. */
export const start = Effect.fn("Proxy.start")(function* (
  url: DatabaseUrl,
  route: Route
): Effect.fn.Return<Proxy, never, Scope.Scope> {
  const cut = yield* Deferred.make<void>()
  const sockets = new Set<Socket>()
  let [isCut, opened] = [false, 0]

  const reopen = () => {
    if (route.closed === undefined) return
    server.close()
    if (Number.isFinite(route.closed)) timer = setTimeout(() => server.listen(port, "127.0.0.1"), route.closed)
  }
  const end = (...ends: ReadonlyArray<Socket>) => {
    for (const socket of ends) socket.destroy()
    reopen()
    Deferred.doneUnsafe(cut, Effect.void)
  }

  const server = createServer((client) => {
    const { host, port } = isCut && route.instead !== undefined ? route.instead : url
    if (isCut) opened++
    const upstream = connect(port, host)
    for (const [one, other] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on("error", () => other.destroy())
    }
    let [changing, awaited] = [false, false]
    client.on(
      "data",
      framed(true, (type, message) => {
        changing ||= changes(message)
        const matters = changing && isCommit(type, message)
        if (isCut || route.commit === "answered" || !matters) return void upstream.write(message)
        isCut = true
        if (route.commit === "lost") return end(client, upstream)
        upstream.write(message)
        if (route.commit === "left") return end(client)
        awaited = true
      })
    )
    upstream.on(
      "data",
      framed(false, (type, message) => {
        if (!awaited) return void client.write(route.rewrite?.(message) ?? message)
        if (type === "Z") end(client, upstream)
      })
    )
    client.on("end", () => upstream.end())
    upstream.on("close", () => client.destroy())
  })
  let timer: NodeJS.Timeout | undefined
  const port = yield* listen(server, 0)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      clearTimeout(timer)
      server.close()
      for (const socket of sockets) socket.destroy()
    })
  )
  return {
    url: { ...url, host: "127.0.0.1", port, sslMode: "disable" },
    cut: Deferred.await(cut),
    opened: () => opened
  }
})
