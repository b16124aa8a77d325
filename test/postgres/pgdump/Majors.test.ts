/** Servers of every major that pgark promises to dump, by the pg_dump that comes with it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import * as Restores from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

const shared: ReadonlyArray<number> = Clusters.majors
const others = EmbeddedServer.majors.filter((major) => !shared.includes(major))

describe.each(ofRun(others, others.slice(0, 1)))("a server of PostgreSQL %i", (major) => {
  it.live("is dumped whole, and the dump restored into the newest", () =>
    Effect.gen(function* () {
      const { superuser, version } = yield* EmbeddedServer.start({ major })
      yield* Restores.fillJournal(superuser)
      const { file, manifest } = yield* Restores.dump(superuser, yield* Restores.folder)
      assert.strictEqual(manifest?.source.serverVersion.split(" ")[0], version)
      assert.strictEqual(manifest?.tool.kind, "wasm")
      const target = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      const report = yield* Restores.restore(target, file)
      assert.deepInclude(report, { tables: 18, largeObjects: 2 })
      assert.strictEqual(
        report.rows,
        manifest?.tables.reduce((sum, { rows }) => sum + rows, 0)
      )
      // The program of the machine gives the same rows, whatever it writes around them.
      if (NativePgDump.major === undefined || NativePgDump.major < major) return
      const rows = (sql: Buffer) => sql.toString().match(/^COPY [\s\S]*?^\\\.$/gm)
      const [wasm, native] = [yield* dump("wasm", major, superuser), yield* dump("native", major, superuser)]
      assert.deepStrictEqual(rows(wasm), rows(native))
    })
  )
})
