import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { literal, qualified, quote } from "../../src/postgres/Identifier.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"

const nasty = [
  "",
  "'",
  "''",
  "\\",
  "\\'",
  '"',
  '""',
  "\\\\'; DROP TABLE x; --",
  "$$",
  "a\nb",
  "Zürich 🚲",
  "E'x'",
  "$1"
]

/** Everything that PostgreSQL can store: no NUL, no lone surrogate. */
const storable = (text: string) => !text.includes("\0") && text.isWellFormed()
const Text = Schema.Union([Schema.String, Schema.Literals(nasty)]).check(Schema.makeFilter(storable))
/** A name is not empty and at most 63 bytes long. */
const Name = Text.check(Schema.makeFilter((text) => text !== "" && Buffer.byteLength(text) < 64))

for (const major of [15, 18] as const) {
  layer(Layer.unwrap(Effect.map(Clusters.superuser(major), Session.layer)))(`PostgreSQL ${major} reads`, (it) => {
    for (const setting of ["on", "off"]) {
      it.effect.prop(
        `a literal as the text it was made of, with standard_conforming_strings ${setting}`,
        { text: Text },
        ({ text }) =>
          Effect.gen(function* () {
            const { sql, execute } = yield* Session
            yield* execute(`SET standard_conforming_strings = ${setting}; SET escape_string_warning = off`)
            const [row] = yield* sql.unsafe(`SELECT ${[text, ...nasty].map(literal).join(", ")}`).values
            assert.deepStrictEqual(row, [text, ...nasty])
          })
      )
    }

    it.effect.prop("an identifier as the name it was made of", { name: Name }, ({ name }) =>
      Effect.gen(function* () {
        const { sql } = yield* Session
        const rows = yield* sql.unsafe(`SELECT 1 AS ${quote(name)}`)
        assert.deepStrictEqual(Object.entries(rows[0]!), [[name, 1]])
      })
    )
  })
}

describe("qualified", () => {
  it("quotes both parts", () => {
    assert.strictEqual(qualified("My schema", 'T"x'), '"My schema"."T""x"')
  })
})
