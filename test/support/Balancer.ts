/** One address for several servers, each connection to the next of them in turn. */
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"

/** Opens it, for as long as the scope lives, for servers that have the same login and database. */
export const start = (servers: ReadonlyArray<DatabaseUrl>): Effect.Effect<DatabaseUrl, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: DatabaseUrl; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      let opened = 0
      const listener = createServer((near) => {
        const to = servers[opened++ % servers.length]!
        const far = connect(to.port, to.host)
        for (const [one, other] of [
          [near, far],
          [far, near]
        ] as const) {
          sockets.add(one)
          one.pipe(other)
          one.on("error", () => other.destroy()).on("close", () => other.destroy())
        }
      })
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(
          Effect.succeed({
            url: { ...servers[0]!, host: "127.0.0.1", port },
            close: () => {
              for (const socket of sockets) socket.destroy()
              listener.close()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))
