/** A Mermaid parser accepts what `--plan mermaid` draws, whatever stands in a plan. */
import { validate } from "@probelabs/maid"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { renderMermaid } from "../../../src/cli/render/RenderMermaid.ts"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import type { Plan, PlannedTask } from "../../../src/pipeline/Plan.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"

const task = (name: string, title: string, needs: ReadonlyArray<string>, more: Partial<PlannedTask> = {}) => ({
  name,
  title,
  needs,
  rows: [],
  ...more
})

const plan = (tasks: ReadonlyArray<PlannedTask>): Plan => ({ pipeline: "p", scope: [], tasks, basis: {}, digest: "" })

const errors = (text: string) => validate(text).errors.filter(({ severity }) => severity === "error")

describe("a plan as Mermaid", () => {
  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    it.effect("of a whole restore is a flowchart with its tasks and what they need", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
        const app = yield* Clusters.makeRole(Clusters.sourceMajor)
        const options = { ...Restores.restoreOptions, file, clean: true, grantTo: app.name, analyze: true }
        yield* Restores.fillJournal(url)
        const { plan } = yield* Pipeline.plan(Restore.pipeline(options)).pipe(
          Effect.provide(Restores.restoreLayer(url, "unused"))
        )
        const text = renderMermaid(plan)
        assert.deepStrictEqual(errors(text), [])
        assert.strictEqual(validate(text).type, "flowchart")
        for (const { title } of plan.tasks) assert.include(text, title)
        const arrows = text.split("\n").filter((line) => line.includes("-->")).length
        assert.strictEqual(
          arrows,
          plan.tasks.reduce((sum, { needs }) => sum + needs.length, 0)
        )
      })
    )
  })

  const titles = [
    `Grant "the app" <b>its</b> rights & more`,
    "a]b[c)d(e}f{g|h",
    "end",
    "--> t0 ::: class; click t0 href",
    "#quot; #35; %% comment",
    "`markdown` \\ back\\slash",
    "two\nlines\r\nand\ttab",
    "Übung 表 🙂"
  ]
  for (const title of titles) {
    it(`is valid with the title ${JSON.stringify(title)}`, () => {
      const rows = [{ what: "drop all", destroys: true }]
      const text = renderMermaid(
        plan([
          task("first", title, []),
          task("outer", title, ["first"]),
          task("inner", title, ["first"], { within: "outer", rows }),
          task("second", title, ["inner"], { within: "outer" }),
          task("last", title, ["outer"])
        ])
      )
      assert.deepStrictEqual(errors(text), [])
      assert.match(text, /:::destroys$/m)
    })
  }

  it("is not valid where the title is not escaped: the parser would tell", () => {
    for (const title of ['say "no"', "use {braces}"]) {
      const text = renderMermaid(plan([task("a", "TITLE", [])])).replace("TITLE", title)
      assert.isAbove(errors(text).length, 0, text)
    }
  })
})
