/** What a dump can be called. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as DumpLabel from "../../src/dumps/DumpLabel.ts"
import * as DumpName from "../../src/dumps/DumpName.ts"

describe("a name", () => {
  it("is short, of letters, digits, - and _", () => {
    for (const name of ["a", "7", "before-upgrade", "Nightly_2", "x".repeat(64)]) {
      assert.isUndefined(DumpLabel.problem({ name }), name)
    }
    for (const name of ["", " ", "-a", "_a", "a b", "a/b", "..", "a.sql", "ä", "x".repeat(65), "a\n"]) {
      assert.include(DumpLabel.problem({ name }), "letters, digits", JSON.stringify(name))
    }
  })

  it.effect.prop("is never that of a dump's file, nor a path", [Schema.String], ([text]) =>
    Effect.sync(() => {
      if (!DumpLabel.isName(text)) return
      assert.isTrue(Option.isNone(DumpName.parse(text)))
      assert.notMatch(text, /[/\\.]/)
    })
  )
})

describe("a note", () => {
  it("is one line that says something", () => {
    for (const note of ["Before the upgrade", "größer / kleiner", "x".repeat(500)]) {
      assert.isUndefined(DumpLabel.problem({ note }), note)
    }
    for (const note of ["", "  ", "a\nb", "a\u001b[2J", "x".repeat(501)]) {
      assert.include(DumpLabel.problem({ note }), "one line", JSON.stringify(note))
    }
  })
})
