/** What a survey costs: the same number of queries for any number of objects, and little time for many. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Clean from "../../../src/verbs/Clean.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Tier from "../../support/Tier.ts"

/** Each with a sequence and two indexes, every other one with a foreign key. */
const tables = (url: DatabaseUrl, from: number, to: number) =>
  Clusters.query(
    url,
    `DO $$ BEGIN FOR i IN ${from}..${to} LOOP
       EXECUTE format('CREATE TABLE public.t%s (id serial PRIMARY KEY, code text UNIQUE, other int %s)', i,
         CASE WHEN i % 2 = 0 THEN format('REFERENCES public.t%s', i - 1) ELSE '' END);
     END LOOP; END $$`
  )

/** Plans a clean step over a session of its own; gives the queries that took, the milliseconds, and the plan's rows. */
const plan = (url: DatabaseUrl) =>
  Effect.gen(function* () {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const begun = performance.now()
    const { plan } = yield* Effect.withTracer(Pipeline.plan(Clean.pipeline({ schemas: ["public"] })), tracer)
    return {
      milliseconds: performance.now() - begun,
      queries: spans.filter(({ attributes }) => attributes.has("db.query.text")).length,
      rows: plan.tasks.flatMap(({ rows }) => rows)
    }
  }).pipe(Effect.provide(Session.layer(url)))

describe.each(Clusters.majors)("a survey on PostgreSQL %i", (major) => {
  it.live("asks no query per object", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      // Rows of fewer are counted.
      yield* tables(url, 1, 60)
      const few = yield* plan(url)
      yield* tables(url, 61, 200)
      const many = yield* plan(url)
      assert.isAbove(few.queries, 5)
      // Fewer: the rows of many tables are not counted for the warning.
      assert.isAtMost(many.queries, few.queries)
      assert.isTrue(many.rows.some(({ what }) => what.startsWith("drop 200 tables: ")))
    })
  )
})

Tier.long("a survey of many tables", () => {
  it.live.each([false, true])("plans to empty 5,000 tables within 3 seconds, catalogues analyzed: %s", (analyzed) =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      for (let i = 0; i < 5000; i += 100) yield* tables(url, i + 1, i + 100)
      // With statistics and without them the planner must find a way that does not go through all for each.
      if (analyzed) yield* Clusters.query(admin, "ANALYZE")
      // The fastest of three: others may be at work on this machine.
      const runs = yield* Effect.forEach([1, 2, 3], () => plan(url))
      assert.isTrue(runs[0]?.rows.some(({ what }) => what.startsWith("drop 1,000 tables: ")))
      assert.isBelow(Math.min(...runs.map(({ milliseconds }) => milliseconds)), 3000)
    })
  )
})
