import { assert, describe, it } from "@effect/vitest"
import { advice } from "../../src/postgres/Advice.ts"
import { toDatabaseError } from "../../src/postgres/Sqlstate.ts"

const unknown = advice("99999")

describe("advice", () => {
  it("is there for every refusal, and special for those that a restore meets", () => {
    assert.match(unknown, /errcodes-appendix/)
    const met =
      "08006 0A000 22021 22P05 23502 23503 23505 25006 28000 28P01 2BP01 3D000 40001 40P01 42501 42601 42704 42883 " +
      "42P01 42P07 53100 53200 53300 53400 54000 54001 55006 55P03 57014 57P01 57P03 58030 58P01 P0001 XX000 XX001"
    for (const code of met.split(" ")) assert.notStrictEqual(advice(code, { ofDump: true }), unknown, code)
    assert.match(advice("53100"), /disk of the server/)
    assert.match(advice("53200"), /max_locks_per_transaction/)
    assert.match(advice(undefined), /when the server answers/)
  })

  it("speaks of the dump only where the statement is one of it", () => {
    assert.match(advice("23505", { ofDump: true }), /dump's data/)
    assert.strictEqual(advice("23505"), unknown)
    const refused = Object.assign(new Error("no"), { code: "23505", severity: "ERROR" })
    assert.match(toDatabaseError(refused, { file: "a.sql", line: 1 }).suggestion!, /dump's data/)
    assert.strictEqual(toDatabaseError(refused).suggestion, unknown)
  })

  it("the server's hint goes before what is known of a class, behind what is known of the code", () => {
    assert.strictEqual(advice("22P02", { hint: "the hint", ofDump: true }), "the hint")
    assert.strictEqual(advice("99999", { hint: "the hint" }), "the hint")
    assert.notStrictEqual(advice("2BP01", { hint: "Use DROP ... CASCADE", ofDump: true }), "Use DROP ... CASCADE")
  })
})
