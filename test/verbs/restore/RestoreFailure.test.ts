import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { blocked, waiting } from "../../support/SlowDump.ts"
import { ofRun } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

/** A target with an older state of the sample in it, and something of its own. */
const prepare = Effect.fnUntraced(function* (kind: Clusters.RoleKind = "tableOwner") {
  const target = yield* Clusters.makeTarget(major, kind)
  yield* Restores.fillJournal(target.url)
  yield* Clusters.query(
    target.url,
    `CREATE TABLE public.kept (id int); INSERT INTO public.kept VALUES (1); UPDATE public."Goal" SET title = 'mine'`
  )
  return target
})

/** Where a line of a dump stands, counted from 1. */
const lineOf = (file: string, line: string) => {
  const index = readFileSync(file, "utf8").split("\n").indexOf(line)
  assert.isAtLeast(index, 0, line)
  return index + 1
}

const copyGoal = /^COPY public\."Goal" .*$/m

/** What is done to the dump, and what comes of it. */
const broken: ReadonlyArray<{
  readonly name: string
  readonly edit: (text: string) => string
  readonly tag: string
  readonly sqlstate: string
  /** The line of the dump that the error names. */
  readonly line: (text: string) => string
  readonly detail: RegExp
  readonly suggestion?: RegExp
}> = [
  {
    name: "the last statement fails",
    edit: Restores.withLast("SELECT 1 / 0;"),
    tag: "RestoreFailed",
    sqlstate: "22012",
    line: () => "SELECT 1 / 0;",
    detail: /^$/
  },
  {
    name: "a row cannot be read",
    edit: (text) => text.replace(copyGoal, "$&\nno number"),
    tag: "RestoreFailed",
    sqlstate: "22P02",
    line: (text) => copyGoal.exec(text)![0],
    detail: /COPY Goal, line 1/
  },
  {
    name: "a row is there twice, which the primary key finds at the end",
    edit: (text) => text.replace(/^(COPY public\."Day" .*\n)(.*\n)/m, "$1$2$2"),
    tag: "RestoreFailed",
    sqlstate: "23505",
    line: () => `    ADD CONSTRAINT "Day_pkey" PRIMARY KEY (id);`,
    detail: /\(id\)=\(1\) is duplicated/
  },
  {
    name: "a foreign key has no parent",
    edit: (text) => text.replace(/^(COPY public\."User" .*\n)(.*\n)/m, "$1"),
    tag: "RestoreFailed",
    sqlstate: "23503",
    line: () => "",
    detail: /is not present in table "User"/
  },
  {
    name: "a constraint that is checked late does not hold",
    edit: Restores.withLast(
      `CREATE TABLE public.late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO public.late VALUES (1), (1);`
    ),
    tag: "RestoreFailed",
    sqlstate: "23505",
    line: () => "",
    detail: /\(id\)=\(1\) already exists/
  },
  {
    name: "a function in an index names something without its schema",
    edit: Restores.withLast(
      [
        `CREATE FUNCTION public.inner_one(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';`,
        `CREATE FUNCTION public.outer_one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN inner_one($1); END';`,
        `CREATE TABLE public.indexed AS SELECT 1 AS id;`,
        `CREATE INDEX ON public.indexed (public.outer_one(id));`
      ].join("\n")
    ),
    tag: "RestoreFailed",
    sqlstate: "42883",
    line: () => "CREATE INDEX ON public.indexed (public.outer_one(id));",
    detail: /function public\.outer_one\(integer\)/,
    suggestion: /ALTER FUNCTION … SET search_path/
  },
  {
    name: "something needs a right that the role has not",
    edit: Restores.withLast("SELECT pg_catalog.pg_reload_conf();"),
    tag: "PermissionDenied",
    sqlstate: "42501",
    line: () => "SELECT pg_catalog.pg_reload_conf();",
    detail: /^$/
  },
  {
    name: "something of that name is there",
    edit: Restores.withLast("CREATE TABLE public.other (id int);\nCREATE TABLE public.other (id int);"),
    tag: "ObjectConflict",
    sqlstate: "42P07",
    line: () => "",
    detail: /^$/
  }
]

describe("restore leaves the target as it was", () => {
  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    describe.each([true, false])("--clean %s", (clean) => {
      // One of each error; without --clean the same is rolled back the same way.
      const firsts = broken.filter(({ tag }, at) => broken.findIndex((other) => other.tag === tag) === at)
      const cases = ofRun(broken, clean ? firsts : firsts.slice(0, 1))
      for (const { name, edit, tag, sqlstate, line, detail, suggestion } of cases) {
        it.effect(`where ${name}`, () =>
          Effect.gen(function* () {
            const file = (yield* Restores.JournalDump).edited(edit)
            const { admin, url } = yield* prepare(clean ? "databaseOwner" : "tableOwner")
            const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean })))
            if (!("sqlstate" in error) || error._tag === "PgDumpFailed")
              return assert.fail(`${error._tag}: ${error.message}`)
            assert.strictEqual(error._tag, tag)
            assert.deepInclude(error, { sqlstate, state: "rolled-back" })
            assert.match(error.detail ?? "", detail)
            if (suggestion !== undefined) assert.match(error.suggestion ?? "", suggestion)
            const expected = line(readFileSync(file, "utf8"))
            if (expected === "") return
            assert.strictEqual(error.file, file)
            const at = lineOf(file, expected)
            // A statement is named by its first line.
            assert.strictEqual(error.line, expected.startsWith(" ") ? at - 1 : at)
            assert.include(error.statement, expected.trim().replace(/;$/, "").slice(0, 200))
          })
        )
      }
    })

    it.effect("where verification finds a difference", () =>
      Effect.gen(function* () {
        const file = (yield* Restores.JournalDump).edited(
          Restores.withLast(
            `DROP INDEX public."Day_date_idx";\nDROP TABLE public."TrelloSettings";\nSELECT pg_catalog.setval('public."Day_id_seq"', 1);`
          )
        )
        const { admin, url } = yield* prepare()
        const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
        if (error._tag !== "VerificationFailed") return assert.fail(error._tag)
        assert.strictEqual(error.state, "rolled-back")
        assert.strictEqual(
          error.message,
          "What was restored is not what the dump says: 5 differences, most of them in tables."
        )
        assert.match(error.suggestion ?? "", /^Look at event triggers of the target/)
        assert.deepStrictEqual(
          error.findings.map(({ check, severity }) => [severity, check]),
          [
            ["finding", "tables"],
            ["finding", "foreign keys"],
            ["finding", "primary keys"],
            ["finding", "indexes"],
            ["finding", "objects"],
            ["warning", "sequences"]
          ]
        )
        // The same dump without it.
        yield* Restores.restore(url, file, { clean: true, verify: false })
      })
    )

    it.effect("where the app role is missing; what others own and stays need not be granted", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* prepare("someTablesOwner")
        const missing = yield* Restores.unchanged(
          admin,
          Effect.flip(Restores.restore(url, file, { clean: true, grantTo: "nobody at all" }))
        )
        assert.deepInclude(missing, { _tag: "RoleMissing", role: "nobody at all", state: "untouched" })
        const app = yield* Clusters.makeRole(major)
        const { grant } = yield* Restores.restore(url, file, { clean: true, grantTo: app.name })
        assert.deepStrictEqual(
          grant?.notGranted.map(({ object, grantable }) => [object, grantable]),
          [[`"public"."NotMine"`, false]]
        )
      })
    )

    it.effect("where another session holds a table for longer than the lock timeout", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* prepare()
        for (const clean of [true, false]) {
          for (const lock of ["ROW EXCLUSIVE", "ACCESS SHARE"]) {
            const held = Effect.gen(function* () {
              const { execute, transaction } = yield* Session
              return yield* transaction(
                Effect.andThen(
                  execute(`LOCK TABLE public."Goal" IN ${lock} MODE`),
                  Effect.flip(Restores.restore(url, file, { clean, lockTimeout: "300 millis" }))
                )
              )
            }).pipe(Effect.provide(Session.layer(admin)))
            const error = yield* Restores.unchanged(admin, held)
            assert.deepInclude(error, { _tag: "LockTimeout", sqlstate: "55P03", state: "rolled-back" })
          }
        }
      })
    )

    it.effect("where the dump is cut, changed or unsafe: refused before anything", () =>
      Effect.gen(function* () {
        const dump = yield* Restores.JournalDump
        const { admin, url } = yield* prepare("superuser")
        const directory = yield* Restores.folder
        const traces = join(directory, "traces")
        const text = readFileSync(dump.file, "utf8")
        const manifest = readFileSync(`${dump.file}.manifest.json`)
        let copies = 0
        const copy = (content: string, withManifest: boolean) => {
          const file = join(directory, `copy-${++copies}.sql`)
          writeFileSync(file, content)
          if (withManifest) writeFileSync(`${file}.manifest.json`, manifest)
          return file
        }
        const insideCopy = text.indexOf("\n", text.search(copyGoal)) + 20
        const cut = copy(text, true)
        truncateSync(cut, insideCopy)
        const files: ReadonlyArray<readonly [file: string, tag: string, message: RegExp]> = [
          [cut, "DumpDamaged", /inside the data of a table/],
          [copy(text.slice(0, insideCopy), false), "DumpDamaged", /inside the data of a table/],
          [copy(text.slice(0, text.indexOf("\nALTER TABLE ONLY") + 1), false), "DumpDamaged", /closing lines/],
          [copy(text.replace("Goal 1\t", "Goal 9\t"), true), "DumpDamaged", /SHA-256/],
          [copy(text, false).concat(".gone"), "DumpMissing", /gone/],
          [copy(Restores.withLast(`\\! touch ${traces}`)(text), false), "DumpUnsafe", /psql command \(\\!\)/],
          [
            copy(Restores.withLast(`COPY public.kept FROM PROGRAM 'touch ${traces}';`)(text), false),
            "DumpUnsafe",
            /PROGRAM/
          ],
          [copy(Restores.withLast(`COPY public.kept FROM '/etc/passwd';`)(text), false), "DumpUnsafe", /file/],
          [copy(Restores.withLast("COMMIT;")(text), false), "DumpUnsafe", /COMMIT/],
          [copy(Restores.withLast("ROLLBACK;")(text), false), "DumpUnsafe", /ROLLBACK/],
          [copy(Restores.withLast("ALTER SYSTEM SET work_mem = 64;")(text), false), "DumpUnsafe", /ALTER SYSTEM/]
        ]
        for (const [file, tag, message] of files) {
          const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
          assert.strictEqual(error._tag, tag, String(message))
          assert.strictEqual(error.state, "untouched")
          assert.match(error.message, message)
        }
        assert.isFalse(existsSync(traces))
      })
    )

    it.effect("when it is only planned", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const app = yield* Clusters.makeRole(major)
        for (const clean of [true, false]) {
          const { admin, url } = yield* prepare()
          const options = { ...Restores.restoreOptions, file, clean, grantTo: app.name, analyze: true }
          const { plan } = yield* Restores.unchanged(
            admin,
            Pipeline.plan(Restore.pipeline(options)).pipe(Effect.provide(Restores.restoreLayer(url, "unused")))
          )
          assert.deepStrictEqual(
            plan.tasks.filter(({ within }) => within === undefined).map(({ name }) => name),
            ["prove", "survey", "transaction", "analyze"]
          )
          const rows = plan.tasks.flatMap(({ rows }) => rows)
          assert.isTrue(rows.some(({ destroys }) => destroys))
          assert.strictEqual(
            rows.some(({ sql }) => sql?.includes("public.kept") === true && sql.startsWith("DROP TABLE")),
            clean
          )
          assert.isTrue(rows.some(({ sql }) => sql?.startsWith("GRANT") === true))
        }
      })
    )
  })
})

describe("restore ended from outside leaves the target as it was", () => {
  const restoring = `COPY public.slow %`
  const target = Effect.fnUntraced(function* (text: string) {
    const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
    yield* Clusters.query(url, "CREATE TABLE public.slow (id int); INSERT INTO public.slow VALUES (1)")
    const file = join(yield* Restores.folder, "slow.sql")
    writeFileSync(file, text)
    return { admin, run: Restores.restore(url, file, { clean: true }) }
  })

  for (const [kind, text] of Object.entries({ waiting, blocked })) {
    it.live(`interrupted during COPY (${kind}): nothing of it is left on the server after 2 seconds`, () =>
      Effect.gen(function* () {
        const { admin, run } = yield* target(text)
        yield* Restores.unchanged(
          admin,
          Effect.gen(function* () {
            const fiber = yield* Effect.forkChild(run)
            yield* Restores.until(Restores.backends(admin, restoring), (pids) => pids.length === 1, "10 seconds")
            const interrupted = yield* Fiber.interrupt(fiber).pipe(
              Effect.andThen(Fiber.await(fiber)),
              Effect.timeout("10 seconds"),
              Effect.timed
            )
            assert.isTrue(Exit.hasInterrupts(interrupted[1]))
            yield* Restores.until(Restores.backends(admin), (pids) => pids.length === 0, "2 seconds")
          })
        )
      })
    )

    it.live(`its connection killed during COPY (${kind})`, () =>
      Effect.gen(function* () {
        const { admin, run } = yield* target(text)
        yield* Restores.unchanged(
          admin,
          Effect.gen(function* () {
            const fiber = yield* Effect.forkChild(Effect.flip(run))
            const [pid] = yield* Restores.until(
              Restores.backends(admin, restoring),
              (pids) => pids.length === 1,
              "10 seconds"
            )
            yield* Clusters.query(DatabaseUrl.withDatabase(admin, "postgres"), "SELECT pg_terminate_backend($1)", [pid])
            const error = yield* Effect.timeout(Fiber.join(fiber), "10 seconds")
            assert.deepInclude(error, { _tag: "ConnectionFailed", state: "rolled-back" })
          })
        )
      })
    )
  }
})
