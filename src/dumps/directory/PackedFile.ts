/** Writing a file of a folder: packed, with the digest of what is stored. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { ToolMissing } from "../../postgres/ToolMissing.ts"
import * as Compression from "../Compression.ts"
import type { DiskFull, FolderUnusable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { Append } from "../DumpWriting.ts"
import type { Digest } from "../Manifest.ts"

/** Creates the file and lets `body` append to it. It is closed then, and not yet safe from a crash of the machine. */
export const write = Effect.fnUntraced(function* <E, R>(
  fs: FileSystem.FileSystem,
  path: string,
  compression: Compression.Compression,
  body: (append: Append) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<Digest, E | DiskFull | FolderUnusable | ToolMissing, R> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const hash = createHash("sha256")
      let length = 0
      const unwritable = DumpFile.unwritable(path)
      const handle = yield* Effect.mapError(fs.open(path, { flag: "wx", mode: 0o600 }), unwritable)
      const packer = yield* Compression.pack(compression, (bytes) => {
        length += bytes.length
        hash.update(bytes)
        return Effect.mapError(handle.writeAll(bytes), unwritable)
      })
      yield* body(packer.append)
      yield* packer.end
      return { length, sha256: hash.digest("hex") }
    })
  )
})
