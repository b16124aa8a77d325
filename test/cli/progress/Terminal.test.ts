/** What a person sees at a terminal: the bundled program on a real one, of which `script` is the other end. */
import { spawn, spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Session from "../../../src/postgres/Session.ts"
import { main } from "../../support/Bundle.ts"
import * as Clusters from "../../support/Clusters.ts"
import { Emulator } from "../../support/Emulator.ts"
import * as Pgark from "../../support/Pgark.ts"
import { fillJournal, folder, until } from "../../support/Restores.ts"
import * as Tier from "../../support/Tier.ts"

const script = spawnSync("script", ["--version"], { encoding: "utf8" })

/** That of util-linux; others have other flags. */
const hasTerminals = script.status === 0 && script.stdout.includes("util-linux")

const size = { columns: 60, rows: 12 }

interface Typing {
  /** Keys, once the terminal has shown this. */
  readonly shown: string
  readonly keys: string
}

interface Seen {
  readonly code: number | null
  readonly sent: string
  readonly screen: ReadonlyArray<string>
}

/** Runs it at a terminal, types, and gives what stands there when it has ended. */
const atTerminal = (
  args: ReadonlyArray<string>,
  { cwd, env = {} }: Pgark.Options,
  typing: Typing
): Effect.Effect<Seen> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const command = `stty -echo cols ${size.columns} rows ${size.rows}; exec "${process.execPath}" "${main}" ${args.join(" ")}`
        const child = spawn("script", ["-qfec", command, "/dev/null"], {
          cwd,
          env: { PATH: process.env["PATH"], TERM: "xterm", SHELL: "/bin/sh", ...env },
          stdio: ["pipe", "pipe", "inherit"]
        })
        let [sent, typed] = ["", false]
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          sent += text
          if (typed || !sent.includes(typing.shown)) return
          typed = true
          child.stdin.write(typing.keys)
        })
        child.once("error", reject)
        child.once("close", (code) => {
          const emulator = new Emulator(size.columns)
          emulator.write(sent)
          resolve({ code, sent, screen: emulator.shown })
        })
      })
  )

describe.skipIf(!hasTerminals)(
  hasTerminals ? "at a terminal" : "at a terminal (skipped: util-linux's script is not here)",
  () => {
    it.live("the block tells which lock is waited for and how long, and Ctrl-C takes it away", () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
        yield* fillJournal(url)
        const options = { cwd: yield* folder, env: { DATABASE_URL: Pgark.uri(url) } }
        const holder = yield* Session.open(admin)
        yield* holder.execute(`BEGIN; LOCK TABLE public."Goal" IN ROW EXCLUSIVE MODE`)
        const waiting = `  LOCK TABLE of 18 tables: others are at work there  2 s`
        const { code, screen, sent } = yield* atTerminal(["clean", "--yes"], options, {
          shown: waiting,
          keys: "\u0003"
        })
        assert.strictEqual(code, 130, sent)
        assert.isFalse(sent.includes("\u001B[?25"), "the cursor was touched")
        const text = screen.join("\n")
        assert.include(text, "done  Survey the target")
        assert.include(text, "fail  Lock what goes: interrupted")
        assert.include(text, "the target is as it was")
        assert.notInclude(text, waiting.trim())
        // Without a terminal a line every few seconds, each whole in itself.
        const { stderr } = yield* Pgark.run(["clean", "--yes", "--lock-timeout", "4"], options)
        assert.match(stderr, /^ {6}Lock what goes: \d s; LOCK TABLE of 18 tables: others are at work there: \d s$/m)
        assert.notInclude(stderr, "\u001B")
      })
    )

    Tier.long("a server that does not answer", () => {
      it.live("is given up after Ctrl-C, of which is told until then", () =>
        Effect.gen(function* () {
          const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
          yield* fillJournal(url)
          const options = { cwd: yield* folder, env: { DATABASE_URL: Pgark.uri(url) } }
          const holder = yield* Session.open(admin)
          yield* holder.execute(`BEGIN; LOCK TABLE public."Goal" IN ROW EXCLUSIVE MODE`)
          const seen = yield* Effect.forkChild(
            atTerminal(["clean", "--yes"], options, { shown: "others are at work there  3 s", keys: "\u0003" })
          )
          const waiting =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgark clean' AND wait_event_type = 'Lock' AND datname = current_database()"
          const pids = yield* until(
            Effect.map(Clusters.query<{ readonly pid: number }>(admin, waiting), (rows) => rows.map(({ pid }) => pid)),
            (found) => found.length > 0,
            "20 seconds"
          )
          for (const pid of pids) process.kill(pid, "SIGSTOP")
          const { code, screen, sent } = yield* Effect.ensuring(
            Fiber.join(seen),
            Effect.sync(() => pids.forEach((pid) => process.kill(pid, "SIGCONT")))
          )
          assert.strictEqual(code, 130, sent)
          assert.match(sent, /Stopping, as soon as what is under way has ended {2}\d s/)
          assert.notInclude(screen.join("\n"), "Stopping")
        })
      )
    })
  }
)
