/** Ctrl-C and SIGTERM at every stage: the target is as it was, and nothing goes on behind the user's back. */
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { backends, fillJournal, folder, unchanged, until } from "../support/Restores.ts"
import { ofRun } from "../support/Tier.ts"

const rows = 600_000

/** A dump whose COPY takes a while, as pg_dump writes it. */
const slowDump = `--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.slow (id integer PRIMARY KEY, name text UNIQUE);

COPY public.slow (id, name) FROM stdin;
${Array.from({ length: rows }, (_, i) => `${i}\tname ${i}`).join("\n")}
\\.

--
-- PostgreSQL database dump complete
--
`

const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(target.url)
  const cwd = yield* folder
  const options = { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } }
  return { ...target, cwd, options }
})

const said = (running: Pgark.Running, text: string) =>
  until(
    Effect.sync(() => running.output.stderr),
    (stderr) => stderr.includes(text),
    "20 seconds"
  )

/** The one document on stdout of a run with `--json`. */
const documentOf = ({ stdout }: Pgark.Ended) =>
  JSON.parse(stdout) as { error: object; tasks: ReadonlyArray<{ task: string; status: string }> }

/** What it says of each task, in the order in which they ended. */
const tasksOf = (ended: Pgark.Ended) => documentOf(ended).tasks.map(({ task, status }) => [task, status])

const rolledBack = /^pgark: Interrupted: the restore was rolled back, the target is as it was\.$/m

const noBackendLeft = (admin: DatabaseUrl) => until(backends(admin), (pids) => pids.length === 0, "2 seconds")

describe("in the three seconds of the warning", () => {
  const signals = [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const
  for (const [signal, code] of ofRun(signals, signals.slice(0, 1))) {
    it.live(`${signal} ends it with ${code} and nothing changed`, () =>
      Effect.gen(function* () {
        const { admin, options } = yield* prepare()
        const ended = yield* unchanged(
          admin,
          Effect.gen(function* () {
            const running = yield* Pgark.start(["clean"], options)
            yield* said(running, "Ctrl-C")
            running.child.kill(signal)
            return yield* running.ended
          })
        )
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.strictEqual(ended.stdout, "")
        assert.match(
          ended.stderr,
          /^WARNING: this destroys data in the database \S+\s+at\s+127\.0\.0\.1:\d+\.\n {2}scope {6}schema public$/m
        )
        // A URL is never broken; everything else fits a terminal.
        for (const line of ended.stderr.split("\n")) if (!line.includes("@")) assert.isAtMost(line.length, 80, line)
        assert.match(ended.stderr, /^ {2}- drop 18 tables: public\."/m)
        assert.match(
          ended.stderr,
          /^pgark: Interrupted: nothing was changed\.\n {2}state {3}nothing was changed\n {2}next /m
        )
        assert.notMatch(ended.stderr, /^\s+at /m)
        yield* noBackendLeft(admin)
      })
    )
  }

  it.live("a program is told by one document", () =>
    Effect.gen(function* () {
      const { options } = yield* prepare()
      const running = yield* Pgark.start(["clean", "--json", "--quiet"], options)
      yield* said(running, "Ctrl-C")
      running.child.kill("SIGINT")
      const ended = yield* running.ended
      assert.strictEqual(ended.code, 130, ended.stderr)
      assert.deepInclude(documentOf(ended).error, { exitCode: 130, code: "Interrupted", state: "untouched" })
      assert.match(ended.stderr, /^pgark: Interrupted: nothing was changed\.$/m)
    })
  )

  it.live("are three without --yes, none with it, and none where nothing is destroyed", () =>
    Effect.gen(function* () {
      const { admin, options } = yield* prepare()
      const waited = yield* Pgark.run(["clean", "--quiet"], options)
      assert.strictEqual(waited.code, 0, waited.stderr)
      assert.match(waited.stderr, /^Starting in 3 seconds/m)
      assert.isAtLeast(waited.milliseconds, 3000)
      yield* fillJournal(Clusters.as(admin, { name: admin.user, password: admin.password! }))
      const told = yield* Pgark.run(["clean", "--yes"], { ...options, env: { DATABASE_URL: Pgark.uri(admin) } })
      assert.strictEqual(told.code, 0, told.stderr)
      assert.match(told.stderr, /^WARNING/m)
      assert.notInclude(told.stderr, "Starting in")
      assert.isBelow(told.milliseconds, 3000)
      const empty = yield* Pgark.run(["clean"], options)
      assert.strictEqual(empty.code, 0, empty.stderr)
      assert.notInclude(empty.stderr, "WARNING")
      assert.isBelow(empty.milliseconds, 3000)
    })
  )
})

describe("in the middle of COPY", () => {
  const signals = [
    ["SIGTERM", 143],
    ["SIGINT", 130]
  ] as const
  for (const [signal, code] of ofRun(signals, signals.slice(0, 1))) {
    it.live(`${signal} rolls the restore back and ends it with ${code}`, () =>
      Effect.gen(function* () {
        const { admin, cwd, options } = yield* prepare()
        writeFileSync(join(cwd, "slow.sql"), slowDump)
        const ended = yield* unchanged(
          admin,
          Effect.gen(function* () {
            const running = yield* Pgark.start(["restore", "slow.sql", "--clean", "--yes", "--json"], options)
            yield* until(backends(admin, "COPY public.slow%"), (pids) => pids.length > 0, "20 seconds")
            running.child.kill(signal)
            const ended = yield* running.ended
            yield* noBackendLeft(admin)
            return ended
          })
        )
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.deepInclude(documentOf(ended).error, { exitCode: code, code: "Interrupted", state: "rolled-back" })
        assert.sameDeepMembers(tasksOf(ended), [
          ...["prove", "survey", "lock", "backup", "clean"].map((task) => [task, "done"]),
          ...["apply", "transaction"].map((task) => [task, "interrupted"]),
          ...["verify", "analyze"].map((task) => [task, "skipped"])
        ])
        // It had emptied the target already; all of that was taken back.
        assert.match(ended.stderr, /^done {2}Empty the target/m)
        assert.match(ended.stderr, rolledBack)
      })
    )
  }
})

/** A dump of one table whose index takes ten minutes to analyze, and no time to build. */
const slowToAnalyze = `--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.slowly(i integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF pg_catalog.current_query() LIKE 'ANALYZE%' THEN PERFORM pg_catalog.pg_sleep(600); END IF;
  RETURN i;
END $$;

CREATE TABLE public.slow (id integer);

COPY public.slow (id) FROM stdin;
1
\\.

CREATE INDEX slow_index ON public.slow USING btree (public.slowly(id));

--
-- PostgreSQL database dump complete
--
`

describe("elsewhere in a restore", () => {
  it.live("SIGINT while it waits for a lock changes nothing", () =>
    Effect.gen(function* () {
      const { admin, cwd, options } = yield* prepare()
      writeFileSync(join(cwd, "quick.sql"), slowToAnalyze)
      const holder = yield* Session.open(admin)
      const ended = yield* unchanged(
        admin,
        Effect.gen(function* () {
          yield* holder.execute(`BEGIN; LOCK TABLE public."Goal" IN SHARE MODE`)
          const running = yield* Pgark.start(["restore", "quick.sql", "--clean", "--yes", "--quiet"], options)
          yield* until(backends(admin, "LOCK TABLE %Goal%EXCLUSIVE%"), (pids) => pids.length > 0, "20 seconds")
          running.child.kill("SIGINT")
          const ended = yield* running.ended
          yield* holder.execute("COMMIT")
          return ended
        })
      )
      assert.strictEqual(ended.code, 130, ended.stderr)
      assert.match(ended.stderr, rolledBack)
    })
  )

  it.live("SIGTERM in ANALYZE, after the commit, does not claim that anything was taken back", () =>
    Effect.gen(function* () {
      const { admin, cwd, options } = yield* prepare()
      writeFileSync(join(cwd, "quick.sql"), slowToAnalyze)
      const running = yield* Pgark.start(["restore", "quick.sql", "--yes", "--quiet", "--json"], options)
      yield* until(backends(admin, "ANALYZE %"), (pids) => pids.length > 0, "20 seconds")
      running.child.kill("SIGTERM")
      const ended = yield* running.ended
      assert.strictEqual(ended.code, 8, ended.stderr)
      assert.deepInclude(documentOf(ended).error, { exitCode: 8, code: "Interrupted", state: "changed" })
      assert.match(
        ended.stderr,
        /^pgark: Interrupted: the restore was committed; only "Analyze the restored tables" was cut short\.$/m
      )
      assert.match(ended.stderr, /^ {2}next {4}Do not run it again/m)
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM public.slow"), [{ id: 1 }])
      yield* noBackendLeft(admin)
    })
  )
})

describe("in the middle of a dump", () => {
  // SIGHUP comes when the terminal is closed; it has no exit code of its own.
  const signals = [
    ["SIGINT", 130],
    ["SIGHUP", 143]
  ] as const
  for (const [signal, code] of ofRun(signals, signals.slice(0, 1))) {
    it.live(`${signal} leaves no file and no backend`, () =>
      Effect.gen(function* () {
        const { admin, cwd, options } = yield* prepare()
        yield* Clusters.query(
          admin,
          `CREATE TABLE public.large AS
             SELECT i AS id, repeat(md5(i::text), 20) AS text FROM generate_series(1, 300000) i;
           GRANT SELECT ON public.large TO PUBLIC`
        )
        const running = yield* Pgark.start(["dump"], options)
        yield* until(backends(admin, "COPY public.large%"), (pids) => pids.length > 0, "20 seconds")
        assert.match(readdirSync(join(cwd, "dumps")).join(), /\.partial$/)
        running.child.kill(signal)
        const ended = yield* running.ended
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.match(ended.stderr, /^pgark: Interrupted: nothing was changed\.$/m)
        assert.deepStrictEqual(readdirSync(join(cwd, "dumps")), [])
        yield* noBackendLeft(admin)
      })
    )
  }
})
