/** Whether dumps prove: by reading them, or by what a reading of the same bytes has found before. */
import { basename, dirname, join, resolve } from "node:path"
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { DumpDamaged, DumpMissing, DumpUnreadable, DumpUnsafe } from "./DumpError.ts"
import * as DumpName from "./DumpName.ts"
import type { ReadingPosition } from "./DumpReading.ts"
import type { DumpStoreService, ProveFileOptions, StoredDump } from "./DumpStore.ts"
import type { DumpTextError } from "./DumpText.ts"
import type { Manifest } from "./Manifest.ts"
import type { Proof } from "./Proof.ts"
import * as ProofRecord from "./ProofRecord.ts"
import { unpackedBytes } from "./Unpacked.ts"

/** A dump in the folder, and whether it proves. What is not known of it is absent. */
export interface JudgedDump extends Omit<Partial<ProofRecord.Entry>, "dump" | "manifest" | "readAt" | "verdict"> {
  readonly file: string
  /** When it was made. */
  readonly at: DateTime.Utc
  /** Bytes as stored. */
  readonly size: number
  /** When it was read for this, from its beginning to its end. */
  readonly readAt: DateTime.Utc
  readonly verdict: ProofRecord.Entry["verdict"]
}

export interface JudgeOptions {
  /** Read all of them, also those that have not changed since they were read; not unless told. */
  readonly again?: boolean
  /** Told of each dump that is read how many of its stored bytes have been, about once a megabyte. */
  readonly onProgress?: (file: string, bytes: number, size: number, position: ReadingPosition) => Effect.Effect<void>
}

/** What of a store this takes. */
interface Folder extends Pick<DumpStoreService, "directory" | "prove"> {
  readonly names: Effect.Effect<ReadonlyArray<string>, DumpUnreadable>
  readonly stored: (file: string) => Effect.Effect<StoredDump, DumpMissing | DumpUnreadable>
  readonly manifestBeside: (file: string) => Effect.Effect<Manifest | undefined, DumpDamaged | DumpUnreadable>
}

type Judgement = Result.Result<Proof, DumpTextError | DumpUnsafe>

/** What of a reading is worth to be known later: not that this user, or this Node, could not read it. */
const verdictOf = (judgement: Judgement): ProofRecord.Entry["verdict"] | undefined => {
  if (Result.isFailure(judgement)) {
    const { _tag, message } = judgement.failure
    return _tag === "DumpDamaged" || _tag === "DumpUnsafe" ? { proven: false, problem: message } : undefined
  }
  const { against } = judgement.success
  return against === "nothing" ? undefined : { proven: true, against }
}

/** That a program is missing here says nothing of the dump. */
const isAbout = (judgement: Judgement): boolean =>
  Result.isSuccess(judgement) || judgement.failure._tag !== "ToolMissing"

const rowsOf = (tables: ReadonlyArray<{ readonly rows: number }>) => tables.reduce((sum, { rows }) => sum + rows, 0)

const summary = ({ form, manifest }: StoredDump, judgement?: Judgement) => {
  const contents = judgement !== undefined && Result.isSuccess(judgement) ? judgement.success.contents : manifest
  return {
    ...form,
    ...(manifest === undefined ? {} : { database: manifest.source.database }),
    ...(contents === undefined
      ? {}
      : {
          tables: contents.tables.length,
          rows: rowsOf(contents.tables),
          unpacked: unpackedBytes(form.format, contents)
        }),
    ...(manifest?.files === undefined ? {} : { files: manifest.files.data.length }),
    ...(manifest?.onlySchemas === undefined ? {} : { onlySchemas: manifest.onlySchemas }),
    ...(manifest?.excluded === undefined ? {} : { excluded: manifest.excluded }),
    ...(manifest?.partialRows === undefined ? {} : { partialRows: manifest.partialRows }),
    ...(manifest?.name === undefined ? {} : { name: manifest.name }),
    ...(manifest?.note === undefined ? {} : { note: manifest.note })
  }
}

/** A reading that begins now. Its `entry` is what may be recorded of it; none where the dump has changed meanwhile. */
const begin = Effect.fnUntraced(function* (directory: string, file: string) {
  const before = yield* ProofRecord.look(file)
  const started = before === undefined ? undefined : yield* ProofRecord.now(directory)
  const readAt = yield* DateTime.now
  return {
    readAt,
    entry: Effect.fnUntraced(function* (dump: StoredDump, judgement: Judgement) {
      const verdict = verdictOf(judgement)
      if (verdict === undefined || before === undefined || started === undefined) return undefined
      const after = yield* ProofRecord.look(file)
      if (after === undefined || !ProofRecord.same(before, after) || started <= before.changed) return undefined
      const { dump: identity, manifest } = before
      const entry: ProofRecord.Entry = {
        dump: identity,
        ...(manifest === undefined ? {} : { manifest }),
        readAt,
        verdict,
        ...summary(dump, judgement)
      }
      return entry
    })
  }
})

/** The name of a dump that `list` shows of this folder. */
const nameIn = (directory: string, file: string): string | undefined =>
  resolve(dirname(file)) === resolve(directory) && Option.isSome(DumpName.parse(basename(file)))
    ? basename(file)
    : undefined

/** Records a dump that was written and proven just now. */
export const recordWritten = Effect.fnUntraced(function* (directory: string, dump: StoredDump): Effect.fn.Return<void> {
  const name = nameIn(directory, dump.file)
  const readAt = dump.manifest?.provenAt
  const sight = yield* ProofRecord.look(dump.file)
  if (name === undefined || readAt === undefined || sight?.size !== dump.size) return
  if (!(yield* ProofRecord.past(directory, sight.changed))) return
  const { manifest } = sight
  const verdict = { proven: true, against: "manifest" } as const
  const entry: ProofRecord.Entry = {
    dump: sight.dump,
    ...(manifest === undefined ? {} : { manifest }),
    readAt,
    verdict,
    ...summary(dump)
  }
  yield* ProofRecord.update(directory, new Map([[name, entry]]))
}, Effect.uninterruptible)

/** `prove` that also records what it has found, where the dump is one of the folder. */
export const recording = ({ directory, manifestBeside, prove }: Omit<Folder, "names" | "stored">) =>
  Effect.fn("DumpStore.prove")(function* (
    ...[dump, options]: Parameters<DumpStoreService["prove"]>
  ): Effect.fn.Return<Proof, DumpTextError | DumpUnsafe> {
    const name = nameIn(directory, dump.file)
    if (name === undefined) return yield* prove(dump, options)
    const reading = yield* begin(directory, dump.file)
    // The dump may have been found a while ago.
    const manifest = yield* Effect.result(manifestBeside(dump.file))
    const current = Equal.equals(Result.getOrUndefined(manifest), dump.manifest)
    const judgement = yield* Effect.result(prove(dump, options))
    // Of what could not be read nothing is known any more.
    const entry = current ? yield* reading.entry(dump, judgement) : undefined
    if (isAbout(judgement)) yield* ProofRecord.update(directory, new Map([[name, entry]]))
    return yield* Effect.fromResult(judgement)
  })

/** The dumps in the folder, newest first. Reads those that are new or have changed since they were read. */
export const judged = ({ directory, names, prove, stored }: Omit<Folder, "manifestBeside">) =>
  Effect.fn("DumpStore.judged")(function* ({ again = false, onProgress }: JudgeOptions = {}): Effect.fn.Return<
    ReadonlyArray<JudgedDump>,
    DumpUnreadable
  > {
    const there = yield* names
    const known = again ? new Map<string, ProofRecord.Entry>() : yield* ProofRecord.load(directory)
    const found = new Map<string, ProofRecord.Entry | undefined>()

    const read = Effect.fnUntraced(function* (name: string, at: DateTime.Utc, size: number) {
      const file = join(directory, name)
      const reading = yield* begin(directory, file)
      const dump = yield* Effect.result(stored(file))
      const options: ProveFileOptions =
        onProgress === undefined ? {} : { onProgress: (bytes, position) => onProgress(file, bytes, size, position) }
      const judgement = yield* Effect.result(Effect.flatMap(Effect.fromResult(dump), (dump) => prove(dump, options)))
      // It was removed since the folder was read.
      if (Result.isFailure(judgement) && judgement.failure._tag === "DumpMissing") return Option.none()
      const entry = Result.isSuccess(dump) ? yield* reading.entry(dump.success, judgement) : undefined
      if (isAbout(judgement)) found.set(name, entry)
      const verdict: ProofRecord.Entry["verdict"] = Result.match(judgement, {
        onFailure: ({ message }) => ({ proven: false, problem: message }),
        // Only `acceptUnproven` lets pass what is held against nothing.
        onSuccess: ({ against }) => ({ proven: true, against: against === "manifest" ? against : "structure" })
      })
      const judged: JudgedDump = {
        file,
        at,
        size: Result.isSuccess(dump) ? dump.success.size : size,
        readAt: reading.readAt,
        verdict,
        ...(Result.isSuccess(dump) ? summary(dump.success, judgement) : {})
      }
      return Option.some(judged)
    })

    const judge = Effect.fnUntraced(function* (name: string, at: DateTime.Utc) {
      const file = join(directory, name)
      const sight = yield* ProofRecord.look(file)
      const entry = known.get(name)
      if (sight === undefined || entry === undefined || !ProofRecord.same(entry, sight)) {
        return yield* read(name, at, sight?.size ?? 0)
      }
      const { dump: _dump, manifest: _manifest, ...shown } = entry
      return Option.some<JudgedDump>({ file, at, size: sight.size, ...shown })
    })

    const dumps = there
      .flatMap((name) => Option.match(DumpName.parse(name), { onNone: () => [], onSome: (at) => [{ name, at }] }))
      .sort((a, b) => (a.name < b.name ? 1 : -1))
    return yield* Effect.forEach(dumps, ({ at, name }) => judge(name, at)).pipe(
      Effect.map(Arr.getSomes),
      // What was read before an interruption need not be read again either.
      Effect.ensuring(
        Effect.suspend(() => (found.size === 0 ? Effect.void : ProofRecord.update(directory, found, new Set(there))))
      )
    )
  })
