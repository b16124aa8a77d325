/** Which restore undo takes back, what is kept for that, and what failed and killed restores leave. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../src/cli/ExitCode.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import * as Restores from "../../support/Restores.ts"
import * as Undoing from "../../support/Undoing.ts"
import { long } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

/** A database with one row, and a dump that replaces it. */
const prepare = Effect.gen(function* () {
  const admin = yield* Clusters.makeDatabase(major)
  yield* Clusters.query(admin, "CREATE TABLE public.t AS SELECT 1 AS id")
  const file = yield* Restores.script(
    "DROP TABLE IF EXISTS public.t;\nCREATE TABLE public.t (id int);\nCOPY public.t (id) FROM stdin;\n2\n\\.\n"
  )
  return { admin, file, directory: dirname(file) }
})

const ids = (admin: DatabaseUrl) =>
  Effect.map(Clusters.query<{ id: number }>(admin, "SELECT id FROM public.t ORDER BY 1"), (rows) =>
    rows.map(({ id }) => id)
  )

/** Why undo is refused, with the target as it is. */
const refusal = Effect.fnUntraced(function* (admin: DatabaseUrl, directory: string) {
  const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.undo(admin, directory)))
  assert.strictEqual(exitCodeOf(error), 4)
  assert.isNotEmpty(error.suggestion)
  return error.message
})

describe("the last restore", () => {
  it.live("is not there in a folder that knows of none", () =>
    Effect.gen(function* () {
      const { admin, directory } = yield* prepare
      assert.match(yield* refusal(admin, directory), /^No restore into this database is noted/)
      assert.deepStrictEqual(Undoing.kept(directory), [])
    })
  )

  it.live("is also one that replaced nothing, or saved nothing: undo takes back no older one", () =>
    Effect.gen(function* () {
      const { admin, directory, file } = yield* prepare
      yield* Undoing.restore(admin, file)
      const other = join(directory, "other.sql")
      writeFileSync(other, readFileSync(yield* Restores.script("CREATE TABLE public.o (id int);")))
      yield* Undoing.restore(admin, other)
      assert.match(yield* refusal(admin, directory), /replaced nothing: there is nothing to bring back/)
      yield* Undoing.restore(admin, file, { backupFirst: false })
      assert.match(yield* refusal(admin, directory), /--no-backup-first: what it replaced was not saved/)
    })
  )

  long("in the long run,", () => {
    it.live("is that of the database itself, whatever others do in the same folder", () =>
      Effect.gen(function* () {
        const { admin, directory, file } = yield* prepare
        const other = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(other, "CREATE TABLE public.t AS SELECT 3 AS id")
        yield* Undoing.restore(admin, file)
        for (let i = 0; i < 4; i++) yield* Undoing.restore(other, file)
        // One of this one, and the newest three of the other.
        assert.lengthOf(Undoing.kept(directory), 3 * (1 + 3))
        yield* Undoing.undo(admin, directory)
        assert.deepStrictEqual([yield* ids(admin), yield* ids(other)], [[1], [2]])
      })
    )
  })

  long("in the long run,", () => {
    it.live("is kept with the two before it, and nothing behind these", () =>
      Effect.gen(function* () {
        const { admin, directory, file } = yield* prepare
        const backups: Array<string> = []
        for (let i = 0; i < 5; i++) {
          const { backup } = yield* Undoing.restore(admin, file)
          backups.push(backup ?? "")
        }
        assert.deepStrictEqual(
          backups.map((one) => existsSync(one)),
          [false, false, true, true, true]
        )
        assert.lengthOf(Undoing.kept(directory), 9)
        // None of them is a dump to `restore` or `list`.
        assert.deepStrictEqual(readdirSync(directory).toSorted(), ["before-restore", "script.sql"])
      })
    )
  })

  long("in the long run,", () => {
    it.live("does without a word of those before it that have nothing to bring back", () =>
      Effect.gen(function* () {
        const { admin, directory, file } = yield* prepare
        for (let i = 0; i < 3; i++) yield* Undoing.restore(admin, file, { backupFirst: false })
        assert.lengthOf(Undoing.kept(directory), 1)
        yield* Undoing.restore(admin, file)
        assert.lengthOf(Undoing.kept(directory), 3)
      })
    )
  })

  it.live("is found by a role that may not ask which cluster it is", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(admin, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
      yield* Clusters.query(url, "CREATE SCHEMA own; CREATE TABLE own.t AS SELECT 1 AS id")
      const file = yield* Restores.script("DROP TABLE IF EXISTS own.t;\nCREATE TABLE own.t (id int);")
      yield* Undoing.restore(url, file)
      yield* Undoing.undo(url, dirname(file))
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM own.t"), [{ id: 1 }])
      // Who knows more finds it too.
      yield* Undoing.undo(admin, dirname(file))
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM own.t"), [])
    })
  )

  it.live("cannot be taken back where its safety dump is damaged, or its journal cannot be read", () =>
    Effect.gen(function* () {
      const { admin, directory, file } = yield* prepare
      const { backup = "" } = yield* Undoing.restore(admin, file)
      const text = readFileSync(backup, "utf8")
      writeFileSync(backup, text.replace(/^1$/m, "4"))
      yield* refusal(admin, directory)
      rmSync(backup)
      assert.match(yield* refusal(admin, directory), /^The dump of what was there before .* is gone: /)
      writeFileSync(backup, text)
      yield* Undoing.undo(admin, directory)
      assert.deepStrictEqual(yield* ids(admin), [1])
      const journal = Undoing.kept(directory).findLast((name) => name.startsWith("restore_")) ?? ""
      writeFileSync(join(directory, "before-restore", journal), "{")
      assert.match(yield* refusal(admin, directory), /is not one that this pgark wrote/)
    })
  )
})

describe("a restore that fails", () => {
  it.live("leaves no journal and no safety dump, and the one before it is the last", () =>
    Effect.gen(function* () {
      const { admin, directory, file } = yield* prepare
      yield* Undoing.restore(admin, file)
      const before = Undoing.kept(directory)
      const broken = join(directory, "broken.sql")
      writeFileSync(broken, readFileSync(file, "utf8").replace("\\.\n", "\\.\nSELECT 1 / 0;\n"))
      const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.restore(admin, broken)))
      assert.strictEqual(exitCodeOf(error), 7)
      assert.deepStrictEqual(Undoing.kept(directory), before)
      yield* Undoing.undo(admin, directory)
      assert.deepStrictEqual(yield* ids(admin), [1])
      const after = Undoing.kept(directory)
      rmSync(broken)
      const fiber = Undoing.restore(admin, yield* slow(directory)).pipe(Effect.timeoutOption("1500 millis"))
      yield* Restores.unchanged(admin, fiber)
      assert.deepStrictEqual(Undoing.kept(directory), after)
    })
  )
})

/** A dump that replaces the table and then waits. Gives its path. */
const slow = Effect.fnUntraced(function* (directory: string) {
  const file = join(directory, "slow.sql")
  const sql = "DROP TABLE IF EXISTS public.t;\nCREATE TABLE public.t (id int);\nSELECT pg_catalog.pg_sleep(60);"
  writeFileSync(file, readFileSync(yield* Restores.script(sql)))
  return file
})

describe("a restore that is killed", () => {
  /** Makes of the newest journal one that knows no more than that the COMMIT of this transaction was about to be sent. */
  const begun = (directory: string, change: (text: string) => string) => {
    const journal = Undoing.kept(directory).findLast((name) => name.startsWith("restore_")) ?? ""
    const path = join(directory, "before-restore", journal)
    writeFileSync(path, change(readFileSync(path, "utf8").replace(`"state": "done"`, `"state": "begun"`)))
    return path
  }

  it.live("at its COMMIT: a number that a crash of the server has taken back is none that was committed", () =>
    Effect.gen(function* () {
      const { admin, directory, file } = yield* prepare
      yield* Undoing.restore(admin, file)
      begun(directory, (text) => text.replace(/"xid": "\d+"/, `"xid": "4000000000"`))
      yield* Undoing.restore(admin, file)
      assert.lengthOf(Undoing.kept(directory), 3)
      begun(directory, (text) => text)
      yield* Undoing.undo(admin, directory)
      assert.lengthOf(Undoing.kept(directory), 6)
    })
  )

  long("in the long run,", () => {
    it.live("at its COMMIT: the log of a server that was promoted since says nothing of it", () =>
      Effect.gen(function* () {
        const { admin, directory, file } = yield* prepare
        yield* Undoing.restore(admin, file)
        const path = begun(directory, (text) =>
          text
            .replace(/"started": "[\d.]+"/, `"started": "1.000000"`)
            .replace(/"timeline": "\w+"/, `"timeline": "0000000F"`)
        )
        const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.undo(admin, directory)))
        assert.strictEqual(exitCodeOf(error), 8)
        assert.match(error.message, /^The server cannot tell whether the restore of .* was committed/)
        assert.include(error.suggestion, path)
      })
    )
  })

  /** Starts `pgark restore`, and kills it when a backend of the database does this. */
  const killed = Effect.fnUntraced(function* (admin: DatabaseUrl, file: string, doing: string) {
    const env = { DATABASE_URL: Pgark.uri(admin) }
    const args = ["restore", file, "--yes", "--dir", dirname(file)]
    const { child, ended, output } = yield* Pgark.start(args, { cwd: dirname(file), env })
    const there = Restores.backends(admin, doing)
    yield* Restores.until(there, (pids) => pids.length > 0 || child.exitCode !== null, "20 seconds")
    assert.isNull(child.exitCode, output.stderr)
    child.kill("SIGKILL")
    yield* ended
    yield* Restores.until(Restores.backends(admin), (pids) => pids.length === 0, "10 seconds")
  })

  long("in the long run,", () => {
    it.live("while it saves, or applies the dump: undo finds the one before it, and tidies up", () =>
      Effect.gen(function* () {
        const { admin, directory, file } = yield* prepare
        // So much that pg_dump is at work for a while; to compare all of it would take longer than that.
        yield* Clusters.query(
          admin,
          `ALTER TABLE public.t ADD COLUMN wide text;
           INSERT INTO public.t SELECT 3, repeat('x', 1000000) FROM generate_series(1, 60)`
        )
        const held = Clusters.query(
          admin,
          "SELECT id, count(*)::int AS rows, sum(length(wide)) AS length FROM public.t GROUP BY 1 ORDER BY 1"
        )
        const before = yield* held
        yield* Effect.scoped(killed(admin, yield* slow(directory), "COPY public.t%"))
        assert.isNotEmpty(Undoing.kept(directory))
        const { message } = yield* Effect.flip(Undoing.undo(admin, directory))
        assert.match(message, /^No restore into this database is noted/)
        assert.deepStrictEqual(yield* held, before)
        assert.deepStrictEqual(Undoing.kept(directory), [])
        yield* Undoing.restore(admin, file)
        yield* Effect.scoped(killed(admin, yield* slow(directory), "SELECT pg_catalog.pg_sleep%"))
        assert.lengthOf(Undoing.kept(directory), 6)
        yield* Undoing.undo(admin, directory)
        assert.deepStrictEqual(yield* held, before)
        assert.lengthOf(Undoing.kept(directory), 6)
      })
    )
  })
})
