import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./Flags.ts"
import { handle, load } from "./Handler.ts"
import { Output } from "./Output.ts"
import { plural } from "../pipeline/Words.ts"
import * as RenderReport from "./RenderReport.ts"
import { hang } from "./Text.ts"

const pattern = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("PATTERN"), Flag.withDescription(description), Flag.atLeast(0))

export const dump = Command.make(
  "dump",
  {
    dir: Flags.dir,
    schemas: Flags.schemas.pipe(
      Flag.withDescription("Only this schema, repeatable (default: the whole database); leaves out extensions")
    ),
    excludeTables: pattern("exclude-table", "Leave these tables out, repeatable; a pattern of pg_dump"),
    excludeTableData: pattern("exclude-table-data", "Keep these tables but not their rows, repeatable"),
    checksums: Flag.Boolean("checksums").pipe(
      Flag.withDescription(
        "Add up the rows of each table too, for restore and verify to compare: reads every row twice"
      ),
      Flag.withDefault(false)
    ),
    allowPartialRows: Flags.allowPartialRows.pipe(
      Flag.withDescription(
        "Take only the rows that policies show to this role, where they hide others; the dump is marked as partial"
      )
    ),
    compress: Flags.compress,
    name: Flags.name,
    note: Flags.note,
    pgDump: Flags.pgDump,
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withDescription("Show each step of pg_dump; the dump then holds pg_dump's comments with times and OIDs"),
      Flag.withDefault(false)
    ),
    dryRun: Flags.dryRun,
    plan: Flags.plan
  },
  ({ compress, dir, dryRun, name, note, pgDump, plan, ...narrowing }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("./Target.ts"))
        const Dump = yield* load(() => import("../verbs/Dump.ts"))
        const url = yield* Target.databaseUrl
        const what = {
          ...narrowing,
          compression: compress,
          ...Flags.given("name", name),
          ...Flags.given("note", note)
        }
        const layer = Target.layer(url, "dump", dir, pgDump)
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(Target.dryRun(Dump.pipeline(what), url, { dryRun, plan }), layer)
        }
        const { file, size, manifest } = yield* Target.leftover(yield* Output, dir).pipe(
          Effect.andThen(Dump.dump(what)),
          Effect.provide(layer)
        )
        const tables = manifest?.tables ?? []
        const tool = manifest?.tool
        const rows = tables.reduce((sum, table) => sum + table.rows, 0)
        return {
          text: [
            file,
            `  ${RenderReport.stored(size, manifest?.compression, manifest?.sql.length)}, ${plural(tables.length, "table")}, ${plural(rows, "row")}` +
              `, ${plural(manifest?.largeObjects.count ?? 0, "large object")}; proven while it was written`,
            ...(tool === undefined
              ? []
              : [`  by ${tool.name} ${tool.version}${tool.kind === "wasm" ? " (WebAssembly)" : ""}`]),
            ...RenderReport.narrowing(manifest).map((line) => `  ${line}`),
            ...(manifest?.name === undefined ? [] : [`  name ${manifest.name}`]),
            ...(manifest?.note === undefined ? [] : [hang("  note ", manifest.note)])
          ].join("\n"),
          document: {
            file,
            bytes: size,
            compression: manifest?.compression,
            unpacked: manifest?.sql.length,
            name: manifest?.name,
            note: manifest?.note,
            tables,
            rows,
            sha256: manifest?.stored.sha256,
            tool,
            onlySchemas: manifest?.onlySchemas,
            excluded: manifest?.excluded,
            partialRows: manifest?.partialRows
          }
        }
      })
    )
).pipe(
  Command.withDescription("Write a proven dump of the database, with a manifest beside it"),
  Command.withShortDescription("Write a proven dump"),
  Command.withExamples([
    { command: "pgark dump", description: "The whole database, into dumps/" },
    { command: "pgark dump --exclude-table-data 'public.log*'", description: "Without the rows of some tables" },
    { command: "pgark dump --compress zstd --name before-upgrade", description: "Packed, and to be asked for by name" }
  ])
)
