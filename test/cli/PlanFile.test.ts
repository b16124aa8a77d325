import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Plan } from "../../src/pipeline/Plan.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { dump, fillJournal, folder, unchanged } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { each, isLong, long } from "../support/Tier.ts"

const major = Clusters.sourceMajor

/** The sample database with its dump, as a role of a kind, and a plan of its restore in a file. */
const prepare = Effect.fnUntraced(function* (kind: Clusters.RoleKind, ...flags: ReadonlyArray<string>) {
  const target = yield* Clusters.makeTarget(major, kind)
  yield* fillJournal(target.url)
  const cwd = yield* folder
  const run = (...args: ReadonlyArray<string>) =>
    Pgark.run(args, { cwd, env: { DATABASE_URL: Pgark.uri(target.url), NO_COLOR: "1" } })
  yield* dump(target.url, join(cwd, "dumps"))
  /** Writes the plan of a restore as it would be now. */
  const save = Effect.gen(function* () {
    const { code, stdout, stderr } = yield* run("restore", ...flags, "--dry-run", "--plan", "json")
    assert.strictEqual(code, 0, stderr)
    writeFileSync(join(cwd, "plan.json"), stdout)
    return JSON.parse(stdout).plan as Plan
  })
  return { ...target, cwd, run, save, plan: yield* save }
})

const execute = ["restore", "--plan-file", "plan.json", "--yes", "--json"]

const rungs: ReadonlyArray<readonly [Clusters.RoleKind, 1 | 2]> = [
  ["superuser", 1],
  ["databaseOwner", 1],
  ["schemaOwner", 2],
  ["tableOwner", 2]
]

describe("a plan that is kept", () => {
  each(
    rungs,
    [rungs[3]!],
    ([kind, rung]) => `by rung ${rung}, as ${kind}`,
    ([kind, rung]) => {
      it.live("is what the run does", () =>
        Effect.gen(function* () {
          const { admin, plan, run } = yield* prepare(kind, "--clean")
          const before = yield* snapshot(admin)
          const clean = plan.tasks.find(({ name }) => name === "clean")
          assert.strictEqual(clean?.within, "transaction")
          assert.isTrue(
            clean?.rows.some(({ why }) => why?.startsWith(`the schema is ${rung === 1 ? "dropped" : "kept"}`))
          )
          const { code, stdout, stderr } = yield* run(...execute)
          assert.strictEqual(code, 0, stderr)
          const { restore } = JSON.parse(stdout)
          assert.strictEqual(restore.clean.rung, rung)
          assert.deepStrictEqual(
            restore.clean.dropped,
            clean?.rows.filter(({ destroys, sql }) => destroys && sql !== undefined).map(({ what }) => what)
          )
          assert.strictEqual(yield* snapshot(admin), before)
        })
      )
    }
  )

  long("in the long run,", () => {
    it.live("does not change from one dry run to the next, nor by rows, statistics and what other databases do", () =>
      Effect.gen(function* () {
        const { admin, plan, run } = yield* prepare("tableOwner", "--clean")
        yield* Clusters.query(admin, `UPDATE public."Goal" SET title = 'later'`)
        yield* Clusters.query(admin, "ANALYZE")
        yield* Clusters.makeRole(major)
        const again = JSON.parse((yield* run("restore", "--clean", "--dry-run", "--json")).stdout).plan as Plan
        assert.deepStrictEqual(again, plan)
        assert.strictEqual((yield* run(...execute)).code, 0)
      })
    )
  })

  /** What others do after the plan was made, and how the refusal names it. */
  const changes: ReadonlyArray<readonly [sql: string, named: string]> = [
    ["CREATE TABLE public.fresh (id int)", "new: table public.fresh"],
    [`ALTER TABLE public."Goal" ADD COLUMN more int`, `changed: table public."Goal"`],
    [`CREATE INDEX late ON public."Goal" (title)`, `changed: table public."Goal"`],
    [`GRANT SELECT ON public."Goal" TO PUBLIC`, `changed: table public."Goal"`],
    [
      `CREATE OR REPLACE FUNCTION public."touchUpdatedAt"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      `changed: function public."touchUpdatedAt"()`
    ],
    [`ALTER TYPE public."GoalState" ADD VALUE 'LATER'`, `changed: type public."GoalState"`],
    ["GRANT USAGE ON SCHEMA public TO pg_monitor", "changed: schema public"],
    ["SELECT lo_unlink(oid) FROM pg_largeobject_metadata LIMIT 1", "gone: large object"]
  ]

  it.live("is refused with what has changed, and nothing is touched", () =>
    Effect.gen(function* () {
      const { admin, run, save } = yield* prepare("tableOwner", "--clean")
      for (const [sql, named] of isLong(process.env) ? changes : changes.slice(1, 2)) {
        // What has changed before is in it.
        yield* save
        yield* Clusters.query(admin, sql)
        const { code, stdout } = yield* unchanged(admin, run(...execute))
        assert.strictEqual(code, 2, sql)
        const { error } = JSON.parse(stdout)
        assert.deepInclude(error, { code: "PlanStale", state: "untouched" })
        assert.include(error.detail, named, sql)
      }
    })
  )

  it.live("is refused where the dump is another, the file is none, or the command says more than the plan", () =>
    Effect.gen(function* () {
      const { admin, cwd, run } = yield* prepare("tableOwner")
      const before = yield* snapshot(admin)
      const refused = (...args: ReadonlyArray<string>) =>
        Effect.map(run(...args, "--json"), ({ code, stdout }) => {
          assert.strictEqual(code, 2)
          return JSON.parse(stdout).error as {
            readonly code: string
            readonly message: string
            readonly detail: string
          }
        })
      assert.include((yield* refused("restore", "--plan-file", "plan.json", "--clean")).message, "says already")
      assert.include((yield* refused("restore", "--plan", "json")).message, "would be a run")
      const text = readFileSync(join(cwd, "plan.json"), "utf8")
      const saved = JSON.parse(text)
      writeFileSync(join(cwd, "other.json"), text.replaceAll(saved.database, "me@elsewhere:1/x"))
      assert.include((yield* refused("restore", "--plan-file", "other.json")).message, "is for me@elsewhere:1/x")
      writeFileSync(join(cwd, "none.json"), "{}")
      assert.include((yield* refused("restore", "--plan-file", "none.json")).message, "is no plan of a restore")
      writeFileSync(join(cwd, "edited.json"), text.replace(/execute [\d,]+ statements/, "execute 1 statements"))
      assert.include((yield* refused("restore", "--plan-file", "edited.json")).detail, "the steps themselves")
      const file = join(cwd, saved.options.file)
      const dump = readFileSync(file, "utf8")
      writeFileSync(file, dump.replace("PostgreSQL database dump\n", "PostgreSQL database dumP\n"))
      assert.strictEqual((yield* run("restore", "--plan-file", "plan.json")).code, 4)
      assert.strictEqual(yield* snapshot(admin), before)
    })
  )

  it.live("does not fall back to another rung", () =>
    Effect.gen(function* () {
      const { admin, run, save } = yield* prepare("databaseOwner", "--clean")
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA guard; CREATE FUNCTION guard.deny() RETURNS event_trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE 'not this schema' USING ERRCODE = '42501'; END $$;
         CREATE EVENT TRIGGER deny ON ddl_command_start WHEN TAG IN ('DROP SCHEMA') EXECUTE FUNCTION guard.deny()`
      )
      // The guard was there when the plan was made.
      yield* save
      const { code, stdout } = yield* unchanged(admin, run(...execute))
      assert.strictEqual(code, 5, stdout)
      assert.deepInclude(JSON.parse(stdout).error, { code: "CleanRefused", state: "rolled-back" })
    })
  )
})
