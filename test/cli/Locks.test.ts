/** What a user sees when somebody else holds what is to be dropped. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder, unchanged } from "../support/Restores.ts"
import { ofRun } from "../support/Tier.ts"

const dump = `SET client_encoding = 'UTF8';
DROP TABLE public."Goal" CASCADE;
CREATE TABLE public."Goal" (id integer);

--
-- PostgreSQL database dump complete
--
`

describe("a lock that is not granted in time", () => {
  const prepare = Effect.fnUntraced(function* () {
    const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
    yield* fillJournal(target.url)
    const cwd = yield* folder
    return { ...target, cwd, options: { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } } }
  })

  /** A session that holds a table and does nothing; gives its process. */
  const hold = Effect.fnUntraced(function* (url: DatabaseUrl) {
    const holder = yield* Session.open(url)
    yield* holder.execute(`SET application_name = 'the app'; BEGIN; LOCK TABLE public."Goal" IN ACCESS SHARE MODE`)
    const [row] = yield* holder.sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
    return { pid: row!.pid, release: holder.execute("COMMIT") }
  })

  it.live("names who holds it, what they do, and how to end them", () =>
    Effect.gen(function* () {
      const { admin, options, url } = yield* prepare()
      const ended = yield* unchanged(
        admin,
        Effect.gen(function* () {
          const { pid, release } = yield* hold(url)
          const planned = yield* Pgark.run(["clean", "--dry-run"], options)
          assert.strictEqual(planned.code, 0, planned.stderr)
          assert.include(planned.stdout.replaceAll(/\s+/g, " "), `wait for process ${pid}, user ${url.user}`)
          const ended = yield* Pgark.run(["clean", "--yes", "--lock-timeout", "1"], options)
          assert.include(ended.stderr, `process ${pid}, user ${url.user}, application "the app", idle in transaction`)
          assert.include(ended.stderr, `SELECT pg_catalog.pg_terminate_backend(${pid});`)
          yield* release
          return ended
        })
      )
      assert.strictEqual(ended.code, 6, ended.stderr)
      assert.match(ended.stderr, /^ {2}code {4}55P03$/m)
      assert.match(ended.stderr, /idle in transaction for \d+(s|ms).*, its last query began/)
      assert.match(ended.stderr, /^ {2}next {4}Wait until they have ended .*--lock-timeout/m)
      assert.match(ended.stderr, /^ {2}state {3}the target is as it was/m)
    })
  )

  it.live("says where this role may not see what they do", () =>
    Effect.gen(function* () {
      const { admin, cwd, options } = yield* prepare()
      writeFileSync(join(cwd, "goal.sql"), dump)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { pid } = yield* hold(admin)
          const args = ["restore", "goal.sql", "--yes", "--lock-timeout", "1", "--json"]
          const { code, stdout } = yield* Pgark.run(args, options)
          assert.strictEqual(code, 6, stdout)
          const { error } = JSON.parse(stdout) as { error: { code: string; detail: string } }
          assert.strictEqual(error.code, "LockTimeout")
          assert.include(error.detail, `process ${pid}, user ${admin.user}`)
          assert.include(error.detail, "hidden from this role")
          assert.include(error.detail, "pg_read_all_stats")
        })
      )
    })
  )

  const emptying = ["restore", "goal.sql", "--clean"]
  /** How others may be at work when they do nothing more: their transaction is open. */
  const others = {
    "a reader": { sql: `SELECT FROM public."Goal"`, verbs: [["clean"], ["restore", "goal.sql"], emptying] },
    "a writer": { sql: `UPDATE public."Goal" SET title = title`, verbs: [emptying] },
    "somebody who alters it": { sql: `LOCK TABLE public."Goal" IN ACCESS EXCLUSIVE MODE`, verbs: [emptying] }
  }
  for (const who of ofRun(["a reader", "a writer", "somebody who alters it"] as const, ["a reader"])) {
    const { sql, verbs } = others[who]
    it.live(`stops what drops the table of ${who}, with the target as it was`, () =>
      Effect.gen(function* () {
        const { admin, cwd, options, url } = yield* prepare()
        writeFileSync(join(cwd, "goal.sql"), dump)
        yield* unchanged(
          admin,
          Effect.gen(function* () {
            const holder = yield* Session.open(url, { application: "the app" })
            yield* holder.execute(`BEGIN; ${sql}`)
            for (const args of ofRun(verbs, [verbs[0]!, emptying])) {
              const { code, stderr } = yield* Pgark.run([...args, "--yes", "--lock-timeout", "1"], options)
              assert.strictEqual(code, 6, `${args.join(" ")}: ${stderr}`)
              assert.include(stderr, `process ${holder.backend}, user ${url.user}, application "the app", idle in`)
              assert.include(stderr, `SELECT pg_catalog.pg_terminate_backend(${holder.backend});`)
              assert.match(stderr, /^ {2}state {3}(nothing was changed|the target is as it was)/m)
            }
            yield* holder.execute("ROLLBACK")
          })
        )
      })
    )
  }

  it.live("stops a plan that cannot be read for it", () =>
    Effect.gen(function* () {
      const { cwd, options, url } = yield* prepare()
      writeFileSync(join(cwd, "goal.sql"), dump)
      const holder = yield* Session.open(url, { application: "the app" })
      // The view that stands on it has no definition to show meanwhile.
      yield* holder.execute(`BEGIN; LOCK TABLE public."Day" IN ACCESS EXCLUSIVE MODE`)
      const { code, stderr } = yield* Pgark.run(["restore", "goal.sql", "--dry-run", "--lock-timeout", "1"], options)
      assert.strictEqual(code, 6, stderr)
      assert.include(stderr, `process ${holder.backend}, user ${url.user}, application "the app", idle in transaction`)
      assert.match(stderr, /^ {2}state {3}nothing was changed$/m)
    })
  )

  it.live("that is no number of seconds is wrong usage", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      for (const seconds of ["0", "soon", "2147484"]) {
        const { code, stderr } = yield* Pgark.run(["clean", "--lock-timeout", seconds], { cwd })
        assert.strictEqual(code, 2, stderr)
        assert.include(stderr, "--lock-timeout")
      }
    })
  )
})
