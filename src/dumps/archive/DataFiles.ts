/** The data files of a directory dump, and of a tar one: each there, unpacked to its end, and ending as pg_dump ends it. */
import * as fs from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Compression from "../Compression.ts"
import { type DumpDamaged, damaged, type DumpMissing, type DumpUnreadable } from "../DumpError.ts"
import * as DumpFile from "../DumpFile.ts"
import type { DataEntry } from "./DataEntries.ts"
import type { Member } from "./Tar.ts"

/** A file in the archive, or a member of it. */
export interface DataFile {
  /** Where it can be read. */
  readonly file: string
  readonly part: DumpFile.Part
}

/** The files of an archive, by their names in it. */
export type DataFiles = ReadonlyMap<string, DataFile>

/** Of a tar file. */
export const ofMembers = (file: string, members: ReadonlyArray<Member>): DataFiles =>
  new Map(members.map(({ name, ...part }) => [name, { file, part }]))

/** Of a directory dump. */
export const ofFolder = (folder: string): Effect.Effect<DataFiles, DumpMissing | DumpUnreadable> =>
  Effect.tryPromise({
    try: async () => {
      const files = await Promise.all(
        (await fs.readdir(folder)).map(async (name): Promise<[string, DataFile]> => {
          const file = join(folder, name)
          return [name, { file, part: { start: 0, size: (await fs.stat(file)).size } }]
        })
      )
      return new Map(files)
    },
    catch: DumpFile.cannotOpen(folder)
  })

/** How data files are packed, by the end of their names. */
const endings = ["", ".gz", ".zst", ".lz4"] as const
type Ending = (typeof endings)[number]
const methods = { "": "none", ".gz": "gzip", ".zst": "zstd", ".lz4": undefined } as const

/** How pg_dump ends a table's data: behind COPY data, behind INSERTs, and where there are none. */
const ends = ["\\.\n\n\n", ";\n\n\n"].map((end) => Buffer.from(end))
const alone = Buffer.from("\n\n")
const endSize = 5

const endsWell = (last: Buffer): boolean =>
  last.equals(alone) || ends.some((end) => last.subarray(-end.length).equals(end))

type FileError = DumpDamaged | DumpMissing | DumpUnreadable

/** Checks the files behind these entries. Gives what could not be proven, for people. */
export const check = Effect.fn("DataFiles.check")(function* (
  archive: string,
  files: DataFiles,
  entries: ReadonlyArray<DataEntry>
): Effect.fn.Return<ReadonlyArray<string>, FileError> {
  const passedOver = new Set<Ending>()

  const find = Effect.fnUntraced(function* (name: string, of: string) {
    const ending = endings.find((ending) => files.has(`${name}${ending}`))
    const found = ending === undefined ? undefined : files.get(`${name}${ending}`)
    if (ending === undefined || found === undefined)
      return yield* damaged(archive, `its file ${name} is missing (${of})`)
    return { ...found, name: `${name}${ending}`, ending }
  })

  /** The last bytes of a file's content, the whole of which was unpacked; none where that cannot be done here. */
  const readToEnd = Effect.fnUntraced(function* ({ file, part, ending }: Effect.Success<ReturnType<typeof find>>) {
    const method = methods[ending]
    if (method === undefined || !Compression.available(method)) {
      passedOver.add(ending)
      return Option.none<Buffer>()
    }
    const stored = yield* DumpFile.open(file, part)
    const { pull } = method === "none" ? stored : yield* Effect.orDie(Compression.unpack(method, stored.pull))
    let last = Buffer.alloc(0)
    for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) {
      last = Buffer.from(Buffer.concat([last, piece.value.subarray(-endSize)]).subarray(-endSize))
    }
    return Option.some(last)
  }, Effect.scoped)

  const whole = (found: Effect.Success<ReturnType<typeof find>>) =>
    readToEnd(found).pipe(
      Effect.catchTag("Corrupt", ({ reason }) => Effect.fail(damaged(archive, `its file ${found.name}: ${reason}`)))
    )

  const checkTable = Effect.fnUntraced(function* ({ id, label }: DataEntry) {
    const found = yield* find(`${id}.dat`, `the data of ${label}`)
    if (found.part.size === 0) return yield* damaged(archive, `its file ${found.name} is empty (the data of ${label})`)
    const last = yield* whole(found)
    if (Option.isSome(last) && !endsWell(last.value)) {
      return yield* damaged(archive, `its file ${found.name} is cut (the data of ${label})`)
    }
  })

  const checkLargeObjects = Effect.fnUntraced(function* ({ id }: DataEntry) {
    // Since 17 there are several such lists, each named after its entry.
    const toc = files.has(`blobs_${id}.toc`) ? `blobs_${id}.toc` : "blobs.toc"
    const { file, part } = yield* find(toc, "the list of its large objects")
    const text = Buffer.from(yield* DumpFile.head(file, part.size, part.start)).toString("latin1")
    const names = [...text.matchAll(/^\d+ (blob_\d+\.dat)\n/gm)]
    if (names.map(([line]) => line).join("") !== text) return yield* damaged(archive, `its file ${toc} is damaged`)
    for (const [, name = ""] of names) yield* whole(yield* find(name, "a large object"))
  })

  yield* Effect.forEach(entries, (entry) => (entry.kind === "BLOBS" ? checkLargeObjects(entry) : checkTable(entry)))
  return [...passedOver].map(
    (ending) => `that its ${ending} files are whole: pgark cannot unpack them here, and goes by what pg_restore says`
  )
})
