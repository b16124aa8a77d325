/** Every connection string of the table means the same to pg_dump, native and WebAssembly, to `pg` and to sql-pg. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { libraryStrings } from "./ConnectionStrings.ts"
import { providerStrings } from "./ProviderStrings.ts"
import { received } from "./Received.ts"

describe("connection strings as they are written", () => {
  const all = [...libraryStrings, ...providerStrings]

  for (const { by, drivers, env, refusal, text, ...rest } of all) {
    it.effect(`by ${by}: ${text.trim()}`, () =>
      Effect.gen(function* () {
        const { pg, record = [], sqlPg, ...got } = yield* received(text, env)
        assert.deepStrictEqual(
          { ...got, pg, sqlPg, ...(record.length === 0 ? {} : { record }) },
          { ...rest, pg: drivers, sqlPg: refusal ?? drivers }
        )
      })
    )
  }

  it("are as many as were promised", () => assert.isAtLeast(all.length, 40))
})
