/** Configuration as users meet it: the bundled program in a folder with a file, with variables, with flags. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import { fillJournal, folder, unchanged } from "../../support/Restores.ts"
import { long, isLong } from "../../support/Tier.ts"

const configuration = "pgark.config.json"

const write = (cwd: string, value: unknown) => writeFileSync(join(cwd, configuration), JSON.stringify(value))

/** Settings that a document tells of. */
interface Told {
  readonly settings?: ReadonlyArray<{ readonly setting: string; readonly value: string; readonly from: string }>
}

describe("a folder with a configuration", () => {
  it.live("flag beats environment beats .env beats file beats default", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const listed = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
        Effect.map(Pgark.run(["list", "--json", ...args], { cwd, env }), ({ stdout }) => {
          const { directory, settings } = JSON.parse(stdout) as Told & { readonly directory: string }
          return [directory, settings?.[0]?.from]
        })
      mkdirSync(join(cwd, "flag"))
      assert.deepStrictEqual(yield* listed([]), ["dumps", undefined])
      writeFileSync(join(cwd, "package.json"), JSON.stringify({ name: "app", pgark: { dir: "package" } }))
      assert.deepStrictEqual(yield* listed([]), ["package", "dir in package.json (pgark)"])
      rmSync(join(cwd, "package.json"))
      write(cwd, { dir: "file" })
      assert.deepStrictEqual(yield* listed([]), ["file", `dir in ${configuration}`])
      assert.deepStrictEqual(yield* listed(["--no-config"]), ["dumps", undefined])
      writeFileSync(join(cwd, ".env"), "PGARK_DIR=dotenv\n")
      assert.deepStrictEqual(yield* listed([]), ["dotenv", "PGARK_DIR"])
      assert.deepStrictEqual(yield* listed([], { PGARK_DIR: "environment" }), ["environment", "PGARK_DIR"])
      assert.deepStrictEqual(yield* listed(["--dir", "flag"], { PGARK_DIR: "environment" }), ["flag", undefined])
    })
  )

  it.live("a broken file stops what needs it, with all its mistakes; not help, version, doctor and wrong usage", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const run = (...args: ReadonlyArray<string>) => Pgark.run(args, { cwd })
      write(cwd, { dirr: "x", databases: { a: { url: "postgresql://me:hush-hush@h/d" } } })
      const { code, stderr, stdout } = yield* run("list", "--json")
      assert.strictEqual(code, 2)
      const { error } = JSON.parse(stdout) as { readonly error: Record<string, unknown> }
      assert.strictEqual(error["code"], "ConfigurationInvalid")
      assert.strictEqual(error["file"], configuration)
      assert.match(stderr, /dirr: unknown key; did you mean dir\?/)
      assert.match(stderr, /databases\.a\.url: expected a URL without a password/)
      assert.notInclude(stderr + stdout, "hush")
      assert.strictEqual((yield* run("--version")).code, 0)
      assert.strictEqual((yield* run("dump", "--help")).code, 0)
      assert.strictEqual((yield* run("list", "--no-config")).code, 0)
      const doctor = yield* run("doctor")
      assert.strictEqual(doctor.code, 3)
      assert.match(doctor.stdout, /PROBLEM {2}config {6}pgark\.config\.json has 2 mistakes\./)
      const again = yield* run("init")
      assert.strictEqual(again.code, 2)
      assert.match(again.stderr, /There is a configuration already: pgark\.config\.json/)

      write(cwd, {})
      writeFileSync(join(cwd, "package.json"), '{ "pgark": {} }')
      assert.match((yield* run("list")).stderr, /There are two configurations: .*\n[^]*Keep one of them/)
      rmSync(join(cwd, configuration))
      rmSync(join(cwd, "package.json"))
      mkdirSync(join(cwd, configuration))
      assert.match((yield* run("list")).stderr, /pgark\.config\.json cannot be read/)
      rmSync(join(cwd, configuration), { recursive: true })
      symlinkSync("nowhere.json", join(cwd, configuration))
      assert.match((yield* run("list")).stderr, /pgark\.config\.json cannot be read[^]*a link to a file that is not/)
      rmSync(join(cwd, configuration))
      writeFileSync(join(cwd, configuration), Buffer.from('{ "dir": "d\xfcmps" }', "latin1"))
      assert.match((yield* run("list")).stderr, /pgark\.config\.json is not UTF-8/)
    })
  )

  it.live.skipIf(process.platform !== "linux")("init says where it cannot write, and of no flag that it has not", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* Pgark.run(["init"], { cwd: "/proc" })
      assert.strictEqual(code, 9, stderr)
      assert.match(stderr, /Cannot write pgark\.config\.json[^]*pgark init --dry-run/)
      assert.notInclude(stderr, "--dir")
    })
  )

  it.live("a protected database is refused by whatever name or URL it is reached", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      write(cwd, {
        databases: {
          production: { urlFrom: "PRODUCTION_URL", protected: true },
          gone: { urlFrom: "GONE_URL", protected: true },
          staging: { urlFrom: "STAGING_URL" }
        }
      })
      const production = "postgresql://owner@127.0.0.1:1/journal"
      const run = (args: ReadonlyArray<string>, staging = production) =>
        Pgark.run(args, { cwd, env: { PRODUCTION_URL: production, STAGING_URL: staging } })
      const refused = /other@127\.0\.0\.1:1\/journal is the protected database production/
      const other = "postgresql://other@127.0.0.1:1/journal?schema=public"
      const ways = [
        ["clean", "--yes", "--database-url", other],
        ["clean", "--yes", "--database", "staging"]
      ]
      for (const way of ways) {
        const { code, stderr } = yield* run(way, other)
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, refused)
      }
      // Another database of that server is none of it: nobody listens there.
      assert.strictEqual(
        (yield* run(["clean", "--yes", "--database-url", `${other.replace("journal", "test")}`])).code,
        6
      )
    })
  )

  it.live("names databases; an entry whose variable is not set says so, and values that cannot be are refused", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      write(cwd, {
        databases: { staging: { urlFrom: "STAGING_URL" }, other: { url: "postgresql://me@127.0.0.1:1/d" } }
      })
      const says = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
        Effect.map(Pgark.run(args, { cwd, env }), ({ code, stderr }) => {
          assert.strictEqual(code, 2, stderr)
          return stderr
        })
      assert.match(
        yield* says(["dump", "--database", "staging"]),
        /staging takes its URL from the variable STAGING_URL/
      )
      assert.match(yield* says(["dump"], { PGARK_DATABASE: "stagign" }), /\(PGARK_DATABASE\)[^]*Did you mean staging\?/)
      assert.match(
        yield* says(["dump", "--database", "other", "--database-url", "postgresql://h/d"]),
        /--database-url and --database both name a database/
      )
      assert.match(
        yield* says(["restore", "--clean"]),
        /names several databases.*\n[^]*--database NAME \(staging, other\)/
      )
      assert.match(
        yield* says(["dump", "--database", "other"], { PGARK_COMPRESS: "lz4" }),
        /The variable PGARK_COMPRESS has a value that it cannot have[^]*It may be: none, gzip/
      )
      assert.match(yield* says(["grant", "--database", "other"]), /No role is named/)
      assert.match(yield* says(["list", "--dir", ""]), /--dir/)
      assert.match(yield* says(["list"], { PGARK_DIR: " " }), /The variable PGARK_DIR has a value/)
    })
  )
})

describe("a configuration and a database", () => {
  it.live("init writes one that works at once: dump and restore go by it", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* fillJournal(url)
      const cwd = yield* folder
      const ok = (...args: ReadonlyArray<string>) =>
        Effect.map(Pgark.run(args, { cwd }), (ended) => {
          assert.strictEqual(ended.code, 0, `${args.join(" ")}\n${ended.stdout}${ended.stderr}`)
          return ended
        })
      const prod = Pgark.uri({ ...url, database: "prod" })
      writeFileSync(join(cwd, ".env"), `APP_URL=x\nMAIN_URL="${Pgark.uri(url)}"\nPROD_DATABASE_URL=${prod}\n`)
      mkdirSync(join(cwd, "prisma"))
      writeFileSync(join(cwd, "prisma/schema.prisma"), 'datasource db {\n  url = env("MAIN_URL")\n}\n')
      const { stdout: shown } = yield* ok("init", "--dry-run")
      assert.deepStrictEqual(readdirSync(cwd).sort(), [".env", "prisma"])
      const { stdout } = yield* ok("init", "--json")
      const text = readFileSync(join(cwd, configuration), "utf8")
      assert.include(shown, text)
      assert.deepStrictEqual(JSON.parse(text), {
        $schema: "./node_modules/pgark/docs/json/config.json",
        database: "main",
        databases: { main: { urlFrom: "MAIN_URL" }, prod: { urlFrom: "PROD_DATABASE_URL", protected: true } },
        dir: "dumps"
      })
      assert.deepNestedInclude(JSON.parse(stdout), {
        file: configuration,
        written: true,
        "databases[0]": { name: "main", urlFrom: "MAIN_URL", set: true, protected: false }
      })

      const here = `main, ${url.user}@${url.host}:${url.port}/${url.database}`
      assert.include((yield* ok("dump")).stderr, `note  database: ${here} (the default of ${configuration})\n`)
      yield* ok("restore", "--clean", "--yes", "--database", "main")
      const refused = unchanged(admin, Pgark.run(["restore", "--clean", "--yes", "--database", "prod"], { cwd }))
      assert.match((yield* refused).stderr, /The database prod is protected/)
      assert.match((yield* ok("doctor")).stdout, /with 2 databases, main, prod\s+\(protected\); the database is main:/)
    })
  )

  long("in the long run,", () => {
    it.live("what the file leaves out of a dump stands in its report; its roles are granted their rights", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
        yield* fillJournal(url)
        const app = yield* Clusters.makeRole(Clusters.sourceMajor)
        const cwd = yield* folder
        const env = { DATABASE_URL: Pgark.uri(url) }
        const ok = (...args: ReadonlyArray<string>) =>
          Effect.map(Pgark.run(args, { cwd, env }), (ended) => {
            assert.strictEqual(ended.code, 0, `${args.join(" ")}\n${ended.stdout}${ended.stderr}`)
            return ended
          })
        const log = 'public."JournalLog"'
        const grant = { to: [app.name], profile: "readonly" }
        write(cwd, {
          compress: "gzip",
          databases: { journal: { urlFrom: "DATABASE_URL", excludeTableData: [log], grant } }
        })
        const place = `databases.journal.excludeTableData in ${configuration}`
        const dump = yield* ok("dump", "--quiet")
        assert.match(dump.stdout, /\.sql\.gz\n/)
        assert.match(
          dump.stdout,
          /without the rows of public\."JournalLog"\n\s+as set by databases\.journal\.excludeTableData/
        )
        const { excluded, settings = [] } = JSON.parse((yield* ok("dump", "--json")).stdout) as Told & {
          readonly excluded: { readonly data: ReadonlyArray<string> }
        }
        assert.deepStrictEqual(excluded.data, [log])
        assert.deepInclude(settings, { setting: "exclude-table-data", value: log, from: place })
        assert.deepInclude(settings, { setting: "compress", value: "gzip", from: `compress in ${configuration}` })

        // A flag takes the place of what the file says; --no-config of all.
        const other = yield* ok("dump", "--json", "--exclude-table-data", 'public."DayEvent"', "--compress", "none")
        assert.deepStrictEqual((JSON.parse(other.stdout) as { excluded: { data: unknown } }).excluded.data, [
          'public."DayEvent"'
        ])
        const whole = JSON.parse((yield* ok("dump", "--json", "--no-config")).stdout) as Record<string, unknown>
        assert.notProperty(whole, "excluded")
        assert.notProperty(whole, "settings")
        assert.strictEqual(whole["compression"], "none")

        assert.include((yield* ok("restore", "--clean", "--yes")).stdout, `${app.name} has the rights "readonly"`)
        if (isLong(process.env)) {
          assert.include((yield* ok("grant")).stdout, `${app.name} has the rights "readonly"`)
          assert.include((yield* ok("verify")).stdout, `${app.name} has those of the profile "readonly"`)
        }
        // A plan that is kept says what is granted; the file adds nothing to it.
        writeFileSync(join(cwd, "plan.json"), (yield* ok("restore", "--clean", "--dry-run", "--plan", "json")).stdout)
        write(cwd, { databases: { journal: { urlFrom: "DATABASE_URL", grant: { to: ["nobody-knows"] } } } })
        assert.include(
          (yield* ok("restore", "--plan-file", "plan.json", "--yes")).stdout,
          `${app.name} has the rights "readonly"`
        )
      })
    )
  })
})
