/** What becomes of a run whose stdout or stderr goes away: the work goes on, and its exit code is true. */
import { execFile } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { main } from "../support/Bundle.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder } from "../support/Restores.ts"
import { isLong, long, ofRun } from "../support/Tier.ts"

/** Runs a line of bash, in which `$pgark` is the program. */
const bash = (line: string, options: { readonly cwd: string; readonly url: string }) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const { HOME, PATH, TMPDIR } = process.env
    const env = { HOME, PATH, TMPDIR, DATABASE_URL: options.url, pgark: `${process.execPath} ${main}` }
    execFile("bash", ["-c", line], { cwd: options.cwd, env }, (error, stdout, stderr) =>
      resume(Effect.succeed({ code: error === null ? 0 : Number(error.code), stdout, stderr }))
    )
  })

const prepare = Effect.gen(function* () {
  const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(url)
  const cwd = yield* folder
  const options = { cwd, url: Pgark.uri(url) }
  return { url, cwd, run: (line: string) => bash(line, options) }
})

/** Whether the database is that of the dump, and not what it was before the restore. */
const restored = (url: Parameters<typeof Clusters.query>[0]) =>
  Effect.map(
    Clusters.query<{ gone: boolean }>(url, "SELECT to_regclass('public.mark') IS NULL AS gone"),
    ([row]) => row?.gone
  )

/** A dump and its manifest. */
const dumpFiles = (cwd: string) => readdirSync(join(cwd, "dumps")).filter((name) => name.startsWith("db_dump_"))

describe("a run whose stderr nobody reads to the end", () => {
  for (const last of ofRun(["WARNING", "done  Prove", "done  Verify"], ["WARNING"])) {
    it.live(`goes on and ends as its work does: ${last}`, () =>
      Effect.gen(function* () {
        const { run, url } = yield* prepare
        assert.strictEqual((yield* run("$pgark dump")).code, 0)
        yield* Clusters.query(url, "CREATE TABLE public.mark ()")
        const line = `$pgark restore --clean --yes 2>&1 >/dev/null | sed '/${last}/q'; exit \${PIPESTATUS[0]}`
        const { code, stdout } = yield* run(line)
        assert.include(stdout, last)
        assert.notInclude(stdout, "done  Restore")
        assert.strictEqual(code, 0)
        assert.isTrue(yield* restored(url))
      })
    )
  }
})

describe.skipIf(!existsSync("/dev/full"))("a full disk", () => {
  long("in the long run,", () => {
    it.live("behind stderr changes nothing", () =>
      Effect.gen(function* () {
        const { cwd, run } = yield* prepare
        const { code, stdout } = yield* run("$pgark dump 2>/dev/full")
        assert.strictEqual(code, 0)
        assert.match(stdout, /proven while it was written/)
        assert.strictEqual(dumpFiles(cwd).length, 2)
        // What cannot be told changes no exit code.
        assert.strictEqual((yield* run("$pgark restore none.sql 2>/dev/full")).code, 4)
      })
    )
  })

  it.live("behind stdout is told, with the report, and that the work is done", () =>
    Effect.gen(function* () {
      const { cwd, run } = yield* prepare
      const dumped = yield* run("$pgark dump >/dev/full")
      assert.strictEqual(dumped.code, 9, dumped.stderr)
      assert.match(dumped.stderr, /^pgark: The report could not be written to stdout \(ENOSPC.*is done\.$/m)
      assert.include(dumped.stderr, dumpFiles(cwd)[0]!)
      if (isLong(process.env)) {
        const replaced = yield* run("$pgark restore --clean --yes --json >/dev/full")
        assert.strictEqual(replaced.code, 9, replaced.stderr)
        assert.match(replaced.stderr, /is done: the restore was committed\.$/m)
      }
      const failed = yield* run("$pgark restore none.sql --json >/dev/full")
      assert.strictEqual(failed.code, 4, failed.stderr)
      assert.match(failed.stderr, /^pgark: The document could not be written/m)
    })
  )
})

it.live("a reader of stdout that has gone is no failure", () =>
  Effect.gen(function* () {
    const { run } = yield* prepare
    const { code, stderr } = yield* run("$pgark dump | true; exit ${PIPESTATUS[0]}")
    assert.strictEqual(code, 0)
    assert.notInclude(stderr, "pgark:")
  })
)

it.live("a name with control characters is shown, and does nothing to a terminal", () =>
  Effect.gen(function* () {
    const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
    const cwd = yield* folder
    yield* Clusters.query(url, `CREATE TABLE public."a\u001b[2J\nDone" (id int)`)
    for (const command of ofRun(["clean --dry-run", "clean --yes"], ["clean --yes"])) {
      const { code, stdout, stderr } = yield* bash(`$pgark ${command}`, { cwd, url: Pgark.uri(url) })
      assert.strictEqual(code, 0, stderr)
      assert.notInclude(stdout + stderr, "\u001b")
      // SQL keeps its lines, indented.
      assert.notMatch(stdout + stderr, command === "clean --yes" ? /^ *Done/m : /^ {0,5}Done/m)
      assert.include(stdout.replaceAll(/\s+/g, " "), `"a\\x1b[2J\\nDone"`)
    }
  })
)
