/**
 * One simple-protocol query over a `pg` connection, sent as bytes.
 *
 * `pg` turns SQL text into UTF-8; the text of a dump is in the dump's own `client_encoding` and must reach the
 * server as it stands, so the Query message is written here from the dump's bytes. The same message starts a COPY,
 * whose data follows as CopyData messages with the socket's back-pressure.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
 */
import type { Connection, Submittable } from "pg"

const frame = (type: string, length: number): Buffer => {
  const header = Buffer.allocUnsafe(5)
  header.write(type, 0, "latin1")
  header.writeInt32BE(length + 4, 1)
  return header
}

const terminator = Buffer.from([0])

type Settled = { readonly error: unknown } | { readonly tag: string }

/** A query in flight. `pg` calls the `handle…` members as the server's messages arrive. */
export class SimpleQuery implements Submittable {
  private readonly sql: Uint8Array
  private readonly copies: boolean
  private readonly waiters: Array<() => void> = []
  private connection: Connection | undefined
  private tag = ""
  private copying = false
  private failure: { readonly error: unknown } | undefined
  settled: Settled | undefined
  /** Whether this was a COPY that wanted data and has nobody to feed it. */
  unfed = false

  /** `copies`: whether the caller will send COPY data; a COPY that nobody feeds is failed at once. */
  constructor(sql: Uint8Array, copies: boolean) {
    this.sql = sql
    this.copies = copies
  }

  /** Calls back once the server asks for COPY data, the query is settled, or the socket has drained. */
  onProgress(waiter: () => void): void {
    this.waiters.push(waiter)
  }

  get isCopying(): boolean {
    return this.copying && this.settled === undefined && this.failure === undefined
  }

  /** Sends a piece of COPY data. False: wait for `onProgress` before the next one. */
  writeCopyData(chunk: Uint8Array): boolean {
    if (this.connection === undefined || !this.isCopying || chunk.length === 0) return true
    const { stream } = this.connection
    stream.write(frame("d", chunk.length))
    if (stream.write(chunk)) return true
    stream.once("drain", () => this.wake())
    return false
  }

  endCopy(): void {
    if (this.isCopying) this.connection?.stream.write(frame("c", 0))
    this.copying = false
  }

  failCopy(reason: string): void {
    if (!this.isCopying) return
    const text = Buffer.from(reason)
    this.connection?.stream.write(Buffer.concat([frame("f", text.length + 1), text, terminator]))
    this.copying = false
  }

  submit(connection: Connection): void {
    this.connection = connection
    const { stream } = connection
    stream.cork()
    stream.write(frame("Q", this.sql.length + 1))
    stream.write(this.sql)
    stream.write(terminator)
    stream.uncork()
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}

  handleCommandComplete(message: { readonly text: string }): void {
    this.tag = message.text
  }

  handleCopyInResponse(): void {
    this.copying = true
    this.unfed = !this.copies
    if (this.unfed) this.failCopy("no data follows this COPY")
    this.wake()
  }

  handleError(error: unknown): void {
    this.failure = { error }
    this.settle(this.failure)
  }

  handleReadyForQuery(): void {
    this.settle({ tag: this.tag })
  }

  private settle(settled: Settled): void {
    this.settled ??= settled
    this.wake()
  }

  protected wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter()
  }
}
