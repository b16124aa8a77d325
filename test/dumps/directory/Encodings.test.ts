/** Rows of a directory dump in the binary form, for a database of another encoding. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { long } from "../../support/Tier.ts"

const of = (encoding: string) => Clusters.makeDatabase(18, { encoding, locale: "LC_COLLATE 'C' LC_CTYPE 'C'" })

const text = `SELECT a, b::text, c::text, d::text FROM t ORDER BY a`

const filled = Effect.fnUntraced(function* (encoding: string, word: string) {
  const source = yield* of(encoding)
  yield* Clusters.query(
    source,
    `CREATE TABLE t (a text PRIMARY KEY, b jsonb, c tsvector, d varchar(20)[]);
     INSERT INTO t SELECT w, jsonb_build_object(w, w), to_tsvector('simple', w), ARRAY[w] FROM unnest(ARRAY['plain', '${word}']) w`
  )
  const { file, manifest } = yield* Restores.dump(source, yield* Restores.folder, { format: "directory" })
  assert.deepStrictEqual(
    manifest.files!.data.map(({ form }) => form),
    ["binary"]
  )
  return { file, source }
})

long("binary rows of a directory dump", () => {
  for (const jobs of [1, 2]) {
    for (const [from, to] of [
      ["LATIN1", "UTF8"],
      ["UTF8", "LATIN1"]
    ] as const) {
      it.live(`are converted by the server: ${from} to ${to}, over ${jobs}`, () =>
        Effect.gen(function* () {
          const { file, source } = yield* filled(from, "Käse é")
          const target = yield* of(to)
          yield* Restores.restore(target, file, { jobs })
          assert.deepStrictEqual(yield* Clusters.query(target, text), yield* Clusters.query(source, text))
        })
      )
    }

    it.live(`are refused where a character is lacking, over ${jobs}`, () =>
      Effect.gen(function* () {
        const { file } = yield* filled("UTF8", "日本")
        const target = yield* of("LATIN1")
        const error = yield* Effect.flip(Restores.restore(target, file, { jobs }))
        assert.strictEqual(error._tag, "RestoreFailed")
        assert.deepStrictEqual(yield* Clusters.query(target, "SELECT FROM pg_class WHERE relname = 't'"), [])
      })
    )
  }
})
