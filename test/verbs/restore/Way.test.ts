import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { LockTable } from "../../../src/postgres/survey/LockTable.ts"
import { catalogEntries, choose, type WayOptions } from "../../../src/verbs/restore/Way.ts"

const tableOf = (perTransaction: number, sessions: number, used = 0): LockTable => {
  const capacity = perTransaction * sessions
  return { perTransaction, sessions, capacity, used, free: Math.max(0, capacity - used) }
}

/** 6,400 entries, of which one transaction may take 4,920, and each of several 3,000, besides those of the catalogues. */
const options: WayOptions = {
  table: tableOf(64, 100),
  drop: 3000,
  create: 1920,
  lock: 200,
  backup: 200,
  obstacles: []
}

describe("the way of a restore", () => {
  it("is one transaction where four fifths of what is free hold it", () => {
    assert.deepStrictEqual(
      choose(options),
      Result.succeed({
        way: "transaction",
        why: "dropping and creating take about 4,920 entries of the server's lock table, of which 6,400 are free",
        budget: 3200 - catalogEntries
      })
    )
  })

  it("is to set schemas aside where it does not, unless something is in the way of that", () => {
    const { way, budget } = Result.getOrThrow(choose({ ...options, create: 1921 }))
    assert.deepStrictEqual([way, budget], ["aside", 3000])
    const batches = choose({
      ...options,
      create: 1921,
      obstacles: ["schema public belongs to boss", "no CREATE right"]
    })
    assert.deepStrictEqual(
      batches,
      Result.succeed({
        way: "batches",
        why:
          "dropping and creating take about 4,921 entries of the server's lock table, and one transaction may take " +
          "4,920: four fifths of the 6,400 that are free, less the catalogues; schemas cannot be set aside: schema public " +
          "belongs to boss; no CREATE right",
        budget: 3000
      })
    )
  })

  it("is several transactions where several connections are asked for, and says why", () => {
    const { way, why } = Result.getOrThrow(choose({ ...options, jobs: 4 }))
    assert.deepStrictEqual(
      [way, why],
      ["aside", "4 connections are asked for (--jobs), and they cannot share one transaction"]
    )
    const batches = Result.getOrThrow(choose({ ...options, jobs: 2, obstacles: ["no CREATE right"] }))
    assert.deepStrictEqual(
      [batches.way, batches.why],
      [
        "batches",
        "2 connections are asked for (--jobs), and they cannot share one transaction; schemas cannot be set aside: no CREATE right"
      ]
    )
    assert.strictEqual(Result.getOrThrow(choose({ ...options, jobs: 1 })).way, "transaction")
  })

  it("is to set schemas aside where they are to be kept, or a refusal", () => {
    const { way, why } = Result.getOrThrow(choose({ ...options, keepPrevious: true }))
    assert.deepStrictEqual([way, why], ["aside", "what is there is to be kept (--keep-previous)"])
    const refused = choose({ ...options, keepPrevious: true, obstacles: ["schema public belongs to boss"] })
    if (Result.isSuccess(refused)) return assert.fail(refused.success.way)
    const { _tag, message, state } = refused.failure
    assert.deepStrictEqual(
      [_tag, message, state],
      ["TargetUnfit", "What is there cannot be kept: schema public belongs to boss.", "untouched"]
    )
  })

  it("leaves a batch at least one table, however little is free", () => {
    const [table, lock] = [tableOf(10, 26), 1]
    const { budget } = Result.getOrThrow(choose({ ...options, table, lock, backup: 0 }))
    assert.strictEqual(budget, 1)
  })

  it("is refused where all tables cannot be locked at once, with the setting that would do", () => {
    const refused = choose({ ...options, lock: 9000, backup: 1000, table: tableOf(64, 100, 400) })
    if (Result.isSuccess(refused)) return assert.fail(refused.success.way)
    const { failure } = refused
    if (failure._tag !== "LockTableTooSmall") return assert.fail(failure._tag)
    const { message, setting, state, suggestion } = failure
    assert.strictEqual(
      message,
      "The server's lock table is too small: 10,200 entries are needed at once, 6,000 are free."
    )
    assert.strictEqual(setting, 118)
    assert.strictEqual(
      suggestion,
      "Have max_locks_per_transaction raised to 118 or more, which takes a restart of the server."
    )
    assert.strictEqual(state, "untouched")
  })

  it("names --no-backup-first where the safety dump alone is too much", () => {
    const refused = choose({ ...options, lock: 5000, backup: 1000 })
    if (Result.isSuccess(refused)) return assert.fail(refused.success.way)
    assert.include(refused.failure.suggestion, "--no-backup-first")
    assert.isTrue(Result.isSuccess(choose({ ...options, lock: 5000, backup: 0 })))
  })

  const entries = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
  const sessions = Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 500 }))
  it.effect.prop(
    "the setting of a refusal is the smallest that is none",
    [entries, entries, entries, sessions],
    ([lock, backup, used, sessions]) =>
      Effect.sync(() => {
        const at = (perTransaction: number) =>
          choose({ ...options, lock, backup, table: tableOf(perTransaction, sessions, used) })
        const refused = at(10)
        if (Result.isSuccess(refused) || refused.failure._tag !== "LockTableTooSmall") return
        assert.isTrue(Result.isSuccess(at(refused.failure.setting)))
        assert.isTrue(Result.isFailure(at(refused.failure.setting - 1)))
      })
  )
})
