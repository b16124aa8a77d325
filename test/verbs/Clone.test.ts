import { readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clone from "../../src/verbs/Clone.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Restores from "../support/Restores.ts"
import { each } from "../support/Tier.ts"

const clone = (
  from: DatabaseUrl.DatabaseUrl,
  to: DatabaseUrl.DatabaseUrl,
  directory: string,
  more: Partial<Clone.CloneOptions> = {}
) =>
  Effect.gen(function* () {
    const source = yield* Session.open(from)
    return yield* Clone.clone({ analyze: false, backupFirst: false, ...more, source })
  }).pipe(Effect.provide(Layer.mergeAll(Restores.restoreLayer(to, directory), NodeServices.layer)))

const leftFolders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("pgark-clone-"))

/** Rows of every table by its name, as one text each. */
const rowsOf = (url: DatabaseUrl.DatabaseUrl) =>
  Clusters.query<{ name: string; rows: string }>(
    url,
    `SELECT c.oid::regclass::text AS name,
       query_to_xml(format('SELECT t::text FROM ONLY %s t ORDER BY 1', c.oid::regclass), true, true, '')::text AS rows
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1`
  )

const ways = [
  [18, 1],
  [18, 2],
  [15, 2]
] as const

each(
  ways,
  [ways[0], ways[1]],
  ([major, jobs]) => `a clone from PostgreSQL ${major} over ${jobs} connections`,
  ([major, jobs]) => {
    it.live("is the source", () =>
      Effect.gen(function* () {
        const from = yield* Clusters.makeDatabase(major)
        const to = yield* Clusters.makeDatabase(18)
        yield* Restores.fillJournal(from)
        yield* Clusters.query(
          from,
          `CREATE TABLE public."weird""name" (id int, r regclass, t text);
           INSERT INTO public."weird""name" SELECT g, 'pg_class', repeat('x', g) FROM generate_series(1, 500) g;
           SELECT lo_from_bytea(4711, 'large')`
        )
        const directory = yield* Restores.folder
        const report = yield* clone(from, to, directory, { jobs })
        assert.strictEqual(report.way, jobs === 1 ? "transaction" : "aside")
        assert.deepStrictEqual(yield* rowsOf(to), yield* rowsOf(from))
        assert.strictEqual(report.largeObjects, 3)
        assert.deepStrictEqual(report.verify?.findings, [])
        const [counted] = yield* Clusters.query<{ rows: number }>(
          from,
          `SELECT sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM ONLY %s', c.oid::regclass),
             false, true, '')))[1]::text::int)::int AS rows
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`
        )
        assert.strictEqual(report.rows, counted!.rows)
        assert.deepStrictEqual(leftFolders(), [])
      })
    )
  }
)
