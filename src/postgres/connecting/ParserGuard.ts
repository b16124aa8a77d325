/** Keeps the driver's parser from ending the process. */
import type { Duplex } from "node:stream"
import type { Connection } from "pg"

/** A member of `pg` 8.23 that its published types leave out. */
interface Attaching {
  attachListeners(stream: Duplex): void
}

/**
 * Of a message that it does not know (a login by GSSAPI or SSPI, say) the parser throws where nobody can catch it. Here
 * it is the stream's failure, as a lost connection is. To be called before the client connects.
 */
export const guard = (connection: Connection): void => {
  const attaching = connection as unknown as Attaching
  const attach = attaching.attachListeners.bind(connection)
  attaching.attachListeners = (stream) => {
    const before = new Set(stream.listeners("data"))
    attach(stream)
    for (const parse of stream.listeners("data").filter((listener) => !before.has(listener))) {
      stream.off("data", parse as (bytes: Buffer) => void)
      stream.on("data", (bytes: Buffer) => {
        try {
          parse(bytes)
        } catch (cause) {
          stream.destroy(cause instanceof Error ? cause : new Error(String(cause)))
        }
      })
    }
  }
}
