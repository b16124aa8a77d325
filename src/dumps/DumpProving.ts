/** Reading dumps to prove them, in whatever form they are. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Archive from "./archive/Archive.ts"
import { DataEntries } from "./archive/DataEntries.ts"
import * as DirectoryManifest from "./directory/DirectoryManifest.ts"
import * as DirectoryProof from "./directory/DirectoryProof.ts"
import type { DumpUnsafe } from "./DumpError.ts"
import { DumpReading } from "./DumpReading.ts"
import type { ProveFileOptions, StoredDump } from "./DumpStore.ts"
import * as DumpText from "./DumpText.ts"
import * as Proof from "./Proof.ts"

/** Reads a file, or an archive as SQL, to its end, and judges it. */
const proveText = Effect.fnUntraced(function* (
  dump: StoredDump,
  format: Archive.ArchiveFormat | "plain",
  { acceptUnproven, onProgress }: ProveFileOptions
): Effect.fn.Return<Proof.Proof, DumpText.DumpTextError | DumpUnsafe, Archive.Services> {
  const archive = format === "plain" ? undefined : yield* Archive.examine(dump.file, format)
  const promised = archive && new DataEntries(archive.entries)
  const reading = new DumpReading()
  const read = Effect.gen(function* () {
    const text = yield* DumpText.open(dump.file)
    for (let piece = yield* text.pull; Option.isSome(piece); piece = yield* text.pull) {
      const events = reading.push(piece.value)
      if (promised !== undefined) for (const event of events) promised.take(event)
      if (onProgress !== undefined) yield* onProgress(text.position(), reading.position)
      // A statement without end is kept to the end of the file: what is no dump may be larger than the memory.
      if (reading.flawed && promised === undefined) break
    }
    return text.stored()
  })
  const stored = yield* Effect.scoped(read)
  const flaw = promised?.flaw()
  const found = archive && {
    ...(flaw === undefined ? {} : { flaw: { message: flaw } }),
    unproven: [...archive.unproven, ...(promised?.unproven() ?? [])]
  }
  return yield* Proof.prove(reading.finish(), dump.manifest, {
    file: dump.file,
    ...(stored === undefined ? {} : { stored }),
    ...(found === undefined ? {} : { archive: found }),
    ...(acceptUnproven === undefined ? {} : { acceptUnproven })
  })
})

/** Reads a folder to its end, and judges it. Without its manifest nothing says what must be in it. */
const proveDirectory = Effect.fnUntraced(function* (
  { file, manifest }: StoredDump,
  options: ProveFileOptions
): Effect.fn.Return<Proof.Proof, DumpText.DumpTextError | DumpUnsafe> {
  if (manifest === undefined) return yield* DirectoryManifest.missing(file)
  const { contents, stored } = yield* DirectoryProof.read(file, manifest, options)
  return yield* Proof.prove(contents, manifest, { file, stored })
})

/** Reads a dump to its end and judges it, against its manifest where it has one. */
export const prove = Effect.fnUntraced(function* (
  dump: StoredDump,
  options: ProveFileOptions = {}
): Effect.fn.Return<Proof.Proof, DumpText.DumpTextError | DumpUnsafe, Archive.Services> {
  if (dump.problem !== undefined) return yield* dump.problem
  const { format } = dump.form
  return yield* format === "directory" ? proveDirectory(dump, options) : proveText(dump, format, options)
})
