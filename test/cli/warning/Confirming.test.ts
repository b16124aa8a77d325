/** Before data is destroyed: what the warning says, how it counts down, and the question of --confirm. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Confirming from "../../../src/cli/warning/Confirming.ts"
import { amount } from "../../../src/cli/warning/RenderStakes.ts"
import type { Stakes } from "../../../src/pipeline/Stakes.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import { fillJournal, folder, unchanged, until } from "../../support/Restores.ts"
import * as Terminal from "../../support/Terminal.ts"

/** A terminal whose keys the test presses. */
const at = () => {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  let screen = ""
  return { input, output: { isTTY: true, write: (text: string) => (screen += text) }, screen: () => screen }
}

describe("the question", () => {
  it.effect("takes the name of the database, of three tries the last one too", () =>
    Effect.gen(function* () {
      const terminal = at()
      terminal.input.write("jurnal\n\n  journal \n")
      yield* Confirming.question("journal", terminal)
      assert.strictEqual(terminal.screen().match(/^Type journal to go on/gm)?.length, 3)
      assert.isFalse(terminal.input.readableFlowing, "the terminal is still read")
    })
  )

  it.effect("is no, where another name is typed, the input ends, or nobody answers", () =>
    Effect.gen(function* () {
      const wrong = at()
      wrong.input.write("a\nb\nJOURNAL\njournal\n")
      const refused = yield* Effect.flip(Confirming.question("journal", wrong))
      assert.deepInclude(refused, { _tag: "NotConfirmed", state: "untouched" })
      const closed = at()
      closed.input.end()
      assert.match((yield* Effect.flip(Confirming.question("journal", closed))).message, /not answered/)
      const silent = yield* Effect.forkChild(Effect.flip(Confirming.question("journal", at())))
      yield* TestClock.adjust("299 seconds")
      assert.isUndefined(silent.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.match((yield* Fiber.join(silent)).message, /within 5 minutes/)
    })
  )

  it.effect("can be answered, whatever the name is", () =>
    Effect.gen(function* () {
      for (const [name, typed] of [
        [" padded ", "padded"],
        [`it's "quoted" 表`, `it's "quoted" 表`],
        ["two\nlines", String.raw`two\nlines`],
        ["evil\u202Egnp", String.raw`evil\u202egnp`]
      ] as const) {
        const terminal = at()
        terminal.input.write(`${typed}\n`)
        yield* Confirming.question(name, terminal)
        assert.strictEqual(terminal.screen().match(/^Type /gm)?.length, 1)
      }
      const long = at()
      long.input.end(`${"x".repeat(100_000)}\n`)
      assert.strictEqual((yield* Effect.flip(Confirming.question("journal", long)))._tag, "NotConfirmed")
    })
  )

  it.effect("is not to be had with --yes, nor without a terminal", () =>
    Effect.gen(function* () {
      const both = yield* Effect.flip(Confirming.manner({ confirm: true, yes: true }, at()))
      assert.match(both.message, /--confirm .* --yes/)
      const piped = { ...at(), input: new PassThrough() }
      const nobody = yield* Effect.flip(Confirming.manner({ confirm: true, yes: false }, piped))
      assert.match(nobody.suggestion ?? "", /--yes/)
      assert.strictEqual(yield* Confirming.manner({ confirm: true, yes: false }, at()), "question")
      assert.strictEqual(yield* Confirming.manner({ confirm: false, yes: true }, piped), "at once")
      assert.strictEqual(yield* Confirming.manner({ confirm: false, yes: false }, piped), "countdown")
    })
  )

  it.live("is refused before anything else where nobody can be asked", () =>
    Effect.gen(function* () {
      // No server is there: the connection would fail with 6.
      const env = { DATABASE_URL: "postgresql://a@127.0.0.1:1/b" }
      const ended = yield* Pgark.run(["clean", "--confirm", "--json"], { cwd: yield* folder, env })
      assert.strictEqual(ended.code, 2, ended.stderr)
      assert.deepInclude(JSON.parse(ended.stdout).error, { exitCode: 2, code: "NotConfirmed", state: "untouched" })
    })
  )
})

describe("the countdown", () => {
  it.effect("never wraps, however narrow the terminal is, or becomes", () =>
    Effect.gen(function* () {
      for (const columns of [120, 80, 54, 53, 40, 20, 10, 0, undefined]) {
        let screen = ""
        const output = { isTTY: true, columns, write: (text: string) => (screen += text) }
        const counting = yield* Effect.forkChild(Confirming.countdown(output as Confirming.Terminal["output"]), {
          startImmediately: true
        })
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(counting)
        const [begin, ...lines] = screen.trimEnd().split("\r")
        assert.strictEqual(begin, "")
        assert.lengthOf(lines, 3)
        for (const line of lines) assert.isBelow(line.length, columns || 80)
        assert.strictEqual(lines[0]?.includes("nothing changed"), (columns || 80) > 53)
      }
    })
  )
})

describe("the amount", () => {
  const stakes: Stakes = {
    database: "journal",
    server: "127.0.0.1:5432",
    tables: 18,
    rows: 12_345,
    exact: true,
    uncounted: 0,
    bytes: 4_100_000,
    largeObjects: 0,
    wayBack: null,
    connected: []
  }

  it.each<[string, Partial<Stakes>]>([
    ["12,345 rows in 18 tables (4.1 MB)", {}],
    ["about 12,345 rows in 18 tables (4.1 MB), and 1 large object", { exact: false, largeObjects: 1 }],
    [
      "about 5 rows in 16 tables, and nobody knows how many rows in 2 more tables",
      { exact: false, rows: 5, uncounted: 2, bytes: 0 }
    ],
    ["nobody knows how many rows in 1 table (8.2 kB)", { exact: false, rows: 0, tables: 1, uncounted: 1, bytes: 8192 }],
    ["2 large objects", { tables: 0, rows: 0, bytes: 0, largeObjects: 2 }]
  ])("says %s", (text, more) => {
    assert.strictEqual(amount({ ...stakes, ...more }), text)
  })
})

const prepare = Effect.fnUntraced(function* () {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
  yield* fillJournal(target.url)
  const cwd = yield* folder
  return { ...target, cwd, options: { cwd, env: { DATABASE_URL: Pgark.uri(target.url) } } }
})

const shows = (run: Terminal.OnTerminal, text: string) =>
  until(Effect.sync(run.screen), (screen) => screen.includes(text), "20 seconds")

/** The same without colours, its lines ended by a line feed alone. */
const plain = (screen: string) => stripVTControlCharacters(screen).replaceAll("\r\n", "\n")

const missing = Terminal.available ? "" : " (skipped: there is no script of util-linux)"

describe.skipIf(!Terminal.available)(`on a terminal${missing}`, () => {
  it.live("the warning says what is lost and counts down in one line", () =>
    Effect.gen(function* () {
      const { admin, options, url } = yield* prepare()
      const other = yield* Session.open(admin, { application: "web" })
      yield* other.execute("SELECT 1")
      const screen = yield* unchanged(
        admin,
        Effect.gen(function* () {
          const run = yield* Terminal.start(["clean"], options)
          yield* shows(run, "Starting in 1")
          run.type("\u0003")
          assert.strictEqual(yield* run.ended, 130, run.screen())
          return plain(run.screen())
        })
      )
      assert.include(screen, `WARNING: this destroys data in the database ${url.database} at\n`)
      assert.match(screen, /^ {2}goes {7}[\d,]+ rows in 18 tables \([\d.]+ MB\)$/m)
      assert.match(screen, /^ {2}in use {5}1 other session is connected: "web" of \w+$/m)
      assert.include(screen, "way back   NONE")
      assert.match(screen, /^\rStarting in 3 … [^\n]*\rStarting in 2 … [^\n]*\rStarting in 1 … [^\n]*\n/m)
      assert.match(screen, /^pgark: Interrupted: nothing was changed\.$/m)
    })
  )

  it.live("--confirm asks, holds no table meanwhile, and goes on when the name is typed", () =>
    Effect.gen(function* () {
      const { admin, cwd, options, url } = yield* prepare()
      const stopped = yield* unchanged(
        admin,
        Effect.gen(function* () {
          const run = yield* Terminal.start(["clean", "--confirm"], options)
          yield* shows(run, "> ")
          const [held] = yield* Clusters.query<{ readonly n: number }>(
            admin,
            "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'relation' AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'pgark clean' AND datname = current_database())"
          )
          assert.strictEqual(held?.n, 0)
          run.type("wrong\n")
          yield* shows(run, "That is not the name")
          run.type("\u0003")
          return { code: yield* run.ended, screen: run.screen() }
        })
      )
      assert.strictEqual(stopped.code, 130, stopped.screen)
      const ended = yield* unchanged(
        admin,
        Effect.gen(function* () {
          const run = yield* Terminal.start(["clean", "--confirm"], options)
          yield* shows(run, "> ")
          run.type("\u0004")
          return { code: yield* run.ended, screen: run.screen() }
        })
      )
      assert.strictEqual(ended.code, 2, ended.screen)
      assert.match(ended.screen, /state {3}nothing was changed/)
      assert.notInclude(ended.screen, "Starting in")
      // What is asked does not stand where the document is to go.
      const run = yield* Terminal.start(["clean", "--confirm", "--json"], { ...options, stdout: join(cwd, "out") })
      yield* shows(run, "> ")
      run.type(`${url.database}\n`)
      assert.strictEqual(yield* run.ended, 0, run.screen())
      assert.deepInclude(JSON.parse(readFileSync(join(cwd, "out"), "utf8")), { complete: true })
    })
  )
})
