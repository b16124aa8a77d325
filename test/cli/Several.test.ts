/** What a user sees of restores in several transactions: plan, refusals, report. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Session from "../../src/postgres/Session.ts"
import * as TargetLock from "../../src/postgres/TargetLock.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import { database, prepare, SmallServer, type Target } from "../support/SmallServer.ts"
import * as Several from "../support/Several.ts"
import { snapshot } from "../support/Snapshot.ts"
import { each, isLong } from "../support/Tier.ts"

const restoreArgs = ({ file }: Target) => ["restore", file, "--clean", "--yes", "--no-analyze"]

/** Takes ten entries of the lock table with each of 600 statements, which nobody can foresee. */
const greedy = `CREATE TABLE public.t (id integer);
${Array.from({ length: 600 }, (_, i) => `SELECT pg_catalog.pg_advisory_xact_lock(${i}, n) FROM pg_catalog.generate_series(1, 10) n;`).join("\n")}

--
-- PostgreSQL database dump complete
--
`

layer(SmallServer.layer, { excludeTestServices: true, timeout: 60_000 })("where the lock table is small", (it) => {
  each(
    ["aside", "batches"] as const,
    ["aside"],
    (way) => `a restore that goes ${way}`,
    (way) => {
      it.effect(
        "says how it goes about it",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(way)
            const { options, url } = target
            const dryRun = (...more: ReadonlyArray<string>) =>
              Effect.map(
                Pgark.run([...restoreArgs(target), "--dry-run", ...more], options),
                ({ code, stderr, stdout }) => {
                  assert.strictEqual(code, 0, stderr)
                  return stdout
                }
              )
            const text = yield* dryRun()
            const how = [
              "in several transactions",
              way === "aside" ? "the old schemas set aside meanwhile" : "behind a safety dump"
            ]
            for (const words of how) assert.match(text, new RegExp(`^  - .*${words}`, "m"))
            assert.match(text.replaceAll(/\s+/g, " "), /entries of the server's lock table/)
            assert.match(
              text,
              way === "aside"
                ? /^ {2}! drop what was in "public": 62 tables, 1 function\n {6}because pgark_aside_2200/m
                : /^ {2}! drop 62 tables, 1 function, in \d+ transactions$/m
            )
            for (const line of text.split("\n")) assert.isAtMost(line.length, line.includes("/") ? 240 : 80, line)
            const mermaid = yield* dryRun("--plan", "mermaid")
            assert.include(mermaid, `["Restore in several transactions"]`)
            assert.include(mermaid, way === "aside" ? "Drop what was set aside" : "Empty the target")
            const { plan } = JSON.parse(yield* dryRun("--plan", "json")) as {
              readonly plan: { readonly tasks: ReadonlyArray<{ readonly name: string }> }
            }
            const names = plan.tasks.map(({ name }) => name)
            const steps =
              way === "aside"
                ? ["aside", "apply", "verify", "finish", "put back", "drop old"]
                : ["clean", "apply", "verify", "finish"]
            const first = ["prove", "survey", "transaction", "secure", "sessions", "lock", "backup"]
            assert.deepStrictEqual(names, [...first, ...steps])
            assert.strictEqual(yield* snapshot(url), target.before)
            const done = yield* Pgark.run(restoreArgs(target), options)
            assert.strictEqual(done.code, 0, done.stderr)
            assert.match(done.stderr, /^WARNING: (.*\n)+ {2}goes .*62 tables(.*\n)+ {2}- drop .*62 tables/m)
            assert.match(done.stdout.replaceAll(/\s+/g, " "), new RegExp(` way in several transactions,? ${how[1]}: `))
            for (const line of done.stdout.split("\n"))
              assert.isAtMost(line.length, line.includes("/") ? 240 : 80, line)
          }),
        120_000
      )
    }
  )

  it.effect(
    "other sessions in the database stop it, and are named",
    () =>
      Effect.gen(function* () {
        const target = yield* prepare("aside")
        const { options, url } = target
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Session.open(url, { application: "the app" })
            const { code, stderr } = yield* Pgark.run(restoreArgs(target), options)
            assert.strictEqual(code, 6, stderr)
            assert.match(stderr, /1 other session is connected to the database/)
            assert.match(stderr, /application "the app"/)
            assert.match(stderr, /--while-in-use/)
          })
        )
        assert.strictEqual(yield* snapshot(url), target.before)
        if (!isLong(process.env)) return
        // One of another database does not matter, nor another pgark that waits for its turn.
        yield* Session.open((yield* SmallServer).superuser, { application: "elsewhere" })
        const running = yield* Pgark.start(
          restoreArgs(target).filter((flag) => flag !== "--yes"),
          options
        )
        yield* Restores.until(
          Effect.sync(() => running.output.stderr),
          (said) => said.includes("Starting in"),
          "20 seconds"
        )
        const waiting = yield* Session.open(url, { application: "pgark restore" })
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
        yield* holder.execute("SELECT pg_advisory_lock(i) FROM generate_series(1, 600) i")
        const { code, stderr } = yield* Pgark.run(restoreArgs(target), target.options)
        assert.strictEqual(code, 2, stderr)
        assert.match(
          stderr,
          /^pgark: The server's lock table is too small: \d+ entries are needed at once, \d+ are free/m
        )
        assert.match(stderr, /^ {2}next .*max_locks_per_transaction raised to \d+ or more/m)
        assert.strictEqual(yield* snapshot(target.url), target.before)
      }),
    120_000
  )

  it.effect(
    "one transaction that turns out to be too large is followed by several, unless a plan is kept to",
    () =>
      Effect.gen(function* () {
        const url = yield* database("greedy")
        const cwd = yield* Restores.folder
        writeFileSync(join(cwd, "greedy.sql"), greedy)
        const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
        const plan = yield* Pgark.run(["restore", "greedy.sql", "--dry-run", "--plan", "json"], options)
        assert.strictEqual(plan.code, 0, plan.stderr)
        assert.include(plan.stdout, "Restore in one transaction")
        writeFileSync(join(cwd, "plan.json"), plan.stdout)
        const kept = yield* Restores.unchanged(
          url,
          Pgark.run(["restore", "--plan-file", "plan.json", "--yes"], options)
        )
        assert.strictEqual(kept.code, 7, kept.stderr)
        assert.deepStrictEqual(Several.before(join(cwd, "dumps")), [])
        const { code, stderr, stdout } = yield* Pgark.run(["restore", "greedy.sql", "--yes"], options)
        assert.strictEqual(code, 0, stderr)
        assert.match(
          stderr,
          /^note {2}The server's lock table is too small for one transaction, which was rolled back/m
        )
        assert.match(stdout, /^ {2}way {8}in several transactions behind a safety dump: /m)
      }),
    120_000
  )
})
