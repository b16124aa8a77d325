import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import type { DumpStoreService, StoredDump } from "../dumps/DumpStore.ts"
import * as Flags from "./Flags.ts"
import { handle, load } from "./Handler.ts"
import { plural } from "../pipeline/Words.ts"
import * as Units from "./Units.ts"

/** Whether the dump proves, told from a full reading. */
const judge = (store: DumpStoreService, dump: StoredDump) =>
  Effect.match(store.prove(dump), {
    onFailure: ({ message }) => ({ proven: false as const, problem: message }),
    onSuccess: ({ against }) => ({ proven: true as const, against })
  })

export const list = Command.make("list", { dir: Flags.dir }, ({ dir }) =>
  handle(
    Effect.gen(function* () {
      const { DumpStore } = yield* load(() => import("../dumps/DumpStore.ts"))
      return yield* Effect.gen(function* () {
        const store = yield* DumpStore
        const now = yield* DateTime.now
        const dumps = yield* Effect.forEach(yield* store.list, (dump) =>
          Effect.map(judge(store, dump), (verdict) => {
            const tables = dump.manifest?.tables
            return {
              file: dump.file,
              at: DateTime.formatIso(dump.at),
              age: Units.ago(DateTime.toEpochMillis(now) - DateTime.toEpochMillis(dump.at)),
              bytes: dump.size,
              format: "plain",
              database: dump.manifest?.source.database,
              tables: tables?.length,
              rows: tables?.reduce((sum, { rows }) => sum + rows, 0),
              ...verdict
            }
          })
        )
        const lines = dumps.map((dump) => [
          dump.file,
          dump.age,
          Units.bytes(dump.bytes),
          dump.format,
          dump.tables === undefined ? "" : plural(dump.tables, "table"),
          dump.rows === undefined ? "" : plural(dump.rows, "row"),
          dump.proven ? (dump.against === "manifest" ? "proven" : "complete, no manifest") : dump.problem
        ])
        return {
          text: dumps.length === 0 ? `No dumps in ${store.directory}.` : table(lines),
          document: { directory: store.directory, dumps }
        }
      }).pipe(Effect.provide(DumpStore.layer(dir)))
    })
  )
).pipe(
  Command.withDescription("The dumps in --dir, newest first: age, size, content, proven or not"),
  Command.withShortDescription("The dumps, proven or not"),
  Command.withExamples([{ command: "pgark list", description: "What is in dumps/" }])
)

/** Columns as wide as their widest cell. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
