import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import type { DumpDamaged, DumpUnsafe } from "../../dumps/DumpError.ts"
import type { DumpStoreService, StoredDump } from "../../dumps/DumpStore.ts"
import type { DirectoryFiles } from "../../dumps/Manifest.ts"
import type { Proof } from "../../dumps/Proof.ts"
import { unpackedBytes } from "../../dumps/Unpacked.ts"
import { count, plural } from "../../pipeline/Words.ts"
import { exitCodeOf } from "../ExitCode.ts"
import * as Flags from "../Flags.ts"
import { handle, load } from "../Handler.ts"
import { SideEffects } from "../help/SideEffects.ts"
import { Output } from "../output/Output.ts"
import * as Problem from "../output/Problem.ts"
import * as RenderDump from "../render/RenderDump.ts"
import * as RenderReport from "../render/RenderReport.ts"
import { hang } from "../output/Text.ts"

const proofWords = {
  manifest: "it is what its manifest says",
  structure: "its structure is complete",
  nothing: "not proven"
}

/** Files with rows, and how many of them are in which form. */
const files = ({ data }: DirectoryFiles): string => {
  const binary = data.filter(({ form }) => form === "binary").length
  return `${plural(data.length, "file")} with rows: ${count(binary)} binary, ${count(data.length - binary)} text`
}

const storage = ({ form, manifest, size }: StoredDump, unpacked: number): ReadonlyArray<string> => [
  RenderDump.line("format", [form.format, ...(form.compression === "none" ? [] : [form.compression])].join(", ")),
  ...(manifest?.files === undefined ? [] : [RenderDump.line("files", files(manifest.files))]),
  RenderDump.line("size", RenderReport.stored(size, form.compression, unpacked)),
  ...(manifest === undefined ? [] : [RenderDump.line("SHA-256", manifest.stored.sha256)])
]

const proven = (
  dump: StoredDump,
  { against, contents, schemas, unproven }: Proof,
  now: DateTime.Utc
): ReadonlyArray<string> => [
  dump.file,
  RenderDump.line("proof", proofWords[against]),
  ...unproven.map((what) => RenderDump.line("not proven", what)),
  ...storage(dump, unpackedBytes(dump.form.format, contents)),
  ...(dump.manifest === undefined
    ? [RenderDump.line("made", RenderDump.age(dump.at, now))]
    : RenderDump.origin(dump.manifest, now)),
  ...(dump.manifest === undefined && contents.extensions.length > 0
    ? [RenderDump.line("extensions", contents.extensions.join(", "))]
    : []),
  ...Object.entries(contents.unusual).map(([word, times]) =>
    RenderDump.line("statements", `${times} × ${word.toUpperCase()}, which pg_dump does not write`)
  ),
  ...RenderDump.content({ ...contents, schemas })
]

const document = (dump: StoredDump, { against, contents, schemas, unproven }: Proof) => {
  const { manifest } = dump
  const { encoding, extensions, largeObjects, objects, prismaMigrations, roles, sequences, tables, unusual } = contents
  return {
    file: dump.file,
    proof: { against, unproven },
    at: dump.at,
    ...dump.form,
    bytes: dump.size,
    unpacked: unpackedBytes(dump.form.format, contents),
    rows: RenderDump.rowsOf(tables),
    tables: RenderDump.bySize(tables),
    sequences,
    largeObjects,
    schemas,
    roles,
    objects,
    encoding,
    extensions: manifest?.catalog.extensions ?? extensions.map((name) => ({ name })),
    ...(prismaMigrations === undefined ? {} : { prismaMigrations }),
    unusualStatements: unusual,
    ...(manifest === undefined ? {} : { manifest })
  }
}

/** A dump that does not prove: the error, and what its manifest says of it, for whoever has to find a way out. */
const disproven = Effect.fnUntraced(function* (dump: StoredDump, error: DumpDamaged | DumpUnsafe, now: DateTime.Utc) {
  const { manifest } = dump
  // Without a manifest there is nothing to show beside the error.
  if (manifest === undefined) return yield* error
  const output = yield* Output
  const exitCode = exitCodeOf(error)
  yield* output.alert(Problem.render(error))
  yield* output.warn(
    [
      hang("", "Its manifest says of it, and it may hold less or other than that:"),
      ...RenderDump.origin(manifest, now),
      ...RenderDump.content(manifest)
    ].join("\n")
  )
  return { document: { ...Problem.toDocument(error, exitCode), manifest }, exitCode }
})

const inspected = Effect.fnUntraced(function* (store: DumpStoreService, dump: StoredDump) {
  const now = yield* DateTime.now
  const { prove } = yield* load(() => import("../../verbs/ReadingProgress.ts"))
  return yield* prove(store, dump).pipe(
    Effect.map((proof) => ({ text: proven(dump, proof, now).join("\n"), document: document(dump, proof) })),
    Effect.catchTags({
      DumpDamaged: (error) => disproven(dump, error, now),
      DumpUnsafe: (error) => disproven(dump, error, now)
    })
  )
})

export const inspect = Command.make("inspect", { file: Flags.file, dir: Flags.dir }, ({ dir: folder, file }) =>
  handle(
    Effect.gen(function* () {
      const { DumpStore } = yield* load(() => import("../../dumps/DumpStore.ts"))
      const { value: dir } = yield* folder.chosen
      return yield* Effect.gen(function* () {
        const store = yield* DumpStore
        const dump = yield* Option.match(file, { onNone: () => store.newest(), onSome: store.find })
        return yield* inspected(store, dump)
      }).pipe(Effect.provide(DumpStore.layer(dir)))
    }),
    () => import("../documents/Inspect.ts")
  )
).pipe(
  Command.withDescription(
    "Read a dump to its end, prove it, and show what is in it: tables and rows, sequences, large objects, objects, " +
      "and what its manifest says of where it comes from. No database is needed."
  ),
  Command.withShortDescription("Prove a dump and show what is in it"),
  Command.withExamples([
    { command: "pgark inspect", description: "The newest dump in dumps/" },
    { command: "pgark inspect before-upgrade", description: "The newest dump of that name" },
    { command: "pgark inspect old.sql.gz --json", description: "All there is to know, for programs" }
  ]),
  Command.annotate(SideEffects, {
    reads: ["The dump and its manifest, to the end."],
    writes: ["The folder's record of proven dumps, `.pgark-proofs.json`, where it can be written."],
    database: "Is not looked at."
  })
)
