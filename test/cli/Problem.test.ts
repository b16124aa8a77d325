import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Problem from "../../src/cli/Problem.ts"
import { alert, clip, colorful, hang, wrap } from "../../src/cli/Text.ts"
import { RestoreFailed, VerificationFailed } from "../../src/verbs/VerbError.ts"

const failed = new RestoreFailed({
  message: "A statement of the dump failed.",
  detail: 'relation "a" does not exist\nsecond line',
  suggestion: "Repair the dump.",
  state: "rolled-back",
  sqlstate: "42P01",
  statement: "INSERT INTO a\nVALUES (1)",
  file: "dumps/x.sql",
  line: 12
})

describe("a problem", () => {
  it("is told in aligned lines: what, where, how the target is, what next", () => {
    assert.strictEqual(
      Problem.render(failed),
      [
        "pgark: A statement of the dump failed.",
        "  where   dumps/x.sql, line 12",
        "  SQL     INSERT INTO a",
        "          VALUES (1)",
        "  code    42P01",
        '  detail  relation "a" does not exist',
        "          second line",
        "  state   the target is as it was; everything was rolled back",
        "  next    Repair the dump."
      ].join("\n")
    )
  })

  it("says nothing about what is not known", () => {
    assert.strictEqual(Problem.render({ _tag: "UsageError", message: "Only this." }), "pgark: Only this.")
    assert.deepStrictEqual(Problem.toDocument({ _tag: "UsageError", message: "Only this." }, 7), {
      error: { exitCode: 7, code: "UsageError", message: "Only this." }
    })
  })

  it("is the same as data", () => {
    assert.deepStrictEqual(JSON.parse(Problem.toJson(failed, 7)), {
      error: {
        exitCode: 7,
        code: "RestoreFailed",
        message: "A statement of the dump failed.",
        detail: 'relation "a" does not exist\nsecond line',
        suggestion: "Repair the dump.",
        state: "rolled-back",
        sqlstate: "42P01",
        statement: "INSERT INTO a\nVALUES (1)",
        file: "dumps/x.sql",
        line: 12
      }
    })
  })

  it("keeps the findings of a verification as data", () => {
    const finding = { check: "rows", object: "a", expected: "2 rows", found: "1 row", severity: "finding" } as const
    const { error } = Problem.toDocument(new VerificationFailed({ message: "1 difference.", findings: [finding] }), 3)
    assert.deepStrictEqual(error.findings, [finding])
  })

  it("of the program itself asks for a report", () => {
    const text = Problem.render(Problem.defect(Cause.die(new Error("boom"))))
    assert.match(text, /^pgark: this is a defect of pgark\.\n {2}detail {2}Error: boom\n/)
    assert.match(text, /\n {2}next {4}Please report it/)
  })
})

describe("text", () => {
  it("is broken between words only", () => {
    assert.deepStrictEqual(wrap("one two three", 7), ["one two", "three"])
    assert.deepStrictEqual(wrap("extraordinary a b", 5), ["extraordinary", "a b"])
    assert.deepStrictEqual(wrap("", 5), [""])
  })

  it("hangs below the first line of its paragraph", () => {
    const words = "word ".repeat(20).trimEnd()
    const [first, second, ...others] = hang("  label  ", words).split("\n")
    assert.deepStrictEqual(others, [])
    assert.match(first!, /^ {2}label {2}word( word){13}$/)
    assert.match(second!, /^ {9}word( word){5}$/)
  })

  it("is cut behind a comma where it is too long", () => {
    assert.strictEqual(clip("a, b, c", 7, "(more)"), "a, b, c")
    assert.strictEqual(clip("alpha, beta, gamma", 13, "(more)"), "alpha, beta, … (more)")
    assert.strictEqual(clip("abcdefgh", 4, "(more)"), "abcd … (more)")
  })

  it("has colours on a terminal alone, and not where NO_COLOR or TERM says so", () => {
    const terminal = { isTTY: true }
    assert.isTrue(colorful(terminal, true, {}))
    assert.isTrue(colorful(terminal, true, { NO_COLOR: "" }))
    assert.isFalse(colorful({}, true, {}))
    assert.isFalse(colorful(terminal, false, {}))
    assert.isFalse(colorful(terminal, true, { NO_COLOR: "1" }))
    assert.isFalse(colorful(terminal, true, { TERM: "dumb" }))
    assert.strictEqual(alert("first\nsecond"), "\u001B[31mfirst\u001B[39m\nsecond")
  })
})
