import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as Tracer from "effect/Tracer"
import * as pgark from "../../src/index.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../support/Clusters.ts"

const current = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly name: string }>`SELECT current_database() AS name`
)

const configured = (values: Readonly<Record<string, string>>) =>
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values)))

describe("a database", () => {
  it.live("comes from a URL with an ORM's parameters, or from the app's configuration under any name", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      const url = `${Redacted.value(DatabaseUrl.toUri(target))}&schema=public&connection_limit=1`
      const { layer, layerConfig } = pgark.Database
      for (const database of [
        layer(url),
        layer(Redacted.make(url)),
        layerConfig().pipe(configured({ DATABASE_URL: url })),
        layerConfig(Config.Redacted("STAGING")).pipe(configured({ STAGING: url }))
      ]) {
        assert.deepStrictEqual(yield* Effect.provide(current, database), [{ name: target.database }])
      }
    })
  )

  it.live("that is not configured, or not readable, is an error that does not show the password", () =>
    Effect.gen(function* () {
      const failure = <E>(layer: Layer.Layer<pgark.Database.Database, E>) => Effect.flip(Effect.provide(current, layer))
      const missing = yield* failure(pgark.Database.layerConfig().pipe(configured({})))
      assert.strictEqual(missing._tag, "ConfigError")
      const wrong = yield* failure(pgark.Database.layer("mysql://me:secret@localhost/shop"))
      assert.strictEqual(wrong._tag, "DatabaseUrlInvalid")
      assert.notInclude(JSON.stringify(wrong) + String(wrong), "secret")
    })
  )

  it.live("is worked on under the spans and the logger of the app", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      yield* pgark.Verify.verify({ expected: undefined }).pipe(
        Effect.provide(pgark.Database.layer(DatabaseUrl.toUri(target))),
        Effect.withTracer(tracer)
      )
      assert.includeMembers(spans, ["Session.open", "Verify.verify", "Pipeline.run", "task verify", "Verify.check"])
    })
  )

  it("has a face without anything of the command line", () => {
    const names = Object.keys(pgark)
    assert.isAbove(names.length, 15)
    assert.deepStrictEqual(
      names.filter((name) => /Command|Flag|Render|Output|Exit/.test(name)),
      []
    )
  })
})
