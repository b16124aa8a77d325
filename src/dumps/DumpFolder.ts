/** The folder of dumps itself. */
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"

/**
 * Creates the folder and what is missing above it. Not with `recursive`: Node never comes back from that where a
 * folder that exists says of its child that it does not (`/proc/dumps`).
 */
export const makeFolder = (fs: FileSystem.FileSystem, path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (yield* fs.exists(path)) return
    if (dirname(path) !== path) yield* makeFolder(fs, dirname(path))
    yield* fs.makeDirectory(path).pipe(Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void))
  })
