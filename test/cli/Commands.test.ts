/** Every command as a user runs it: what stands on stdout, what on stderr, and what it does to the database. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Clusters from "../support/Clusters.ts"
import { resealed } from "../support/Manifests.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder, unchanged } from "../support/Restores.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { snapshot } from "../support/Snapshot.ts"
import { long } from "../support/Tier.ts"

/** What ORMs and poolers put into a URL; libpq knows the last one only. */
const ormParameters = "schema=public&connection_limit=5&pgbouncer=true&sslmode=disable"

/** The sample database, its owner, an app role, and a working directory. */
const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(target.url)
  const app = yield* Clusters.makeRole(Clusters.sourceMajor)
  const cwd = yield* folder
  const url = Pgark.uri(target.url).replace(/\?.*$/, `?${ormParameters}`)
  const run = (...args: ReadonlyArray<string>) => Pgark.run(args, { cwd, env: { DATABASE_URL: url } })
  const ok = (...args: ReadonlyArray<string>) =>
    Effect.map(run(...args), (ended) => {
      assert.strictEqual(ended.code, 0, `pgark ${args.join(" ")}\n${ended.stdout}${ended.stderr}`)
      return ended
    })
  /** The document of a run with `--json`; stdout holds nothing else. */
  const document = <Document>(...args: ReadonlyArray<string>) =>
    Effect.map(ok(...args, "--json"), ({ stdout }) => JSON.parse(stdout) as Document)
  return { ...target, app, cwd, uri: url, run, ok, document }
})

const files = (cwd: string) => readdirSync(cwd, { recursive: true, encoding: "utf8" }).sort()

describe("the round trip", () => {
  long("in the long run,", () => {
    it.live("dump, list, verify, restore, clean and grant, for people", () =>
      Effect.gen(function* () {
        const { admin, app, cwd, ok, run, uri, url } = yield* prepare()
        const original = yield* snapshot(admin)

        const dump = yield* ok("dump")
        const [file = ""] = dump.stdout.split("\n")
        assert.match(file, /^dumps\/db_dump_[-\dT]+Z\.sql$/)
        assert.match(
          dump.stdout,
          /18 tables, [\d,]+ rows, 2 large objects\n {2}size {7}\d+ kB; proven while it was written\n/
        )
        assert.match(dump.stderr, /^done {2}Write the dump/m)
        assert.deepStrictEqual(readdirSync(join(cwd, "dumps")), [
          ".pgark-proofs.json",
          ...[file, `${file}.manifest.json`].map((name) => name.slice(6))
        ])

        assert.match(
          (yield* ok("list")).stdout,
          /^dumps\/db_dump_\S+\n {2}proven {6}made (\d+ \w+ ago|just now), .*, 18 tables, [\d,]+ rows,\s+proven (\d+ \w+ ago|just now)\n$/
        )
        assert.match((yield* ok("verify")).stdout, /no difference/)
        // Of two servers the one that answers is named, alone.
        const several = { cwd, env: { DATABASE_URL: uri.replace("@", "@127.0.0.1:1,") } }
        const here = `${url.user}@${url.host}:${url.port}/${url.database}`
        assert.include((yield* Pgark.run(["verify"], several)).stdout, `Verified ${here} against`)
        assert.include((yield* Pgark.run(["clean", "--dry-run"], several)).stdout, `  database   ${here}\n`)

        // A password file that others may read is no reason to say only that a password is missing.
        writeFileSync(join(cwd, "open"), "*:*:*:*:secret", { mode: 0o644 })
        const passed = { DATABASE_URL: uri.replace(/:[^:@/]+@/, "@"), PGPASSFILE: join(cwd, "open") }
        const refused = yield* Pgark.run(["verify"], { cwd, env: passed })
        assert.strictEqual(refused.code, 6)
        assert.include(refused.stderr, `it comes from nowhere: ${join(cwd, "open")} may be read by others`)

        yield* Clusters.query(admin, `DELETE FROM public."DayEvent"; CREATE TABLE public.extra (id int)`)
        const different = yield* run("verify")
        assert.strictEqual(different.code, 3)
        assert.strictEqual(different.stdout, "")
        assert.match(different.stderr, /rows: "public"\."DayEvent": expected 200 rows, found 0 rows/)

        // A superuser's table in the schema is not this role's to drop; it stays.
        yield* Clusters.query(admin, `DROP TABLE public.extra`)
        const restore = yield* ok("restore", "--clean", "--yes", "--quiet")
        assert.match(restore.stdout, /^Restored dumps\/db_dump_\S+ into /)
        assert.match(restore.stdout, /kept the schema, dropped its content/)
        assert.match(restore.stderr, /^WARNING: this destroys data in the database \S+\s+at\s/m)
        assert.notMatch(restore.stderr, /^(done|note)/m)
        assert.strictEqual(yield* snapshot(admin), original)

        const grant = yield* ok("grant", app.name, "--profile", "readonly")
        assert.include(
          grant.stdout.replaceAll(/\s+/g, " "),
          `${app.name} has the rights "readonly" on 1 schema, 19 tables`
        )
        const denied = yield* run("verify", "--grant-to", app.name)
        assert.strictEqual(denied.code, 3)
        assert.match(
          (yield* ok("verify", "--grant-to", app.name, "--profile", "readonly")).stdout,
          /rights .* has those of the profile "readonly", checked one by one/
        )
        yield* ok("grant", app.name)
        assert.match((yield* ok("verify", "--grant-to", app.name)).stdout, /rights .* checked one by one/)

        assert.match((yield* ok("clean", "--yes")).stdout, /^Cleaned public in /)
        assert.deepStrictEqual(
          yield* Clusters.query(admin, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
          []
        )
        const second = yield* Clusters.makeRole(Clusters.sourceMajor)
        const granted = yield* ok("restore", "--yes", "--grant-to", app.name, "--grant-to", second.name)
        assert.include(granted.stdout.replaceAll(/\s+/g, " "), `${app.name}, ${second.name} have the rights "all"`)
        const read = yield* Clusters.query(Clusters.as(admin, app), `SELECT count(*)::int AS n FROM public."DayEvent"`)
        assert.deepStrictEqual(read, [{ n: 200 }])
      })
    )
  })

  // That each document fits its Schema Documents.test.ts holds in every run.
  long("in whole", () => {
    it.live("the same for programs: one document on stdout and nothing else", () =>
      Effect.gen(function* () {
        const { admin, app, document } = yield* prepare()
        const dump = yield* document<{ file: string; bytes: number; rows: number; sha256: string }>("dump")
        assert.isAbove(dump.bytes, 10_000)
        assert.match(dump.sha256, /^[\da-f]{64}$/)
        const { dumps } = yield* document<{ dumps: ReadonlyArray<unknown> }>("list")
        assert.deepInclude(dumps[0], { file: dump.file, bytes: dump.bytes, tables: 18, rows: dump.rows, proven: true })
        const verified = yield* document<{ verify: object }>("verify")
        assert.deepInclude(verified.verify, { tables: 18, rows: dump.rows, findings: [] })
        const restored = yield* document<{ restore: object; tasks: ReadonlyArray<{ task: string; status: string }> }>(
          "restore",
          dump.file,
          "--clean",
          "--yes",
          "--grant-to",
          app.name,
          "--profile",
          "readwrite"
        )
        const truncate = Clusters.query(Clusters.as(admin, app), `TRUNCATE public."DayEvent"`)
        assert.strictEqual((yield* Effect.flip(truncate))._tag, "PermissionDenied")
        assert.deepInclude(restored.restore, { file: dump.file, against: "manifest", tables: 18, rows: dump.rows })
        assert.nestedInclude(restored, { "restore.clean.rung": 2 })
        assert.deepStrictEqual(
          restored.tasks.map(({ task, status }) => [task, status]),
          ["prove", "survey", "lock", "backup", "clean", "apply", "grant", "verify", "transaction", "analyze"].map(
            (task) => [task, "done"]
          )
        )
        const granted = yield* document<{ grant: unknown }>("grant", app.name)
        assert.deepInclude(granted.grant, { roles: [app.name], profile: "all", schemas: 1, tables: 19 })
        const { clean } = yield* document<{ clean: { dropped: ReadonlyArray<string> } }>("clean", "--yes")
        assert.include(clean.dropped[0], "DayOverview")
      })
    )
  })

  it.live("a clean step that leaves another role's tables says so first, and one that can do nothing fails", () =>
    Effect.gen(function* () {
      const { admin, document, ok, run, url } = yield* prepare()
      yield* Clusters.query(admin, "CREATE TABLE public.theirs (); CREATE TABLE public.theirs_too ()")
      const { stdout } = yield* ok("clean", "--yes")
      assert.match(stdout, /^Emptied public in part: 2 objects of other roles stay, in \S+\n/)
      assert.match(stdout, /^ {2}stays {6}table public\.theirs \(of postgres\)$/m)
      const nothing = yield* run("clean", "--yes")
      assert.strictEqual(nothing.code, 5)
      assert.strictEqual(nothing.stdout, "")
      assert.match(nothing.stderr, /table public\.theirs, owned by "postgres": this role may not drop it/)
      yield* Clusters.query(url, "CREATE TABLE public.mine ()")
      const { clean, complete } = yield* document<{ complete: boolean; clean: { stays: unknown } }>("clean", "--yes")
      assert.deepStrictEqual(
        { complete, stays: clean.stays },
        { complete: false, stays: ["theirs", "theirs_too"].map((name) => `table public.${name} (of postgres)`) }
      )
    })
  )

  long("in the long run,", () => {
    it.live("a dry run says what would be done and changes nothing", () =>
      Effect.gen(function* () {
        const { admin, app, cwd, document, ok, url } = yield* prepare()
        yield* unchanged(
          admin,
          Effect.gen(function* () {
            const plan = yield* ok("dump", "--dry-run")
            assert.include(plan.stdout, `${url.user}@${url.host}:${url.port}/${url.database}`)
            assert.match(plan.stdout, /scope +the whole database/)
            assert.match(plan.stdout, /\$ pg_dump --format=plain/)
            assert.match(plan.stdout, /Nothing in it destroys data/)
            assert.deepStrictEqual(files(cwd), [])
            assert.match((yield* ok("dump", "--dry-run", "--schema", "public")).stdout, /scope +schema public/)

            yield* ok("dump")
            const before = files(cwd)
            const restore = yield* ok("restore", "--dry-run")
            assert.match(restore.stdout, /^ {2}! replace 18 tables/m)
            assert.match(restore.stdout, /LOCK TABLE public\."AuthIdentity"/)
            assert.match(restore.stdout, /steps? marked ! destroys? data/)
            const cleaned = yield* ok("restore", "--clean", "--grant-to", app.name, "--dry-run")
            assert.match(cleaned.stdout, /scope +schema public/)
            assert.match(cleaned.stdout, /^ {2}! drop 18 tables: /m)
            assert.match(cleaned.stdout, /^ {6}DROP TABLE public\."/m)
            assert.include(cleaned.stdout, `GRANT USAGE ON SCHEMA "public" TO "${app.name}"`)
            // Nobody has to wait for a warning about something that does not happen.
            assert.notInclude(restore.stderr + cleaned.stderr, "WARNING")
            const clean = yield* ok("clean", "--dry-run")
            assert.match(clean.stdout, /scope +schema public/)
            const twice = yield* ok("clean", "--dry-run", "--schema", "public", "--schema", "public")
            assert.strictEqual(twice.stdout, clean.stdout)
            assert.match(clean.stdout, /DROP VIEW public\."DayOverview"/)
            const grant = yield* ok("grant", app.name, "--dry-run", "--profile", "readonly")
            assert.match(grant.stdout, /GRANT SELECT ON ALL TABLES IN SCHEMA "public"/)
            assert.isBelow(Math.max(...restore.stdout.split("\n").map((line) => line.length)), 300)

            const { plan: data } = yield* document<{ plan: { tasks: ReadonlyArray<{ rows: ReadonlyArray<object> }> } }>(
              "restore",
              "--clean",
              "--dry-run"
            )
            const destroyed = data.tasks.flatMap(({ rows }) => rows).filter((row) => "destroys" in row && row.destroys)
            assert.isAtLeast(destroyed.length, 4)
            assert.deepStrictEqual(files(cwd), before)
          })
        )
      })
    )
  })

  long("in the long run,", () => {
    it.live("restore takes the newest dump, and never one of another database", () =>
      Effect.gen(function* () {
        const { cwd, document, ok, run, admin } = yield* prepare()
        yield* ok("dump")
        const second = yield* document<{ file: string }>("dump")
        const { restore } = yield* document<{ restore: { file: string } }>("restore", "--yes")
        assert.strictEqual(restore.file, second.file)

        for (const name of files(cwd).filter((name) => name.endsWith(".manifest.json"))) {
          const path = join(cwd, name)
          writeFileSync(path, resealed(readFileSync(path, "utf8").replaceAll(admin.database, "another")))
        }
        const refused = yield* unchanged(admin, run("restore", "--yes"))
        assert.strictEqual(refused.code, 4, refused.stderr)
        assert.match(refused.stderr, /There is no dump of database/)
        assert.match(refused.stderr, /name the file/)
        yield* ok("restore", second.file, "--yes")
      })
    )
  })

  long("in the long run,", () => {
    it.live("flags may stand before and behind the file", () =>
      Effect.gen(function* () {
        const { cwd, document, ok, uri } = yield* prepare()
        const { file } = yield* document<{ file: string }>("dump", "--dir", "elsewhere")
        assert.match(file, /^elsewhere\//)
        yield* ok("restore", "--yes", "--no-verify", file, "--clean")
        yield* ok("restore", file, "--yes", "--no-analyze")
        const { stdout } = yield* Pgark.run(["--database-url", uri, "verify", "--json", "--dir", "elsewhere"], { cwd })
        assert.deepInclude(JSON.parse(stdout), { file })
      })
    )
  })
})

describe("grant --sql-file", () => {
  it.live("writes statements of one line each that give the rights", () =>
    Effect.gen(function* () {
      const { admin, app, cwd, ok, url } = yield* prepare()
      const { stdout } = yield* unchanged(admin, ok("grant", app.name, "--sql-file", "rights.sql"))
      assert.match(stdout, /^Wrote rights\.sql: .*phpPgAdmin/)
      const sql = readFileSync(join(cwd, "rights.sql"), "utf8")
      const code = sql.split("\n").filter((line) => line !== "" && !line.startsWith("--"))
      assert.isAtLeast(code.length, 5)
      assert.include(code[0], `GRANT CONNECT ON DATABASE ${quote(admin.database)} TO`)
      for (const line of code) assert.match(line, /^(GRANT|ALTER DEFAULT PRIVILEGES|DO) .*;$/)
      yield* Clusters.query(url, sql)
      yield* Clusters.query(Clusters.as(admin, app), `UPDATE public."Goal" SET title = title`)
    })
  )

  it.live("is for several roles, and for what others will create", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const args = ["grant", "app", "worker", "--for-role", "migrator", "--schema", "a", "--schema", "b"]
      const { code, stdout, stderr } = yield* Pgark.run([...args, "--sql-file", "rights.sql", "--json"], { cwd })
      assert.strictEqual(code, 0, stderr)
      const { statements } = JSON.parse(stdout) as { statements: ReadonlyArray<string> }
      assert.include(statements, `GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA "b" TO "app", "worker"`)
      assert.include(
        statements,
        `ALTER DEFAULT PRIVILEGES FOR ROLE "migrator" IN SCHEMA "a" GRANT ALL PRIVILEGES ON TABLES TO "app", "worker"`
      )
      const nobody = yield* Pgark.run(["grant", "--sql-file", "rights.sql"], { cwd })
      assert.strictEqual(nobody.code, 2)
    })
  )

  it.live("writes nothing in a dry run, which shows it", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const args = ["grant", "app", "--sql-file", "rights.sql", "--dry-run"]
      const { code, stdout } = yield* Pgark.run(args, { cwd })
      assert.strictEqual(code, 0)
      assert.match(stdout, /^This would be written to rights\.sql:$/m)
      assert.match(stdout, /^GRANT USAGE ON SCHEMA "public" TO "app";$/m)
      const json = yield* Pgark.run([...args, "--json"], { cwd })
      assert.deepInclude(JSON.parse(json.stdout), { sqlFile: "rights.sql", written: false })
      assert.deepStrictEqual(files(cwd), [])
    })
  )

  it.live("passes over no URL, but not over a broken one", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const wrong = { "mysql://u@h/d": /begins with "mysql:"/, "postgresql://u@h/d?schema=pg_catalog": /system schema/ }
      for (const [DATABASE_URL, message] of Object.entries(wrong)) {
        const args = ["grant", "app", "--sql-file", "rights.sql"]
        const { code, stderr } = yield* Pgark.run(args, { cwd, env: { DATABASE_URL } })
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, message)
      }
      assert.deepStrictEqual(files(cwd), [])
    })
  )

  it.live("needs no database", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { code, stderr } = yield* Pgark.run(["grant", "app", "--sql-file", "rights.sql"], { cwd })
      assert.strictEqual(code, 0, stderr)
      assert.deepStrictEqual(files(cwd), ["rights.sql"])
      assert.match(readFileSync(join(cwd, "rights.sql"), "utf8"), /^-- GRANT CONNECT ON DATABASE .* TO "app";$/m)
    })
  )
})

describe("where the URL comes from", () => {
  long("in the long run,", () => {
    it.live(".env, before it the environment, before both the flag; else what libpq would take", () =>
      Effect.gen(function* () {
        const url = (database: string) => `postgresql://me@127.0.0.1:1/${database}`
        const cwd = yield* folder
        const server = yield* Clusters.superuser(Clusters.sourceMajor)
        const named = (database: string) => Pgark.uri({ ...server, database })
        /** The database that a run looks for, from its error. */
        const used = (args: ReadonlyArray<string>, env: Record<string, string>) =>
          Effect.map(
            Pgark.run(["verify", ...args], { cwd, env }),
            ({ stderr }) => /no database "(\w+)"/.exec(stderr)?.[1]
          )
        writeFileSync(join(cwd, ".env"), `# of the app\nDATABASE_URL="${named("from_file")}"\nOTHER=1\n`)
        assert.strictEqual(yield* used([], {}), "from_file")
        assert.strictEqual(yield* used([], { DATABASE_URL: named("from_environment") }), "from_environment")
        assert.strictEqual(
          yield* used(["--database-url", named("from_flag")], { DATABASE_URL: named("from_environment") }),
          "from_flag"
        )
        const unread = yield* Pgark.run(["verify", "--database-url", url("x")], { cwd })
        assert.strictEqual(unread.code, 6, unread.stderr)
        const pg = {
          PGHOST: server.host,
          PGPORT: String(server.port),
          PGUSER: server.user,
          PGPASSWORD: Redacted.value(server.password!),
          PGDATABASE: "from_libpq"
        }
        assert.strictEqual(yield* used([], pg), "from_file")
        renameSync(join(cwd, ".env"), join(cwd, "gone"))
        assert.strictEqual(yield* used([], pg), "from_libpq")
        const conf = `[shop]\nhost=${server.host}\nport=${server.port}\nuser=${server.user}\ndbname=from_service\n`
        writeFileSync(join(cwd, "services"), conf)
        const service = { PGSERVICE: "shop", PGSERVICEFILE: join(cwd, "services"), PGPASSWORD: pg.PGPASSWORD }
        assert.strictEqual(yield* used([], service), "from_service")
      })
    )
  })

  it.live("a .env that cannot be read matters only where something is looked for in it", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      mkdirSync(join(cwd, ".env"))
      assert.strictEqual((yield* Pgark.run(["list"], { cwd })).code, 0)
      const { code, stderr } = yield* Pgark.run(["verify"], { cwd })
      assert.strictEqual(code, 2, stderr)
      assert.match(stderr, /^pgark: DATABASE_URL is not in the environment, and \.env .* cannot be read\.$/m)
      assert.match(stderr, /^ {2}next {4}Set DATABASE_URL/m)
      assert.notInclude(stderr, "SourceError")
      renameSync(join(cwd, ".env"), join(cwd, "gone"))
      assert.match((yield* Pgark.run(["verify"], { cwd })).stderr, /^pgark: No database URL is given/)
    })
  )
})

describe("help", () => {
  const flags: Record<string, ReadonlyArray<string>> = {
    dump: ["--dir", "--schema", "--exclude-table", "--exclude-table-data", "--dry-run"],
    restore: [
      "--clean",
      "--yes",
      "--grant-to",
      "--no-verify",
      "--owner",
      "--no-analyze",
      "--lock-timeout",
      "--dry-run",
      "--dir",
      "FILE"
    ],
    clean: ["--schema", "--lock-timeout", "--yes", "--dry-run"],
    grant: ["--profile", "--schema", "--for-role", "--skip-others", "--sql-file", "--dry-run", "ROLE"],
    verify: ["--dir", "--grant-to", "--profile", "FILE"],
    list: ["--dir"],
    demo: []
  }
  const ofAll = ["--database-url", "--json", "--quiet", "--log-level", "--no-color"]

  it.live("of grant says that several roles may be named", () =>
    Effect.gen(function* () {
      const { stdout } = yield* Pgark.run(["grant", "--help"], { cwd: yield* folder })
      assert.include(stdout, "pgark grant [ROLE...] [flags]\n")
    })
  )

  it.live("of every command fits a terminal, lists its flags and the exit codes", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      for (const [command, own] of Object.entries(flags)) {
        const { code, stdout, stderr } = yield* Pgark.run([command, "--help"], { cwd })
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        for (const flag of [...own, ...ofAll]) assert.include(stdout, flag)
        for (const exit of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130, 143])
          assert.match(stdout, new RegExp(`^  ${exit} +\\w`, "m"))
        for (const line of stdout.split("\n")) assert.isAtMost(line.length, 80, line)
        assert.notInclude(stdout, "\u001B")
      }
    })
  )

  it.live("of the program names every command, and its version is the package's", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const { stdout } = yield* Pgark.run(["--help"], { cwd, env: { NO_COLOR: "1" } })
      for (const command of Object.keys(flags)) assert.match(stdout, new RegExp(`^  ${command} +\\w`, "m"))
      const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
      const { version } = JSON.parse(text) as { version: string }
      assert.strictEqual((yield* Pgark.run(["--version"], { cwd })).stdout, `pgark ${version}\n`)
    })
  )
})
