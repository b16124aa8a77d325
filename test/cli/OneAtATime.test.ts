/** What a user sees when another pgark is at work on the same database. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Session from "../../src/postgres/Session.ts"
import { key } from "../../src/postgres/TargetLock.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { backends, folder, unchanged, until } from "../support/Restores.ts"
import { each, long } from "../support/Tier.ts"

/** A dump by hand of one table with one row. */
const dumpOf = (row: string, more = "") => `SET client_encoding = 'UTF8';
DROP TABLE IF EXISTS public.item;
CREATE TABLE public.item (name text);

COPY public.item (name) FROM stdin;
${row}
\\.

${more}
--
-- PostgreSQL database dump complete
--
`

const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* Clusters.query(target.url, "CREATE TABLE public.item AS SELECT 'old' AS name")
  const cwd = yield* folder
  writeFileSync(join(cwd, "one.sql"), dumpOf("one"))
  writeFileSync(join(cwd, "two.sql"), dumpOf("two"))
  writeFileSync(join(cwd, "broken.sql"), dumpOf("three", "CREATE TABLE public.other (id no_such_type);"))
  return { ...target, cwd, options: { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } } }
})
type Prepared = Effect.Success<ReturnType<typeof prepare>>

/** Who has the lock, as anybody can look for it. */
const holders = ({ admin }: Prepared) =>
  Clusters.query<{ pid: number; application: string }>(
    admin,
    `SELECT l.pid, a.application_name AS application FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    key
  )

const free = (target: Prepared) => until(holders(target), (rows) => rows.length === 0, "3 seconds")

const rows = ({ admin }: Prepared) => Clusters.query<{ name: string }>(admin, "SELECT name FROM public.item")

/** `restore one.sql`, held up by a reader of the table from when it has the lock until `release`. */
const heldUp = Effect.fnUntraced(function* (target: Prepared) {
  const reader = yield* Session.open(target.admin)
  yield* reader.execute("BEGIN; LOCK TABLE public.item IN ACCESS SHARE MODE")
  const running = yield* Pgark.start(["restore", "one.sql", "--yes", "--lock-timeout", "300"], target.options)
  yield* until(backends(target.admin, "DROP TABLE%item%"), (pids) => pids.length > 0, "20 seconds")
  const [holder] = yield* holders(target)
  if (holder === undefined) return yield* Effect.die(new Error("it has no lock"))
  return { running, holder, release: reader.execute("COMMIT") }
})

const said = (running: Pgark.Running, text: string) =>
  until(
    Effect.sync(() => running.output.stderr),
    (stderr) => stderr.includes(text),
    "20 seconds"
  )

interface Busy {
  readonly error: {
    readonly code: string
    readonly exitCode: number
    readonly state: string
    readonly holders: ReadonlyArray<object>
  }
  readonly tasks: ReadonlyArray<{ readonly status: string }>
}

describe("a second pgark on one database", () => {
  it.live("ends at once with 6 and names the first", () =>
    Effect.gen(function* () {
      const target = yield* prepare()
      const { holder, release, running } = yield* heldUp(target)
      assert.strictEqual(holder.application, "pgark restore")

      const told = yield* Pgark.run(["restore", "two.sql", "--yes"], target.options)
      assert.strictEqual(told.code, 6, told.stderr)
      assert.match(told.stderr, /^pgark: Another pgark is at work on the database "test_database_\w+"\.$/m)
      const { pid } = holder
      assert.include(told.stderr, `process ${pid}, user ${target.url.user}, application "pgark restore", active for`)
      assert.match(told.stderr, /connected from 127\.0\.0\.1$/m)
      assert.match(told.stderr, /^ {2}state {3}nothing was changed$/m)
      assert.match(told.stderr, /^ {2}next {4}Wait until it has ended, .*--wait/m)
      assert.include(told.stderr, `SELECT pg_catalog.pg_terminate_backend(${pid});`)
      assert.notMatch(told.stderr, /^(done|WARNING)/m)

      for (const args of [
        ["clean", "--yes"],
        ["grant", target.role.name]
      ]) {
        const { code, stdout } = yield* Pgark.run([...args, "--json"], target.options)
        assert.strictEqual(code, 6, stdout)
        const { error, tasks } = JSON.parse(stdout) as Busy
        assert.deepInclude(error, { code: "TargetBusy", exitCode: 6, state: "untouched" })
        assert.deepInclude(error.holders[0], { pid, application: "pgark restore", client: "127.0.0.1" })
        const [first, ...others] = tasks.map(({ status }) => status)
        assert.strictEqual(first, "failed")
        for (const status of others) assert.strictEqual(status, "skipped")
      }

      const undoing = yield* Pgark.run(["undo", "--yes"], target.options)
      assert.strictEqual(undoing.code, 6, undoing.stderr)
      assert.match(undoing.stderr, /^pgark: Another pgark is at work/m)

      // What changes nothing asks nobody. The size of what would be saved is not to be read behind a DROP that waits.
      const args = ["restore", "two.sql", "--dry-run", "--no-backup-first"]
      const planned = yield* Pgark.run(args, target.options)
      assert.strictEqual(planned.code, 0, planned.stderr)
      assert.strictEqual((yield* holders(target)).length, 1)

      yield* release
      const first = yield* running.ended
      assert.strictEqual(first.code, 0, first.stderr)
      assert.deepStrictEqual(yield* rows(target), [{ name: "one" }])
      yield* free(target)
    })
  )

  long("in the long run,", () => {
    it.live("is not in the way on another database of the server", () =>
      Effect.gen(function* () {
        const target = yield* prepare()
        const other = yield* prepare()
        const { release, running } = yield* heldUp(target)
        const ended = yield* Pgark.run(["restore", "two.sql", "--yes"], other.options)
        assert.strictEqual(ended.code, 0, ended.stderr)
        assert.deepStrictEqual(yield* rows(other), [{ name: "two" }])
        yield* release
        assert.strictEqual((yield* running.ended).code, 0)
      })
    )
  })

  it.live("with --wait comes after the first, and replaces what that has left", () =>
    Effect.gen(function* () {
      const target = yield* prepare()
      const { holder, release, running } = yield* heldUp(target)
      const second = yield* Pgark.start(["restore", "two.sql", "--yes", "--wait"], target.options)
      yield* said(second, `Waiting for another pgark at work on "${target.admin.database}": process ${holder.pid}, `)
      yield* release
      const first = yield* running.ended
      assert.strictEqual(first.code, 0, first.stderr)
      const ended = yield* second.ended
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.strictEqual(ended.stderr.match(/Waiting for/g)?.length, 1)
      assert.deepStrictEqual(yield* rows(target), [{ name: "two" }])
      yield* free(target)
    })
  )

  it.live("reads nothing for its plan before it has the lock", () =>
    Effect.gen(function* () {
      const target = yield* prepare()
      const holder = yield* Session.open(target.admin)
      yield* holder.execute(`SELECT pg_advisory_lock(${key.join(", ")})`)
      const waiting = yield* Pgark.start(["clean", "--yes", "--wait", "--json"], target.options)
      const activity = Clusters.query<{ query: string; application: string; locks: ReadonlyArray<string> }>(
        target.admin,
        `SELECT a.query, a.application_name AS application,
                ARRAY(SELECT l.locktype FROM pg_locks l WHERE l.pid = a.pid AND l.locktype <> 'virtualxid') AS locks
         FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = $1 AND a.wait_event = 'advisory'`,
        [target.role.name]
      )
      const [seen] = yield* until(activity, (found) => found.length > 0, "20 seconds")
      assert.deepStrictEqual(seen, {
        query: `SELECT pg_catalog.pg_advisory_lock(${key.join(", ")})`,
        application: "pgark clean",
        locks: ["advisory"]
      })
      assert.notInclude(waiting.output.stderr, "Survey")
      // Comes while it waits, and goes with the rest.
      yield* Clusters.query(target.url, "CREATE VIEW public.late AS SELECT name FROM public.item")
      yield* holder.execute(`SELECT pg_advisory_unlock(${key.join(", ")})`)
      const ended = yield* waiting.ended
      assert.strictEqual(ended.code, 0, ended.stderr)
      const { clean } = JSON.parse(ended.stdout) as { clean: { dropped: ReadonlyArray<string> } }
      assert.include(clean.dropped.join(), "late")
      yield* free(target)
    })
  )

  it.live("that waits can be stopped, and nothing waits on", () =>
    Effect.gen(function* () {
      const target = yield* prepare()
      const holder = yield* Session.open(target.admin)
      yield* holder.execute(`SELECT pg_advisory_lock(${key.join(", ")})`)
      const ended = yield* unchanged(
        target.admin,
        Effect.gen(function* () {
          const waiting = yield* Pgark.start(["restore", "one.sql", "--yes", "--wait"], target.options)
          yield* until(
            backends(target.admin, "SELECT pg_catalog.pg_advisory_lock%"),
            (pids) => pids.length > 0,
            "20 seconds"
          )
          waiting.child.kill("SIGINT")
          return yield* waiting.ended
        })
      )
      assert.strictEqual(ended.code, 130, ended.stderr)
      assert.match(ended.stderr, /^pgark: Interrupted: nothing was changed\.$/m)
      assert.deepStrictEqual(yield* backends(target.admin, "SELECT pg_catalog.pg_advisory_lock%"), [])
      assert.strictEqual((yield* holders(target)).length, 1)
    })
  )
})

describe("the lock of a database is gone", () => {
  // It is the session's, and goes with it, as it does after SIGKILL.
  long("in the long run,", () => {
    it.live("after a failure", () =>
      Effect.gen(function* () {
        const target = yield* prepare()
        const { code, stderr } = yield* Pgark.run(["restore", "broken.sql", "--yes"], target.options)
        assert.strictEqual(code, 7, stderr)
        yield* free(target)
      })
    )
  })

  each(
    ["SIGINT", "SIGKILL"] as const,
    ["SIGKILL"],
    (signal) => `by ${signal}`,
    (signal) => {
      it.live("after that", () =>
        Effect.gen(function* () {
          const target = yield* prepare()
          const { release, running } = yield* heldUp(target)
          running.child.kill(signal)
          const { code } = yield* running.ended
          assert.strictEqual(code, signal === "SIGINT" ? 130 : null)
          yield* free(target)
          yield* release
          assert.deepStrictEqual(yield* rows(target), [{ name: "old" }])
          const next = yield* Pgark.run(["restore", "two.sql", "--yes"], target.options)
          assert.strictEqual(next.code, 0, next.stderr)
        })
      )
    }
  )
})
