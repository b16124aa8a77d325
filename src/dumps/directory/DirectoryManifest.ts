/** The manifest within a folder. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { damaged, type DumpDamaged, type DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import { decode, type Manifest } from "../Manifest.ts"
import * as DirectoryFiles from "./DirectoryFiles.ts"
import { manifestName } from "./Layout.ts"

/** The error of a folder without one: what its files must hold nothing else says. */
export const missing = (folder: string): DumpDamaged =>
  damaged(folder, `its ${manifestName} is missing`, {
    suggestion:
      `Bring it back from where the dump was copied from, or use another dump. Unproven as it is, psql can restore ` +
      "it: its README says how. Nothing was touched."
  })

/** The manifest of a directory dump; undefined where it has none. */
export const read = Effect.fn("DirectoryManifest.read")(function* (
  folder: string
): Effect.fn.Return<Manifest | undefined, DumpDamaged | DumpUnreadable> {
  const path = join(folder, manifestName)
  const kind = (yield* DirectoryFiles.look(path))?.kind
  if (kind === undefined) return undefined
  // A pipe would be read for ever.
  if (kind !== "file") return yield* damaged(folder, `its ${manifestName} is no file`)
  const text = yield* Effect.tryPromise({ try: () => readFile(path, "utf8"), catch: DumpFile.unreadable(path) })
  return yield* decode(text, path)
})
