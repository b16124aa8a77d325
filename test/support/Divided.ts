/** A plain dump taken apart into what a directory dump consists of, in memory: the same statements, the rows by themselves. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { postDataTypes } from "../../src/dumps/directory/PgDumpText.ts"
import type { SqlPart } from "../../src/dumps/directory/Layout.ts"
import { SqlScanner } from "../../src/postgres/script/SqlScript.ts"
import { StatementReader } from "../../src/postgres/script/StatementReader.ts"
import type { TablePart } from "../../src/verbs/restore/parallel/RowSource.ts"
import type { Divided } from "../../src/verbs/restore/ApplyDirectory.ts"

interface Rows extends TablePart {
  readonly lines: ReadonlyArray<string>
}

/** How {@link divide} may be varied. */
export interface Options {
  /** Rows of a part at most. */
  readonly rowsOfPart?: number
  /** Pretends that tables are so much larger than they are. */
  readonly scale?: number
  /** Edits a part of the SQL. */
  readonly edit?: (part: SqlPart, sql: string) => string
}

/** Takes a plain dump of pgark, in UTF-8, apart. */
export const divide = (
  file: string,
  { edit = (_, sql) => sql, rowsOfPart = 1e9, scale = 1 }: Options = {}
): Divided<never, never> => {
  const text = readFileSync(file)
  const scanner = new SqlScanner()
  const reader = new StatementReader()
  const sql: Record<SqlPart, string> = { "pre-data": "", "large-objects": "", sequences: "", "post-data": "" }
  const rows: Array<Rows> = []
  let [head, atHead, behind] = ["", true, false]
  let open: { readonly part: Omit<Rows, "bytes" | "lines">; data: string } | undefined
  const events = [...scanner.push(text), ...scanner.end()]
  for (const event of events) {
    if (event._tag === "Statement") {
      const statement = `${Buffer.from(event.bytes).toString("utf8")};\n`
      const { entry } = event
      atHead &&= entry === undefined && reader.read(event.bytes)._tag === "SetSetting"
      if (atHead) head += statement
      const type = entry?.type ?? ""
      behind ||= postDataTypes.has(type)
      const part =
        type === "SEQUENCE SET"
          ? "sequences"
          : new Set(["BLOB", "BLOBS"]).has(type)
            ? "large-objects"
            : behind
              ? "post-data"
              : "pre-data"
      const comment =
        entry === undefined
          ? ""
          : `\n--\n-- Name: ${entry.name}; Type: ${type}; Schema: ${entry.schema ?? "-"}; Owner: ${entry.owner ?? ""}\n--\n\n`
      if (!statement.startsWith("SET default_") || part === "post-data") sql[part] += comment
      sql[part] += statement
    } else if (event._tag === "CopyStart") {
      const kind = reader.read(event.bytes)
      if (kind._tag !== "CopyFrom" || kind.table === undefined) throw new Error("no COPY that can be read")
      const { columns, table } = kind
      open = { part: { schema: table.schema ?? "", name: table.name, columns, form: "text" }, data: "" }
    } else if (event._tag === "CopyData" && open !== undefined) {
      open.data += Buffer.from(event.bytes).toString("utf8")
    } else if (event._tag === "CopyEnd" && open !== undefined) {
      const lines = open.data.split("\n").slice(0, -1)
      for (let at = 0; at === 0 || at < lines.length; at += rowsOfPart) {
        const some = lines.slice(at, at + rowsOfPart)
        const bytes = some.reduce((sum, line) => sum + line.length + 1, 0) * scale
        rows.push({ ...open.part, lines: some, bytes, rows: some.length, file: `${open.part.name} ${at}` })
      }
      open = undefined
    }
  }
  return {
    sql: (part) => {
      let pieces = [Buffer.from(edit(part, part === "pre-data" ? sql[part] : head + sql[part]))]
      return Effect.succeed({
        file: `${part}.sql`,
        pull: Effect.sync(() => {
          const [piece] = pieces
          pieces = []
          return Option.fromUndefinedOr(piece)
        })
      })
    },
    rows: {
      parts: rows,
      send: (part, write) =>
        Effect.forEach((part as Rows).lines, (line) => write(Buffer.from(`${line}\n`)), { discard: true })
    }
  }
}
