/** `pgark doctor` as a user runs it: the page, the document, the exit code, and that it leaves no trace. */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Doctor from "../../src/verbs/Doctor.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import { fillJournal, folder, unchanged } from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

const major = Clusters.sourceMajor

/** What its checks are called and how they stand, in the order of the page. */
const standing = (page: string): ReadonlyArray<string> =>
  page.split("\n").flatMap((line) => {
    const [, level, title] = /^ {2}(ok|note|PROBLEM) +(.{12})/.exec(line) ?? []
    return level === undefined ? [] : [`${level} ${title?.trim()}`]
  })

/** Runs it for people and for programs, which are told the same. The password stands nowhere. */
const examine = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  options: Pgark.Options,
  expected: {
    readonly code: 0 | 3
    readonly secret?: string
    /** One after the other: two at once would each take the backends that the other has left to a pooler. */
    readonly apart?: true
  }
) {
  const before = readdirSync(options.cwd)
  const [text, json] = yield* Effect.all(
    [Pgark.run(["doctor", ...args], options), Pgark.run(["doctor", ...args, "--json"], options)],
    { concurrency: expected.apart === true ? 1 : 2 }
  )
  assert.deepStrictEqual(readdirSync(options.cwd), before)
  for (const { code, stderr, stdout } of [text, json]) {
    assert.strictEqual(code, expected.code, stdout + stderr)
    assert.strictEqual(stderr, "")
    if (expected.secret !== undefined) assert.notInclude(stdout, expected.secret)
  }
  const lines = text.stdout.split("\n")
  assert.deepStrictEqual(
    lines.filter((line) => line.length > 80),
    []
  )
  const report = yield* Schema.decodeEffect(Schema.fromJsonString(Doctor.Report))(json.stdout)
  assert.strictEqual(report.problems === 0 ? 0 : 3, expected.code)
  const levels = { ok: "ok", note: "note", problem: "PROBLEM" }
  assert.deepStrictEqual(
    standing(text.stdout),
    report.checks.map(({ level, title }) => `${levels[level]} ${title}`)
  )
  assert.include(text.stdout.replaceAll(/\n */g, " "), report.summary)
  return { report, page: text.stdout, lines }
})

const withUrl = (url: DatabaseUrl, cwd: string): Pgark.Options => ({ cwd, env: { DATABASE_URL: Pgark.uri(url) } })

const secretOf = ({ password }: DatabaseUrl) => (password === undefined ? "" : Redacted.value(password))

/** A Node on PATH that has no zstd. */
const oldNode = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((path) => join(path, "node"))
  .find(
    (node) =>
      existsSync(node) && spawnSync(node, ["-p", "'createZstdCompress' in zlib"]).stdout?.toString() === "false\n"
  )

const mounts = spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0

describe("a healthy target", () => {
  it.live("has a page that fits a screen", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      const cwd = yield* folder
      const env = { DATABASE_URL: `${Pgark.uri(url)}&schema=public&connection_limit=5` }
      const { lines, page, report } = yield* unchanged(
        admin,
        examine(["--pg-dump", "wasm"], { cwd, env }, { code: 0, secret: secretOf(url) })
      )
      assert.deepStrictEqual(
        standing(page).filter((line) => !/ (Node|memory|pg_restore)$/.test(line)),
        [
          "ok pg_dump",
          "ok config",
          "ok password",
          "ok parameters",
          "ok connection",
          "ok pooler",
          "ok clock",
          "ok version",
          "ok database",
          "ok role",
          "ok scope",
          "ok reading",
          "ok tool",
          "ok folder",
          "ok schema",
          "ok extensions",
          "ok besides",
          "ok clean",
          "ok restore",
          "ok way",
          "ok sessions"
        ]
      )
      const headings = ["This machine", "Database URL", "Connection", "Server", "To dump", "To clean and restore"]
      assert.deepStrictEqual(
        lines.filter((line) => headings.includes(line)),
        headings
      )
      assert.isAtMost(lines.length, 45)
      assert.strictEqual(lines.at(-2), "pgark can dump and restore here.")
      assert.match(page, /^ {2}ok {7}version {5}PostgreSQL 18\.\d+$/m)
      assert.match(page, /connection_limit/)
      assert.match(page, /^ {2}ok {7}clean {7}keeps the schema, drops its content: schema public$/m)
      assert.deepStrictEqual(report.can, { dump: true, restore: true })
    })
  )
})

describe("problems", () => {
  // What it finds of each, verbs/Doctor.test.ts says in every run.
  long("in the long run,", () => {
    it.live("no server, the password refused, no URL: the rest is told all the same", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const cwd = yield* folder
        const wrong = { ...url, password: Redacted.make("hunter2-is-secret") }
        const refused = yield* examine([], withUrl(wrong, cwd), { code: 3, secret: "hunter2-is-secret" })
        assert.include(refused.page, "  PROBLEM  connection  The server at ")
        const none = yield* examine([], { cwd }, { code: 3 })
        assert.match(none.page, /^ {2}PROBLEM {2}URL {9}No database URL is given\./m)
        const closed = yield* examine([], withUrl({ ...url, port: 1 }, cwd), { code: 3, secret: secretOf(url) })
        assert.strictEqual(
          closed.page.trimEnd().split("\n").at(-1),
          "1 problem (connection): pgark can neither dump nor restore here."
        )
        for (const { page } of [refused, none, closed]) assert.match(page, /^ {2}ok {7}folder/m)
      })
    )
  })

  it.live("a role that may not create, with the statements for its owner", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      const reader = Clusters.as(admin, yield* Clusters.makeRole(major))
      const cwd = yield* folder
      const { page } = yield* examine([], withUrl(reader, cwd), { code: 3, secret: secretOf(reader) })
      assert.match(page, /^ {2}PROBLEM {2}reading {5}The role/m)
      assert.match(page, /^ {4}GRANT SELECT ON TABLE public\."AuthIdentity"/m)
      assert.match(page, /^ {11}mend {8}Have the owner of the database run: GRANT USAGE, CREATE/m)
      assert.match(page.replaceAll(/\n */g, " "), /4 problems \(reading, clean, restore, emptying\)/)
    })
  )

  describe.skipIf(!mounts)(mounts ? "a disk" : "a disk (skipped: this user may not mount one)", () => {
    it.live("with too little room, and a full one", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Clusters.query(
          url,
          "CREATE TABLE public.large AS SELECT i, repeat('x', 900) FROM generate_series(1, 4000) i"
        )
        const cwd = yield* folder
        const disk = join(cwd, "disk")
        mkdirSync(disk)
        yield* Effect.acquireRelease(
          Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk])),
          () => Effect.sync(() => execFileSync("umount", ["--lazy", disk]))
        )
        const small = yield* examine(["--dir", "disk/dumps"], withUrl(url, cwd), { code: 3 })
        assert.match(small.page, /PROBLEM {2}folder {6}disk\/dumps\/ will be created, 2\.1 MB free; the tables take/)
        assert.deepStrictEqual(small.report.can, { dump: true, restore: false })
        writeFileSync(join(disk, "full"), Buffer.alloc(2 * 2 ** 20))
        const full = yield* examine(["--dir", "disk"], withUrl(url, cwd), { code: 3 })
        assert.match(full.page, /PROBLEM {2}folder {6}disk\/ is there, 0 B free/)
        assert.deepStrictEqual(full.report.can, { dump: false, restore: false })
      })
    )
  })

  long("in the long run,", () => {
    it.live("a folder that is none, as a dump finds it", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const cwd = yield* folder
        writeFileSync(join(cwd, "file"), "")
        symlinkSync(join(cwd, "nowhere"), join(cwd, "link"))
        for (const directory of ["file/dumps", "link", ""]) {
          const { page } = yield* examine(["--dir", directory], withUrl(url, cwd), { code: 3 })
          assert.include(page, "  PROBLEM  folder      Cannot write ")
          assert.strictEqual((yield* Pgark.run(["dump", "--dir", directory], withUrl(url, cwd))).code, 9, directory)
        }
      })
    )
  })
})

describe.skipIf(oldNode === undefined)(
  oldNode === undefined ? "a Node without zstd (skipped: none on PATH)" : "a Node without zstd",
  () => {
    it.live("is a note that says which Node has it", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const cwd = yield* folder
        const { page, report } = yield* examine([], { ...withUrl(url, cwd), node: oldNode ?? "" }, { code: 0 })
        assert.match(page, /^ {2}note {5}Node {8}v\d+\.\d+\.\d+ has no zstd/m)
        assert.match(report.checks[0]?.mend ?? "", /Node 22\.15 or later/)
      })
    )
  }
)

PgBouncer.suite("a pooler", () => {
  it.live("in transaction mode is a problem, and nothing more is asked through it", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const cwd = yield* folder
      const pooled = yield* PgBouncer.start(url, { pool_mode: "transaction" })
      const { page, report } = yield* examine(["--allow-pooler"], withUrl(pooled, cwd), {
        code: 3,
        secret: secretOf(url),
        apart: true
      })
      assert.match(page, /^ {2}PROBLEM {2}pooler {6}A pooler in transaction mode stands in between/m)
      assert.isFalse(report.checks.some(({ group }) => group === "server"))
    })
  )

  long("in the long run,", () => {
    it.live("in session mode is one unless it is allowed, and keeps no setting", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const cwd = yield* folder
        const pooled = yield* PgBouncer.start(url, { pool_mode: "session" })
        const refused = yield* examine([], withUrl(pooled, cwd), { code: 3, secret: secretOf(url), apart: true })
        assert.match(refused.page, /^ {2}PROBLEM {2}pooler {6}A pooler in session mode/m)
        // It is looked at all the same.
        assert.isTrue(refused.report.checks.some(({ id }) => id === "server.version"))
        const allowed = yield* examine(["--allow-pooler"], withUrl(pooled, cwd), { code: 0, apart: true })
        assert.match(allowed.page, /^ {2}note {5}pooler/m)
        const [row] = yield* Clusters.query<{ value: string }>(
          pooled,
          "SELECT current_setting('default_transaction_read_only') AS value"
        )
        assert.strictEqual(row?.value, "off")
      })
    )
  })
})
