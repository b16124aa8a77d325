/** What is drawn of a run, for a moment and a width. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import stringWidth from "string-width"
import * as Block from "../../../src/cli/progress/Block.ts"
import * as Board from "../../../src/cli/progress/Board.ts"
import * as Lines from "../../../src/cli/progress/Lines.ts"
import { type Progress, RunEvent } from "../../../src/pipeline/RunEvent.ts"

const { TaskFinished, TaskProgress, TaskStarted } = RunEvent.cases

/** A board after events at their moments, in milliseconds. */
const after = (...events: ReadonlyArray<readonly [now: number, event: RunEvent]>): Board.Board =>
  events.reduce((board, [now, event]) => Board.update(board, event, now), Board.empty)

const started = (task: string, title: string) => TaskStarted.make({ task, title })

const told = (task: string, progress: Partial<Progress>) =>
  TaskProgress.make({ task, what: "applied", parts: [], ...progress })

const megabytes = (n: number) => n * 1_000_000

/** A restore in its tenth second, 30 MB in each of which 10 MB came. */
const restoring = (parts: Progress["parts"] = []) =>
  after(
    [0, started("transaction", "Restore in one transaction")],
    [0, started("apply", "Apply the dump")],
    ...Array.from(
      { length: 101 },
      (_, tick) =>
        [
          tick * 100,
          told("apply", {
            bytes: { done: megabytes(tick), total: megabytes(300) },
            rows: { done: tick * 10_000, total: 3_000_000 },
            tables: { done: 3, total: 12 },
            statements: { done: 40, total: 90 },
            parts,
            next: "14 indexes"
          })
        ] as const
    )
  )

const event = {
  name: `public."Event"`,
  since: 5000,
  rows: { done: 500_000, total: 2_000_000 },
  bytes: { done: megabytes(60), total: megabytes(230) }
}
const user = { name: `public."User"`, since: 6000, rows: { done: 10, total: 20 } }

const draw = (board: Board.Board, now: number, columns: number, rows = 24) => Block.lines(board, now, { columns, rows })

describe("the block", () => {
  it("has a line for each running task and, below it, for each table that is under way", () => {
    assert.deepStrictEqual(draw(restoring([event, user]), 10_000, 120), [
      "Restore in one transaction  10 s",
      "Apply the dump  [===>      ]  33 %  100 MB of 300 MB  1,000,000 of 3,000,000 rows  3 of 12 tables  10 MB/s  20 s left",
      `  public."Event"  25 %  500,000 of 2,000,000 rows  60 MB of 230 MB`,
      `  public."User"  50 %  10 of 20 rows`
    ])
  })

  it("leaves away what has no room, the least telling first, and fills the rest with a bar", () => {
    assert.deepStrictEqual(draw(restoring(), 10_000, 80).slice(1), [
      "Apply the dump  [===>      ]  33 %  100 MB of 300 MB  10 MB/s  20 s left"
    ])
    assert.deepStrictEqual(draw(restoring(), 10_000, 40).slice(1), ["Apply the dump  33 %  100 MB of 300 MB"])
    assert.deepStrictEqual(draw(restoring(), 10_000, 12).slice(1), ["Appl…  33 %"])
  })

  it("is nothing in the first second, and when nothing runs", () => {
    assert.deepStrictEqual(draw(restoring(), 999, 80), [])
    const over = after(
      [0, started("a", "Do a")],
      [5000, TaskFinished.make({ task: "a", title: "Do a", milliseconds: 5000 })]
    )
    assert.deepStrictEqual(draw(over, 6000, 80), [])
  })

  it("never says 100 % before the end, nor more", () => {
    for (const done of [299.9, 300, 400]) {
      const board = after(
        [0, started("a", "Do a")],
        [0, told("a", { bytes: { done: megabytes(done), total: megabytes(300) } })]
      )
      const [line = ""] = draw(board, 5000, 80)
      assert.notInclude(line, "100 %")
      assert.strictEqual(line.includes("99 %"), done <= 300, line)
    }
  })

  it("marks what is estimated, and says no more than what is done where there is more than was estimated", () => {
    const estimating = (done: number) =>
      after(
        [0, started("a", "Do a")],
        [0, told("a", { bytes: { done: megabytes(done), total: megabytes(200), estimated: true } })]
      )
    assert.deepStrictEqual(draw(estimating(50), 5000, 60), ["Do a  [=====>              ]  ~25 %  50 MB of ~200 MB"])
    assert.deepStrictEqual(draw(estimating(210), 5000, 60), ["Do a  210 MB"])
  })

  it("tells which statement runs, and for how long, where nothing can be counted", () => {
    const indexing = after(
      [0, started("apply", "Apply the dump")],
      [
        9000,
        told("apply", {
          bytes: { done: megabytes(299), total: megabytes(300) },
          tables: { done: 12, total: 12 },
          statements: { done: 60, total: 90 },
          parts: [{ name: "INDEX Event_title_idx", since: 9000 }]
        })
      ]
    )
    assert.deepStrictEqual(draw(indexing, 9900, 80), ["Apply the dump  60 of 90 statements  9 s"])
    assert.deepStrictEqual(draw(indexing, 31_000, 80), [
      "Apply the dump  60 of 90 statements  31 s",
      "  INDEX Event_title_idx  22 s"
    ])
  })

  it("knows no time left at the beginning, nor when nothing has come for seconds", () => {
    const early = after(
      [0, started("a", "Do a")],
      [0, told("a", { bytes: { done: 0, total: 1000 } })],
      [1500, told("a", { bytes: { done: 500, total: 1000 } })]
    )
    assert.notInclude(draw(early, 1600, 80).join(), "left")
    assert.include(draw(restoring(), 11_000, 80).join(), "left")
    assert.notInclude(draw(restoring(), 13_100, 80).join(), "left")
  })

  it("shows the control characters of a name, and cuts it where it is too long", () => {
    const name = `public."up\u001B[2Kdown\n${"表".repeat(60)}"`
    const [, , line = ""] = draw(restoring([{ ...event, name }]), 10_000, 80)
    assert.include(line, String.raw`public."up\x1b[2Kdown\n表`)
    assert.isFalse(/\p{Cc}/u.test(line))
  })

  it("is never higher than the terminal", () => {
    const parts = Array.from({ length: 50 }, (_, n) => ({ ...event, name: `public.t${n}` }))
    assert.lengthOf(draw(restoring(parts), 10_000, 80, 10), 9)
  })

  it.prop(
    "is never as wide as the terminal, whatever names are in it",
    [Schema.Array(Schema.String), Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 140 }))],
    ([names, columns]) => {
      const wide = ["表🙂👨‍👩‍👧", "e\u0301".repeat(30), "\u200B", ""]
      const parts = [...names, ...wide].map((name) => ({ ...event, name }))
      for (const line of draw(restoring(parts), 10_000, columns, 500)) assert.isBelow(stringWidth(line), columns)
    },
    { arbitrary: { runs: 100, seed: 7 } }
  )
})

describe("a run that was stopped", () => {
  const stopped = Board.stopping(restoring([event]), 10_000)

  it("says so at once, and for how long, while what is under way is brought to an end", () => {
    assert.strictEqual(draw(stopped, 10_100, 80).at(-1), "Stopping, as soon as what is under way has ended")
    // Whoever presses Ctrl-C again and again begins anew.
    const ended = TaskFinished.make({ task: "apply", title: "Apply the dump", milliseconds: 1 })
    const again = Board.update(Board.stopping(stopped, 12_000), ended, 12_000)
    const shown = ["Restore in one transaction  15 s", "Stopping, as soon as what is under way has ended  3 s"]
    assert.deepStrictEqual(draw(again, 15_000, 80), shown)
    assert.strictEqual(Lines.due(again, new Map(), 15_000).lines.at(-1), `      ${shown[1]?.replace("  3", ": 3")}`)
  })
})

describe("lines where nothing can be redrawn", () => {
  it("come every three seconds, whole in themselves", () => {
    const board = restoring([event])
    const first = Lines.due(board, new Map(), 10_000)
    assert.deepStrictEqual(first.lines, [
      `      Apply the dump: 33 %, 100 MB of 300 MB, 1,000,000 of 3,000,000 rows, 3 of 12 tables, 10 MB/s, 20 s left, ` +
        `then 14 indexes; public."Event": 25 %, 500,000 of 2,000,000 rows, 60 MB of 230 MB`
    ])
    assert.deepStrictEqual(Lines.due(board, first.told, 12_999).lines, [])
    assert.lengthOf(Lines.due(board, first.told, 13_000).lines, 1)
  })

  it("do not come in the first seconds of a task, and tell for how long one is at it that counts nothing", () => {
    const board = after([0, started("survey", "Look at the target")])
    assert.deepStrictEqual(Lines.due(board, new Map(), 2999).lines, [])
    assert.deepStrictEqual(Lines.due(board, new Map(), 4000).lines, ["      Look at the target: 4 s"])
  })
})
