import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Interruption from "../../../src/cli/output/Interruption.ts"
import * as Problem from "../../../src/cli/output/Problem.ts"
import { alert, clip, colorful, fitted, hang, visible, visibleLine, width, wrap } from "../../../src/cli/output/Text.ts"
import { RestoreFailed, VerificationFailed } from "../../../src/verbs/VerbError.ts"

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

describe("a problem on a terminal", () => {
  const long = "word ".repeat(30).trimEnd()
  const problem: Problem.Problem = {
    _tag: "StatementFailed",
    message: long,
    statement: `SELECT ${long}`,
    detail: `short\n  ${long}`,
    suggestion: long
  }

  it("is broken into lines that fit it, but for SQL, which is there to be copied", () => {
    for (const columns of [60, 80, 120]) {
      const lines = Problem.render(problem, columns).split("\n")
      const [sql, ...others] = lines.filter((line) => line.length > columns)
      assert.deepStrictEqual([sql, others], [`  SQL     SELECT ${long}`, []])
      assert.include(lines, "  detail  short")
      // What was indented is, in every line of it.
      assert.isAbove(lines.filter((line) => line.startsWith(`${" ".repeat(12)}word`)).length, 1)
      assert.strictEqual(lines.join(" ").match(/word/g)?.length, 120)
    }
  })

  it("stays in whole lines in a file, where it is searched for", () => {
    const lines = Problem.render(problem, Number.POSITIVE_INFINITY).split("\n")
    assert.lengthOf(lines, 5)
  })
})

describe("a defect", () => {
  it("asks for a report in which no password stands", () => {
    const secret = "f4lcon"
    const causes = [
      new Error(`Invalid URL: postgresql://me:${secret}@host/db`),
      new Error(`connect with { host: 'a', password: '${secret}' }`),
      new Error(`host=a password=${secret} dbname=b`),
      new Error(`?user=me&sslpassword=${secret}&x=1`)
    ]
    for (const error of causes) {
      const { detail, suggestion } = Problem.defect(Cause.die(error))
      assert.notInclude(detail, secret)
      assert.match(detail ?? "", /\*\*\*[\s\S]*\n +at /)
      assert.match(suggestion ?? "", /--log-level debug/)
    }
  })

  it("says how the target is", () => {
    const record = { begun: undefined, committed: undefined, doubted: undefined, torn: undefined, unfinished: [] }
    assert.strictEqual(Interruption.state(record), "untouched")
    assert.strictEqual(Interruption.state({ ...record, begun: "the restore" }), "rolled-back")
    assert.strictEqual(Interruption.state({ ...record, begun: "it", doubted: "it" }), "unknown")
    assert.strictEqual(Interruption.state({ ...record, begun: "it", committed: "it" }), "changed")
    assert.strictEqual(Interruption.state({ ...record, torn: { message: "", suggestion: "" } }), "changed")
  })
})

describe("text", () => {
  it("is as wide as the terminal, 100 columns at most, and 80 where there is none", () => {
    assert.strictEqual(width([{ columns: 60 }, { columns: 90 }]), 60)
    assert.strictEqual(width([{}, { columns: 90 }]), 90)
    assert.strictEqual(width([{ columns: 0 }, { columns: 250 }]), 100)
    assert.strictEqual(width([{}, {}]), 80)
  })

  it("fits a terminal, and is one line elsewhere", () => {
    assert.strictEqual(fitted({ isTTY: true, columns: 13 }, "note  ", "one two three"), "note  one two\n      three")
    assert.strictEqual(fitted({ columns: 13 }, "note  ", "one two three"), "note  one two three")
  })

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

describe("a name", () => {
  it("shows what acts on a terminal, turns the text around it, or is not to be seen", () => {
    assert.strictEqual(visibleLine("a\u001B[2J\u0085b\tc\n"), String.raw`a\x1b[2J\x85b\tc\n`)
    assert.strictEqual(
      visibleLine("evil\u202Egnp.exe\u2066\u200B\u2028\uFEFF"),
      String.raw`evil\u202egnp.exe\u2066\u200b\u2028\ufeff`
    )
    assert.strictEqual(visible("a\tb\nc\r\u202Ed"), `a\tb\nc${String.raw`\r\u202e`}d`)
  })

  it("stays as it is in any script, emoji included", () => {
    for (const name of ["👩‍👩‍👧‍👦", "表格", "עברית", "می‌خواهم", "e\u0301"]) assert.strictEqual(visibleLine(name), name)
  })
})
