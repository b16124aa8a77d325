/** What a plan says is at stake: how much goes and how sure that is, where, who else is there, what leads back. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clean from "../../src/verbs/Clean.ts"
import * as Restore from "../../src/verbs/Restore.ts"
import * as Clusters from "../support/Clusters.ts"
import { dump, dumpLayer, folder, restoreOptions } from "../support/Restores.ts"

const planned = (url: DatabaseUrl) =>
  Effect.map(Pipeline.plan(Clean.pipeline({ schemas: ["public"] })), ({ plan }) => plan).pipe(
    Effect.provide(Session.Session.layer(url))
  )

/** What there is to be lost, of a plan that has to tell. */
const stakesOf = (url: DatabaseUrl) => Effect.map(planned(url), ({ stakes }) => stakes!)

describe("the stakes of a clean step", () => {
  it.live("are counted where that is cheap, and an estimate where not", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      assert.isUndefined((yield* planned(url)).stakes)
      yield* Clusters.query(
        url,
        `CREATE TABLE public.filled AS SELECT i FROM generate_series(1, 1000) i;
         CREATE TABLE public.parent (id integer);
         CREATE TABLE public.child () INHERITS (public.parent);
         INSERT INTO public.child SELECT i FROM generate_series(1, 10) i`
      )
      const counted = yield* stakesOf(url)
      assert.deepInclude(counted, {
        database: url.database,
        server: `${url.host}:${url.port}`,
        tables: 3,
        rows: 1010,
        exact: true,
        uncounted: 0,
        largeObjects: 0,
        wayBack: null
      })
      assert.isAbove(counted.bytes, 30_000)
      assert.deepStrictEqual(counted.connected, [])

      // A role that owns the tables and may not read them estimates.
      yield* Clusters.query(url, `ANALYZE public.filled; REVOKE SELECT ON public.filled FROM ${url.user}`)
      const unread = yield* stakesOf(url)
      assert.isFalse(unread.exact)
      assert.isAtLeast(unread.rows, 1000)
      yield* Clusters.query(url, `GRANT SELECT ON public.filled TO ${url.user}`)

      // Too many to be counted.
      const many = Array.from({ length: 50 }, (_, i) => `CREATE TABLE public.t${i} (id integer)`).join(";")
      yield* Clusters.query(url, `${many}; INSERT INTO public.t0 VALUES (1); ANALYZE public.t0`)
      const estimated = yield* stakesOf(url)
      assert.deepInclude(estimated, { tables: 53, exact: false })
      assert.isAtLeast(estimated.rows, 1001)
      yield* Clusters.query(admin, "SELECT 1")
    })
  )

  it.live("keep nobody waiting for what others hold, and do not make a plan another one", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* Clusters.query(
        url,
        "CREATE TABLE public.held AS SELECT i FROM generate_series(1, 500) i; ANALYZE public.held"
      )
      const first = yield* planned(url)
      const other = yield* Session.open(admin, { application: "held" })
      yield* other.execute("BEGIN; LOCK TABLE public.held IN ACCESS EXCLUSIVE MODE")
      const second = yield* planned(url)
      const { stakes } = second
      assert.deepInclude(stakes, { tables: 1, rows: 500, exact: false, uncounted: 0, bytes: 0 })
      assert.deepInclude(stakes?.connected[0], { application: "held", user: admin.user })
      assert.notDeepEqual(stakes, first.stakes)
      assert.strictEqual(second.digest, first.digest)
      yield* other.execute("ROLLBACK")
      const { results } = yield* Pipeline.runExactly(Clean.pipeline({ schemas: ["public"] }), {
        ...second,
        tasks: first.tasks
      }).pipe(Effect.provide(Session.Session.layer(url)))
      assert.strictEqual(results.transaction.rung, 2)
    }).pipe(Effect.scoped)
  )
})

it.live("a restore's plan says where what goes is saved, or that it is not", () =>
  Effect.gen(function* () {
    const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
    yield* Clusters.query(url, "CREATE TABLE public.one AS SELECT 1 AS id; SELECT lo_from_bytea(0, 'x')")
    const dir = yield* folder
    const { file } = yield* dump(url, dir)
    const stakes = (options: Partial<Restore.RestoreOptions>) =>
      Effect.map(
        Pipeline.plan(Restore.pipeline({ ...restoreOptions, file, ...options })),
        ({ plan }) => plan.stakes
      ).pipe(Effect.provide(dumpLayer(url, dir)))
    const saved = yield* stakes({ clean: true, backupFirst: true })
    assert.deepInclude(saved, { tables: 1, rows: 1, exact: true, largeObjects: 1 })
    assert.strictEqual(saved?.wayBack?.folder, `${dir}/before-restore/`)
    assert.include(saved?.wayBack?.command, "pgark undo --dir")
    assert.isNull((yield* stakes({ clean: true, backupFirst: false }))?.wayBack)
  })
)
