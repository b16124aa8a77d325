/** Restores over several connections that end at random moments: what was there comes back, by themselves or with undo. */
import { existsSync, rmSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Chance from "../support/Chance.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import * as Several from "../support/Several.ts"
import { snapshot } from "../support/Snapshot.ts"
import { each, ofRun } from "../support/Tier.ts"

/** Twelve tables that refer to each other, and one that takes a while to load and to index. */
const sample = [
  ...Array.from(
    { length: 12 },
    (_, i) =>
      `CREATE TABLE public.t${i} (id serial PRIMARY KEY, name text UNIQUE, up integer REFERENCES public.t${Math.max(0, i - 1)});
       INSERT INTO public.t${i} (name, up) SELECT 'n' || n, n FROM generate_series(1, 50) n`
  ),
  "CREATE TABLE public.large (id integer PRIMARY KEY, a text, b integer REFERENCES public.t11)",
  "INSERT INTO public.large SELECT n, repeat(md5(n::text), 3), n % 50 + 1 FROM generate_series(1, 60000) n",
  "CREATE INDEX ON public.large (a); CREATE INDEX ON public.large (b)"
].join(";\n")

const later = `UPDATE public.t3 SET name = 'later ' || id; DELETE FROM public.large WHERE id % 3 = 0;
  CREATE TABLE public.since (id integer REFERENCES public.t5); INSERT INTO public.since VALUES (1)`

/** Below `public` of batches stands an extension, so that the schema cannot be set aside. */
const prepare = Effect.fnUntraced(function* (way: Several.Way) {
  const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  if (way === "batches") yield* Clusters.query(admin, "CREATE EXTENSION citext SCHEMA public")
  yield* Clusters.query(url, sample)
  const cwd = yield* Restores.folder
  const { file } = yield* Restores.dump(url, `${cwd}/dumps`, { format: "directory", jobs: 2 })
  yield* Clusters.query(url, later)
  const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
  const args = ["restore", file, "--clean", "--yes", "--jobs", "2", "--while-in-use", "--no-analyze"]
  return { admin, before: yield* snapshot(admin), options, args }
})

const ends = ["SIGKILL", "SIGINT", "pg_terminate_backend"] as const

/** Ends it so long after it has begun to note what it does. */
const endAfter = Effect.fnUntraced(function* (
  { admin, args, options }: Effect.Success<ReturnType<typeof prepare>>,
  end: (typeof ends)[number],
  milliseconds: number
) {
  const running = yield* Pgark.start(args, options)
  yield* Restores.until(
    Effect.sync(() => existsSync(`${options.cwd}/dumps/before-restore`) || running.child.exitCode !== null),
    (begun) => begun,
    "60 seconds"
  )
  yield* Effect.sleep(milliseconds)
  if (end === "pg_terminate_backend") yield* terminated(admin)
  else running.child.kill(end)
  return yield* running.ended
}, Effect.scoped)

/** All connections of pgark at once, as when the server restarts. */
const terminated = (admin: DatabaseUrl) =>
  Clusters.query(
    admin,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'pgark%' AND pid <> pg_backend_pid()`
  )

const rounds: ReadonlyArray<{ readonly way: Several.Way; readonly end: (typeof ends)[number] }> = (
  ["aside", "batches"] as const
).flatMap((way) => ends.map((end) => ({ way, end })))

describe(`a restore over several connections (seed ${Chance.seed})`, () => {
  each(
    rounds,
    rounds.filter(({ end, way }) => end === "SIGKILL" && way === "batches"),
    ({ end, way }) => `${way}, ended by ${end} at any moment,`,
    ({ end, way }) => {
      it.live(
        "leaves what was there, or is undone",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(way)
            const { admin, args, before, options } = target
            const moments = Chance.integers(
              10 + rounds.findIndex((one) => one.way === way && one.end === end),
              12,
              4000
            )
            for (const milliseconds of ofRun(moments, moments.slice(0, 1))) {
              const at = `${milliseconds} ms`
              // An undoing before could be undone, too.
              rmSync(`${options.cwd}/dumps/before-restore`, { recursive: true, force: true })
              const { code, stderr } = yield* endAfter(target, end, milliseconds)
              // Whoever comes next waits until the server has noticed all of it.
              const undo = yield* Pgark.run(["undo", "--yes", "--wait", "--jobs", "2", "--no-analyze"], options)
              // Who says that nothing has changed, or all was rolled back, leaves nothing to be undone.
              const isBack = [6, 130].includes(code ?? 0)
              assert.include(isBack ? [4] : [0, 4], undo.code, `${at}: ${code} ${stderr}\n${undo.stderr}`)
              yield* Restores.same(yield* snapshot(admin), before, `Ended after ${at}, the target`)
              assert.deepStrictEqual(yield* Several.asides(admin), [], at)
            }
            const last = yield* Pgark.run(args, options)
            assert.strictEqual(last.code, 0, last.stderr)
            assert.match(last.stdout, /^ {2}way {8}in several transactions/m)
          }),
        300_000
      )
    }
  )
})
