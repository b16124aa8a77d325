/** Dumps of the sample database in every form, and a target that none of them may touch when it is damaged. */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Method } from "../../src/dumps/Compression.ts"
import * as JournalDatabase from "../../src/demo/JournalDatabase.ts"
import * as DumpName from "../../src/dumps/DumpName.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Clusters from "./Clusters.ts"
import * as Damages from "./Damages.ts"
import * as Restores from "./Restores.ts"

interface Prepared {
  /** Superuser's URL of the database that was dumped. */
  readonly source: DatabaseUrl
  /** Two dumps of one database for each way of packing, of the same length where they are not packed. */
  readonly dumps: ReadonlyMap<Method, readonly [Damages.Stored, Damages.Stored]>
  /** Has an older state of the sample, and something of its own. */
  readonly target: Clusters.Target
}

/** As they lie there. */
const storedIn = (method: Method, file: string): Damages.Stored => ({
  method,
  bytes: readFileSync(file),
  manifest: readFileSync(DumpName.manifestOf(file), "utf8")
})

/** From a server that the pg_dump of many machines can read, too. */
export const sourceMajor = 15

export class DamagedDumps extends Context.Service<DamagedDumps, Prepared>()("test/DamagedDumps") {
  static readonly layer: Layer.Layer<DamagedDumps> = Layer.effect(
    DamagedDumps,
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(sourceMajor, "tableOwner")
      yield* JournalDatabase.create({ events: 40 }).pipe(Effect.provide(Session.layer(url)))
      const directory = yield* Restores.folder
      const made = (method: Method) => Restores.dump(url, directory, { compression: { method } })
      const first = new Map<Method, Damages.Stored>()
      for (const method of Damages.methods) first.set(method, storedIn(method, (yield* made(method)).file))
      yield* Clusters.query(url, `UPDATE public."Goal" SET title = reverse(title)`)
      const dumps = new Map<Method, readonly [Damages.Stored, Damages.Stored]>()
      for (const [method, stored] of first) dumps.set(method, [stored, storedIn(method, (yield* made(method)).file)])
      const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
      yield* Restores.fillJournal(target.url)
      yield* Clusters.query(target.url, `CREATE TABLE public.kept AS SELECT 1 AS id; DELETE FROM public."Goal"`)
      return { source: admin, dumps, target }
    }).pipe(Effect.orDie)
  )
}

/** The dump of that form, and the other one of it. */
export const ofMethod = (method: Method) =>
  Effect.map(DamagedDumps, ({ dumps }) => {
    const pair = dumps.get(method)
    assert.isDefined(pair)
    return pair
  })

/** Lays a dump into the folder as it is, or damaged. Gives its path. */
export const lay = (
  directory: string,
  { bytes, manifest }: { readonly bytes: Uint8Array; readonly manifest?: string | undefined }
): string => {
  const file = join(directory, "laid")
  writeFileSync(file, bytes)
  if (manifest === undefined) rmSync(DumpName.manifestOf(file), { force: true })
  else writeFileSync(DumpName.manifestOf(file), manifest)
  return file
}
