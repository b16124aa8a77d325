/** Restores that are taken back. */
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import type * as Restore from "../../src/verbs/Restore.ts"
import * as Undo from "../../src/verbs/Undo.ts"
import * as Restores from "./Restores.ts"
import { snapshot } from "./Snapshot.ts"

/** `pgark undo --dir directory`, without the planner's statistics. */
export const undo = (url: DatabaseUrl, directory: string, more: Undo.UndoOptions = {}) =>
  Undo.undo({ analyze: false, ...more }).pipe(Effect.provide(Restores.restoreLayer(url, directory)))

/** `pgark restore FILE` with its safety dump. */
export const restore = (url: DatabaseUrl, file: string, more: Partial<Restore.RestoreOptions> = {}) =>
  Restores.restore(url, file, { backupFirst: true, ...more })

/** Names of dumps and journals in `before-restore`, sorted; none where there is no such folder. */
export const kept = (directory: string): ReadonlyArray<string> => {
  const folder = join(directory, "before-restore")
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => !name.startsWith("."))
        .toSorted()
    : []
}

export interface Way extends Partial<Restore.RestoreOptions> {
  /** The role that restores; its dumps are in the folder of this file. */
  readonly url: DatabaseUrl
  /** The same database as superuser. */
  readonly admin: DatabaseUrl
  readonly file: string
}

/**
 * Restores a dump, brings back what it replaced, and takes that back too: each time the superuser must see the same as
 * before.
 */
export const thereAndBack = Effect.fnUntraced(function* ({ admin, file, url, ...options }: Way) {
  const directory = dirname(file)
  const before = yield* snapshot(admin)
  const restored = yield* restore(url, file, options)
  const after = yield* snapshot(admin)
  assert.notStrictEqual(after, before, "the restore changes nothing")
  assert.isDefined(restored.backup)
  yield* undo(url, directory)
  yield* Restores.same(yield* snapshot(admin), before, "It is not what it was before the restore")
  yield* undo(url, directory)
  yield* Restores.same(yield* snapshot(admin), after, "It is not what it was after the restore")
})
