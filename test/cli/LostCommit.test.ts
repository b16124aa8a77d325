/** Exit codes of a restore whose COMMIT is not answered. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Proxy from "../support/Proxy.ts"
import { fillJournal, folder, JournalDump, unchanged } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { long } from "../support/Tier.ts"

/** `pgark restore FILE --clean --yes` over a proxy into a database with an older state of the sample. */
const prepare = Effect.fnUntraced(function* (route: Proxy.Route) {
  const { file } = yield* JournalDump
  const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* fillJournal(url)
  yield* Clusters.query(url, "CREATE TABLE public.kept (id int)")
  const proxy = yield* Proxy.start(url, route)
  const cwd = yield* folder
  const running = Pgark.start(["restore", file, "--clean", "--yes", "--json"], {
    cwd,
    env: { DATABASE_URL: Pgark.uri(proxy.url) }
  })
  return { admin, cwd, proxy, running, run: Effect.flatMap(running, ({ ended }) => ended) }
})

const documentOf = ({ stdout }: Pgark.Ended) => JSON.parse(stdout) as { error?: object; restore?: object }

layer(JournalDump.layer, { excludeTestServices: true })("a restore whose COMMIT is not answered", (it) => {
  // What each is, verbs/restore/LostCommit.test.ts says in every run; which code it has, the table of codes.
  long("in the long run,", () => {
    it.effect("and was done: exit code 0, and a word of it", () =>
      Effect.gen(function* () {
        const { admin, run } = yield* prepare({ commit: "unanswered" })
        const before = yield* snapshot(admin)
        const ended = yield* run
        assert.strictEqual(ended.code, 0, ended.stderr)
        assert.isDefined(documentOf(ended).restore)
        assert.match(ended.stderr, /connection was lost during COMMIT/)
        assert.match(ended.stderr, /^note {2}Statistics were not gathered/m)
        assert.notStrictEqual(yield* snapshot(admin), before)
      })
    )

    it.effect("and was not done: exit code 7, and the target is as it was", () =>
      Effect.gen(function* () {
        const { admin, run } = yield* prepare({ commit: "lost" })
        const ended = yield* unchanged(admin, run)
        assert.strictEqual(ended.code, 7, ended.stderr)
        assert.deepInclude(documentOf(ended).error, { exitCode: 7, code: "StatementFailed", state: "rolled-back" })
      })
    )
  })

  it.effect("and of which nobody knows: exit code 8, and how to find out", () =>
    Effect.gen(function* () {
      const { run } = yield* prepare({ commit: "unanswered", instead: yield* Clusters.superuser(15) })
      const ended = yield* run
      assert.strictEqual(ended.code, 8, ended.stderr)
      assert.deepInclude(documentOf(ended).error, { exitCode: 8, code: "ConnectionFailed", state: "unknown" })
      assert.match(ended.stderr, /^ {2}next .*SELECT pg_catalog\.pg_xact_status\('\d+'\);$/m)
    })
  )

  it.effect("and of which nobody knows when it is interrupted: exit code 8, and nothing is claimed", () =>
    Effect.gen(function* () {
      const route = { commit: "unanswered", closed: 1000, instead: yield* Clusters.superuser(15) } as const
      const { cwd, proxy, running } = yield* prepare(route)
      const { child, ended } = yield* running
      yield* proxy.cut
      child.kill("SIGINT")
      const said = yield* ended
      assert.strictEqual(said.code, 8, said.stderr)
      assert.deepInclude(documentOf(said).error, { exitCode: 8, code: "Interrupted", state: "unknown" })
      assert.match(readdirSync(join(cwd, "dumps", "before-restore")).join(), /\.sql,.*,restore_/)
      assert.match(said.stderr, /^pgark: Interrupted, and it is not known whether the restore was committed/m)
    })
  )
})
