/** How a dump's SQL is packed: by gzip, by zstd or not at all; streamed both ways, in constant memory. */
import type { Transform } from "node:stream"
import * as zlib from "node:zlib"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Function from "effect/Function"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ToolMissing } from "../postgres/ToolMissing.ts"
import { ZstdFrames } from "./ZstdFrames.ts"

/** Ways of packing. */
export const methods = ["none", "gzip", "zstd"] as const
export type Method = (typeof methods)[number]

export interface Compression {
  readonly method: Method
  /** 1 to 9 for gzip, 1 to 19 for zstd; the method's own default unless told. */
  readonly level?: number
}

const levels: Record<Method, number> = { none: 0, gzip: 9, zstd: 19 }

/** All that {@link parse} reads, in words. */
export const choices: string = methods
  .map((method) => (levels[method] === 0 ? method : `${method}, ${method}:1 to ${method}:${levels[method]}`))
  .join(", ")

/** As `parse` reads it. */
export const show = ({ level, method }: Compression): string => (level === undefined ? method : `${method}:${level}`)

/** What a file name ends in after `.sql`. */
export const endings: Record<Method, string> = { none: "", gzip: ".gz", zstd: ".zst" }

/** Reads `gzip`, `zstd:3`, `none`; undefined where it is none of them, or the level is out of range. */
export const parse = (text: string): Compression | undefined => {
  const [name, level, ...rest] = text.split(":")
  const method = methods.find((known) => known === name)
  if (method === undefined || rest.length > 0) return undefined
  if (level === undefined) return { method }
  const number = /^\d{1,2}$/.test(level) ? Number(level) : 0
  return number >= 1 && number <= levels[method] ? { method, level: number } : undefined
}

/** Size of the pieces that are unpacked, in bytes. */
const pieceSize = 512 * 1024

/** Size of the pieces that come out of packing: with Node's 16 kB each crossing of its threads costs a third more. */
const packedSize = 256 * 1024

/**
 * Bytes of which zstd makes a frame when it is to be quick: without a window that slides it takes a fifth less of the
 * processor, and packs as well. Some 0.5 GB of rows: 2.2 s in frames of 256 kB, 2.7 s as a stream.
 */
const frameSize = 256 * 1024

/** Whether the packing is to be quick, more than small. */
const isFramed = ({ level, method }: Compression): boolean => method === "zstd" && level === 1

/** Node has zstd from 22.15 on. */
export const available = (method: Method): boolean => method !== "zstd" || "createZstdCompress" in zlib

/** The quickest way to pack that this Node has. */
export const quickest = (): Compression => ({ method: available("zstd") ? "zstd" : "gzip", level: 1 })

const missing = (): ToolMissing =>
  new ToolMissing({
    message: `This Node (${process.version}) has no zstd.`,
    suggestion: "Run pgark with Node 22.15 or later. For a new dump gzip does, too; an old one `zstd -d FILE` unpacks.",
    state: "untouched",
    tool: "zstd"
  })

/** Fails where this Node lacks the method. */
export const check = (method: Method): Effect.Effect<void, ToolMissing> =>
  available(method) ? Effect.void : Effect.fail(missing())

const gzipOptions = ({ level }: Compression): zlib.ZlibOptions => (level === undefined ? {} : { level })

const zstdOptions = ({ level }: Compression): zlib.ZstdOptions => {
  const { ZSTD_c_checksumFlag, ZSTD_c_compressionLevel } = zlib.constants
  // Without the checksum a damaged block may unpack to other data.
  return {
    params: { [ZSTD_c_checksumFlag]: 1, ...(level === undefined ? {} : { [ZSTD_c_compressionLevel]: level }) }
  }
}

const packer = (compression: Compression): Transform | undefined => {
  switch (compression.method) {
    case "none":
      return undefined
    case "gzip":
      return zlib.createGzip({ ...gzipOptions(compression), chunkSize: packedSize })
    case "zstd":
      return zlib.createZstdCompress({
        ...zstdOptions(compression),
        // With room for several frames zstd need not keep what does not fit.
        ...(isFramed(compression)
          ? { flush: zlib.constants.ZSTD_e_end, chunkSize: 4 * packedSize }
          : { chunkSize: packedSize })
      })
  }
}

/** Packs what is small, at once, by a method that is {@link available}. Throws where the memory does not suffice. */
export const packNow = (compression: Compression, bytes: Uint8Array): Uint8Array => {
  switch (compression.method) {
    case "none":
      return bytes
    case "gzip":
      return zlib.gzipSync(bytes, gzipOptions(compression))
    case "zstd":
      return zlib.zstdCompressSync(bytes, { ...zstdOptions(compression), pledgedSrcSize: bytes.length })
  }
}

const unpacker = (method: "gzip" | "zstd") =>
  method === "gzip" ? zlib.createGunzip({ chunkSize: pieceSize }) : zlib.createZstdDecompress({ chunkSize: pieceSize })

/** Packs what it is given, and hands it on. */
export interface Packer<E> {
  /** Takes the next bytes; they may be changed when it has returned. */
  readonly append: (chunk: Uint8Array) => Effect.Effect<void, E>
  /** Hands on what is left. Call it once, at the end. */
  readonly end: Effect.Effect<void, E>
}

/** A packer in front of `sink`; of the method `none` it is the sink. */
export const pack = Effect.fn("Compression.pack")(function* <E>(
  compression: Compression,
  sink: (bytes: Uint8Array) => Effect.Effect<void, E>
): Effect.fn.Return<Packer<E>, ToolMissing, Scope.Scope> {
  yield* check(compression.method)
  const encoder = packer(compression)
  if (encoder === undefined) return { append: sink, end: Effect.void }
  let packed: Array<Uint8Array> = []
  encoder.on("data", (bytes: Uint8Array) => packed.push(bytes))
  // Its only failures are of the memory; the callbacks below give them.
  encoder.on("error", () => {})
  yield* Effect.addFinalizer(() => Effect.sync(() => encoder.destroy()))
  const flush = Effect.suspend(() => {
    const bytes = packed
    packed = []
    return Effect.forEach(bytes, sink, { discard: true })
  })
  const done = (begin: (callback: (error?: Error | null) => void) => void) =>
    Effect.andThen(
      // What a callback returns runs when it is interrupted: never what a stream's method says of its buffer.
      Effect.callback<void>((resume) => {
        begin((error) => resume(error == null ? Effect.void : Effect.die(error)))
      }),
      flush
    )
  const write = (chunk: Uint8Array) => done((callback) => encoder.write(chunk, callback))
  const end = done((callback) => {
    encoder.once("error", callback)
    encoder.once("end", () => callback())
    encoder.end()
  })
  return isFramed(compression) ? inFrames({ append: write, end }) : { append: write, end }
})

/** Gathers small pieces until they make a frame. */
const inFrames = <E>({ append, end }: Packer<E>): Packer<E> => {
  let gathered: Uint8Array | undefined
  let size = 0
  const flush = Effect.suspend(() => {
    if (gathered === undefined || size === 0) return Effect.void
    const frame = gathered.subarray(0, size)
    size = 0
    return append(frame)
  })
  const gather = (chunk: Uint8Array): Effect.Effect<void, E> =>
    Effect.suspend(() => {
      if (size === 0 && chunk.length >= frameSize) return append(chunk)
      gathered ??= Buffer.allocUnsafeSlow(frameSize)
      const taken = chunk.subarray(0, frameSize - size)
      gathered.set(taken, size)
      size += taken.length
      if (size < frameSize) return Effect.void
      return taken.length === chunk.length ? flush : Effect.andThen(flush, gather(chunk.subarray(taken.length)))
    })
  return { append: gather, end: Effect.andThen(flush, end) }
}

/** What is wrong with packed bytes, as the end of a sentence. */
export interface Corrupt {
  readonly _tag: "Corrupt"
  readonly reason: string
}

const corrupt = (reason: string): Corrupt => ({ _tag: "Corrupt", reason })

const explain = (error: unknown): Corrupt => {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === "ERR_BUFFER_TOO_LARGE") return corrupt("unpacked, it has more bytes than its manifest says")
  return corrupt(
    code === "Z_BUF_ERROR"
      ? "it ends inside its compressed data"
      : `its compressed data is damaged (${message.toLowerCase()})`
  )
}

/** Unpacks what is small, at once, to at most `limit` bytes. Fails with what is wrong with it. */
export const unpackNow = (
  method: Method,
  bytes: Uint8Array,
  limit: number
): Effect.Effect<Uint8Array, Corrupt | ToolMissing> => {
  if (method === "none") return Effect.succeed(bytes)
  const unpacked = () => {
    // Of nothing there would be no end.
    if (method === "gzip") return zlib.gunzipSync(bytes, { maxOutputLength: Math.max(limit, 1) })
    const pieces: Array<Uint8Array> = []
    let left = limit
    for (const frame of new ZstdFrames().cut(bytes)) {
      const piece = zlib.zstdDecompressSync(frame, { maxOutputLength: Math.max(left, 1) })
      left -= piece.length
      pieces.push(piece)
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }
  return Effect.andThen(check(method), Effect.try({ try: unpacked, catch: explain }))
}

/** What {@link unpack} gives. */
type Pull<E> = Effect.Effect<Option.Option<Uint8Array>, E>

/** Puts a piece back in front of those to come. */
export const behind = <E>(first: Option.Option<Uint8Array>, rest: Pull<E>): Pull<E> => {
  let taken = false
  return Effect.suspend(() => {
    if (taken) return rest
    taken = true
    return Effect.succeed(first)
  })
}

/** The same bytes in pieces of which none goes on behind the end of a frame: there Node's decoder would stop. */
const frameByFrame = <E>(pull: Pull<E>): Pull<E> => {
  const frames = new ZstdFrames()
  let pieces: ReadonlyArray<Uint8Array> = []
  let at = 0
  const next: Pull<E> = Effect.suspend(() => {
    if (at < pieces.length) return Effect.succeedSome(pieces[at++]!)
    return Effect.flatMap(pull, (piece) => {
      if (Option.isNone(piece)) return Effect.succeedNone
      pieces = frames.cut(piece.value)
      at = 0
      return next
    })
  })
  return next
}

/** Unpacks what is pulled until the decoder finds an end; `rest` are the bytes that it has been fed behind that. */
const decode = Effect.fnUntraced(function* <E>(method: "gzip" | "zstd", pull: Pull<E>) {
  const decoder = unpacker(method)
  let piece: Uint8Array = new Uint8Array(0)
  let fed = 0
  let release: () => void = Function.constVoid
  // Of a write that is under way when the decoder fails, or finds its end, Node does not always say more.
  for (const event of ["close", "end", "error"]) decoder.on(event, () => release())
  const over = () => decoder.destroyed || decoder.readableEnded
  yield* Effect.addFinalizer(() => Effect.sync(() => decoder.destroy()))
  const feed = Effect.gen(function* () {
    // Of a decoder that has failed the reader of its output tells. One that leaves bytes behind has found its end.
    while (!over() && decoder.bytesWritten === fed) {
      const next = yield* pull
      if (Option.isNone(next)) return void decoder.end()
      piece = next.value
      fed += piece.length
      yield* Effect.callback<void>((resume) => {
        release = () => resume(Effect.void)
        if (over()) release()
        else decoder.write(piece, release)
      })
    }
  })
  const pieces = decoder[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const feeding = yield* Effect.forkScoped(Effect.tapCause(feed, () => Effect.sync(() => decoder.destroy())))
  const unpacked: Pull<E | Corrupt> = Effect.tryPromise({ try: () => pieces.next(), catch: explain }).pipe(
    // The feeder's own failure is the cause of the decoder's.
    Effect.catch((error) => Effect.andThen(Effect.asVoid(Fiber.join(feeding)), Effect.fail(error))),
    Effect.flatMap(({ done, value }) =>
      done === true ? Effect.andThen(Fiber.join(feeding), Effect.succeedNone) : Effect.succeedSome(value)
    )
  )
  return { pull: unpacked, rest: () => piece.subarray(piece.length - (fed - decoder.bytesWritten)) }
})

/**
 * Unpacks what is pulled; what was packed in several parts, one behind the other, too. Fails with what is wrong where
 * the packed bytes are cut, changed, or followed by others, and with what pulling fails with.
 */
export const unpack = Effect.fn("Compression.unpack")(function* <E>(
  method: "gzip" | "zstd",
  pull: Pull<E>
): Effect.fn.Return<{ readonly pull: Pull<E | Corrupt> }, ToolMissing, Scope.Scope> {
  yield* check(method)
  // Node goes on to the next part of a gzip by itself.
  const decoded = yield* decode(method, method === "zstd" ? frameByFrame(pull) : pull)
  const next: Pull<E | Corrupt> = Effect.filterOrFail(
    decoded.pull,
    (piece) => Option.isSome(piece) || decoded.rest().length === 0,
    () => corrupt("bytes follow the end of its compressed data")
  )
  return { pull: next }
})
