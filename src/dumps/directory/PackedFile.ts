/**
 * Writing a file of a folder: packed, with the digest of what is stored. Most tables are small, and a stream, its threads
 * and a file that is opened, written and closed by others take a hundred times longer than what little there is to do.
 */
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as Compression from "../Compression.ts"
import type { DiskFull, FolderUnusable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { Append } from "../DumpWriting.ts"
import type { Digest } from "../Manifest.ts"

/** Up to so many bytes a file is packed and written at once: that blocks for less than a millisecond. */
const small = 128 * 1024

const mode = 0o600

/** A file that takes what comes. */
const stream = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  path: string,
  compression: Compression.Compression
) {
  const hash = createHash("sha256")
  let length = 0
  const unwritable = DumpFile.unwritable(path)
  const handle = yield* Effect.mapError(fs.open(path, { flag: "wx", mode }), unwritable)
  const packer = yield* Compression.pack(compression, (bytes) => {
    length += bytes.length
    hash.update(bytes)
    return Effect.mapError(handle.writeAll(bytes), unwritable)
    // That there is such a packer has been looked at before there was a folder.
  }).pipe(Effect.catchTag("ToolMissing", Effect.die))
  const end = Effect.map(packer.end, (): Digest => ({ length, sha256: hash.digest("hex") }))
  return { append: packer.append, end }
})

/** A file of which all is there. */
const writeNow = (
  path: string,
  compression: Compression.Compression,
  bytes: Uint8Array
): Effect.Effect<Digest, DiskFull | FolderUnusable> =>
  Effect.try({
    try: () => {
      const packed = Compression.packNow(compression, bytes)
      writeFileSync(path, packed, { flag: "wx", mode })
      return { length: packed.length, sha256: createHash("sha256").update(packed).digest("hex") }
    },
    catch: DumpFile.unwritable(path)
  })

/**
 * Creates the file and lets `body` append to it, packed by a method that is available. It is closed then, and not yet
 * safe from a crash of the machine.
 */
export const write = Effect.fnUntraced(function* <E, R>(
  fs: FileSystem.FileSystem,
  path: string,
  compression: Compression.Compression,
  body: (append: Append) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<Digest, E | DiskFull | FolderUnusable, R> {
  const held: Array<Uint8Array> = []
  let size = 0
  const written = Effect.gen(function* () {
    const scope = yield* Effect.scope
    let opened: Effect.Success<ReturnType<typeof stream>> | undefined
    const append = (chunk: Uint8Array) => {
      size += chunk.length
      if (opened !== undefined) return opened.append(chunk)
      held.push(Uint8Array.from(chunk))
      return size <= small ? Effect.void : overflow
    }
    const overflow = Effect.gen(function* () {
      opened = yield* Effect.provideService(stream(fs, path, compression), Scope.Scope, scope)
      for (const chunk of held.splice(0)) yield* opened.append(chunk)
    })
    yield* body(append)
    return yield* opened === undefined ? writeNow(path, compression, Buffer.concat(held)) : opened.end
  })
  return yield* Effect.scoped(written)
})
