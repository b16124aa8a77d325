/** The pages of the commands: all of them say what they have to, and help, completions and reference agree. */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { commandPages } from "../../../src/cli/Cli.ts"
import { meanings } from "../../../src/cli/ExitCode.ts"
import * as HelpText from "../../../src/cli/help/HelpText.ts"
import { type CommandPage, term } from "../../../src/cli/help/CommandPage.ts"
import * as Completion from "../../../src/cli/help/Completion.ts"
import { line } from "../../support/Line.ts"
import * as Printed from "../../support/Printed.ts"

const pages = Effect.runPromise(Effect.provide(commandPages, NodeServices.layer))

const repository = resolve(import.meta.dirname, "../../..")

const each = (check: (page: CommandPage) => void) => async () => {
  const { commands } = await pages
  assert.isAbove(commands.length, 10)
  commands.forEach(check)
}

const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length))

describe("the page of a command", () => {
  it(
    "describes every flag and every argument",
    each(({ arguments: args, command, flags, globalFlags }) => {
      for (const { description, name } of [...args, ...flags, ...globalFlags]) {
        assert.match(description, /^[A-Za-z].{9,}/, `${command} ${name}`)
        assert.notMatch(description, /\.$/, `${command} ${name}`)
      }
    })
  )

  it(
    "tells what holds where a flag with a value is not given",
    each(({ command, flags }) => {
      for (const { description, name, value } of flags) {
        if (value !== undefined) assert.match(description, /default|repeatable/, `${command} ${name}`)
      }
    })
  )

  it(
    "names flags for what they change: none is for what is done anyway",
    each(({ command, flags, globalFlags }) => {
      for (const { description, name, value } of [...flags, ...globalFlags]) {
        if (value === undefined) assert.notMatch(description, /default: (yes|true|on)/, `${command} ${name}`)
      }
    })
  )

  it(
    "shows in no value a word of the parser's",
    each(({ command, flags, globalFlags }) => {
      for (const { name, value = "X" } of [...flags, ...globalFlags]) {
        assert.match(value, /^([A-Z]+|[a-z]+(\|[a-z]+)+(\[:[A-Z]+\])?)$/, `${command} ${name}`)
      }
    })
  )

  it(
    "gives two or three examples, of this command, and says what it touches",
    each(({ command, examples, sideEffects }) => {
      assert.include([2, 3], examples.length, command)
      for (const example of examples) {
        assert.include(example.command, command)
        assert.isNotEmpty(example.description)
      }
      assert.match(sideEffects?.database ?? "", /\.$/, command)
    })
  )

  it(
    "fits a narrow terminal, and uses a wide one",
    each((page) => {
      assert.isAtMost(widest(HelpText.render(page, false, 80)), 80, page.command)
      const wide = widest(HelpText.render(page, false, 100))
      assert.isAtMost(wide, 100, page.command)
      assert.isAbove(wide, 80, page.command)
    })
  )

  it(
    "lists all exit codes",
    each(({ exitCodes }) => {
      assert.deepStrictEqual(
        exitCodes.map(({ code, meaning }) => [code, meaning]),
        meanings.map(([code, meaning]) => [code, meaning])
      )
    })
  )

  it.effect("is the same by help and by --help, for people and for programs", () =>
    Effect.gen(function* () {
      const { commands } = yield* Effect.promise(() => pages)
      for (const page of commands) {
        const name = page.command.slice("pgark ".length)
        const asked = yield* line("help", name)
        assert.deepStrictEqual(asked, { code: 0, stdout: `${HelpText.render(page, false)}\n`, stderr: "" })
        assert.deepStrictEqual(yield* line(name, "--help"), asked)
        const json = yield* line("help", name, "--json")
        assert.deepStrictEqual(JSON.parse(json.stdout), { help: page })
        assert.deepStrictEqual(yield* line("--json", name, "-h"), json)
        assert.isUndefined(Printed.problem([name, "--help"], json.stdout))
      }
    })
  )

  it.effect("is that of the program where no command is named", () =>
    Effect.gen(function* () {
      const help = yield* line("--help")
      assert.strictEqual(help.code, 0)
      assert.match(help.stdout, /^USAGE\n {2}pgark <command> \[flags\]$/m)
      assert.deepStrictEqual(yield* line(), help)
      assert.deepStrictEqual(yield* line("help"), help)
      const json = yield* line("--json")
      assert.isUndefined(Printed.problem(["help"], json.stdout))
    })
  )
})

describe("the version", () => {
  it.effect("is one line, and with --json one document", () =>
    Effect.gen(function* () {
      assert.match((yield* line("--version")).stdout, /^pgark \S+\n$/)
      const { code, stderr, stdout } = yield* line("--json", "--version")
      assert.isUndefined(Printed.problem(["--version"], stdout))
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      assert.include(stdout, process.versions.node)
    })
  )
})

describe("help, completions and reference", () => {
  /** `command --flag`, each once, and each command. */
  const told = (entries: ReadonlyArray<readonly [command: string, flags: ReadonlyArray<string>]>) =>
    entries.map(([command, flags]) => [command, [...flags].sort()] as const).sort(([a], [b]) => a.localeCompare(b))

  it("name the same commands and flags", async () => {
    const all = await pages
    const fromPages = told(
      all.commands.map(({ command, flags }) => [command.slice("pgark ".length), flags.map(({ name }) => name)])
    )
    const fromCompletions = told(
      Completion.words(all).commands.map(({ flags, name }) => [name, flags.flatMap(({ names }) => names[0] ?? [])])
    )
    assert.deepStrictEqual(fromCompletions, fromPages)
    const reference = readFileSync(resolve(repository, "docs/commands.md"), "utf8")
    const fromReference = told(
      reference
        .split(/^## pgark /m)
        .slice(1)
        .map((section) => [
          section.slice(0, section.indexOf("\n")),
          [...section.replace(/^## .*/ms, "").matchAll(/^\| `(?:-\w, )?(--[\w-]+)/gm)].map(([, flag = ""]) => flag)
        ])
    )
    assert.deepStrictEqual(fromReference, fromPages)
    const fromHelp = told(
      all.commands.map((page) => {
        const sections = HelpText.render(page, false).split("\n\n")
        const flags = sections.find((section) => section.startsWith("FLAGS\n")) ?? ""
        return [
          page.command.slice("pgark ".length),
          [...flags.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, f = ""]) => f)
        ]
      })
    )
    assert.deepStrictEqual(fromHelp, fromPages)
  })

  it("name the flags of every command in each of them", async () => {
    const { commands, program } = await pages
    const reference = readFileSync(resolve(repository, "docs/commands.md"), "utf8")
    for (const flag of program.globalFlags) {
      for (const page of commands) assert.include(HelpText.render(page, false), term(flag))
      assert.include(reference, `| \`${term(flag).replaceAll("|", "\\|")}\` |`)
      for (const shell of ["bash", "zsh", "fish"] as const) {
        const spelling = shell === "fish" ? ` -l ${flag.name.slice(2)} ` : flag.name
        assert.include(Completion.script(shell, { commands, program }), spelling)
      }
    }
  })
})
