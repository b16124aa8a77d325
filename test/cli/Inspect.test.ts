/** Dumps that are packed and have names, and what `pgark inspect` and `pgark list` show of them. */
import { existsSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder, script } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { long } from "../support/Tier.ts"

/** The sample database and a working directory. */
const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(target.url)
  const cwd = yield* folder
  const options = { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } }
  const run = (...args: ReadonlyArray<string>) => Pgark.run(args, options)
  const ok = (...args: ReadonlyArray<string>) =>
    Effect.map(run(...args), (ended) => {
      assert.strictEqual(ended.code, 0, `pgark ${args.join(" ")}\n${ended.stdout}${ended.stderr}`)
      return ended
    })
  return { ...target, cwd, run, ok }
})

interface Dumped {
  readonly file: string
  readonly name?: string
  readonly bytes: number
  readonly compression: string
  readonly unpacked: number
  readonly rows: number
}

describe("a packed dump with a name", () => {
  it.live("is told, listed, inspected, verified and restored by that name", () =>
    Effect.gen(function* () {
      const { admin, cwd, ok, run } = yield* prepare()
      const original = yield* snapshot(admin)
      const plan = yield* ok("dump", "--dry-run", "--compress", "gzip:9", "--name", "first", "--note", "Before it all")
      assert.match(plan.stdout, /^ {2}- pack it: gzip:9$/m)
      assert.match(plan.stdout, /^ {2}- name it first$/m)
      const { stdout } = yield* ok("dump", "--compress", "gzip:9", "--name", "first", "--note", "Before it all")
      const [file = ""] = stdout.split("\n")
      assert.match(file, /^dumps\/db_dump_\S+Z\.sql\.gz$/)
      assert.match(stdout, /^ {2}holds {6}18 tables, .*\n {2}size {7}\S+ kB gzip \(\S+ kB unpacked\); /m)
      assert.match(stdout, /^ {2}name {7}first\n {2}note {7}Before it all$/m)
      const json = yield* ok("dump", "--compress", "zstd", "--name", "second", "--json")
      const second = JSON.parse(json.stdout) as Dumped
      assert.deepInclude(second, { compression: "zstd", name: "second", file: second.file.replace(/\.\w+$/, ".zst") })
      assert.isBelow(second.bytes, second.unpacked)

      const list = yield* ok("list")
      assert.match(list.stdout, /\.sql\.gz\n {2}proven .*\n( {14}.*\n)* {14}first: Before it all\n/)
      const listed = JSON.parse((yield* ok("list", "--json")).stdout) as { dumps: ReadonlyArray<object> }
      assert.deepInclude(listed.dumps[0], { name: "second", format: "plain", compression: "zstd", rows: second.rows })
      assert.deepInclude(listed.dumps[1], { name: "first", note: "Before it all", proven: true, against: "manifest" })

      const inspected = yield* Pgark.run(["inspect", "first"], { cwd })
      assert.strictEqual(inspected.code, 0, inspected.stderr)
      assert.match(inspected.stdout, new RegExp(`^${file}\n  proof      it is what its manifest says$`, "m"))
      assert.match(inspected.stdout, /^ {2}name {7}first\n {2}note {7}Before it all$/m)
      assert.match(inspected.stdout, /^ {2}format {5}plain, gzip$/m)
      assert.match(inspected.stdout, /^ {2}server {5}PostgreSQL 18\./m)
      assert.match(inspected.stdout, /^ {2}extensions plpgsql 1\.0$/m)
      assert.match(inspected.stdout, /2 large objects \(/)
      assert.match(inspected.stdout, /^ {2}Prisma {5}\d+ migrations? applied/m)
      assert.match(inspected.stdout, /^ {2}table +rows +bytes$/m)
      assert.match(inspected.stdout, /^ {2}sequence +value$/m)
      const newest = JSON.parse((yield* ok("inspect", "--json")).stdout) as {
        file: string
        proof: object
        rows: number
        tables: ReadonlyArray<{ bytes: number }>
        manifest: { name: string }
      }
      assert.deepInclude(newest, { file: second.file, proof: { against: "manifest", unproven: [] }, rows: second.rows })
      assert.strictEqual(newest.manifest.name, "second")
      const sizes = newest.tables.map(({ bytes }) => bytes)
      assert.deepStrictEqual(
        sizes,
        sizes.toSorted((a, b) => b - a)
      )

      assert.match((yield* ok("verify", "first")).stdout, /no difference/)
      yield* Clusters.query(admin, `DELETE FROM public."DayEvent"`)
      yield* ok("restore", "first", "--clean", "--yes")
      assert.strictEqual(yield* snapshot(admin), original)
      const none = yield* run("restore", "third")
      assert.strictEqual(none.code, 4)
      assert.match(none.stderr, /^pgark: There is no dump third, neither here nor in dumps\.$/m)
      assert.include(gunzipSync(readFileSync(join(cwd, file))).toString(), "PostgreSQL database dump complete")
    })
  )

  it.live("is refused where it is damaged, and its manifest says what was in it", () =>
    Effect.gen(function* () {
      const { cwd, ok } = yield* prepare()
      const { file } = JSON.parse(
        (yield* ok("dump", "--compress", "gzip", "--name", "only", "--json")).stdout
      ) as Dumped
      truncateSync(join(cwd, file), 5000)
      const text = yield* Pgark.run(["inspect", "only"], { cwd })
      assert.deepInclude(text, { code: 4, stdout: "" })
      assert.match(text.stderr, /^pgark: The dump dumps\/\S+ is damaged: /m)
      assert.match(text.stderr, /^ {2}holds {6}18 tables, /m)
      const json = yield* Pgark.run(["inspect", "only", "--json"], { cwd })
      assert.strictEqual(json.code, 4)
      const { error, manifest } = JSON.parse(json.stdout) as { error: object; manifest: { tables: object } }
      assert.deepInclude(error, { code: "DumpDamaged", exitCode: 4, state: "untouched" })
      assert.lengthOf(Object.keys(manifest.tables), 18)
      assert.match((yield* Pgark.run(["list"], { cwd })).stdout, /^ {2}NOT PROVEN {2}/m)
      rmSync(join(cwd, `${file}.manifest.json`))
      const bare = yield* Pgark.run(["inspect", file, "--json"], { cwd })
      assert.deepStrictEqual([bare.code, Object.keys(JSON.parse(bare.stdout) as object)], [4, ["error"]])
    })
  )
})

describe("a dump without a manifest", () => {
  it.live("is inspected as far as it goes", () =>
    Effect.gen(function* () {
      const file = yield* script("CREATE TABLE public.a (id int);\nCREATE EXTENSION citext;\nDO $$ BEGIN END $$;")
      const { code, stdout } = yield* Pgark.run(["inspect", file], { cwd: yield* folder })
      assert.strictEqual(code, 0)
      assert.match(stdout, /^ {2}proof {6}its structure is complete\n {2}not proven that no row is missing or changed/m)
      assert.match(stdout, /^ {2}extensions citext$/m)
      assert.match(stdout, /^ {2}statements 1 × DO, which pg_dump does not write$/m)
    })
  )
})

describe("wrong usage of dump", () => {
  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
    [["--compress", "lzma"], /"lzma"\. It takes none, gzip, gzip:1 to gzip:9, zstd, zstd:1 to zstd:19/],
    [["--compress", "gzip:10"], /"gzip:10"/],
    [["--name", "a b"], /letters, digits, - and _, at most 64/],
    [["--name", "dump.sql"], /letters, digits, - and _/],
    [["--note", "a\nb"], /one line of at most 500 characters/]
  ]
  for (const [args, message] of wrong) {
    it.live(`is told: ${JSON.stringify(args.join(" "))}`, () =>
      Effect.gen(function* () {
        const ended = yield* Pgark.run(["dump", ...args], { cwd: yield* folder })
        assert.deepInclude(ended, { code: 2, stdout: "" })
        assert.match(ended.stderr, message)
      })
    )
  }
})

/** A Node of the system that has no zstd. */
const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => {
  if (!existsSync(path)) return false
  const script = "process.exit('createZstdCompress' in require('node:zlib') ? 1 : 0)"
  try {
    execFileSync(path, ["-e", script])
    return true
  } catch {
    return false
  }
})

describe.skipIf(oldNode === undefined)(
  `a Node without zstd${oldNode === undefined ? " (skipped: none here)" : ""}`,
  () => {
    long("in the long run,", () => {
      it.live("says so, packs with gzip, and reads what it can", () =>
        Effect.gen(function* () {
          const { cwd, ok, url } = yield* prepare()
          yield* ok("dump", "--compress", "zstd")
          const env = { DATABASE_URL: Pgark.uri(url) }
          const old = (...args: ReadonlyArray<string>) => Pgark.run(args, { cwd, env, node: oldNode! })
          const dump = yield* old("dump", "--compress", "zstd")
          assert.strictEqual(dump.code, 2, dump.stderr)
          assert.match(dump.stderr, /^pgark: This Node \(v[\d.]+\) has no zstd\.$/m)
          assert.match((yield* old("inspect")).stderr, /has no zstd/)
          // What the other Node has proven is proven.
          assert.match((yield* old("list")).stdout, /^ {2}proven /m)
          const unread = yield* old("list", "--prove")
          assert.match(unread.stdout, /^ {2}NOT PROVEN [^]*has no zstd/m)
          assert.match((yield* ok("list")).stdout, /^ {2}proven /m)
          assert.strictEqual((yield* old("dump", "--compress", "gzip", "--name", "old")).code, 0)
          assert.strictEqual((yield* old("inspect", "old")).code, 0)
        })
      )
    })
  }
)
