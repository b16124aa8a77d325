/** What a user sees of restores in several transactions: plan, refusals, report. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Session from "../../src/postgres/Session.ts"
import * as TargetLock from "../../src/postgres/TargetLock.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import { database, prepare, SmallServer, type Target } from "../support/SmallServer.ts"
import { snapshot } from "../support/Snapshot.ts"

const restoreArgs = ({ file }: Target) => ["restore", file, "--clean", "--yes", "--no-analyze"]

/** Creates little by the count of what is created, and locks a constraint with each of 2,000 comments. */
const commented = `${Array.from(
  { length: 10 },
  (_, table) => `CREATE TABLE public.c${table} (id integer${Array.from(
    { length: 200 },
    (_, i) => `, CONSTRAINT k${i} CHECK (id <> ${i})`
  ).join("")});
${Array.from({ length: 200 }, (_, i) => `COMMENT ON CONSTRAINT k${i} ON public.c${table} IS 'c';`).join("\n")}`
).join("\n")}

--
-- PostgreSQL database dump complete
--
`

layer(SmallServer.layer, { excludeTestServices: true, timeout: 60_000 })("where the lock table is small", (it) => {
  for (const way of ["aside", "batches"] as const) {
    it.effect(
      `a restore says how it goes about it: ${way}`,
      () =>
        Effect.gen(function* () {
          const target = yield* prepare(way)
          const { options, url } = target
          const dryRun = (...more: ReadonlyArray<string>) =>
            Effect.map(Pgark.run([...restoreArgs(target), "--dry-run", ...more], options), ({ code, stderr, stdout }) => {
              assert.strictEqual(code, 0, stderr)
              return stdout
            })
          console.log(yield* dryRun())
          console.log(yield* dryRun("--plan", "mermaid"))
          console.log((yield* dryRun("--plan", "json")).slice(0, 3000))
          assert.strictEqual(yield* snapshot(url), target.before)
          const done = yield* Pgark.run(restoreArgs(target), options)
          assert.strictEqual(done.code, 0, done.stderr)
          console.log(done.stderr, done.stdout)
        }),
      120_000
    )
  }

  it.effect(
    "other sessions in the database stop it, and are named",
    () =>
      Effect.gen(function* () {
        const target = yield* prepare("aside")
        const { options, url } = target
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Session.open(url, "the app")
            const { code, stderr } = yield* Pgark.run(restoreArgs(target), options)
            assert.strictEqual(code, 6, stderr)
            assert.match(stderr, /1 other session is connected to the database/)
            assert.match(stderr, /application "the app"/)
            assert.match(stderr, /--while-in-use/)
          })
        )
        assert.strictEqual(yield* snapshot(url), target.before)
        // One of another database does not matter, nor another pgark that waits for its turn.
        yield* Session.open((yield* SmallServer).superuser, "elsewhere")
        const running = yield* Pgark.start(
          restoreArgs(target).filter((flag) => flag !== "--yes"),
          options
        )
        yield* Restores.until(Effect.sync(() => running.output.stderr), (said) => said.includes("Starting in"), "20 seconds")
        const waiting = yield* Session.open(url, "pgark restore")
        yield* Effect.forkScoped(TargetLock.wait(waiting))
        const { code, stderr } = yield* running.ended
        assert.strictEqual(code, 0, stderr)
      }),
    120_000
  )

  it.effect(
    "a restore that cannot even lock all tables at once is refused",
    () =>
      Effect.gen(function* () {
        const target = yield* prepare("aside")
        const holder = yield* Session.open((yield* SmallServer).superuser)
        yield* holder.execute("SELECT pg_advisory_lock(i) FROM generate_series(1, 400) i")
        const { code, stderr } = yield* Pgark.run(restoreArgs(target), target.options)
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, /^pgark: The server's lock table is too small: \d+ entries are needed at once, \d+ are free/m)
        assert.match(stderr, /^ {2}next .*max_locks_per_transaction raised to \d+ or more/m)
        assert.strictEqual(yield* snapshot(target.url), target.before)
      }),
    120_000
  )

  it.effect(
    "one transaction that turns out to be too large is followed by several, unless a plan is kept to",
    () =>
      Effect.gen(function* () {
        const url = yield* database("commented")
        const cwd = yield* Restores.folder
        writeFileSync(join(cwd, "commented.sql"), commented)
        const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
        const plan = yield* Pgark.run(["restore", "commented.sql", "--dry-run", "--plan", "json"], options)
        assert.strictEqual(plan.code, 0, plan.stderr)
        assert.include(plan.stdout, "Restore in one transaction")
        writeFileSync(join(cwd, "plan.json"), plan.stdout)
        const kept = yield* Restores.unchanged(
          url,
          Pgark.run(["restore", "--plan-file", "plan.json", "--yes"], options)
        )
        assert.strictEqual(kept.code, 7, kept.stderr)
        const { code, stderr, stdout } = yield* Pgark.run(["restore", "commented.sql"], options)
        assert.strictEqual(code, 0, stderr)
        assert.match(stderr, /^note {2}The server's lock table is too small for one transaction, which was rolled back/m)
        assert.match(stdout, /^ {2}way {8}several transactions, the old schemas set aside meanwhile/m)
        const [row] = yield* Clusters.query<{ n: number }>(url, "SELECT count(*)::int AS n FROM pg_description WHERE description = 'c'")
        assert.strictEqual(row?.n, 2000)
      }),
    120_000
  )
})
