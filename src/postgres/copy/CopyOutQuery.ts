/**
 * A `COPY … TO STDOUT` whose data does not go through the driver's parser.
 *
 * The driver makes an object of each CopyData message, and the server sends one a row. From the moment the query is sent
 * until its ReadyForQuery the socket's bytes come here instead: what CopyData messages hold is closed up where it lies,
 * and all other messages are handed on to the driver.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import type { Duplex } from "node:stream"
import type { Connection } from "pg"
import { FrugalSocket } from "../connecting/FrugalSocket.ts"
import { SimpleQuery } from "../SimpleQuery.ts"

const copyData = 0x64
const readyForQuery = 0x5a
/** Type and length of a message. */
const headSize = 5

/** Bytes from which on data is handed out, before its end: many reads of a socket, few awakenings of whoever takes it. */
const chunkSize = 256 * 1024
/** Room for those and for what one read of the socket may bring more. */
const capacity = chunkSize + 256 * 1024

type Listener = (bytes: Buffer) => void

/** All that a server sends has one for its type. */
const isLetter = (type: number): boolean => (type >= 0x41 && type <= 0x5a) || (type >= 0x61 && type <= 0x7a)

export class CopyOutQuery extends SimpleQuery {
  private stream: Duplex | undefined
  /** The driver's, while the socket is taken from it. */
  private parsers: ReadonlyArray<Listener> = []
  private readonly head = Buffer.alloc(headSize)
  private headSeen = 0
  private type = 0
  /** Bytes of the body of the message of this type that are still to come. */
  private left = 0
  /** Takes what comes, and the one that was handed out before it. */
  private filling: Buffer = Buffer.allocUnsafeSlow(capacity)
  private handedOut: Buffer | undefined
  private size = 0
  private discarding = false

  constructor(sql: Uint8Array) {
    super(sql, false)
  }

  override submit(connection: Connection): void {
    const { stream } = connection
    this.stream = stream
    this.parsers = stream.listeners("data") as Array<Listener>
    // Ours first: a stream that nobody listens to at all stops flowing.
    stream.on("data", this.receive)
    for (const parse of this.parsers) stream.off("data", parse)
    stream.once("close", this.release)
    if (stream instanceof FrugalSocket) stream.lends = true
    super.submit(connection)
  }

  /** Whether the socket is still taken from the driver. */
  get holds(): boolean {
    return this.stream !== undefined
  }

  /** Whether there is data to be handed out, or none will come any more. */
  get ready(): boolean {
    return this.size >= chunkSize || this.settled !== undefined
  }

  /**
   * Data for whoever takes it, good until the next is asked for: as soon as there is a fair amount of it or, when all has
   * come, what there is. While one such lies here the socket is not read.
   */
  next(): Buffer | undefined {
    if (this.size === 0 || !this.ready) return undefined
    const chunk = this.filling
    this.filling = this.handedOut ?? Buffer.allocUnsafeSlow(capacity)
    this.handedOut = chunk
    const { size } = this
    this.size = 0
    this.stream?.resume()
    return chunk.subarray(0, size)
  }

  /** Throws away what has come and what is still to come. */
  discard(): void {
    this.discarding = true
    this.size = 0
    this.stream?.resume()
  }

  private readonly release = (): void => {
    const { stream } = this
    if (stream === undefined) return
    this.stream = undefined
    for (const parse of this.parsers) stream.on("data", parse)
    stream.off("data", this.receive)
    stream.off("close", this.release)
    if (stream instanceof FrugalSocket) stream.lends = false
    stream.resume()
    this.wake()
  }

  private readonly receive = (bytes: Buffer): void => {
    const end = bytes.length
    let at = 0
    while (at < end) {
      if (this.left > 0) {
        const to = Math.min(end, at + this.left)
        this.left -= to - at
        if (this.type === copyData) {
          this.keep(bytes, at, to)
        } else if (this.type === readyForQuery && this.left === 0) {
          this.release()
          return this.pass(Buffer.from(bytes.subarray(at)))
        } else this.pass(Buffer.from(bytes.subarray(at, to)))
        at = to
      } else if (this.headSeen > 0 || end - at < headSize) {
        this.head[this.headSeen++] = bytes[at++]!
        if (this.headSeen === headSize) this.begin(this.head, 0)
      } else {
        this.begin(bytes, at)
        at += headSize
      }
    }
    if (this.size < chunkSize) return
    this.stream?.pause()
    this.wake()
  }

  /** A message whose head lies there. */
  private begin(bytes: Buffer, at: number): void {
    this.headSeen = 0
    this.type = bytes[at]!
    this.left = bytes.readInt32BE(at + 1) - 4
    if (this.type === copyData && this.left >= 0) return
    if (this.left < 0 || !isLetter(this.type)) {
      // Nothing behind it can be read.
      this.left = Infinity
      this.stream?.destroy(new Error("The server sends what is not its protocol."))
    } else this.pass(Buffer.from(bytes.subarray(at, at + headSize)))
  }

  private keep(bytes: Buffer, from: number, to: number): void {
    if (this.discarding) return
    const size = this.size + to - from
    if (size > this.filling.length) {
      const larger = Buffer.allocUnsafeSlow(2 * size)
      this.filling.copy(larger, 0, 0, this.size)
      this.filling = larger
    }
    bytes.copy(this.filling, this.size, from, to)
    this.size = size
  }

  private pass(bytes: Buffer): void {
    for (const parse of this.parsers) parse(bytes)
  }
}
