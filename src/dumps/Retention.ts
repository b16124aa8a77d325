/** Which dumps of a folder may go because newer ones are there. */
import * as Effect from "effect/Effect"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import type { DiskFull, DumpUnreadable, FolderUnusable } from "./DumpError.ts"
import type { DumpStoreService, StoredDump } from "./DumpStore.ts"
import type { Manifest } from "./Manifest.ts"

/** What was kept and what has gone, newest first. */
export interface Retained {
  readonly kept: ReadonlyArray<StoredDump>
  readonly removed: ReadonlyArray<StoredDump>
}

/** What of a store it takes. */
interface Folder extends Pick<DumpStoreService, "list" | "prove"> {
  /** Removes dumps with their manifests. */
  readonly remove: (dumps: ReadonlyArray<StoredDump>) => Effect.Effect<void, DiskFull | FolderUnusable>
}

/** Dumps can stand in for each other where they are of one database, and narrowed alike. */
const kindOf = ({ source: { host, port, database }, onlySchemas, excluded, partialRows }: Manifest): string =>
  JSON.stringify([host, port, database, onlySchemas, excluded?.tables, excluded?.data, partialRows])

/**
 * Of each kind of dump keeps the newest that prove, as many as `count` says. Only what proves can go, and only behind
 * that many others that prove: neither a damaged dump nor one of another tool counts for anything, or goes.
 */
export const keep = ({ list, prove, remove }: Folder) =>
  Effect.fn("DumpStore.keep")(function* (
    count: number
  ): Effect.fn.Return<Retained, DiskFull | DumpUnreadable | FolderUnusable | ToolMissing> {
    if (!Number.isInteger(count) || count < 1) {
      return yield* Effect.die(new RangeError(`The number of dumps to keep is at least 1, not ${count}.`))
    }
    const found = new Map<string, number>()
    const [kept, removed]: [Array<StoredDump>, Array<StoredDump>] = [[], []]
    for (const dump of yield* list) {
      const proves =
        dump.manifest !== undefined &&
        (yield* Effect.as(prove(dump), true).pipe(
          Effect.catchTag(["DumpDamaged", "DumpMissing", "DumpUnsafe"], () => Effect.succeed(false))
        ))
      if (dump.manifest === undefined || !proves) {
        kept.push(dump)
        continue
      }
      const kind = kindOf(dump.manifest)
      const newer = found.get(kind) ?? 0
      found.set(kind, newer + 1)
      if (newer < count) kept.push(dump)
      else removed.push(dump)
    }
    yield* remove(removed)
    return { kept, removed }
  })
