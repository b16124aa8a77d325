/** The direction of imports, as the folders promise it. */
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
  readonly from: string
  readonly to: string
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))

const imports: ReadonlyArray<Import> = files.flatMap((file) => {
  const text = readFileSync(join(src, file), "utf8")
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1]!)
  return specifiers.map((specifier) => ({
    file,
    from: folder(file),
    to: folder(relative(src, resolve(src, dirname(file), specifier)))
  }))
})

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

  it("are deep: no barrel of effect is loaded", () => {
    const barrels = files.filter((file) =>
      /from "(effect|effect\/(cli|sql|process)|@effect\/(platform-node|sql-pg))"/.test(
        readFileSync(join(src, file), "utf8")
      )
    )
    assert.deepStrictEqual(barrels, [])
  })
})
