/** Every link within the documentation leads somewhere, and every page is found from the README. */
import { existsSync } from "node:fs"
import { dirname, join, normalize, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Page from "./Page.ts"

const root = resolve(import.meta.dirname, "../..")

/** Code is no place for links and headings. */
const prose = (markdown: string) => markdown.replaceAll(/^```[\s\S]*?^```$/gm, "")

/** The anchors of a page as GitHub makes them of its headings. */
const anchorsOf = (markdown: string): ReadonlyArray<string> =>
  [...prose(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-")
  )

const linksOf = (markdown: string): ReadonlyArray<string> =>
  [
    ...prose(markdown)
      .replaceAll(/`[^`\n]*`/g, "code")
      .matchAll(/\]\(([^)\s]+)\)/g)
  ]
    .map(([, link]) => link!)
    .filter((link) => !/^(https?|mailto):/.test(link))

const others = ["CHANGELOG.md", "dumps/README.md"]

describe("the documentation", () => {
  it("has links that lead somewhere", () => {
    const broken: Array<string> = []
    let count = 0
    for (const page of [...Page.pages, ...others]) {
      for (const link of linksOf(Page.read(page))) {
        count++
        const [path = "", anchor] = link.split("#")
        const target = path === "" ? page : normalize(join(dirname(page), path))
        const there = existsSync(join(root, target))
        const known = anchor === undefined || (there && anchorsOf(Page.read(target)).includes(anchor))
        if (!there || !known) broken.push(`${page}: ${link}`)
      }
    }
    assert.deepStrictEqual(broken, [])
    assert.isAbove(count, 20)
  })

  it("is found from the README, page by page", () => {
    const linked = linksOf(Page.read("README.md")).map((link) => link.split("#")[0])
    assert.includeMembers(linked, Page.pages.slice(1))
  })

  it("is 120 columns wide, but for tables, output and links", () => {
    const written = Page.pages.filter((page) => !Page.generated.includes(page))
    const wide = written.flatMap((page) =>
      prose(Page.read(page))
        .split("\n")
        .filter((line) => line.length > 120 && !/^\s*\||^!\[/.test(line))
        .map((line) => `${page}: ${line}`)
    )
    assert.deepStrictEqual(wide, [])
  })
})
