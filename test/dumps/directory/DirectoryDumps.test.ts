/** Directory dumps: written whole or not at all, and never taken for whole when they are not. */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as DumpName from "../../../src/dumps/DumpName.ts"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import type { DirectoryFiles } from "../../../src/dumps/Manifest.ts"
import * as Dumps from "../../support/DirectoryDumps.ts"
import { provenanceOf, resealed } from "../../support/Manifests.ts"
import * as Restores from "../../support/Restores.ts"

/** Runs over a folder of its own. */
const inFolder = <A, E>(body: (directory: string) => Effect.Effect<A, E, DumpStore>) =>
  Effect.scoped(
    Effect.flatMap(Restores.folder, (folder) =>
      body(folder).pipe(Effect.provide(Layer.provide(DumpStore.layer(folder), NodeServices.layer)))
    )
  )

const store = <A, E, R>(use: (store: DumpStore["Service"]) => Effect.Effect<A, E, R>) => Effect.flatMap(DumpStore, use)

const visible = (directory: string) => fs.readdirSync(directory).filter((name) => !name.startsWith("."))

const methods = ["none", "gzip", "zstd"] as const

describe("a directory dump", () => {
  for (const method of methods) {
    it.live(`is what was put into it, and nobody else's to read: ${method}`, () =>
      inFolder((directory) =>
        Effect.gen(function* () {
          const dump = yield* Dumps.written({ method })
          assert.deepStrictEqual(visible(directory), [DumpName.folder(dump.at)])
          assert.deepStrictEqual(yield* store(({ list }) => list), [dump])
          assert.deepStrictEqual(yield* store(({ newest }) => newest("shop")), dump)
          for (const path of [dump.file, join(dump.file, "data")])
            assert.strictEqual(fs.statSync(path).mode & 0o777, 0o700)
          for (const { file } of [...dump.manifest.files!.sql, ...dump.manifest.files!.data]) {
            assert.strictEqual(fs.statSync(join(dump.file, file)).mode & 0o777, 0o600)
          }
          const { against, contents } = yield* store(({ prove }) => prove(dump))
          assert.strictEqual(against, "manifest")
          assert.deepStrictEqual(contents.tables, dump.manifest.tables)
          assert.deepStrictEqual(
            contents.tables.map(({ name, rows }) => [name, rows]),
            [
              ["Order; Items", 2],
              ["User", 7],
              ["_prisma_migrations", 4],
              ["empty_one", 5]
            ]
          )
          assert.deepStrictEqual(contents.prismaMigrations, {
            applied: 1,
            failed: ["002_bad"],
            unfinished: ["003_running"]
          })
          assert.strictEqual(contents.bridge.text, "unread")
          assert.strictEqual(contents.largeObjects.count, 1)
          // Each file is read as COPY gave it, and the SQL one part behind the other.
          const open = yield* store(({ openDirectory }) => openDirectory(dump))
          for (const [index, file] of open.data.entries()) {
            const { pull } = yield* open.rows(file)
            const first = yield* pull
            assert.deepStrictEqual(Buffer.from(Option.getOrThrow(first)), Dumps.whole[index]!.data)
            assert.isTrue(Option.isNone(yield* pull))
          }
          const text = yield* store(({ read }) => read(dump.file))
          const hash = createHash("sha256")
          for (let piece = yield* text.pull; Option.isSome(piece); piece = yield* text.pull) hash.update(piece.value)
          assert.strictEqual(hash.digest("hex"), contents.sql.sha256)
        }).pipe(Effect.scoped)
      )
    )
  }

  it.live("is known again until anything in it changes", () =>
    inFolder(() =>
      Effect.gen(function* () {
        const dump = yield* Dumps.written()
        const [listed] = yield* store(({ judged }) => judged())
        assert.deepStrictEqual(listed!.readAt, dump.manifest.provenAt)
        assert.strictEqual(listed!.files, 5)
        // As long as before: only its times tell.
        const file = join(dump.file, dump.manifest.files!.data[1]!.file)
        const bytes = fs.readFileSync(file)
        bytes[bytes.length - 1]! ^= 1
        fs.writeFileSync(file, bytes)
        const [damaged] = yield* store(({ judged }) => judged())
        assert.isFalse(damaged!.verdict.proven)
      })
    )
  )

  it.live("leaves nothing where it fails or is interrupted, and never takes another's name", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(
          store(({ writeDirectory }) =>
            writeDirectory(provenanceOf("shop"), (writer) =>
              Effect.andThen(Dumps.fill(writer), Effect.fail("the source went away"))
            )
          )
        )
        assert.strictEqual(failed, "the source went away")
        // Rows that are cut, as a file of any size.
        const rows = Dumps.integers(
          "public",
          "empty_one",
          Array.from({ length: 50_000 }, (_, i) => i)
        )
        for (const length of [30, rows.data.length - 2]) {
          const error = yield* Effect.flip(Dumps.written(undefined, [{ ...rows, data: rows.data.subarray(0, length) }]))
          assert.strictEqual(error._tag, "DumpDamaged")
        }
        const begun = yield* Deferred.make<string>()
        const writing = yield* store(({ writeDirectory }) =>
          writeDirectory(provenanceOf("shop"), (writer) =>
            writer.data(rows.table, (append) =>
              append(rows.data).pipe(Effect.andThen(Deferred.succeed(begun, writer.file)), Effect.andThen(Effect.never))
            )
          )
        ).pipe(Effect.forkChild({ startImmediately: true }))
        const file = yield* Deferred.await(begun)
        const [unfinished] = yield* store(({ leftovers }) => leftovers)
        assert.strictEqual(unfinished?.file, `${file}.partial`)
        assert.isAbove(unfinished!.size, 10_000)
        assert.deepStrictEqual(yield* store(({ list }) => list), [])
        yield* Fiber.interrupt(writing)
        assert.deepStrictEqual(visible(directory), [])
      })
    )
  )

  it.effect("shares no moment with a file", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        // The clock stands still.
        const files = [
          yield* Dumps.written(),
          yield* store(({ write }) => write(provenanceOf("shop"), (append) => append(Buffer.from(Dumps.shop)))),
          yield* Dumps.written({ method: "none" })
        ]
        assert.deepStrictEqual(
          files.map(({ at }) => at.epochMilliseconds),
          [0, 1, 2]
        )
        assert.strictEqual((yield* store(({ keep }) => keep(1))).removed.length, 2)
        assert.deepStrictEqual(visible(directory), [DumpName.folder(files[2]!.at)])
        yield* store(({ remove }) => remove(files[2]!.file))
        assert.deepStrictEqual(visible(directory), [])
      })
    )
  )

  it.live("takes rows again that could not be written", () =>
    inFolder(() =>
      Effect.gen(function* () {
        const dump = yield* store(({ writeDirectory }) =>
          writeDirectory(provenanceOf("shop"), (writer) =>
            Effect.gen(function* () {
              const { data, table } = Dumps.whole[1]!
              yield* Effect.flip(writer.data(table, (append) => Effect.andThen(append(data), Effect.fail("locked"))))
              yield* Dumps.fill(writer)
            })
          )
        )
        assert.strictEqual(dump.manifest.files!.data[0]!.file, "data/0002.copy.zst")
        const proof = yield* store(({ prove }) => prove(dump))
        assert.strictEqual(proof.against, "manifest")
        assert.deepStrictEqual(yield* store(({ prove }) => prove(dump, { storedRows: true })), proof)
      })
    )
  )
})

/** Ways to harm a folder, and what is said of it. */
type Damage = readonly [title: string, harm: (folder: string, files: DirectoryFiles) => void, says: RegExp]

const edited = (edit: (text: string) => string) => (folder: string) => {
  const path = join(folder, "manifest.json")
  const text = fs.readFileSync(path, "utf8")
  const changed = edit(text)
  assert.notStrictEqual(changed, text)
  fs.writeFileSync(path, changed)
}

/** As somebody writes it who knows the digest. */
const forged = (edit: (text: string) => string) => edited((text) => resealed(edit(text)))

const renamed = (to: string): Damage => [
  `a file that is named ${to}`,
  (folder) => {
    fs.writeFileSync(join(folder, "..", "x"), "")
    forged((text) => text.replace("data/0001.copy.zst", to))(folder)
  },
  /names a file that no dump has there/
]

/** What only tells who unpacks the rows, or counts them as they go into a table. */
const miscounts: ReadonlyArray<Damage> = [
  [
    "other rows in the manifest",
    forged((text) => text.replace('"rows": 7', '"rows": 6')),
    /has 7 rows and its manifest says 6|do not hold the rows/
  ],
  [
    "other bytes in the manifest",
    forged((text) => text.replace('"bytes": 57', '"bytes": 56')),
    /unpacked, it has more bytes/
  ]
]

const damages: ReadonlyArray<Damage> = [
  ["no manifest", (folder) => fs.rmSync(join(folder, "manifest.json")), /its manifest\.json is missing/],
  ["a changed manifest", edited((text) => text.replace('"rows": 7', '"rows": 6')), /was changed after it was written/],
  ["half a manifest", edited((text) => text.slice(0, text.length / 2)), /is no JSON/],
  [
    "another packing",
    forged((text) => text.replace('"compression": "zstd"', '"compression": "gzip"')),
    /names a file that no dump has there/
  ],
  [
    "no list of files",
    forged((text) => JSON.stringify({ ...JSON.parse(text), files: undefined })),
    /does not say which files/
  ],
  [
    "a list without SQL",
    forged((text) => JSON.stringify({ ...JSON.parse(text), files: { sql: [], data: [] } })),
    /does not name all of its SQL/
  ],
  ...["../x", "/etc/passwd", "data/../../x", "data/0001.bin.zst", "./data/0001.copy.zst", "data/1.copy.zst"].map(
    renamed
  ),
  [
    "a file twice",
    forged((text) => text.replace("data/0002.copy.zst", "data/0001.copy.zst")),
    /names a file that no dump has there/
  ],
  [
    "another file",
    (folder) => fs.writeFileSync(join(folder, "data", "0009.bin.zst"), ""),
    /holds data\/0009\.bin\.zst, which/
  ],
  ["another script", (folder) => fs.writeFileSync(join(folder, "more.sql"), ""), /holds more\.sql, which/],
  ["no data", (folder) => fs.rmSync(join(folder, "data"), { recursive: true }), /folder data is missing/],
  [
    "a folder that is elsewhere",
    (folder) => {
      fs.renameSync(join(folder, "data"), join(folder, "..", "elsewhere"))
      fs.symlinkSync("../elsewhere", join(folder, "data"))
    },
    /folder data is missing/
  ],
  [
    "a file that is elsewhere",
    (folder) => {
      fs.renameSync(join(folder, "post-data.sql"), join(folder, "..", "post"))
      fs.symlinkSync("../post", join(folder, "post-data.sql"))
    },
    /its post-data\.sql is no file/
  ],
  [
    "a manifest that is a link to nothing that ends",
    (folder) => {
      fs.rmSync(join(folder, "manifest.json"))
      fs.symlinkSync("/dev/zero", join(folder, "manifest.json"))
    },
    /its manifest\.json is no file/
  ],
  [
    "two files of a table that have changed places",
    (folder, { data }) => {
      const [one, other] = data.slice(-2).map(({ file }) => join(folder, file)) as [string, string]
      fs.renameSync(one, `${one}.x`)
      fs.renameSync(other, one)
      fs.renameSync(`${one}.x`, other)
    },
    /bytes and its manifest says/
  ]
]

/** Every file cut, lengthened, changed, emptied or taken away. */
const perFile = (file: string): ReadonlyArray<Damage> => [
  [`${file} missing`, (folder) => fs.rmSync(join(folder, file)), /is missing/],
  [`${file} empty`, (folder) => fs.truncateSync(join(folder, file)), /has 0 bytes/],
  [
    `${file} cut`,
    (folder) => fs.truncateSync(join(folder, file), fs.statSync(join(folder, file)).size - 1),
    /bytes and its manifest says/
  ],
  [`${file} longer`, (folder) => fs.appendFileSync(join(folder, file), "\n"), /bytes and its manifest says/],
  [
    `${file} changed`,
    (folder) => {
      const bytes = fs.readFileSync(join(folder, file))
      const at = Math.floor(bytes.length / 2)
      bytes[at] = bytes[at]! ^ 0x20
      fs.writeFileSync(join(folder, file), bytes)
    },
    /was changed: the SHA-256 differs|line \d+|ends inside|compressed data is damaged/
  ]
]

describe("a damaged directory dump", () => {
  it.live("is never taken for whole", () =>
    inFolder((directory) =>
      Effect.gen(function* () {
        // One of its files is larger than what is read at once.
        const large = Dumps.integers(
          "public",
          "empty_one",
          Array.from({ length: 60_000 }, (_, i) => Math.imul(i, 2_654_435_761) | 0)
        )
        const { file, manifest } = yield* Dumps.written(undefined, [
          ...Dumps.whole.slice(0, 3),
          Dumps.integers("public", "empty_one", [1, 2, null, -4]),
          Dumps.integers("public", "empty_one", [5]),
          large
        ])
        const files = manifest.files!
        const all = [...files.sql, ...files.data].flatMap(({ file }) => perFile(file))
        for (const damage of [...miscounts, ...damages, ...all]) {
          const [title, harm, says] = damage
          const copy = join(directory, "copies", DumpName.folder(manifest.createdAt))
          fs.cpSync(file, copy, { recursive: true })
          harm(copy, files)
          for (const storedRows of miscounts.includes(damage) ? [false] : [false, true]) {
            const error = yield* Effect.flip(
              store(({ find, prove }) => Effect.flatMap(find(copy), (dump) => prove(dump, { storedRows })))
            ).pipe(
              Effect.timeout("20 seconds"),
              Effect.catchTag("TimeoutError", () => Effect.die(new Error(`${title}: hangs`)))
            )
            assert.strictEqual(error._tag, "DumpDamaged", title)
            assert.match(error.message, says, title)
          }
          fs.rmSync(join(directory, "copies"), { recursive: true })
        }
      })
    )
  )
})
