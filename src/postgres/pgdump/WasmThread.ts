/** pg_dump's worker thread and the two queues between it and the main thread, as one bridge to a socket. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Socket } from "node:net"
import { Worker } from "node:worker_threads"
import type { Assets } from "./Assets.ts"
import type { ServerRefusal } from "./ServerMessages.ts"
import { SharedRing } from "./SharedRing.ts"
import type { Takeover } from "./Takeover.ts"
import type { WorkerInput, WorkerMessage } from "./Worker.ts"

/** How the thread ended. */
export interface Ended {
  /** pg_dump's exit code; none where the thread died before pg_dump did. */
  readonly code: number | undefined
  /** The server's last refusal. */
  readonly refusal: ServerRefusal | undefined
  /** What killed the thread. */
  readonly cause: unknown
  /** The server closed the connection, and not because pg_dump had said goodbye. */
  readonly disconnected: boolean
}

/** Bytes between the threads, each way: above this the socket, or pg_dump, waits. */
const capacity = 1 << 23

/** Bytes of output that are taken at once. */
const largestChunk = 1 << 19

/** Type of the message with which a client ends its connection. */
const terminate = 0x58

/** A pg_dump at work. */
export class WasmThread {
  /** Lines of stderr that nobody has taken yet. */
  readonly lines: Array<string> = []
  ended: Ended | undefined
  readonly #input = new SharedRing(capacity)
  readonly #output = new SharedRing(capacity)
  readonly #socket: Socket
  readonly #worker: Worker
  /** What the server has sent and there was no room for; the socket is paused meanwhile. */
  #rest: Uint8Array | undefined
  #closed = false
  #saidGoodbye = false
  #disconnected = false
  #exit: Extract<WorkerMessage, { type: "exit" }> | undefined
  #cause: unknown
  #wake: () => void = () => {}

  constructor(assets: Assets, { greeting, socket }: Takeover, args: ReadonlyArray<string>, env: WorkerInput["env"]) {
    this.#socket = socket
    socket.on("data", (chunk: Buffer) => this.#feed(chunk))
    socket.once("close", () => {
      this.#closed = true
      this.#disconnected = !this.#saidGoodbye
      if (this.#rest === undefined) this.#input.close()
    })
    const workerData: WorkerInput = {
      glue: assets.glue,
      module: assets.module,
      args,
      env,
      greeting,
      input: this.#input.buffer,
      output: this.#output.buffer
    }
    // Nothing of this process is the thread's business: no environment, no flags of Node.
    this.#worker = new Worker(assets.worker, { name: "pg_dump", workerData, env: {}, execArgv: [] })
    this.#worker.on("message", (message: WorkerMessage) => this.#hear(message))
    this.#worker.once("error", (cause) => (this.#cause = cause))
    this.#worker.once("exit", () => {
      const { code, refusal } = this.#exit ?? {}
      this.ended = { code, refusal, cause: this.#cause, disconnected: this.#disconnected }
      this.#wake()
    })
  }

  /** The next bytes of the dump, where there are some. */
  take(): Uint8Array | undefined {
    const { size } = this.#output
    if (size === 0) return undefined
    const chunk = new Uint8Array(Math.min(size, largestChunk))
    this.#output.read(chunk)
    return chunk
  }

  /** Returns when there is something to take, or the thread has ended. */
  readonly awake: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.#wake = () => resume(Effect.void)
    if (this.ended !== undefined || this.lines.length > 0 || this.#output.expectBytes()) resume(Effect.void)
  })

  readonly terminate: Effect.Effect<void> = Effect.promise(() => this.#worker.terminate()).pipe(Effect.asVoid)

  #hear(message: WorkerMessage): void {
    switch (message.type) {
      case "send":
        this.#saidGoodbye ||= message.bytes[0] === terminate
        if (this.#socket.writable) this.#socket.write(message.bytes)
        return
      case "room":
        return this.#drain()
      case "line":
        this.lines.push(message.line)
        return this.#wake()
      case "output":
        return this.#wake()
      case "exit":
        this.#exit = message
    }
  }

  #feed(chunk: Uint8Array): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    const written = this.#input.write(bytes)
    this.#rest = undefined
    if (written === bytes.length) return
    this.#rest = bytes.subarray(written)
    this.#socket.pause()
    if (this.#input.expectRoom()) this.#drain()
  }

  #drain(): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#feed(rest)
    if (this.#rest !== undefined) return
    if (this.#closed) this.#input.close()
    else this.#socket.resume()
  }
}

/** A pg_dump at work for as long as the scope lives. */
export const start = (
  assets: Assets,
  takeover: Takeover,
  args: ReadonlyArray<string>,
  env: WorkerInput["env"]
): Effect.Effect<WasmThread, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new WasmThread(assets, takeover, args, env)),
    (thread) => thread.terminate
  )
