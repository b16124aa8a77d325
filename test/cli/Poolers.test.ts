/** What the commands do where a PgBouncer stands between them and the server. */
import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import { comparable } from "../support/NativePgDump.ts"
import { fillJournal, folder, same, unchanged } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { long } from "../support/Tier.ts"

/** A journal with a direct dump of it, and the same database through a PgBouncer. */
const prepare = Effect.fnUntraced(function* (major: Clusters.Major, pool_mode: "session" | "transaction") {
  const target = yield* Clusters.makeTarget(major, "databaseOwner")
  yield* fillJournal(target.url)
  const cwd = yield* folder
  const through = (database: string) =>
    Effect.fnUntraced(function* (code: number, ...args: ReadonlyArray<string>) {
      const ended = yield* Pgark.run(args, { cwd, env: { DATABASE_URL: database } })
      assert.strictEqual(ended.code, code, ended.stderr + ended.stdout)
      return ended
    })
  const pooled = through(Pgark.uri(yield* PgBouncer.start(target.url, { pool_mode })))
  const { stdout } = yield* through(Pgark.uri(target.url))(0, "dump", "--json")
  const { file } = JSON.parse(stdout) as { readonly file: string }
  const text = (name: string) => comparable(readFileSync(`${cwd}/${name}`))
  return { ...target, pooled, file, text }
})

const changing = [
  ["dump", "--dir", "more"],
  ["restore", "--clean", "--yes"],
  ["restore", "--dry-run"],
  ["clean", "--yes"],
  ["undo", "--yes"]
] as const
const others = [["verify"], ["grant", "pg_monitor"]] as const

/** They are refused, and neither the target nor the pool's backends are another. */
const refused = (
  mode: "session" | "transaction",
  commands: ReadonlyArray<ReadonlyArray<string>>,
  ...more: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const { admin, pooled } = yield* prepare(18, mode)
    yield* unchanged(
      admin,
      Effect.gen(function* () {
        for (const command of commands) {
          const { stderr } = yield* pooled(2, ...command, ...more)
          assert.include(stderr, `A pooler in ${mode} mode stands in between`)
          assert.include(stderr.replaceAll(/\s+/g, " "), "Use the URL of the server itself")
        }
      })
    )
  })

/** All of them work, and a dump is the same as one that was made without the pooler. */
const worked = (major: Clusters.Major, ...tool: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { admin, file, pooled, text } = yield* prepare(major, "session")
    const { stdout } = yield* pooled(0, "dump", "--dir", "more", "--json", "--allow-pooler", ...tool)
    const dumped = JSON.parse(stdout) as { readonly file: string; readonly tool: { readonly kind: string } }
    assert.isTrue(text(dumped.file) === text(file))
    const before = yield* snapshot(admin)
    yield* Clusters.query(admin, `DELETE FROM "Goal"`)
    const later = yield* snapshot(admin)
    yield* pooled(0, "restore", "--clean", "--yes", "--no-analyze", "--allow-pooler")
    yield* same(yield* snapshot(admin), before)
    yield* pooled(0, "undo", "--yes", "--no-analyze", "--allow-pooler")
    yield* same(yield* snapshot(admin), later)
    yield* pooled(0, "clean", "--yes", "--allow-pooler")
    return dumped.tool.kind
  })

PgBouncer.suite("behind a real PgBouncer", () => {
  it.live("in transaction mode nothing works on it, allowed or not", () =>
    refused("transaction", [changing[0], changing[1], others[0]], "--allow-pooler")
  )

  it.live("in session mode what takes or changes a whole database wants it allowed", () =>
    refused("session", [changing[0], changing[1]])
  )

  long("every command", () => {
    it.live("in transaction mode", () => refused("transaction", [...changing, ...others]))
    it.live("in transaction mode, allowed", () => refused("transaction", [...changing, ...others], "--allow-pooler"))
    it.live("in session mode", () => refused("session", changing))
    it.live("in session mode, those of one connection", () =>
      Effect.gen(function* () {
        const { pooled } = yield* prepare(18, "session")
        for (const command of others) yield* pooled(0, ...command)
      })
    )
    it.live("in session mode, allowed, as without it", () =>
      Effect.map(worked(18), (kind) => assert.strictEqual(kind, "wasm"))
    )
    it.live("in session mode, by a pg_dump of this machine where there is one", () => worked(15))
  })
})
