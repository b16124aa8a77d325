import { assert, describe, it } from "@effect/vitest"
import * as Findings from "../../../src/verbs/verify/Findings.ts"
import { grouped } from "../../../src/verbs/verify/FindingLines.ts"
import type { Finding } from "../../../src/verbs/VerbError.ts"

const found = (check: Finding["check"], object: string, severity: Finding["severity"] = "finding"): Finding => ({
  check,
  object,
  expected: "2",
  found: "1",
  severity
})

const failure = (findings: ReadonlyArray<Finding>, during: "restore" | "verify" = "verify") =>
  Findings.failure(findings, { during, file: "dumps/a.sql", roles: ["app"] })

describe("findings", () => {
  it("of one kind stand together, and a long list is cut", () => {
    const rows = Array.from({ length: 12 }, (_, i) => found("rows", `t${i}`))
    const lines = grouped([rows[0]!, found("indexes", "public"), ...rows.slice(1)])
    assert.deepStrictEqual(lines, [
      "rows (12):",
      ...Array.from({ length: 10 }, (_, i) => `  t${i}: expected 2, found 1`),
      "  … and 2 more",
      "indexes: public: expected 2, found 1"
    ])
  })

  it("are summed up by what differs most, without the warnings", () => {
    const all = [found("indexes", "public"), found("rows", "a"), found("rows", "b"), found("validity", "i", "warning")]
    const { message, detail, findings, state } = failure(all)
    assert.strictEqual(message, "The database is not what it should be: 3 differences, most of them in rows.")
    assert.notInclude(detail, "validity")
    assert.strictEqual(findings.length, 4)
    assert.isUndefined(state)
  })

  it("say what to do next: each kind something else", () => {
    const suggestion = (check: Finding["check"], during?: "restore") => failure([found(check, "x")], during).suggestion
    assert.match(suggestion("rows")!, /an app has written.*`pgark dump`.*`pgark restore --clean dumps\/a\.sql`/)
    assert.match(suggestion("indexes")!, /on purpose.*`pgark restore --clean dumps\/a\.sql`/)
    assert.match(suggestion("rights")!, /`pgark grant app`/)
    assert.match(suggestion("rows", "restore")!, /triggers and rules on these tables.*--no-verify/)
    assert.match(suggestion("indexes", "restore")!, /event triggers of the target/)
    assert.strictEqual(failure([found("rows", "x")], "restore").state, "rolled-back")
  })

  it("send to a role that may read what this one could not, and not to a restore", () => {
    const closed = { ...found("rows", "a"), found: "the connected role may not read it" }
    const hidden = { ...found("rows", "b"), found: "row-level security hides rows from the connected role" }
    const { message, suggestion } = failure([closed, hidden])
    assert.strictEqual(message, "The database could not be verified: the connected role does not see 2 objects.")
    assert.match(suggestion!, /as the owner.*BYPASSRLS/)
    assert.notInclude(suggestion!, "restore")
    assert.match(failure([closed, found("indexes", "public")]).suggestion!, /BYPASSRLS.*Of the rest: .*restore --clean/)
  })
})
