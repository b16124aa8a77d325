/** What a user sees of clones: the two databases are told apart, and what is replaced is as it was where one fails. */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { each } from "../support/Tier.ts"

/** Can be filled in no other database than this one. */
const homebound = `
  CREATE FUNCTION public.at_home() RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN RETURN pg_catalog.current_database() NOT LIKE '%_twin'; END $$;
  CREATE TABLE public.homebound (id integer CHECK (public.at_home()));
  INSERT INTO public.homebound VALUES (1)`

/** A source that is filled and a target that is not. Each is reached by a role, and so with a password, of its own. */
const prepare = Effect.gen(function* () {
  const source = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  const target = yield* Restores.twin(source)
  yield* Restores.fillJournal(source.url)
  const reader = yield* Clusters.makeRole(Clusters.sourceMajor, { attributes: "SUPERUSER" })
  const from = Pgark.uri(Clusters.as(source.url, reader))
  const to = Pgark.uri(target.url)
  const cwd = yield* Restores.folder
  const temporary = yield* Restores.folder
  const run = (...args: ReadonlyArray<string>) =>
    Pgark.run(args, { cwd, env: { FROM_URL: from, TO_URL: to, TMPDIR: temporary } })
  return { cwd, from, run, source, target, temporary, to }
})

each(
  [1, 2],
  [1, 2],
  (jobs) => `a clone over ${jobs} connections`,
  (jobs) => {
    it.live(
      "is the source, and one that fails leaves the target as it was",
      () =>
        Effect.gen(function* () {
          const { from, run, source, target, temporary, to } = yield* prepare
          const clone = ["clone", "--from", from, "--to", to, "--jobs", String(jobs), "--yes", "--no-analyze"]
          const done = yield* run(...clone)
          assert.strictEqual(done.code, 0, done.stderr)
          yield* Restores.same(yield* snapshot(target.admin), yield* snapshot(source.admin))
          const said = done.stdout.replaceAll(/\s+/g, " ")
          assert.match(said, /^Cloned \S+@\S+ into \S+@\S+_twin /)
          assert.match(said, / restored 741 rows in 18 tables, \d+ statements, 2 large objects /)
          assert.match(said, / verified 18 tables, 741 rows, .*: no difference /)

          yield* Clusters.query(source.url, homebound)
          const failed = yield* Restores.unchanged(target.admin, run(...clone, "--clean"))
          assert.strictEqual(failed.code, 7, failed.stderr)
          assert.match(failed.stderr, /^WARNING: this destroys data in the database \S+_twin\s/m)
          assert.match(failed.stderr, /"homebound" violates check constraint/)
          assert.deepStrictEqual(readdirSync(temporary), [])
        }),
      120_000
    )
  }
)

describe("the two databases of a clone", () => {
  it.live(
    "are one for reading and one for replacing, by URL or by name",
    () =>
      Effect.gen(function* () {
        const { cwd, from, run, source, target, to } = yield* prepare
        const refused = Effect.fnUntraced(function* (code: number, words: RegExp, ...args: ReadonlyArray<string>) {
          const ended = yield* run("clone", ...args, "--clean", "--yes")
          assert.strictEqual(ended.code, code, ended.stderr)
          assert.match(ended.stderr, words)
          assert.match(ended.stderr, /nothing was changed/)
        })
        const before = [yield* snapshot(source.admin), yield* snapshot(target.admin)]
        const itself = Pgark.uri(source.url)
        yield* refused(2, /would be cloned onto itself/, "--from", from, "--to", itself)
        // Not what DATABASE_URL or libpq's variables say.
        yield* refused(2, /database URL is empty/, "--from", from, "--to", "")
        yield* refused(2, /wants --to/, "--from", from)
        yield* refused(2, /names a third database/, "--from", from, "--to", to, "--database-url", to)
        yield* refused(2, /--to names the database staging/, "--from", from, "--to", "staging")

        const databases = {
          production: { urlFrom: "FROM_URL", protected: true, excludeTableData: [`public."DayEvent"`] },
          staging: { urlFrom: "TO_URL", schemas: ["elsewhere"] }
        }
        writeFileSync(join(cwd, "pgark.config.json"), JSON.stringify({ databases }))
        yield* refused(2, /production is protected/, "--from", "staging", "--to", "production")
        yield* refused(2, /protected database production/, "--from", to, "--to", itself)
        yield* refused(
          2,
          /no database stagin .*\(--to\)[^]*Did you mean staging/,
          "--from",
          "production",
          "--to",
          "stagin"
        )

        const { code, stderr, stdout } = yield* run(
          "clone",
          "--from",
          "production",
          "--to",
          "staging",
          "--dry-run",
          "--json"
        )
        assert.strictEqual(code, 0, stderr)
        const document = JSON.parse(stdout) as {
          readonly database: string
          readonly plan: { readonly pipeline: string }
          readonly settings: ReadonlyArray<{ readonly setting: string; readonly from: string }>
        }
        assert.match(document.database, /_twin$/)
        assert.strictEqual(document.plan.pipeline, "clone")
        // What is narrowed is the source's to say.
        assert.deepStrictEqual(
          document.settings.map(({ from, setting }) => [setting, from]),
          [
            ["from", "--from"],
            ["exclude-table-data", "databases.production.excludeTableData in pgark.config.json"],
            ["to", "--to"]
          ]
        )
        assert.deepStrictEqual([yield* snapshot(source.admin), yield* snapshot(target.admin)], before)
      }),
    120_000
  )
})
