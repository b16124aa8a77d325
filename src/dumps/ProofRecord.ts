/**
 * What readings of dumps have found, in a file beside them: a dump that is still the file that was read need not be read
 * again to be listed. Nothing depends on it: where it is missing, damaged or cannot be written, dumps are read.
 *
 * A file is known again by its size, times and inode. Its `ctime` no program can set back; but two changes within one
 * tick of the file system's clock have the same one. So only a reading counts that began when that clock was past the
 * file's last change: any later change has then a later time.
 */
import { statSync } from "node:fs"
import * as fs from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as DirectoryFiles from "./directory/DirectoryFiles.ts"
import { codeOf } from "./DumpFile.ts"
import * as DumpName from "./DumpName.ts"
import { Manifest } from "./Manifest.ts"
import { Version } from "./Version.ts"

/** The file, which no pattern for dumps matches. */
export const recordName = ".pgark-proofs.json"

/** Size in bytes, `mtime` and `ctime` in nanoseconds, inode; of a folder those of all that is in it. */
const Identity = Schema.String.check(Schema.isPattern(/^\d+ -?\d+ -?\d+ \d+$/))

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What a reading has found. */
export const Entry = Schema.Struct({
  dump: Identity,
  /** Absent where it has none beside it. */
  manifest: Schema.optionalKey(Identity),
  readAt: Schema.DateTimeUtcFromString,
  verdict: Schema.Union([
    Schema.Struct({ proven: Schema.Literal(true), against: Schema.Literals(["manifest", "structure"]) }),
    Schema.Struct({ proven: Schema.Literal(false), problem: Schema.String })
  ]),
  format: Schema.Literals(["plain", "directory", "custom", "tar", "pg_dump directory"]).annotateKey({
    description: "Form of the dump."
  }),
  compression: Schema.Literals(["none", "gzip", "zstd"]).annotateKey({ description: "How it is packed." }),
  database: Schema.optionalKey(Schema.String).annotateKey({ description: "The database that it is of." }),
  tables: Schema.optionalKey(Count).annotateKey({ description: "Number of tables." }),
  rows: Schema.optionalKey(Count).annotateKey({ description: "Rows of all tables." }),
  unpacked: Schema.optionalKey(Count).annotateKey({
    description: "Bytes of what is inside, unpacked: SQL with the rows in it, of a directory dump SQL and rows."
  }),
  files: Schema.optionalKey(Count).annotateKey({ description: "Of a directory dump, number of its files with rows." }),
  /** What keeps it from being a dump of the whole database. */
  onlySchemas: Manifest.fields.onlySchemas,
  excluded: Manifest.fields.excluded,
  partialRows: Manifest.fields.partialRows,
  name: Manifest.fields.name,
  note: Manifest.fields.note
})
export type Entry = typeof Entry.Type

/** By the names of the dumps. Another pgark may judge otherwise, so what it has found does not count. */
const Record = Schema.Struct({
  version: Schema.Literal(1),
  pgark: Schema.Literal(Version),
  dumps: Schema.Record(Schema.String, Entry)
})

const Json = Schema.fromJsonString(Schema.toCodecJson(Record))

/** A dump and its manifest, as the file system knows them at one moment. */
export interface Sight extends Pick<Entry, "dump" | "manifest"> {
  /** Bytes of the dump. */
  readonly size: number
  /** When either was changed last, by the clock of the file system. */
  readonly changed: bigint
}

type Known = Pick<DirectoryFiles.FolderSight, "ctimeNs" | "ino" | "mtimeNs"> & { readonly size: bigint | number }

const identity = ({ ctimeNs, ino, mtimeNs, size }: Known): string => `${size} ${mtimeNs} ${ctimeNs} ${ino}`

/** A dump that is a folder has its manifest in it; whatever is changed in it shows in the latest of its times. */
const lookAtFolder = (file: string): Sight | undefined => {
  if (!DirectoryFiles.isOne(file)) return undefined
  const folder = DirectoryFiles.sight(file)
  return { dump: identity(folder), size: folder.size, changed: folder.ctimeNs }
}

/** How a dump stands there now; undefined where that cannot be found out, or it is neither file nor directory dump. */
export const look = (file: string): Effect.Effect<Sight | undefined> =>
  Effect.sync(() => {
    try {
      // At once: thousands of these take a tenth of the time that they take one by one through the pool of threads.
      const options = { bigint: true, throwIfNoEntry: false } as const
      const dump = statSync(file, options)
      const manifest = statSync(DumpName.manifestOf(file), options)
      if (dump?.isDirectory() === true) return lookAtFolder(file)
      if (dump?.isFile() !== true) return undefined
      return {
        dump: identity(dump),
        ...(manifest === undefined ? {} : { manifest: identity(manifest) }),
        size: Number(dump.size),
        changed: manifest !== undefined && manifest.ctimeNs > dump.ctimeNs ? manifest.ctimeNs : dump.ctimeNs
      }
    } catch {
      // Who wants to read it will be told why it cannot be.
      return undefined
    }
  })

/** Whether two sights, or a sight and what was found by an earlier one, are of the same files. */
export const same = (one: Pick<Entry, "dump" | "manifest">, other: Pick<Entry, "dump" | "manifest">): boolean =>
  one.dump === other.dump && one.manifest === other.manifest

const unkept = (directory: string) => (error: unknown) =>
  Effect.logDebug(`The record of proofs in ${directory} cannot be kept`, error)

/** The time by the clock of the folder's file system; undefined where the folder cannot be written to. */
export const now = Effect.fnUntraced(function* (directory: string): Effect.fn.Return<bigint | undefined> {
  return yield* Effect.tryPromise(async () => {
    const path = join(directory, ".pgark-clock")
    const handle = await fs.open(path, "w", 0o600)
    try {
      return (await handle.stat({ bigint: true })).ctimeNs
    } finally {
      await handle.close()
      await fs.rm(path, { force: true })
    }
  }).pipe(Effect.catch((error) => Effect.as(unkept(directory)(error), undefined)))
})

/** Milliseconds that a file system's clock may take for a tick; what has longer ones is not waited for. */
const longestTick = 100

/** Waits until the file system's clock is past this moment. Gives whether it is. */
export const past = Effect.fnUntraced(function* (directory: string, moment: bigint): Effect.fn.Return<boolean> {
  for (let waited = 0; waited <= longestTick; waited += 5) {
    const time = yield* now(directory)
    if (time === undefined) return false
    if (time > moment) return true
    yield* Effect.promise(() => setTimeout(5))
  }
  return false
})

/** What is recorded of the dumps in a folder; nothing where no record can be had. */
export const load = Effect.fnUntraced(function* (directory: string): Effect.fn.Return<ReadonlyMap<string, Entry>> {
  const record = yield* Effect.tryPromise(() => fs.readFile(join(directory, recordName), "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(Json)),
    Effect.catch((error) => Effect.as(unkept(directory)(error), undefined))
  )
  return new Map(Object.entries(record?.dumps ?? {}))
})

/** Milliseconds after which an unfinished record is one of a run that was killed. */
const abandonedAfter = 60_000

/** Creates the record's `.partial`, which one run at a time can. */
const reserve = async (partial: string): Promise<fs.FileHandle> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fs.open(partial, "wx", 0o600)
    } catch (error) {
      if (codeOf(error) !== "EEXIST" || attempt === 50) throw error
    }
    const other = await fs.stat(partial).catch(() => undefined)
    if (other !== undefined && Date.now() - other.mtimeMs > abandonedAfter) await fs.rm(partial, { force: true })
    else await setTimeout(20)
  }
}

/**
 * Puts what was found into the record, and takes out of it what is `undefined`, or not among the files that are there.
 * Replaces the record as a whole; of two runs the second waits for the first.
 */
export const update = Effect.fnUntraced(function* (
  directory: string,
  found: ReadonlyMap<string, Entry | undefined>,
  there?: ReadonlySet<string>
): Effect.fn.Return<void> {
  const path = join(directory, recordName)
  const partial = `${path}.partial`
  yield* Effect.acquireUseRelease(
    Effect.tryPromise(() => reserve(partial)),
    (handle) =>
      Effect.gen(function* () {
        const known = [...(yield* load(directory))].filter(([name]) => there?.has(name) !== false && !found.has(name))
        const added = [...found].flatMap(([name, entry]) => (entry === undefined ? [] : [[name, entry] as const]))
        const dumps = Object.fromEntries([...known, ...added])
        const text = yield* Schema.encodeEffect(Json)({ version: 1, pgark: Version, dumps })
        yield* Effect.tryPromise(async () => {
          await handle.writeFile(text)
          await fs.rename(partial, path)
        })
      }),
    (handle, exit) =>
      Effect.tryPromise(async () => {
        await handle.close()
        if (exit._tag === "Failure") await fs.rm(partial, { force: true })
      })
  ).pipe(Effect.catch(unkept(directory)), Effect.uninterruptible)
})
