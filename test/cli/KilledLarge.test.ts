/** The same with as many tables as no server of default settings replaces in one transaction. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { endAt, nothingLeft, restoreArgs, undone } from "../support/Killing.ts"
import * as Pgark from "../support/Pgark.ts"
import { prepare, SmallServer } from "../support/SmallServer.ts"
import * as Several from "../support/Several.ts"
import { each } from "../support/Tier.ts"

const small = { tables: 700, settings: { max_locks_per_transaction: "32", max_connections: "50" } }
const large = { tables: 3000, settings: {} }
const cases = [small, large].flatMap((size) => (["aside", "batches"] as const).map((way) => ({ ...size, way })))

each(
  cases,
  cases.slice(0, 1),
  ({ tables, way }) => `a restore of ${tables} tables that is killed in the middle: ${way}`,
  ({ settings, tables, way }) => {
    layer(SmallServer.layerOf(settings), { excludeTestServices: true, timeout: 60_000 })((it) => {
      it.effect(
        "is undone, and then succeeds",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(way, tables)
            const { options, url } = target
            yield* endAt(target, restoreArgs(target), { waits: "CREATE INDEX%" })
            yield* undone(target)
            nothingLeft(target)
            // The small ones have shown that elsewhere.
            if (tables === small.tables) return
            const { code, stderr, stdout } = yield* Pgark.run(restoreArgs(target), options)
            assert.strictEqual(code, 0, stderr)
            assert.match(stdout, /^ {2}way {8}in several transactions/m)
            assert.deepStrictEqual(yield* Several.asides(url), [])
          }),
        300_000
      )
    })
  }
)
