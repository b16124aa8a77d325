/** A reader who does everything that a page says, in the order in which it stands there. */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { tmpdir } from "node:os"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { assert } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Bundle from "../support/Bundle.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import * as Page from "./Page.ts"
import { missing } from "./Shape.ts"
import * as World from "./World.ts"

/** What is not run here, and what runs it or why nothing can. */
const elsewhere: ReadonlyArray<readonly [RegExp, string]> = [
  [/^npm ci\b/, "what the tests themselves were installed by"],
  [/^npm cit\b/, "what runs the tests"],
  [/^npm (test|run (check|test:all))\b/, "what runs the tests"],
  [/^npm run demo\b/, "test/cli/Demo.test.ts"],
  [/^npm run build\b/, "test/support/globalSetup.ts"],
  [/^npm run build && npm run bench/, "takes minutes; by hand"],
  [/^npm (pack|install)\b/, "test/library/Package.test.ts"],
  [/^npx vitest\b/, "what runs the tests"],
  [/^npx prisma\b/, "a program of the reader's"],
  [/^(sudo|systemctl|brew|crontab)\b/, "changes the machine"]
]

export const isElsewhere = (command: string): boolean => elsewhere.some(([pattern]) => pattern.test(command))

/** Where the page has its files in the examples of cron and systemd. */
const home = "/srv/journal"

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a page shows of a run: what it gave, or the error from its title on, and no progress. */
const told = ({ code, stderr, stdout }: Ran) =>
  code === 0 ? stdout : `${stdout}${/^pgark: [^]*/m.exec(stderr)?.[0] ?? stderr}`

/** Runs lines in one bash, whose variables and folder the next call finds again. */
const bash = (cwd: string, lines: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Ran>> =>
  Effect.callback((resume) => {
    const state = join(cwd, ".bash")
    const each = lines.map(
      (line, index) =>
        `{ ${line}\n} >'${state}/${index}.out' 2>'${state}/${index}.err'\necho $? >'${state}/${index}.code'`
    )
    const script = [
      `[ -e '${state}/env' ] && . '${state}/env'`,
      ...each,
      `declare -px >'${state}/env'; printf %s "\${DATABASE_URL-}" >'${state}/url'`
    ].join("\n")
    const { PATH = "", TMPDIR } = process.env
    const child = spawn("bash", ["-c", script], {
      cwd,
      env: {
        HOME: cwd,
        PATH: `${join(cwd, ".bash/bin")}:${PATH}`,
        NODE_COMPILE_CACHE: join(tmpdir(), "compiled"),
        ...(TMPDIR === undefined ? {} : { TMPDIR })
      },
      stdio: "ignore",
      detached: true
    })
    child.once("close", () =>
      resume(
        Effect.sync(() =>
          lines.map((_, index) => ({
            code: Number(readFileSync(`${state}/${index}.code`, "utf8")),
            stdout: readFileSync(`${state}/${index}.out`, "utf8"),
            stderr: readFileSync(`${state}/${index}.err`, "utf8")
          }))
        )
      )
    )
    return Effect.sync(() => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
      } catch {
        // It has ended in the meantime.
      }
    })
  })

/** A folder with `dist/`, `pgark` on PATH, and the usual database in `.env`. */
const prepare = Effect.fnUntraced(function* (world: World.World) {
  const cwd = yield* Restores.folder
  mkdirSync(join(cwd, ".bash/bin"), { recursive: true })
  symlinkSync(dirname(Bundle.main), join(cwd, "dist"))
  symlinkSync(process.execPath, join(cwd, ".bash/bin/node"))
  const program = `#!/bin/sh\nexec '${process.execPath}' '${Bundle.main}' "$@"\n`
  writeFileSync(join(cwd, ".bash/bin/pgark"), program, { mode: 0o755 })
  const url = world.targets.get(World.usual)!.url
  writeFileSync(join(cwd, ".env"), `DATABASE_URL="${Pgark.uri(url)}"\n`)
  return cwd
})

/** What a page shows and what came instead. */
export interface Difference {
  readonly block: Page.Block
  readonly piece: string
  readonly output: string
}

/**
 * Runs a page from its top to its end: `sh` blocks and what is scheduled by bash, `sql` blocks as the role of
 * DATABASE_URL, or as superuser where their first line says so; blocks with a file's name are written to it.
 *
 * Fails the test where a command does not end with the exit code that the page announces. Gives the differences to the
 * outputs shown, which stand in a block without a language directly behind the commands; `text` is not compared.
 *
 * @param lacking programs that this machine does not have; blocks that name one are left out
 */
export const follow = Effect.fn("Reader.follow")(function* (
  page: string,
  lacking: ReadonlyArray<string> = []
): Effect.fn.Return<ReadonlyArray<Difference>, unknown, Scope.Scope> {
  const markdown = Page.read(page)
  const world = yield* World.make(markdown)
  const cwd = yield* prepare(world)
  const differences: Array<Difference> = []
  /** The commands that stand before, and what they printed; none where they were not run. */
  let before: { readonly block: Page.Block; readonly output: string } | undefined
  const real = (text: string) => world.real(text.replaceAll(home, cwd))
  const written = (text: string) => world.written(text.replaceAll(cwd, home))

  const run = Effect.fnUntraced(function* (commands: ReadonlyArray<Page.Command>) {
    const ours = commands.filter(({ text }) => !isElsewhere(text))
    if (ours.length === 0) return undefined
    const ran = yield* bash(
      cwd,
      ours.map(({ text }) => real(text))
    )
    for (const [index, { code, line, text }] of ours.entries()) {
      const { code: found, stderr, stdout } = ran[index]!
      assert.strictEqual(found, code, `${page}:${line}: ${text}\n${written(stdout + stderr)}`)
    }
    return written(ran.map(told).join(""))
  })

  for (const block of Page.blocksOf(markdown)) {
    if (block.language === "" && before !== undefined) {
      assert.isTrue(Page.follows(block, before.block), `${page}:${block.line}: the output of no command`)
      const piece = missing(block.text, before.output)
      if (piece !== undefined) differences.push({ ...before, block, piece })
    }
    before = undefined
    if (lacking.some((program) => new RegExp(String.raw`\b${program}\b`).test(block.text))) continue
    if (block.file !== undefined) {
      mkdirSync(dirname(join(cwd, block.file)), { recursive: true })
      writeFileSync(join(cwd, block.file), real(`${block.text}\n`), { mode: 0o755 })
    }
    if (block.language === "sql") yield* query(world, cwd, real(block.text))
    const commands =
      block.language === "sh" && block.file === undefined ? Page.commandsOf(block) : Page.scheduled(block)
    const output = yield* run(commands)
    if (output !== undefined) before = { block, output }
  }
  return differences
})

/** Runs SQL in the database of the last DATABASE_URL. */
const query = Effect.fnUntraced(function* (world: World.World, cwd: string, sql: string) {
  const file = join(cwd, ".bash/url")
  const exported = existsSync(file) ? readFileSync(file, "utf8") : ""
  const targets = [...world.targets.values()]
  const url =
    exported === ""
      ? world.targets.get(World.usual)!.url
      : yield* DatabaseUrl.parse(Redacted.make(exported), {}).pipe(Effect.orDie)
  const { admin } = targets.find(({ url: { database } }) => database === url.database)!
  yield* Clusters.query(/^-- as a superuser/i.test(sql) ? admin : url, sql)
})

/**
 * Follows a page and fails the test where it shows what is no longer so. With `PGARK_DOCS=write` in the environment it
 * puts what came into the page instead; what was left out with `…` has then to be left out again by hand.
 */
export const check = Effect.fn("Reader.check")(function* (page: string, lacking: ReadonlyArray<string> = []) {
  const differences = yield* follow(page, lacking)
  if (process.env["PGARK_DOCS"] === "write") return Page.rewrite(page, differences)
  const wrong = differences.map(
    ({ block, piece, output }) => `${page}:${block.line}: "${piece}" does not follow in what is printed:\n${output}`
  )
  assert.strictEqual(wrong.length, 0, wrong.join("\n"))
})
