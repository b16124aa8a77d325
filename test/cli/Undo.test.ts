/** `pgark undo` as people use it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import { fillJournal, folder, same, unchanged } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { long } from "../support/Tier.ts"

/** A target with a journal that was dumped, and lost a day since. */
const prepare = Effect.gen(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(target.url)
  const cwd = yield* folder
  const options = { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } }
  const run = Effect.fnUntraced(function* (code: number, ...args: ReadonlyArray<string>) {
    const ended = yield* Pgark.run(args, options)
    assert.strictEqual(ended.code, code, ended.stderr + ended.stdout)
    for (const line of `${ended.stdout}\n${ended.stderr}`.split("\n")) {
      // A path is not broken, nor are documents.
      if (!line.includes("/") && !args.includes("--json") && !args.includes("mermaid"))
        assert.isAtMost(line.length, 80, line)
    }
    return ended
  })
  yield* run(0, "dump")
  yield* Clusters.query(target.url, `DELETE FROM "Goal"; CREATE TABLE fresh AS SELECT 1 AS id`)
  return { ...target, run }
})

interface Documents {
  readonly plan: { readonly pipeline: string }
  readonly undo: { readonly undone: { readonly by: string }; readonly backup: string; readonly rows: number }
  readonly error: { readonly code: string }
}

const parsed = <K extends keyof Documents>({ stdout }: Pgark.Ended) => JSON.parse(stdout) as Pick<Documents, K>

describe("pgark undo", () => {
  long("in the long run,", () => {
    it.live("plans, brings back, and takes that back", () =>
      Effect.gen(function* () {
        const { admin, run } = yield* prepare
        assert.strictEqual(parsed<"error">(yield* run(4, "undo", "--json")).error.code, "DumpMissing")
        const before = yield* snapshot(admin)
        const restored = yield* run(0, "restore", "--clean", "--yes", "--no-analyze")
        assert.match(restored.stdout, /^ {2}way back {3}pgark undo brings back what was there, from\n.*before-restore/m)
        const after = yield* snapshot(admin)

        yield* unchanged(
          admin,
          Effect.gen(function* () {
            const text = yield* run(0, "undo", "--dry-run")
            assert.match(text.stdout, /^Save what goes\n  - dump what goes into dumps\/before-restore\/: 18 tables/m)
            assert.include((yield* run(0, "undo", "--dry-run", "--plan", "mermaid")).stdout, "flowchart")
            assert.strictEqual(parsed<"plan">(yield* run(0, "undo", "--dry-run", "--json")).plan.pipeline, "undo")
          })
        )

        const undone = yield* run(0, "undo", "--yes", "--no-analyze")
        assert.match(undone.stdout, /^Brought back what was in .* before/)
        yield* same(yield* snapshot(admin), before)
        const again = parsed<"undo">(yield* run(0, "undo", "--yes", "--json", "--no-analyze"))
        assert.strictEqual(again.undo.undone.by, "undo")
        yield* same(yield* snapshot(admin), after)
        const bare = yield* run(0, "undo", "--yes", "--no-backup-first", "--no-analyze")
        assert.notInclude(bare.stdout, "way back")
        yield* same(yield* snapshot(admin), before)
        assert.include((yield* run(4, "undo", "--yes")).stderr, "--no-backup-first")
      })
    )
  })
})
