/** What the reader of the documentation sees in a page, and what it overlooks. */
import { assert, describe, it } from "@effect/vitest"
import * as Page from "./Page.ts"
import { missing } from "./Shape.ts"

const page = (...lines: ReadonlyArray<string>) => lines.join("\n")

describe("a page", () => {
  it("has blocks with a language and a file, and commands in comments", () => {
    const blocks = Page.blocksOf(
      page("# A", "```sh a.sh", "#!/bin/sh", "```", "", "text", "<!-- run", "touch b", "-->", "```", "out", "```")
    )
    assert.deepStrictEqual(blocks, [
      { language: "sh", file: "a.sh", line: 3, text: "#!/bin/sh" },
      { language: "sh", file: undefined, line: 8, text: "touch b" },
      { language: "", file: undefined, line: 11, text: "out" }
    ])
    assert.isTrue(Page.follows(blocks[2]!, blocks[1]!))
    assert.isFalse(Page.follows(blocks[1]!, blocks[0]!))
  })

  it("has commands of several lines, with exit codes in their comments", () => {
    const text = page(
      "# about",
      "a \\",
      "  --b   # refused: exit code 5",
      "",
      "for x in 1 2; do",
      "  echo $x",
      "done",
      "c"
    )
    assert.deepStrictEqual(Page.commandsOf({ text, line: 10 }), [
      { text: "a \\\n  --b   # refused: exit code 5", line: 11, code: 5 },
      { text: "for x in 1 2; do\n  echo $x\ndone", line: 14, code: 0 },
      { text: "c", line: 17, code: 0 }
    ])
  })

  it("has commands that cron, systemd and GitHub run", () => {
    const commands = (language: string, ...lines: ReadonlyArray<string>) =>
      Page.scheduled({ language, file: undefined, line: 1, text: page(...lines) }).map(({ text }) => text)
    assert.deepStrictEqual(commands("crontab", "PATH=/bin", "15 3 * * 1-5 cd /a && b", "@daily c"), ["cd /a && b", "c"])
    assert.deepStrictEqual(commands("ini", "[Service]", "ExecStart=/a/b --c"), ["/a/b --c"])
    const steps = ["steps:", "  - uses: x", "  - run: a", "  - run: |", "      b", "      c", "  - run: d"]
    assert.deepStrictEqual(commands("yaml", ...steps), ["a", "b", "c", "d"])
    assert.deepStrictEqual(commands("json", "ExecStart=/a"), [])
  })

  it("shows what is printed but for numbers, times and widths", () => {
    const output = page(
      "Restored dumps/db_dump_2026-01-02T03-04-05-006Z.sql",
      "  rows   1,020 in 12",
      "         tables"
    )
    assert.isUndefined(missing("Restored dumps/db_dump_2025-12-31T23-59-59-999Z.sql\n  rows  7 in 1 table", output))
    assert.isUndefined(missing("Restored dumps/…\n  rows  7 in …", output))
    assert.strictEqual(missing("Restored dumps/…\n  lines  7 in …", output), "lines 0 in")
    assert.strictEqual(missing("rows 7 in …", output), "rows 0 in")
    assert.isUndefined(missing("size 3 kB, 1 second ago, aged 2 hours", "size 1.5 MB, just now, aged 3 min"))
  })

  it("is followed wherever it schedules something", () => {
    const idle = Page.pages.flatMap((page) =>
      Page.blocksOf(Page.read(page)).filter(
        (block) => ["crontab", "yaml"].includes(block.language) && Page.scheduled(block).length === 0
      )
    )
    assert.deepStrictEqual(idle, [])
  })
})
