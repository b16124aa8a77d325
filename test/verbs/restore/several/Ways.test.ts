import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../../support/Clusters.ts"
import { twin } from "../../../support/Restores.ts"
import * as Restores from "../../../support/Restores.ts"
import * as Several from "../../../support/Several.ts"
import { asideCase, batchesCase, cases, titleOf } from "../../../support/Several.ts"
import { snapshot } from "../../../support/Snapshot.ts"
import { each, ofRun } from "../../../support/Tier.ts"

/** As `pg_dump --clean` writes it. */
const drops = "DROP TABLE public.t;\nDROP TABLE public.u;\n"
const script = `CREATE TABLE public.u (id integer PRIMARY KEY);
CREATE TABLE public.t (id integer REFERENCES public.u);
COPY public.u (id) FROM stdin;
1
2
\\.

COPY public.t (id) FROM stdin;
1
2
2
\\.
`

describe("a restore in several transactions without --clean", () => {
  for (const way of ofRun(["aside", "batches"] as const, ["aside"])) {
    it.live(`replaces what the dump drops by itself, and is taken back: ${way}`, () =>
      Effect.gen(function* () {
        const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
        const { admin, url } = target
        // What the dump does not drop stays where it is.
        const more = way === "batches" ? "CREATE TABLE public.kept (id integer);" : ""
        yield* Clusters.query(
          url,
          `CREATE TABLE public.u (id integer PRIMARY KEY, more text); CREATE TABLE public.t (id integer REFERENCES public.u);
           INSERT INTO public.u VALUES (7, 'x'); INSERT INTO public.t VALUES (7); ${more}`
        )
        const before = yield* snapshot(admin)
        const directory = yield* Restores.folder
        for (const last of ["CREATE TABLE public.late (id public.no_such_type);", ""]) {
          const file = join(directory, "script.sql")
          writeFileSync(file, `${drops}${script}${last}\n\n--\n-- PostgreSQL database dump complete\n--\n\n`)
          const options = { clean: false, several: true, backupFirst: true }
          const run = Restores.restore(url, file, options)
          if (last !== "") {
            const error = yield* Restores.unchanged(admin, Effect.flip(run))
            assert.deepStrictEqual([error._tag, error.state], ["RestoreFailed", "rolled-back"], error.message)
            continue
          }
          const report = yield* run
          assert.strictEqual(report.way, way, report.why)
        }
        const [row] = yield* Clusters.query(url, "SELECT count(*)::int AS n FROM public.t JOIN public.u USING (id)")
        assert.deepStrictEqual(row, { n: 3 })
        yield* Several.undo(url, directory, { several: true })
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )
  }
})

describe("a restore in several transactions", () => {
  each(cases, [asideCase, batchesCase], titleOf, ({ kind, way, ...options }) => {
    it.live("leaves what one leaves, and can be undone", () =>
      Effect.gen(function* () {
        const target = yield* Several.prepare(kind, options)
        const before = yield* snapshot(target.admin)
        const other = yield* twin(target)
        const one = yield* Restores.restore(other.url, target.file, { clean: true })
        assert.strictEqual(one.way, "transaction")
        const expected = yield* snapshot(other.admin)
        assert.notStrictEqual(expected, before)

        const report = yield* Several.restore(target, target.file)
        assert.strictEqual(report.way, way)
        assert.strictEqual(yield* snapshot(target.admin), expected)
        assert.deepStrictEqual(yield* Several.asides(target.admin), [])

        const undone = yield* Several.undo(target.url, target.directory, { several: true })
        assert.isFalse("recovered" in undone)
        assert.strictEqual(yield* snapshot(target.admin), before)
      })
    )
  })
})
