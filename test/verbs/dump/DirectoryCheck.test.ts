/** What is found where the SQL of a directory dump and its rows do not go together, and how far one is. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { differences } from "../../../src/verbs/dump/DirectoryCheck.ts"
import * as DirectoryProgress from "../../../src/verbs/dump/DirectoryProgress.ts"

const relation = (name: string, more: { readonly kind?: string; data?: boolean; configuration?: boolean } = {}) => ({
  schema: "s",
  name,
  kind: "r",
  data: true,
  configuration: false,
  ...more
})

const created = (name: string) => ({ kind: "TABLE", schema: "s", name })
const filled = (name: string) => ({ schema: "s", name, rows: 1, bytes: 1 })

describe("the SQL and the rows of a directory dump", () => {
  it("go together where each table with rows is created, partitioned and emptied ones left aside", () => {
    const relations = [
      relation("a"),
      relation("parted", { kind: "p" }),
      relation("emptied", { data: false }),
      relation("settings", { configuration: true })
    ]
    const creates = [created("a"), created("parted"), created("emptied")]
    assert.deepStrictEqual(differences({ creates, tables: [filled("a"), filled("settings")] }, relations), [])
    assert.deepStrictEqual(differences({ creates, tables: [filled("settings")] }, relations), [
      '"s"."a": created, and its rows are missing'
    ])
    assert.deepStrictEqual(
      differences({ creates: [created("a"), created("new")], tables: [filled("a"), filled("emptied")] }, relations),
      ['"s"."emptied": has rows, and is not created', '"s"."new": created, and not known when rows were read']
    )
  })
})

const table = (name: string, bytes: number, parts: number) => ({
  oid: 1,
  schema: "s",
  name,
  columns: ["a"],
  form: "binary" as const,
  bytes,
  parts: Array.from({ length: parts }, () => ({ sql: "", bytes: bytes / parts }))
})

const file = (name: string, rows: number, bytes: number) => ({
  file: "data/0001.bin",
  schema: "s",
  name,
  columns: ["a"],
  form: "binary" as const,
  rows,
  bytes,
  stored: { length: 1, sha256: "" }
})

describe("how far a directory dump is", () => {
  it.effect("is told of all its files together, those of one table as one", () =>
    Effect.gen(function* () {
      const tables = [table("big", 9000, 3), table("small", 1000, 1)]
      const estimates = [
        { schema: "s", name: "big", rows: 900, bytes: 9000 },
        { schema: "s", name: "small", rows: 0, bytes: 1000 }
      ]
      const told = DirectoryProgress.make(tables, estimates, yield* Clock.Clock)
      const closed = [file("big", 300, 3000)]
      const open = [file("big", 100, 1000), file("big", 50, 500)]
      const first = told({ bytes: 4500, rows: 450, closed, open }, "written")
      assert.deepStrictEqual(first.bytes, { done: 4500, total: 10_000, estimated: true })
      assert.deepStrictEqual(first.tables, { done: 0, total: 2 })
      assert.deepStrictEqual(first.parts, [
        { name: "s.big", since: 0, rows: { done: 450, total: 900, estimated: true }, bytes: { done: 1500 } }
      ])
      closed.push(file("big", 300, 3000), file("big", 300, 3000), file("small", 7, 70))
      const last = told({ bytes: 9070, rows: 907, closed, open: [] }, "written")
      assert.deepStrictEqual(
        [last.tables, last.bytes],
        [
          { done: 2, total: 2 },
          { done: 9070, total: 9070, estimated: true }
        ]
      )
    })
  )
})
