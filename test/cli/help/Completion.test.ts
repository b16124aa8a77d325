/** The completion scripts in the shells that they are for. */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { commandPages } from "../../../src/cli/Cli.ts"
import * as Completion from "../../../src/cli/help/Completion.ts"
import * as Pgark from "../../support/Pgark.ts"

/** What a shell offers for a line that ends where it is asked, and what it does not. */
const asked: ReadonlyArray<readonly [line: string, offered: ReadonlyArray<string>, not?: ReadonlyArray<string>]> = [
  ["pgark re", ["restore"]],
  ["pgark ", ["dump", "restore", "completion"], ["notes.txt", "dumps/"]],
  ["pgark restore --no", ["--no-verify", "--no-analyze", "--no-backup-first", "--no-color"], ["--no-dry-run"]],
  ["pgark restore --owner ", ["auto", "keep", "skip"], ["notes.txt"]],
  ["pgark --quiet restore --owner k", ["keep"], ["skip"]],
  ["pgark --database-url postgres://u@h:1/d rest", ["restore"]],
  ["pgark restore ", ["dumps/", "notes.txt"], ["restore", "dump"]],
  ["pgark restore dumps/a", ["dumps/a.sql"]],
  ["pgark list --dir ", ["dumps/"], ["notes.txt"]],
  ["pgark grant app --sql-file no", ["notes.txt"]],
  ["pgark dump --compress z", ["zstd"]],
  ["pgark help re", ["restore"], ["dump"]],
  ["pgark completion ", ["bash", "zsh", "fish"]],
  ["pgark dump --note ", [], ["notes.txt", "dumps/"]]
]

const folder = mkdtempSync(join(tmpdir(), "pgark-completion-"))

const script = (shell: Completion.Shell) => join(folder, `.script.${shell}`)

beforeAll(async () => {
  mkdirSync(join(folder, "dumps"))
  for (const file of ["dumps/a.sql", "dumps/b.sql.gz", "notes.txt"]) writeFileSync(join(folder, file), "")
  const pages = await Effect.runPromise(Effect.provide(commandPages, NodeServices.layer))
  for (const shell of ["bash", "zsh", "fish"] as const) writeFileSync(script(shell), Completion.script(shell, pages))
})

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs a program of the shell's own, and gives the lines that it prints. */
const run = (shell: Completion.Shell, args: ReadonlyArray<string>, program: string): ReadonlyArray<string> => {
  const file = join(folder, `.program.${shell}`)
  writeFileSync(file, program)
  const { PATH } = process.env
  const { status, stderr, stdout } = spawnSync(shell, [...args, file], {
    cwd: folder,
    env: { PATH, HOME: folder, TERM: "dumb", LC_ALL: "C.UTF-8" },
    encoding: "utf8",
    timeout: 30_000
  })
  assert.strictEqual(status, 0, stderr)
  return stdout.split("\n")
}

/** Words as bash's line editor takes them apart, with COMP_WORDBREAKS as it is. */
const bashWords = (text: string): ReadonlyArray<string> =>
  text.split(" ").flatMap((word) => (word === "" ? [""] : (word.match(/[=:@]+|[^=:@]+/g) ?? [])))

const bashLine = (text: string): string => {
  const words = bashWords(text)
  const quoted = words.map((word) => `'${word}'`)
  return [
    `COMP_LINE='${text}' COMP_POINT=${text.length} COMP_WORDS=(${quoted.join(" ")}) COMP_CWORD=${words.length - 1}`,
    // Directories are told by a slash where the editor is told that these are file names.
    "files=; compopt() { files=1; }",
    `_pgark pgark ${quoted.at(-1)} ${quoted.at(-2)}`,
    `for one in "\${COMPREPLY[@]}"; do [[ $files && -d $one ]] && one+=/; printf '%s ' "$one"; done; echo`
  ].join("\n")
}

const bash = (lines: ReadonlyArray<string>) =>
  run("bash", ["--norc", "--noprofile"], [`source '${script("bash")}'`, ...lines.map(bashLine)].join("\n"))

const fish = (lines: ReadonlyArray<string>) =>
  run(
    "fish",
    ["--no-config"],
    [
      `source '${script("fish")}'`,
      ...lines.map((text) => `echo (complete -C '${text}' | string replace -r '\\t.*' '')`)
    ].join("\n")
  )

/**
 * zsh completes only in its line editor, which needs a terminal: a zsh within a zsh has one. What it shows is the line and
 * the list below it.
 */
const zsh = (lines: ReadonlyArray<string>) =>
  run(
    "zsh",
    ["-f"],
    [
      "zmodload zsh/zpty",
      "zpty shell 'TERM=vt100 zsh -f -i'",
      `zpty -w shell "PROMPT=; stty cols 200; autoload -Uz compinit; compinit -u -D; source '${script("zsh")}'"`,
      `zpty -w shell "zstyle ':completion:*' verbose no; LISTMAX=1000; bindkey '^I' list-choices; echo rea''dy"`,
      "zpty -r -m shell shown '*ready*'",
      // The first list comes before the editor is there.
      ...["pgark ", ...lines].map((text) =>
        [
          `zpty -w -n shell '${text}'$'\\t'`,
          `zpty -w -n shell $'\\C-u'"echo e''nd"$'\\n'`,
          "zpty -r -m shell shown '*end*'",
          `print -r -- "\${shown//[^[:print:]]/ }"`
        ].join("\n")
      )
    ].join("\n")
  ).slice(1)

const shells = { bash, zsh, fish }

for (const shell of ["bash", "zsh", "fish"] as const) {
  const missing = spawnSync(shell, ["-c", "true"]).status !== 0
  describe.skipIf(missing && shell !== "bash")(`the script for ${shell}`, () => {
    it("offers what may stand there, and nothing else", () => {
      const answers = shells[shell](asked.map(([text]) => text))
      asked.forEach(([text, offered, not = []], index) => {
        const answer = answers[index]?.split(/ +/).filter((word) => word !== "") ?? []
        // Of what is in a folder zsh lists the names alone.
        const shown = shell === "zsh" ? offered.map((word) => word.replace(/^.*\/(?=.)/, "")) : [...offered]
        assert.includeMembers(answer, shown, text)
        const typed = shell === "zsh" ? text.split(" ") : []
        for (const word of not) if (!typed.includes(word)) assert.notInclude(answer, word, text)
        if (offered.length === 0 && shell !== "zsh") assert.deepStrictEqual(answer, [], text)
      })
    })
  })
}

describe("the command", () => {
  it.live("prints the script, and with --json a document with it", () =>
    Effect.gen(function* () {
      const pages = yield* Effect.provide(commandPages, NodeServices.layer)
      const cwd = folder
      const people = yield* Pgark.run(["completion", "fish"], { cwd })
      assert.deepInclude(people, { code: 0, stderr: "", stdout: `${Completion.script("fish", pages)}\n` })
      const programs = yield* Pgark.run(["completion", "fish", "--json"], { cwd })
      assert.deepStrictEqual(JSON.parse(programs.stdout), {
        shell: "fish",
        script: Completion.script("fish", pages)
      })
    })
  )
})
