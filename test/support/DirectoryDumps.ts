/** Directory dumps that no server has written: the parts of a plain dump of pg_dump, each where it belongs. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import type { Compression } from "../../src/dumps/Compression.ts"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import type { DirectoryWriter } from "../../src/dumps/directory/DirectoryWriting.ts"
import type { TableRows } from "../../src/dumps/RowsReading.ts"
import { provenanceOf } from "./Manifests.ts"

/** The plain dump. */
export const shop = readFileSync(new URL("../dumps/fixtures/shop.sql", import.meta.url), "utf8").replaceAll(
  /^\\(un)?restrict .*\n/gm,
  ""
)

const entry = (type: string): number => shop.indexOf("--\n-- ", shop.search(new RegExp(`\\n-- .*Type: ${type};`)) - 3)

const setval = "SELECT pg_catalog.setval"

/** Its SQL. */
export const parts = {
  "pre-data": shop.slice(0, entry("TABLE DATA")),
  "large-objects": shop.slice(entry("BLOBS"), entry("CONSTRAINT")),
  sequences: shop
    .split("\n")
    .filter((line) => line.startsWith(setval))
    .map((line) => `${line}\n`)
    .join(""),
  "post-data": shop.slice(entry("CONSTRAINT"))
}

/** Rows as COPY gives them. */
export interface Rows {
  readonly table: TableRows
  readonly data: Buffer
}

const unquoted = (name: string): string => name.replaceAll('"', "")

/** Its rows, as text. */
export const text: ReadonlyArray<Rows> = Array.from(
  shop.matchAll(/^COPY (?:"(.+?)"|(\w+))\.(.+?) \((.*)\) FROM stdin;\n((?:.*\n)*?)\\\.\n/gm),
  ([, quoted, plain, name = "", columns = "", data = ""]) => ({
    table: {
      schema: quoted ?? plain ?? "",
      name: unquoted(name),
      columns: columns.split(", ").map(unquoted),
      form: "text"
    },
    data: Buffer.from(data)
  })
)

const number = (value: number, bytes: 2 | 4): Buffer => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeIntBE(value, 0, bytes)
  return buffer
}

/** Rows of a table with a column `a integer` in the binary form. */
export const integers = (schema: string, name: string, values: ReadonlyArray<number | null>): Rows => ({
  table: { schema, name, columns: ["a"], form: "binary" },
  data: Buffer.concat([
    Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"),
    number(0, 4),
    number(0, 4),
    ...values.flatMap((value) => [
      number(1, 2),
      ...(value === null ? [number(-1, 4)] : [number(4, 4), number(value, 4)])
    ]),
    number(-1, 2)
  ])
})

/** All of the plain dump, its empty table with rows of numbers in two files. */
export const whole: ReadonlyArray<Rows> = [
  ...text.filter(({ table }) => table.name !== "empty_one"),
  integers("public", "empty_one", [1, 2, null, -4]),
  integers("public", "empty_one", [5])
]

/** Puts it into a folder, several files at once. */
export const fill = (writer: DirectoryWriter, rows: ReadonlyArray<Rows> = whole) =>
  Effect.gen(function* () {
    yield* Effect.forEach(rows, ({ data, table }) => writer.data(table, (append) => append(data)), { concurrency: 3 })
    for (const part of ["pre-data", "post-data", "large-objects", "sequences"] as const) {
      yield* writer.sql(part, (append) => append(Buffer.from(parts[part])))
    }
  })

/** Writes it into the folder of the store. */
export const written = (compression?: Compression, rows?: ReadonlyArray<Rows>) =>
  Effect.flatMap(DumpStore, (store) =>
    store.writeDirectory({ ...provenanceOf("shop"), ...(compression && { compression }) }, (writer) =>
      fill(writer, rows)
    )
  )
