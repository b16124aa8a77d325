import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as DumpName from "../../src/dumps/DumpName.ts"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import type { Provenance } from "../../src/dumps/DumpWriting.ts"
import { provenanceOf } from "../support/Manifests.ts"

const whole = readFileSync(new URL("fixtures/shop.sql", import.meta.url))

/** Runs in a folder of its own that does not exist yet. */
const inFolder = <A, E>(
  body: (directory: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, DumpStore | FileSystem.FileSystem>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = `${yield* fs.makeTempDirectoryScoped()}/deep/dumps`
    return yield* body(directory, fs).pipe(Effect.provide(DumpStore.layer(directory)))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const writeShop = (database = "shop") =>
  Effect.flatMap(DumpStore, (store) => store.write(provenanceOf(database), (append) => append(whole)))

describe("names of dumps", () => {
  it.effect.prop("come back as the moment they say", [Schema.DateTimeUtc], ([at]) =>
    Effect.sync(() => {
      const name = DumpName.format(at)
      const parsed = DumpName.parse(name)
      // Years of more than four digits do not sort as text, and are no names.
      if (/^db_dump_\d{4}-/.test(name)) assert.deepStrictEqual(parsed, Option.some(at))
      else assert.isTrue(Option.isNone(parsed))
    })
  )

  it("are nothing else", () => {
    assert.strictEqual(
      DumpName.format(DateTime.makeUnsafe("2026-03-07T09:05:00.042Z")),
      "db_dump_2026-03-07T09-05-00-042Z.sql"
    )
    for (const name of [
      "db_dump_2026-03-07T09-05-00-042Z.sql.partial",
      "db_dump_2026-03-07T09-05-00-042Z.sql.manifest.json",
      "db_dump_2026-02-31T09-05-00-042Z.sql",
      "db_dump_2026-03-07T25-05-00-042Z.sql",
      "shop.sql"
    ]) {
      assert.isTrue(Option.isNone(DumpName.parse(name)), name)
    }
  })
})

describe("writing", () => {
  it.effect("makes a private file and its manifest, and nothing else", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const dump = yield* writeShop()
        assert.deepStrictEqual(new Uint8Array(yield* fs.readFile(dump.file)), new Uint8Array(whole))
        assert.strictEqual((yield* fs.stat(dump.file)).mode & 0o777, 0o600)
        assert.sameMembers(yield* fs.readDirectory(directory), [
          ".pgark-proofs.json",
          "db_dump_1970-01-01T00-00-00-000Z.sql",
          "db_dump_1970-01-01T00-00-00-000Z.sql.manifest.json"
        ])
        const [listed] = yield* store.list
        assert.deepStrictEqual(listed, dump)
        assert.strictEqual((yield* store.prove(dump)).against, "manifest")
      })
    )
  )

  it.effect("leaves nothing when it fails, is cut, unsafe or interrupted", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const failed = yield* Effect.flip(
          store.write(provenanceOf("shop"), (append) =>
            Effect.andThen(append(whole), Effect.fail("pg_dump went away" as const))
          )
        )
        assert.strictEqual(failed, "pg_dump went away")
        const cut = yield* Effect.flip(store.write(provenanceOf("shop"), (append) => append(whole.subarray(0, 2000))))
        assert.strictEqual(cut._tag, "DumpDamaged")
        const script = whole.toString().replace("SET row_security = off;", "ROLLBACK;")
        const unsafe = yield* Effect.flip(store.write(provenanceOf("shop"), (append) => append(Buffer.from(script))))
        assert.strictEqual(unsafe._tag, "DumpUnsafe")
        const started = yield* Deferred.make<void>()
        const fiber = yield* store
          .write(provenanceOf("shop"), (append) =>
            append(whole).pipe(Effect.andThen(Deferred.succeed(started, undefined)), Effect.andThen(Effect.never))
          )
          .pipe(Effect.forkChild)
        yield* Deferred.await(started)
        assert.strictEqual((yield* fs.readDirectory(directory)).length, 1)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* fs.readDirectory(directory), [])
      })
    )
  )

  it.effect("gives each of two dumps of one millisecond its own name", () =>
    inFolder(() =>
      Effect.gen(function* () {
        const dumps = yield* Effect.all([writeShop(), writeShop(), writeShop()], { concurrency: 3 })
        assert.sameMembers(
          dumps.map((dump) => DateTime.toEpochMillis(dump.at)),
          [0, 1, 2]
        )
        for (const dump of dumps) assert.deepStrictEqual(DumpName.parse(dump.file.slice(-36)), Option.some(dump.at))
      })
    )
  )

  it.effect("and also of two that are packed differently", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const packed = (method: "none" | "gzip" | "zstd") =>
          store.write({ ...provenanceOf("shop"), compression: { method } }, (append) => append(whole))
        const together = yield* Effect.all([packed("zstd"), packed("none"), packed("gzip")], { concurrency: 3 })
        // One is there already, of a run that has lost its name.
        const next = DumpName.format(DateTime.makeUnsafe(3), "zstd")
        yield* fs.writeFile(`${directory}/${next}`, whole)
        const dumps = [...together, yield* packed("gzip")]
        assert.sameMembers(
          dumps.map((dump) => DateTime.toEpochMillis(dump.at)),
          [0, 1, 2, 4]
        )
        for (const dump of dumps) assert.strictEqual((yield* store.prove(dump)).against, "manifest")
      })
    )
  )

  it.effect("says why a folder cannot be used", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        yield* fs.makeDirectory(directory.replace(/\/dumps$/, ""), { recursive: true })
        yield* fs.writeFileString(directory, "a file in the way")
        const error = yield* Effect.flip(writeShop())
        assert.strictEqual(error._tag, "FolderUnusable")
        assert.include(error.message, directory)
        assert.strictEqual(
          (yield* Effect.flip(Effect.flatMap(DumpStore, (store) => store.list)))._tag,
          "DumpUnreadable"
        )
      })
    )
  )
})

describe("finding", () => {
  it.effect("chooses the newest by its name, of the database asked for", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        assert.deepStrictEqual(yield* store.list, [])
        assert.strictEqual((yield* Effect.flip(store.newest()))._tag, "DumpMissing")
        const older = yield* writeShop()
        yield* TestClock.adjust("1 hour")
        const newer = yield* writeShop("other")
        yield* fs.writeFileString(`${directory}/db_dump_2030-01-01T00-00-00-000Z.sql.partial`, "half")
        yield* fs.utimes(older.file, new Date(), new Date())
        assert.deepStrictEqual(yield* store.list, [newer, older])
        assert.deepStrictEqual(yield* store.newest(), newer)
        assert.deepStrictEqual(yield* store.newest("shop"), older)
        assert.include((yield* Effect.flip(store.newest("third"))).message, "third")
        assert.deepStrictEqual(yield* store.find(older.file), older)
        assert.deepStrictEqual(yield* store.find(older.file.slice(directory.length + 1)), older)
        assert.strictEqual((yield* Effect.flip(store.find("none.sql")))._tag, "DumpMissing")
        assert.strictEqual((yield* Effect.flip(store.find(directory)))._tag, "DumpUnreadable")
      })
    )
  )

  it.effect("takes the newest of a name, where no file has it", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const named = Effect.fnUntraced(function* (name: string, database = "shop") {
          yield* TestClock.adjust("1 hour")
          return yield* store.write({ ...provenanceOf(database), name }, (append) => append(whole))
        })
        yield* named("nightly")
        const newer = yield* named("nightly")
        const upgrade = yield* named("before-upgrade")
        assert.deepStrictEqual(yield* store.find("nightly"), newer)
        assert.deepStrictEqual(yield* store.find("before-upgrade"), upgrade)
        assert.strictEqual((yield* Effect.flip(store.find("before")))._tag, "DumpMissing")
        // Another database has a newer dump of that name, which is not to be restored into this one.
        const others = yield* named("nightly", "blog")
        assert.deepStrictEqual(yield* store.find("nightly"), others)
        assert.deepStrictEqual(yield* store.find("nightly", "blog"), others)
        assert.deepStrictEqual(yield* store.find("nightly", "shop"), newer)
        assert.deepStrictEqual(yield* store.find(others.file, "shop"), others)
        const missing = yield* Effect.flip(store.find("before-upgrade", "blog"))
        assert.strictEqual(missing._tag, "DumpMissing")
        assert.match(missing.message, /no dump before-upgrade of database "blog".*is of "shop"/)
        // A folder is no dump, so it is not in the way of a name.
        yield* fs.makeDirectory(`${directory}/nightly`)
        assert.deepStrictEqual(yield* store.find("nightly", "shop"), newer)
        yield* fs.makeDirectory(`${directory}/other`)
        assert.include((yield* Effect.flip(store.find("other"))).message, "is a folder")
        yield* fs.writeFile(`${directory}/before-upgrade`, whole)
        assert.strictEqual((yield* store.find("before-upgrade")).file, `${directory}/before-upgrade`)
        // It could be the newest of that name.
        const unreadable = yield* named("nightly")
        yield* fs.writeFileString(DumpName.manifestOf(unreadable.file), "{")
        assert.strictEqual((yield* Effect.flip(store.find("nightly")))._tag, "DumpDamaged")
      })
    )
  )

  it.effect("never passes over a damaged dump silently", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        yield* writeShop()
        yield* TestClock.adjust("1 hour")
        const newest = yield* writeShop()
        yield* fs.writeFile(newest.file, whole.subarray(0, 3000))
        assert.strictEqual((yield* Effect.flip(store.prove(yield* store.newest("shop"))))._tag, "DumpDamaged")
        yield* fs.writeFileString(DumpName.manifestOf(newest.file), "{")
        assert.strictEqual((yield* Effect.flip(store.newest("shop")))._tag, "DumpDamaged")
        assert.strictEqual((yield* store.list).length, 2)
        yield* fs.remove(newest.file)
        assert.strictEqual((yield* Effect.flip(store.prove(newest)))._tag, "DumpMissing")
        assert.isTrue(yield* fs.exists(directory))
      })
    )
  )

  it.effect("never passes over a dump that is gone, as long as its manifest is there", () =>
    inFolder((_directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const older = yield* writeShop()
        yield* TestClock.adjust("1 hour")
        const other = yield* writeShop("blog")
        yield* TestClock.adjust("1 hour")
        const newest = yield* writeShop()
        yield* fs.remove(newest.file)
        for (const database of ["shop", undefined]) {
          const error = yield* Effect.flip(store.newest(database))
          assert.deepInclude(error, { _tag: "DumpMissing", file: newest.file })
          assert.include(error.message, "is gone; its manifest is there")
        }
        assert.strictEqual((yield* store.newest("blog")).file, other.file)
        yield* fs.remove(DumpName.manifestOf(newest.file))
        assert.strictEqual((yield* store.newest("shop")).file, older.file)
      })
    )
  )

  it.effect("reads no further than to the first sign of damage, however long the file", () =>
    inFolder((_, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const { file } = yield* writeShop()
        yield* fs.remove(DumpName.manifestOf(file))
        yield* fs.writeFile(file, Buffer.concat([whole.subarray(0, 3000), Buffer.alloc(1)]))
        yield* fs.truncate(file, 64 * 1024 * 1024)
        let read = 0
        const onProgress = (bytes: number) => Effect.sync(() => void (read = bytes))
        const error = yield* Effect.flip(store.prove(yield* store.find(file), { onProgress }))
        assert.strictEqual(error._tag, "DumpDamaged")
        assert.include(error.message, "zero byte at offset 3000")
        assert.isBelow(read, 2 * 1024 * 1024)
      })
    )
  )

  it.effect("pulls a dump piece by piece", () =>
    inFolder(() =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const dump = yield* writeShop()
        const pieces: Array<Uint8Array> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { pull } = yield* store.read(dump.file)
            for (let piece = yield* pull; Option.isSome(piece); piece = yield* pull) pieces.push(piece.value)
          })
        )
        assert.isTrue(Buffer.concat(pieces).equals(whole))
      })
    )
  )
})

describe("keeping the newest", () => {
  const day = "1 day"
  /** Writes one dump a day: the name of each file by the given names. */
  const daily = Effect.fnUntraced(function* (names: ReadonlyArray<string>, more: Partial<Provenance> = {}) {
    const store = yield* DumpStore
    const files: Record<string, string> = {}
    for (const name of names) {
      yield* TestClock.adjust(day)
      const { file } = yield* store.write({ ...provenanceOf("shop"), ...more }, (append) => append(whole))
      files[name] = file
    }
    return files as Record<string, string>
  })
  const present = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, files: Record<string, string>) {
    const found = yield* Effect.filter(Object.entries(files), ([, file]) => fs.exists(file))
    return found.map(([name]) => name)
  })

  it.effect("removes older dumps and their manifests, and tells which", () =>
    inFolder((directory, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const files = yield* daily(["one", "two", "three", "four"])
        const { kept, removed } = yield* store.keep(2)
        assert.deepStrictEqual(
          [kept, removed].map((dumps) => dumps.map(({ file }) => file)),
          [
            [files["four"], files["three"]],
            [files["two"], files["one"]]
          ]
        )
        assert.lengthOf(
          (yield* fs.readDirectory(directory)).filter((name) => name.startsWith("db_dump_")),
          4
        )
        assert.deepStrictEqual(yield* present(fs, files), ["three", "four"])
        assert.lengthOf((yield* store.keep(2)).removed, 0)
      })
    )
  )

  it.effect(
    "neither counts nor removes what does not prove, what has no manifest, and what is not named as a dump",
    () =>
      inFolder((directory, fs) =>
        Effect.gen(function* () {
          const store = yield* DumpStore
          const files = yield* daily(["one", "bad and old", "three", "bare", "five", "bad and new", "unreadable"])
          for (const name of ["bad and old", "bad and new"]) {
            yield* fs.writeFile(files[name]!, whole.subarray(0, whole.length - 200))
          }
          yield* fs.remove(DumpName.manifestOf(files["bare"]!))
          yield* fs.writeFileString(DumpName.manifestOf(files["unreadable"]!), "{")
          files["other"] = `${directory}/shop.sql`
          files["partial"] = `${directory}/db_dump_1970-01-01T00-00-00-000Z.sql.partial`
          for (const name of ["other", "partial"]) yield* fs.writeFile(files[name]!, whole)
          const { removed } = yield* store.keep(1)
          assert.deepStrictEqual(
            removed.map(({ file }) => file),
            [files["three"], files["one"]]
          )
          assert.deepStrictEqual(yield* present(fs, files), [
            "bad and old",
            "bare",
            "five",
            "bad and new",
            "unreadable",
            "other",
            "partial"
          ])
        })
      )
  )

  it.effect("counts each database, and each way to narrow a dump, by itself", () =>
    inFolder((_, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const files = {
          ...(yield* daily(["old", "whole"])),
          ...(yield* daily(["other database"], provenanceOf("other"))),
          ...(yield* daily(["old partial", "partial"], { partialRows: ['"public"."User"'] })),
          ...(yield* daily(["old narrow", "narrow"], { excluded: { tables: ["public.log"], data: [] } })),
          ...(yield* daily(["one schema"], { onlySchemas: ["public"] }))
        }
        yield* store.keep(1)
        assert.deepStrictEqual(yield* present(fs, files), [
          "whole",
          "other database",
          "partial",
          "narrow",
          "one schema"
        ])
      })
    )
  )

  it.effect("keeps at least one", () =>
    inFolder((_, fs) =>
      Effect.gen(function* () {
        const store = yield* DumpStore
        const files = yield* daily(["only"])
        for (const count of [0, -1, 1.5, Number.NaN]) {
          assert.isTrue(Exit.isFailure(yield* Effect.exit(store.keep(count))), `${count}`)
        }
        assert.deepStrictEqual(yield* present(fs, files), ["only"])
      })
    )
  )
})
