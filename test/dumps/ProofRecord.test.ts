/** What is kept of readings: nothing is read twice, and nothing that has changed passes for proven. */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Deferred from "effect/Deferred"
import type * as FileSystem from "effect/FileSystem"
import * as DumpName from "../../src/dumps/DumpName.ts"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import { recordName } from "../../src/dumps/ProofRecord.ts"
import { provenanceOf } from "../support/Manifests.ts"
import { folder } from "../support/Restores.ts"

const whole = readFileSync(new URL("fixtures/shop.sql", import.meta.url))
/** Of the same length, with another row. */
const forged = Buffer.from(whole.toString().replace("002_bad", "002_BAD"))

const inFolder = <A, E>(
  body: (directory: string) => Effect.Effect<A, E, DumpStore | FileSystem.FileSystem>
): Effect.Effect<A, E> =>
  Effect.flatMap(folder, (directory) => body(directory).pipe(Effect.provide(DumpStore.layer(directory)))).pipe(
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

const write = Effect.flatMap(DumpStore, (store) => store.write(provenanceOf("shop"), (append) => append(whole)))

/** Lists the folder; gives what it says of each dump, and which were read for it. */
const listed = Effect.fnUntraced(function* (again = false) {
  const read = new Set<string>()
  const store = yield* DumpStore
  const dumps = yield* store.judged({ again, onProgress: (file) => Effect.sync(() => void read.add(file)) })
  return { dumps, verdicts: dumps.map(({ verdict }) => verdict.proven), read: [...read] }
})

/** Long enough for the clock of every file system that tests run on. */
const tick = Effect.sleep("50 millis")

describe("a dump that was proven", () => {
  it.live("by the run that wrote it, by list or by itself, is not read again", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const dump = yield* write
        const first = yield* listed()
        assert.deepStrictEqual(first.read, [])
        assert.deepInclude(first.dumps[0], {
          file: dump.file,
          size: dump.size,
          readAt: dump.manifest!.provenAt,
          verdict: { proven: true, against: "manifest" },
          database: "shop",
          tables: 4,
          unpacked: whole.length
        })

        // One that came by another way is read once.
        const name = "db_dump_2020-01-01T00-00-00-000Z.sql"
        copyFileSync(dump.file, join(directory, name))
        yield* tick
        const second = yield* listed()
        assert.deepStrictEqual(second.read, [join(directory, name)])
        assert.deepInclude(second.dumps[1], { verdict: { proven: true, against: "structure" }, tables: 4 })
        assert.deepStrictEqual((yield* listed()).read, [])

        copyFileSync(DumpName.manifestOf(dump.file), DumpName.manifestOf(join(directory, name)))
        yield* tick
        const store = yield* DumpStore
        assert.strictEqual((yield* store.prove(yield* store.find(name))).against, "manifest")
        assert.deepStrictEqual(yield* Effect.map(listed(), ({ read, verdicts }) => [read, verdicts]), [
          [],
          [true, true]
        ])
        assert.lengthOf((yield* listed(true)).read, 2)
      })
    )
  )

  const changes: Readonly<Record<string, (file: string) => void>> = {
    "to other content of the same size and time": (file) => {
      const { atime, mtime } = statSync(file)
      writeFileSync(file, forged)
      utimesSync(file, atime, mtime)
    },
    "to another file": (file) => {
      writeFileSync(`${file}.new`, forged)
      renameSync(`${file}.new`, file)
    },
    "by a cut": (file) => writeFileSync(file, whole.subarray(0, 3000)),
    "by a manifest of another": (file) => {
      const text = readFileSync(DumpName.manifestOf(file), "utf8")
      writeFileSync(DumpName.manifestOf(file), text.replace(/"rows": \d+/, '"rows": 77'))
    },
    "by a manifest that cannot be read": (file) => writeFileSync(DumpName.manifestOf(file), "{")
  }
  for (const [how, change] of Object.entries(changes)) {
    it.live(`is not proven any more once it is changed ${how}`, () =>
      inFolder(() =>
        Effect.gen(function* () {
          const { file } = yield* write
          assert.deepStrictEqual((yield* listed()).read, [])
          change(file)
          assert.deepStrictEqual((yield* listed()).verdicts, [false])
          yield* tick
          assert.deepStrictEqual((yield* listed()).verdicts, [false])
          // And what was found of the damaged one does not outlive it either.
          assert.deepStrictEqual((yield* listed()).read, [])
          rmSync(DumpName.manifestOf(file))
          writeFileSync(file, whole)
          assert.deepStrictEqual((yield* listed()).verdicts, [true])
        })
      )
    )
  }

  it.live("is not proven any more where it is changed in the same moment", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const file = join(directory, "db_dump_2020-01-01T00-00-00-000Z.sql")
        const cut = Buffer.from(whole.toString().replace("complete", "comp1ete"))
        for (let round = 0; round < 20; round++) {
          writeFileSync(file, whole)
          assert.deepStrictEqual((yield* listed()).verdicts, [true])
          // Of the same size, at once: only the change's own time can tell.
          writeFileSync(file, cut)
          assert.deepStrictEqual((yield* listed()).verdicts, [false], `round ${round}`)
        }
      })
    )
  )

  it.live("is not proven any more once somebody has found it damaged, though no time of it has changed", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const { file } = yield* write
        const store = yield* DumpStore
        const dump = yield* store.find(file)
        // As a disk does it that fails: other bytes, and a record that knows them as those that were proven.
        writeFileSync(file, forged)
        const { ctimeNs, ino, mtimeNs, size } = statSync(file, { bigint: true })
        const record = join(directory, recordName)
        const text = readFileSync(record, "utf8")
        const lying = text.replace(/"dump":"[^"]+"/, `"dump":"${size} ${mtimeNs} ${ctimeNs} ${ino}"`)
        assert.notStrictEqual(lying, text)
        writeFileSync(record, lying)
        assert.deepStrictEqual(yield* Effect.map(listed(), ({ read, verdicts }) => [read, verdicts]), [[], [true]])
        yield* Effect.flip(store.prove(dump))
        assert.deepStrictEqual((yield* listed()).verdicts, [false])
        writeFileSync(record, lying)
        yield* store.keep(1)
        assert.deepStrictEqual((yield* listed()).verdicts, [false])
      })
    )
  )
})

describe("the record", () => {
  const useless: Readonly<Record<string, (path: string) => void>> = {
    "is missing": (path) => rmSync(path),
    "is empty": (path) => writeFileSync(path, ""),
    "is cut": (path) => writeFileSync(path, readFileSync(path).subarray(0, 100)),
    "is of another pgark": (path) => writeFileSync(path, readFileSync(path, "utf8").replace(/"pgark":"/, "$&9.")),
    "holds what it cannot": (path) =>
      writeFileSync(path, readFileSync(path, "utf8").replace(/"tables":4/, '"tables":-4'))
  }
  for (const [how, spoil] of Object.entries(useless)) {
    it.live(`is made anew where it ${how}`, () =>
      inFolder((directory) =>
        Effect.gen(function* () {
          const { file } = yield* write
          spoil(join(directory, recordName))
          const { read, verdicts } = yield* listed()
          assert.deepStrictEqual([read, verdicts], [[file], [true]])
          yield* tick
          yield* listed()
          assert.deepStrictEqual((yield* listed()).read, [])
        })
      )
    )
  }

  it.live("is done without where it cannot be written", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        mkdirSync(join(directory, recordName))
        const { file } = yield* write
        assert.deepStrictEqual(yield* Effect.map(listed(), ({ read, verdicts }) => [read, verdicts]), [[file], [true]])
        assert.notInclude(readdirSync(directory), `${recordName}.partial`)
        rmSync(join(directory, recordName), { recursive: true })
        mkdirSync(join(directory, ".pgark-clock"))
        assert.deepStrictEqual((yield* listed()).verdicts, [true])
        assert.deepStrictEqual((yield* listed()).read, [file])
      })
    )
  )

  it.live("does not wait for a run that was killed while it wrote it", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const partial = join(directory, `${recordName}.partial`)
        writeFileSync(partial, "{")
        utimesSync(partial, new Date(0), new Date(0))
        yield* write
        assert.deepStrictEqual((yield* listed()).read, [])
      })
    )
  )

  it.live("loses nothing where several write at once, and forgets what is gone", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const dumps = yield* Effect.all(
          Array.from({ length: 8 }, () => write),
          { concurrency: 8 }
        )
        assert.deepStrictEqual((yield* listed()).read, [])
        for (const { file } of dumps.slice(1)) {
          rmSync(file)
          rmSync(DumpName.manifestOf(file))
        }
        yield* listed(true)
        const { dumps: kept } = JSON.parse(readFileSync(join(directory, recordName), "utf8")) as { dumps: object }
        assert.lengthOf(Object.keys(kept), 1)
      })
    )
  )

  it.live("keeps what was read before an interruption", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        for (const day of ["01", "02"])
          writeFileSync(join(directory, `db_dump_2020-01-${day}T00-00-00-000Z.sql`), whole)
        yield* tick
        const store = yield* DumpStore
        const second = yield* Deferred.make<void>()
        const listing = yield* store
          .judged({
            onProgress: (file) =>
              file.includes("01-01") ? Effect.andThen(Deferred.succeed(second, undefined), Effect.never) : Effect.void
          })
          .pipe(Effect.forkChild)
        yield* Deferred.await(second)
        yield* Fiber.interrupt(listing)
        assert.deepStrictEqual((yield* listed()).read, [join(directory, "db_dump_2020-01-01T00-00-00-000Z.sql")])
      })
    )
  )
})

describe("a folder", () => {
  it.live("is listed although something in it cannot be read", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        yield* write
        mkdirSync(join(directory, "db_dump_2020-01-01T00-00-00-000Z.sql"))
        const { dumps, verdicts } = yield* listed()
        assert.deepStrictEqual(verdicts, [true, false])
        assert.include(JSON.stringify(dumps[1]?.verdict), "db_dump_2020-01-01")
      })
    )
  )
})
