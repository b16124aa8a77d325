/** What a user sees when something is wrong: one clear message, the right exit code, no stack trace, no secret. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { find } from "../../src/postgres/pgdump/NativePgDump.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder, unchanged } from "../support/Restores.ts"
import { isLong, long, ofRun } from "../support/Tier.ts"

/** A password in every URL here that the server never gets to see, or refuses. */
const secret = "hunter2-is-secret"

interface Expected {
  readonly code: number
  readonly error: string
  readonly message: RegExp
}

const assertClear = (
  ended: Pgark.Ended,
  { code, message }: Omit<Expected, "error">,
  secrets: ReadonlyArray<string>
) => {
  const all = ended.stdout + ended.stderr
  assert.strictEqual(ended.code, code, all)
  const problems = ended.stderr.split("\n").filter((line) => line.startsWith("pgark: "))
  assert.strictEqual(problems.length, 1, all)
  assert.match(problems[0]!, message)
  assert.match(ended.stderr, /^ {2}next {4}\S/m)
  assert.notMatch(all, /^\s+at /m)
  for (const word of [secret, ...secrets]) assert.notInclude(all, word)
}

/** Runs it twice, for people and for programs. */
const fails = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  options: Pgark.Options,
  expected: Expected,
  secrets: ReadonlyArray<string> = []
) {
  const [text, json] = yield* Effect.all([Pgark.run(args, options), Pgark.run([...args, "--json"], options)], {
    // Of those that change a database one is at work at a time.
    concurrency: ["restore", "clean", "grant"].includes(args[0] ?? "") ? 1 : 2
  })
  assertClear(text, expected, secrets)
  assert.strictEqual(text.stdout, "")
  assertClear(json, expected, secrets)
  const {
    error,
    tasks,
    milliseconds: _,
    ...others
  } = JSON.parse(json.stdout) as {
    error: Record<string, unknown>
    tasks?: ReadonlyArray<{ readonly status: string; readonly message?: string }>
    milliseconds?: number
  }
  assert.deepStrictEqual(others, {})
  // Where tasks were begun one of them failed, with this error, and nothing went on behind it.
  const failures = tasks?.filter(({ status }) => status === "failed").map(({ message }) => `pgark: ${message}`)
  if (failures !== undefined)
    assert.isTrue(failures.length > 0 && failures.every((text) => expected.message.test(text)))
  assert.strictEqual(error["code"], expected.error)
  assert.strictEqual(error["exitCode"], expected.code)
  assert.match(`pgark: ${error["message"]}`, expected.message)
  assert.match(String(error["suggestion"]), /^.{20,}/)
  return { text: text.stderr, error }
})

/** A port that nobody listens on: it was free a moment ago. */
const closedPort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 1) : 1)))
  })
})

const commands = [["dump"], ["restore"], ["clean", "--yes"], ["grant", "app"], ["verify"]] as const

describe("a database that cannot be used", () => {
  for (const args of ofRun(commands, commands.slice(1, 2))) {
    it.live(`is told in one message: ${args[0]}`, () =>
      Effect.gen(function* () {
        const server = yield* Clusters.superuser(Clusters.sourceMajor)
        const cwd = yield* folder
        const connection = { code: 6, error: "ConnectionFailed" }
        const urlInvalid = { code: 2, error: "DatabaseUrlInvalid" }
        const cases: ReadonlyArray<readonly [url: string | undefined, expected: Expected]> = [
          [undefined, { ...urlInvalid, message: /^pgark: No database URL is given/ }],
          [`mysql://me:${secret}@localhost/db`, { ...urlInvalid, message: /begins with "mysql:"/ }],
          [
            `postgresql://me:${secret}@localhost/db?sslmode=require&sslrootcert=/no/such.pem`,
            { ...urlInvalid, message: /\/no\/such\.pem, which sslrootcert/ }
          ],
          [`postgresql://me:${secret}%@localhost/db`, { ...urlInvalid, message: /hexadecimal/ }],
          [
            Pgark.uri({ ...server, password: Redacted.make(secret) }),
            { code: 6, error: "AuthenticationFailed", message: /refuses the login of "postgres"\.$/ }
          ],
          [
            Pgark.uri({ ...server, database: "nowhere" }),
            { code: 6, error: "DatabaseMissing", message: /^pgark: There is no database "nowhere" at / }
          ],
          [
            `postgresql://me:${secret}@127.0.0.1:${yield* closedPort}/db`,
            { ...connection, message: /^pgark: Cannot connect to the server at 127\.0\.0\.1:\d+\.$/ }
          ],
          [
            `postgresql://me:${secret}@no-such-host.invalid/db`,
            { ...connection, message: /^pgark: Cannot connect to the server at no-such-host\.invalid:5432\.$/ }
          ]
        ]
        // Those that do not answer are asked for two seconds: the others go on meanwhile.
        yield* Effect.forEach(
          cases.toReversed(),
          ([url, expected]) =>
            fails(args, { cwd, env: { DATABASE_URL: url } }, expected, [Redacted.value(server.password!)]),
          { concurrency: 3, discard: true }
        )
      })
    )
  }
})

describe("a dump that cannot be used", () => {
  for (const command of ofRun(["restore", "verify"], ["restore"])) {
    it.live(`is told before anything is touched: ${command}`, () =>
      Effect.gen(function* () {
        const { url, admin } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
        const cwd = yield* folder
        const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
        mkdirSync(join(cwd, "dumps"))
        mkdirSync(join(cwd, "folder.sql"))
        symlinkSync("loop.sql", join(cwd, "loop.sql"))
        const missing = { code: 4, error: "DumpMissing" }
        const file = (name: string, expected: Expected) => fails([command, name], options, expected)
        yield* unchanged(
          admin,
          Effect.gen(function* () {
            yield* file("none.sql", { ...missing, message: /^pgark: There is no dump none\.sql/ })
            yield* fails([command], options, {
              ...missing,
              message: /^pgark: There is no dump of database "\w+" in dumps/
            })
            // What cannot be found or read is told by one sentence each; a missing file stands for them in the usual run.
            if (isLong(process.env))
              yield* fails([command, "--dir", "none"], options, { ...missing, message: /in none\.$/ })
            yield* file("folder.sql", {
              code: 4,
              error: "DumpUnreadable",
              message: /folder\.sql is a folder, not a dump/
            })
            // A link to itself is what even root cannot read.
            yield* file("loop.sql", { code: 4, error: "DumpUnreadable", message: /^pgark: Cannot read loop\.sql/ })
            writeFileSync(join(cwd, "dumps/db_dump_2025-01-01T00-00-00-000Z.sql"), "")
            writeFileSync(join(cwd, "dumps/db_dump_2025-01-02T00-00-00-000Z.sql"), "CREATE TABLE public.a (id int);\n")
            // The newest is taken or refused; never an older one.
            const { error } = yield* fails([command], options, { code: 4, error: "DumpDamaged", message: /^pgark: / })
            assert.match(String(error["file"]), /2025-01-02/)
          })
        )
      })
    )
  }
})

describe("a dump that the server refuses", () => {
  const dump = (sql: string) => `SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
${sql}

--
-- PostgreSQL database dump complete
--
`
  const conflict = "INSERT INTO public.here VALUES (1);"
  const cases: ReadonlyArray<readonly [code: string, error: string, exit: number, sql: string, next: RegExp]> = [
    ["23505", "RestoreFailed", 7, conflict, /breaks a constraint.*restore --clean/],
    ["42601", "RestoreFailed", 7, "CREATE TABLE public.a (id int) LIKE NOTHING KNOWN;", /newer PostgreSQL/],
    ["42704", "RestoreFailed", 7, "CREATE TABLE public.a (place geography);", /neither it nor the target has/],
    ["22P05", "RestoreFailed", 7, "CREATE TABLE public.a (t text); INSERT INTO public.a VALUES ('€');", /ENCODING/],
    ["22P02", "RestoreFailed", 7, "INSERT INTO public.here VALUES ('one');", /named above/],
    ["P0001", "RestoreFailed", 7, "DO $$ BEGIN RAISE 'not here'; END $$;", /author/],
    ["42P07", "ObjectConflict", 7, "CREATE TABLE public.here (id int);", /restore --clean/],
    ["42501", "PermissionDenied", 5, "ALTER TABLE public.other ADD COLUMN a int;", /owner of the object/],
    ["42703", "RestoreFailed", 7, "INSERT INTO public.here (nothing) VALUES (2);", /another shape/]
  ]

  it.live("is told with what to do about it, by SQLSTATE", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(Clusters.sourceMajor)
      const admin = yield* Clusters.makeDatabase(Clusters.sourceMajor, { encoding: "LATIN1" })
      yield* Clusters.query(
        admin,
        `GRANT USAGE, CREATE ON SCHEMA public TO ${quote(role.name)}; CREATE TABLE public.other (id int);
         CREATE TABLE public.here (id int PRIMARY KEY); INSERT INTO public.here VALUES (1);
         GRANT INSERT ON public.here TO ${quote(role.name)}`
      )
      const cwd = yield* folder
      const options = { cwd, env: { DATABASE_URL: Pgark.uri(Clusters.as(admin, role)) } }
      const usual = new Set(["23505", "42P07", "42501"])
      const some = ofRun(
        cases,
        cases.filter(([code]) => usual.has(code))
      )
      yield* Effect.forEach(some, ([code, error, exit, sql, next]) =>
        Effect.gen(function* () {
          const file = `${code}.sql`
          writeFileSync(join(cwd, file), dump(sql))
          const failed = yield* fails(["restore", file, "--yes"], options, { code: exit, error, message: /./ })
          assert.strictEqual(failed.error["sqlstate"], code)
          assert.strictEqual(failed.error["state"], "rolled-back")
          assert.match(String(failed.error["suggestion"]), next)
        })
      )
    })
  )

  it.live("a login that may not connect is told which right it needs", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(Clusters.sourceMajor)
      const admin = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(admin, `REVOKE CONNECT ON DATABASE ${quote(admin.database)} FROM PUBLIC`)
      const { text } = yield* fails(
        ["clean", "--yes"],
        { cwd: yield* folder, env: { DATABASE_URL: Pgark.uri(Clusters.as(admin, role)) } },
        { code: 5, error: "PermissionDenied", message: /may not connect to database/ }
      )
      assert.include(text, "GRANT CONNECT ON DATABASE")
    })
  )
})

describe("wrong usage", () => {
  const lines: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp, next: string]> = [
    [["restore", "dumps/x.sql", "--claen"], /--claen/, "Did you mean --clean?"],
    [["restore", "--claen", "dumps/x.sql"], /--claen/, "Did you mean --clean?"],
    [["restor"], /"restor"/, "Did you mean restore?"],
    [["verify", "a.sql", "b.sql"], /b\.sql/, "pgark verify --help"],
    [["verify", "--profile", "some"], /--profile/, "pgark verify --help"],
    [["restore", "--owner", "nobody"], /--owner/, "pgark restore --help"],
    [["clean", "--schema", ""], /--schema/, "pgark clean --help"],
    [["clean", "--schema", "pg_catalog"], /--schema.*system schema/, "pgark clean --help"],
    [["grant", "app", "--schema", "information_schema"], /--schema.*system schema/, "pgark grant --help"]
  ]

  it.live("is told with what was meant, and nothing is read or changed", () =>
    Effect.gen(function* () {
      const { url, admin } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* fillJournal(url)
      const cwd = yield* folder
      const options = { cwd, env: { DATABASE_URL: Pgark.uri(url) } }
      yield* unchanged(
        admin,
        Effect.forEach(ofRun(lines, lines.slice(0, 3)), ([args, message, next]) =>
          Effect.map(fails(args, options, { code: 2, error: "UsageError", message }), ({ text }) => {
            assert.match(text, /^ {2}next {4}/m)
            assert.include(text, next)
          })
        )
      )
    })
  )

  it.live("a flag that nobody knows stops before the database is looked for", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { code, stderr } = yield* Pgark.run(["restore", "--claen"], { cwd })
      assert.strictEqual(code, 2)
      assert.notInclude(stderr, "database URL")
    })
  )
})

describe("what a dump is told wrongly", () => {
  it.live("a pattern that means no table", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      const cwd = yield* folder
      for (const flag of ofRun(["--exclude-table", "--exclude-table-data"], ["--exclude-table-data"])) {
        yield* fails(
          ["dump", flag, "a.b.c.d"],
          { cwd, env: { DATABASE_URL: Pgark.uri(url) } },
          { code: 2, error: "PatternInvalid", message: /a\.b\.c\.d has more dots/ }
        )
      }
    })
  )
})

describe("rights and roles", () => {
  const prepare = Effect.fnUntraced(function* () {
    const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
    yield* fillJournal(target.url)
    const cwd = yield* folder
    const options = (url: DatabaseUrl) => ({ cwd, env: { DATABASE_URL: Pgark.uri(url) } })
    return { ...target, cwd, options }
  })

  it.live("grant to a role that is not there", () =>
    Effect.gen(function* () {
      const { admin, options, url } = yield* prepare()
      const expected = { code: 2, error: "RoleMissing", message: /no role "nobody_here"/ }
      yield* unchanged(admin, fails(["grant", "nobody_here"], options(url), expected))
    })
  )

  // Which error each is, and that nothing is changed, the restores of verbs/ and the refusals above say too.
  long("with a dump", () => {
    it.live("a role that is not there, and one that may not create", () =>
      Effect.gen(function* () {
        const { admin, options, url } = yield* prepare()
        assert.strictEqual((yield* Pgark.run(["dump"], options(url))).code, 0)
        const other = yield* Clusters.makeRole(Clusters.sourceMajor)
        yield* unchanged(
          admin,
          Effect.all([
            fails(["restore", "--clean", "--yes", "--grant-to", "nobody_here"], options(url), {
              code: 2,
              error: "RoleMissing",
              message: /no role "nobody_here"/
            }),
            fails(["restore", "--yes"], options(Clusters.as(admin, other)), {
              code: 5,
              error: "PermissionDenied",
              message: /may not create|CREATE/i
            })
          ])
        )
      })
    )
  })

  describe("with no dump", () => {
    it.live("a role that may not read a table leaves no dump", () =>
      Effect.gen(function* () {
        const { admin, options } = yield* prepare()
        const other = yield* Clusters.makeRole(Clusters.sourceMajor)
        yield* Clusters.query(
          admin,
          `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${quote(other.name)};
           GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${quote(other.name)};
           REVOKE SELECT ON public."Goal" FROM ${quote(other.name)}`
        )
        const { text } = yield* fails(["dump"], options(Clusters.as(admin, other)), {
          code: 5,
          error: "PermissionDenied",
          message: /may not read everything/
        })
        assert.include(text, `public."Goal"`)
        const { stdout } = yield* Pgark.run(["list"], options(admin))
        assert.match(stdout, /^No dumps/)
      })
    )

    it.live("a folder that cannot be written", () =>
      Effect.gen(function* () {
        const { cwd, options, url } = yield* prepare()
        writeFileSync(join(cwd, "file"), "")
        const { text } = yield* fails(["dump", "--dir", "file/dumps"], options(url), {
          code: 9,
          error: "FolderUnusable",
          message: /^pgark: Cannot write file\/dumps/
        })
        assert.include(text, "--dir")
      })
    )
  })

  it.live("no pg_dump on this machine that is new enough, where only such a one may be used", () =>
    Effect.gen(function* () {
      const { cwd, url } = yield* prepare()
      const env = { DATABASE_URL: Pgark.uri(url), PATH: cwd, HOME: cwd }
      const besidePath = (yield* find).filter(({ name }) => name !== "pg_dump")
      const { text } = yield* fails(
        ["dump", "--pg-dump", "native"],
        { cwd, env },
        besidePath.length === 0
          ? { code: 2, error: "ToolMissing", message: /^pgark: There is no pg_dump on PATH/ }
          : { code: 2, error: "VersionMismatch", message: /^pgark: The server is PostgreSQL 18, but the newest/ }
      )
      assert.include(text, "--pg-dump")
      const own = yield* Pgark.run(["dump"], { cwd, env })
      assert.strictEqual(own.code, 0, own.stderr)
      assert.match(own.stdout, /tool {7}pg_dump 18\.\d+ \(WebAssembly\)/)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
