import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { WrittenDump } from "../../dumps/DumpStore.ts"
import { unpackedBytes } from "../../dumps/Unpacked.ts"
import { told } from "../config/ConfigFile.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as RenderDump from "../render/RenderDump.ts"

const document = ({ file, manifest, size }: WrittenDump) => {
  const { compression, excluded, format, name, note, onlySchemas, partialRows, stored, tables, tool } = manifest
  return {
    file,
    bytes: size,
    format,
    compression,
    unpacked: unpackedBytes(manifest.format, manifest),
    ...(name === undefined ? {} : { name }),
    ...(note === undefined ? {} : { note }),
    tables,
    rows: RenderDump.rowsOf(tables),
    sha256: stored.sha256,
    tool,
    ...(onlySchemas === undefined ? {} : { onlySchemas }),
    ...(excluded === undefined ? {} : { excluded }),
    ...(partialRows === undefined ? {} : { partialRows })
  }
}

export const dump = Command.make(
  "dump",
  {
    dir: Flags.dir,
    schemas: Flags.schemas({
      description: "Only this schema, repeatable; leaves out extensions",
      standard: "the whole database"
    }),
    excludeTables: Flags.excludeTables,
    excludeTableData: Flags.excludeTableData,
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
    format: Flags.format,
    jobs: Flags.dumpJobs,
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
  ({ dryRun, name, note, plan, checksums, allowPartialRows, verbose, ...settings }) =>
    handle(
      Effect.gen(function* () {
        const Target = yield* load(() => import("../Target.ts"))
        const Dump = yield* load(() => import("../../verbs/Dump.ts"))
        const url = yield* Target.databaseUrl("reads")
        const { compress, dir, format, jobs, pgDump, ...narrowing } = yield* Flags.values(settings)
        // What the environment or the file says of directories is not said of this plain one.
        const applies = format === "directory" || Option.isSome(settings.jobs.flag)
        const what = {
          ...narrowing,
          checksums,
          allowPartialRows,
          verbose,
          format,
          ...(jobs === undefined || !applies ? {} : { jobs }),
          ...(compress === undefined ? {} : { compression: compress }),
          ...Flags.given("name", name),
          ...Flags.given("note", note)
        }
        const layer = Target.layer(url, "dump", dir, pgDump)
        if (yield* Target.isDryRun({ dryRun, plan })) {
          return yield* Effect.provide(Target.dryRun(Dump.pipeline(what), url, { dryRun, plan }), layer)
        }
        const dumped = yield* Target.leftover(yield* Output, dir).pipe(
          Effect.andThen(Dump.dump(what)),
          Effect.provide(layer)
        )
        const from = (yield* told("schema", "exclude-table", "exclude-table-data")).map(({ from }) => from)
        return { text: RenderDump.written(dumped, from).join("\n"), document: document(dumped) }
      }),
      () => import("../documents/Dump.ts")
    )
).pipe(
  Command.withDescription("Write a proven dump of the database, with a manifest beside it"),
  Command.withShortDescription("Write a proven dump"),
  Command.withExamples([
    { command: "pgark dump", description: "The whole database, into dumps/" },
    { command: "pgark dump --compress zstd --name before-upgrade", description: "Packed, and to be asked for by name" },
    { command: "pgark dump --format directory --jobs 4", description: "A large database, over four connections" }
  ]),
  Command.annotate(SideEffects, {
    reads: [],
    writes: [
      "`db_dump_<time>.sql` in `--dir`, `.sql.gz` or `.sql.zst` with `--compress`; `.partial` while it is written.",
      "Its manifest beside it, `<dump>.manifest.json`, and the folder's record of proven dumps, `.pgark-proofs.json`.",
      "With `--format directory`: the folder `db_dump_<time>`, its manifest in it; `.partial` while it is written."
    ],
    database:
      "Is read only, in one snapshot. Its tables are locked against DROP and ALTER meanwhile, not against writing."
  })
)
