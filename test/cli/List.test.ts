/** What `pgark list` says of a folder, beside the dumps that are well. */
import { mkdirSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { folder } from "../support/Restores.ts"

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
      assert.match(text.stdout, /^ {2}NOT PROVEN {2}\d+ days ago, 32 B\n {14}The dump /m)
      for (const line of text.stdout.split("\n")) assert.isAtMost(line.length, 80)
    })
  )
})

describe("what a killed run has left", () => {
  const dump = "db_dump_2025-01-02T00-00-00-000Z.sql"

  it.live("is told by list once it is a day old, and is no dump", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      mkdirSync(join(cwd, "dumps"))
      const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000)
      for (const name of [`${dump}.partial`, `${dump}.manifest.json.partial`, "other.sql.partial"]) {
        writeFileSync(join(cwd, "dumps", name), "12345")
        utimesSync(join(cwd, "dumps", name), twoDaysAgo, twoDaysAgo)
      }
      // One that a run may still be writing to.
      writeFileSync(join(cwd, "dumps", dump.replace("02T", "03T").concat(".partial")), "")
      const { stdout } = yield* Pgark.run(["list"], { cwd })
      assert.strictEqual(
        stdout,
        [
          "No dumps in dumps.",
          ...[`${dump}.manifest.json.partial`, `${dump}.partial`].flatMap((name) => [
            `dumps/${name}`,
            "  unfinished  2 days ago, 5 B, left by a run that was killed: remove it"
          ]),
          ""
        ].join("\n")
      )
      const json = yield* Pgark.run(["list", "--json"], { cwd })
      const { dumps, unfinished } = JSON.parse(json.stdout) as Record<string, ReadonlyArray<unknown>>
      assert.deepStrictEqual([dumps!.length, unfinished!.length], [0, 2])
      const none = yield* Pgark.run(["restore"], {
        cwd,
        env: { DATABASE_URL: Pgark.uri(yield* Clusters.superuser(Clusters.sourceMajor)) }
      })
      assert.strictEqual(none.code, 4)
    })
  )
})
