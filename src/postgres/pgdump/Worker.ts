/**
 * The worker thread in which pg_dump runs. WebAssembly calls for the next bytes of its connection and waits, so it
 * needs a thread that may block; the socket stays in the main thread.
 */
import { parentPort, workerData } from "node:worker_threads"
import { SharedRing } from "./SharedRing.ts"
import { ServerMessages, type ServerRefusal } from "./ServerMessages.ts"

/** What the main thread gives. */
export interface WorkerInput {
  readonly glue: string
  /** The compiled module. */
  readonly module: object
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** The server's answer to a login, which has already happened. */
  readonly greeting: Uint8Array
  /** From the server. */
  readonly input: SharedArrayBuffer
  /** The dump. */
  readonly output: SharedArrayBuffer
}

/** What the main thread is told. */
export type WorkerMessage =
  /** Bytes for the server. */
  | { readonly type: "send"; readonly bytes: Uint8Array }
  /** There is output for a reader that waits. */
  | { readonly type: "output" }
  /** There is room in the input for a writer that waits. */
  | { readonly type: "room" }
  /** A line of stderr. */
  | { readonly type: "line"; readonly line: string }
  /** pg_dump has ended, and why the server refused, where it did. */
  | { readonly type: "exit"; readonly code: number; readonly refusal: ServerRefusal | undefined }

/** What is used of Emscripten's module. */
interface PgDumpModule {
  readonly HEAPU8: Uint8Array
  readonly ENV: Record<string, string>
  readonly FS: {
    makedev(major: number, minor: number): number
    registerDevice(device: number, operations: DeviceOperations): void
    mkdev(path: string, mode: number, device: number): void
  }
  addFunction(callback: (pointer: number, length: number) => number, signature: "iii"): number
  _pgl_set_rw_cbs(read: number, write: number): void
  callMain(args: ReadonlyArray<string>): number
}

interface DeviceOperations {
  open(stream: { seekable: boolean }): void
  write(stream: unknown, heap: Int8Array, offset: number, length: number): number
}

/** What is used of it; Node's types leave it out. */
declare const WebAssembly: { readonly Instance: new (module: object, imports: object) => object }

type Factory = (options: {
  readonly thisProgram: string
  readonly locateFile: (name: string) => string
  readonly instantiateWasm: (imports: object, receive: (instance: object, module: object) => void) => void
  readonly noInitialRun: boolean
  readonly print: (line: string) => void
  readonly printErr: (line: string) => void
  readonly preRun: (module: PgDumpModule) => void
}) => Promise<PgDumpModule>

/** It looks for its own file, which it has not; harmless. */
const noise = 'could not find a "pg_dump" to execute'

/** Output is handed over in portions of at least this many bytes: pg_dump writes row by row. */
const portion = 1 << 16

const protocol3 = 3

type Tell = (message: WorkerMessage) => void

const open: DeviceOperations["open"] = (stream) => {
  stream.seekable = false
}

/** The file that pg_dump writes to, and what hands over the rest when it is done. */
const dumpFile = (
  output: SharedRing,
  tell: Tell
): { readonly operations: DeviceOperations; readonly flush: () => void } => {
  const gathered = new Uint8Array(2 * portion)
  let gatheredLength = 0
  const handOver = (bytes: Uint8Array, to: number): void => {
    let at = 0
    while (at < to) {
      at += output.write(bytes, at, to)
      if (output.takeReader()) tell({ type: "output" })
      if (at < to) output.waitForRoom()
    }
  }
  const flush = (): void => {
    handOver(gathered, gatheredLength)
    gatheredLength = 0
  }
  const write: DeviceOperations["write"] = (_, heap, offset, length) => {
    const bytes = new Uint8Array(heap.buffer, heap.byteOffset + offset, length)
    if (length > portion) {
      flush()
      handOver(bytes, length)
      return length
    }
    gathered.set(bytes, gatheredLength)
    gatheredLength += length
    if (gatheredLength >= portion) flush()
    return length
  }
  return { operations: { open, write }, flush }
}

/** libpq's side of the connection. */
const connect = (
  module: PgDumpModule,
  greeting: Uint8Array,
  input: SharedRing,
  messages: ServerMessages,
  tell: Tell
): void => {
  let greeted = 0
  let loggedIn = false
  let mayBlock = false

  const read = (pointer: number, length: number): number => {
    if (greeted < greeting.length) {
      const part = greeting.subarray(greeted, greeted + length)
      module.HEAPU8.set(part, pointer)
      greeted += part.length
      return part.length
    }
    if (input.size === 0) {
      // libpq takes the socket for a non-blocking one: it reads until nothing is there before it works on what it
      // has, and only then waits for more.
      if (!mayBlock) {
        mayBlock = true
        return 0
      }
      input.waitForBytes()
      if (input.size === 0) return -1
    }
    mayBlock = false
    const count = input.read(module.HEAPU8, pointer, length)
    messages.pass(module.HEAPU8, pointer, count)
    if (input.takeWriter()) tell({ type: "room" })
    return count
  }

  const write = (pointer: number, length: number): number => {
    const bytes = module.HEAPU8.slice(pointer, pointer + length)
    if (loggedIn) tell({ type: "send", bytes })
    else if (length < 8 || new DataView(bytes.buffer).getUint16(4) !== protocol3) {
      throw new Error("pg_dump did not begin with a startup message")
    }
    loggedIn = true
    return length
  }

  // The name is that of the package.
  // oxlint-disable-next-line no-underscore-dangle
  module._pgl_set_rw_cbs(module.addFunction(read, "iii"), module.addFunction(write, "iii"))
}

const work = async (given: WorkerInput, tell: Tell): Promise<void> => {
  const file = dumpFile(new SharedRing(given.output), tell)
  const messages = new ServerMessages()
  const { default: factory } = (await import(given.glue)) as { readonly default: Factory }
  const module = await factory({
    thisProgram: "pg_dump",
    instantiateWasm: (imports, receive) => receive(new WebAssembly.Instance(given.module, imports), given.module),
    // The module is given already; by itself the factory would make a URL of it, which fails beside a `data:` URL.
    locateFile: (name) => name,
    noInitialRun: true,
    print: (line) => tell({ type: "line", line }),
    printErr: (line) => {
      if (!line.includes(noise)) tell({ type: "line", line })
    },
    preRun: ({ ENV, FS }) => {
      Object.assign(ENV, given.env)
      const device = FS.makedev(64, 0)
      FS.registerDevice(device, file.operations)
      FS.mkdev("/dev/dump", 0o666, device)
    }
  })
  connect(module, given.greeting, new SharedRing(given.input), messages, tell)
  const code = module.callMain([...given.args])
  file.flush()
  tell({ type: "exit", code, refusal: messages.refusal })
}

const port = parentPort
// Null where the module is loaded outside of a worker thread.
if (port !== null) await work(workerData as WorkerInput, (message) => port.postMessage(message))
