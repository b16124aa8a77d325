/** What lies in a folder of dumps and is none: files that are unfinished, and manifests without their dumps. */
import { join } from "node:path"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { DumpUnreadable } from "./DumpError.ts"
import * as DirectoryFiles from "./directory/DirectoryFiles.ts"
import * as DumpFile from "./DumpFile.ts"
import * as DumpName from "./DumpName.ts"

export interface Leftover {
  readonly file: string
  /** `unfinished`: a run writes to it, or was killed while it did. `without dump`: the dump of this manifest is gone. */
  readonly kind: "unfinished" | "without dump"
  /** When it was last written to. */
  readonly at: DateTime.Utc
  /** Bytes. */
  readonly size: number
}

const [partial, manifest] = [/\.partial$/, /\.manifest\.json$/]

const isDump = (name: string): boolean => Option.isSome(DumpName.parse(name))

/** Unfinished dumps and manifests of unfinished dumps; manifests that stand alone. By name. */
export const leftovers = (
  fs: FileSystem.FileSystem,
  directory: string,
  names: Effect.Effect<ReadonlyArray<string>, DumpUnreadable>
): Effect.Effect<ReadonlyArray<Leftover>, DumpUnreadable> =>
  Effect.gen(function* () {
    const there = yield* names
    const dumps = new Set(there.filter(isDump))
    const kindOf = Effect.fnUntraced(function* (name: string) {
      const finished = name.replace(partial, "")
      if (finished !== name && isDump(finished.replace(manifest, ""))) return "unfinished" as const
      const dump = name.replace(manifest, "")
      if (dump === name || dumps.has(dump) || !isDump(dump)) return undefined
      // A dump that has come since the folder was read is not among the names.
      return (yield* fs.exists(join(directory, dump))) ? undefined : ("without dump" as const)
    })
    const found = yield* Effect.forEach(there.toSorted(), (name) => {
      const file = join(directory, name)
      return Effect.gen(function* () {
        const kind = yield* kindOf(name)
        if (kind === undefined) return Option.none()
        const { mtime, size, type } = yield* fs.stat(file)
        if (type === "Directory") {
          const folder = yield* DirectoryFiles.seen(file)
          const at = DateTime.makeUnsafe(Number(folder.mtimeNs / 1_000_000n))
          return Option.some<Leftover>({ file, kind, at, size: folder.size })
        }
        const at = DateTime.fromDateUnsafe(Option.getOrElse(mtime, () => new Date(0)))
        return Option.some<Leftover>({ file, kind, at, size: Number(size) })
      }).pipe(
        // Its run has ended since the folder was read.
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
        Effect.catchTag("DumpMissing", () => Effect.succeedNone),
        Effect.mapError(DumpFile.unreadable(file))
      )
    })
    return Arr.getSomes(found)
  }).pipe(Effect.withSpan("DumpStore.leftovers"))
