/** `pgark demo`, and what is left of it: nothing. */
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs"
import { createConnection } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pgark from "../support/Pgark.ts"
import { folder, until } from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

/** A folder for temporary files of this run alone, which every account may use, as the system's own. */
const temporary = Effect.tap(folder, (path) => Effect.sync(() => chmodSync(path, 0o1777)))

const commandLine = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    // Ended since the folder was read.
    return ""
  }
}

/** Command lines of processes that work in the folder; looked for on Linux only. */
const processes = (path: string) =>
  (existsSync("/proc/self/cmdline") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [])
    .map((pid) => commandLine(pid).replaceAll("\0", " "))
    .filter((line) => line.includes(path))

const isOpen = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = createConnection(port, "127.0.0.1")
    socket.once("error", () => resume(Effect.succeed(false)))
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
  })

const assertNothingLeft = Effect.fnUntraced(function* (path: string, stdout: string) {
  const port = Number(/port (\d+)/.exec(stdout)?.[1])
  assert.isAbove(port, 1023)
  assert.isFalse(yield* isOpen(port))
  assert.deepStrictEqual(readdirSync(path), [])
  assert.deepStrictEqual(processes(path), [])
})

/** What every run tells, without its numbers: versions, ports and times differ, and the width of a number with them. */
const steps = (text: string) =>
  text
    .replaceAll(/\d[\d.,]*/g, "#")
    .split(/\s+/)
    .join(" ")
    .trim()

/** The same of the picture, less the command that it begins with. */
const pictured = () => {
  const [, text = ""] = /<desc id="desc">\$ pgark demo\n([^<]*)</.exec(readFileSync("docs/demo.svg", "utf8")) ?? []
  return steps(text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"))
}

describe("demo", () => {
  it.live("shows the fallback and the rights, and leaves nothing", () =>
    Effect.gen(function* () {
      const path = yield* temporary
      const { code, stdout, stderr, milliseconds } = yield* Pgark.run(["demo"], { cwd: path, env: { TMPDIR: path } })
      assert.strictEqual(code, 0, stderr)
      assert.isBelow(milliseconds, 60_000)
      assert.match(stdout, /^ +the schema stays .*: schema public belongs to$/m)
      assert.match(stdout, /^ +- drop 18 tables: /m)
      assert.match(stdout, /journal_app has its rights on 19 tables .*proven/)
      assert.match(stdout, /Connected as journal_app: it read \d+ rows/)
      assert.match(stdout, /^7\. verify: 18 tables and [\d,]+ rows .*\n {3}No difference\.$/m)
      for (const line of stdout.split("\n")) assert.isAtMost(line.length, 80, line)
      assert.deepStrictEqual(steps(stdout), pictured(), "docs/demo.svg is out of date: npm run docs:demo")
      yield* assertNothingLeft(path, stdout)
    })
  )

  long("in the long run,", () => {
    it.live("leaves nothing after Ctrl-C", () =>
      Effect.gen(function* () {
        const path = yield* temporary
        const running = yield* Pgark.start(["demo"], { cwd: path, env: { TMPDIR: path } })
        yield* until(
          Effect.sync(() => running.output.stdout),
          (stdout) => stdout.includes("3. dump"),
          "40 seconds"
        )
        assert.isAbove(readdirSync(path).length, 0)
        running.child.kill("SIGINT")
        const { code, stdout, stderr } = yield* running.ended
        assert.strictEqual(code, 130, stderr)
        yield* assertNothingLeft(path, stdout)
      })
    )
  })
})
