/** What `pgark list` says of a folder, beside the dumps that are well. */
import { mkdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { folder } from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

describe("the folder", () => {
  it.live("shows nothing where nothing is, and what is damaged", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      mkdirSync(join(cwd, "dumps"))
      const { code: empty, stdout: nothing, stderr } = yield* Pgark.run(["list"], { cwd })
      assert.deepStrictEqual({ empty, nothing, stderr }, { empty: 0, nothing: "No dumps in dumps.\n", stderr: "" })
      const slip = yield* Pgark.run(["list", "--dir", "dmups"], { cwd })
      assert.deepInclude(slip, { code: 4, stdout: "" })
      assert.match(slip.stderr, /^pgark: There is no folder dmups\.$/m)
      writeFileSync(join(cwd, "dumps/db_dump_2025-01-02T00-00-00-000Z.sql"), "CREATE TABLE public.a (id int);\n")
      const { code, stdout } = yield* Pgark.run(["list", "--json"], { cwd })
      assert.strictEqual(code, 0)
      const { dumps } = JSON.parse(stdout) as { dumps: ReadonlyArray<{ proven: boolean; problem?: string }> }
      assert.strictEqual(dumps.length, 1)
      assert.isFalse(dumps[0]!.proven)
      assert.isAbove(dumps[0]!.problem!.length, 10)
      const text = yield* Pgark.run(["list"], { cwd })
      assert.match(text.stdout, /^ {2}NOT PROVEN {2}made \d+ days ago, 32 B, read [^\n]+\n {14}The dump /m)
      for (const line of text.stdout.split("\n")) assert.isAtMost(line.length, 80)
    })
  )
})

describe("what a killed run has left", () => {
  const dump = "db_dump_2025-01-02T00-00-00-000Z.sql"

  it.live("is told by list at once, and is no dump", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      mkdirSync(join(cwd, "dumps"))
      const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000 - 60_000)
      const names = [`${dump}.gz.manifest.json`, `${dump}.gz.manifest.json.partial`, `${dump}.partial`]
      for (const name of [...names, "other.sql.partial", "other.manifest.json"]) {
        writeFileSync(join(cwd, "dumps", name), "12345")
        utimesSync(join(cwd, "dumps", name), twoDaysAgo, twoDaysAgo)
      }
      // One that a run may still be writing to.
      const young = dump.replace("02T", "03T").concat(".partial")
      writeFileSync(join(cwd, "dumps", young), "")
      const { code, stdout } = yield* Pgark.run(["list"], { cwd })
      assert.strictEqual(code, 0)
      const killed = "unfinished under way, or left by a run that was killed; last written to"
      assert.match(
        stdout.replaceAll(/\s+/g, " "),
        new RegExp(
          `^No dumps in dumps\\. dumps/${names[0]} no dump a manifest whose dump is missing; last written to 2 days ago, 5 B ` +
            names
              .slice(1)
              .map((name) => `dumps/${name} ${killed} 2 days ago, 5 B `)
              .join("") +
            `dumps/${young} ${killed} (just now|\\d+ seconds? ago), 0 B $`
        )
      )
      for (const line of stdout.split("\n")) assert.isAtMost(line.length, 80)
      const json = yield* Pgark.run(["list", "--json"], { cwd })
      const document = JSON.parse(json.stdout) as Record<"dumps" | "unfinished", ReadonlyArray<{ kind: string }>>
      assert.deepStrictEqual(document.dumps, [])
      assert.deepStrictEqual(
        document.unfinished.map(({ kind }) => kind),
        ["without dump", "unfinished", "unfinished", "unfinished"]
      )
      const none = yield* Pgark.run(["restore"], {
        cwd,
        env: { DATABASE_URL: Pgark.uri(yield* Clusters.superuser(Clusters.sourceMajor)) }
      })
      assert.strictEqual(none.code, 4)
    })
  )
})

long("ten thousand small dumps", () => {
  it.live(
    "are listed in less than two seconds where they have been read before",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        mkdirSync(join(cwd, "dumps"))
        const sql = "CREATE TABLE public.a (id int);\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
        const first = Date.parse("2025-01-02T00:00:00Z")
        for (let i = 0; i < 10_000; i++) {
          const at = new Date(first + i * 60_000).toISOString().replace(/[:.]/g, "-")
          writeFileSync(join(cwd, `dumps/db_dump_${at}.sql`), sql)
        }
        assert.strictEqual((yield* Pgark.run(["list", "--quiet"], { cwd })).code, 0)
        // The machine may have others to serve: what it can is what it does at its best.
        const times: Array<number> = []
        for (let attempt = 0; attempt < 5; attempt++) {
          const { milliseconds, stdout } = yield* Pgark.run(["list"], { cwd })
          assert.lengthOf(stdout.match(/^ {2}complete/gm) ?? [], 10_000)
          times.push(milliseconds)
        }
        assert.isBelow(Math.min(...times), 2000)
      }),
    600_000
  )
})
