/** pg_dump's archives: restored whole, or refused with the target as it was. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import * as Archives from "../../support/Archives.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { ofRun } from "../../support/Tier.ts"

/** Writes over a file as edited. */
const edit = (file: string, change: (bytes: Buffer) => void) => {
  const bytes = readFileSync(file)
  change(bytes)
  writeFileSync(file, bytes)
}

const flip = (file: string, part: number) =>
  edit(file, (bytes) => {
    const at = Math.floor(bytes.length * part)
    bytes[at] = bytes[at]! ^ 0x55
  })

const cut = (file: string, part: number) => truncateSync(file, Math.floor(statSync(file).size * part))

/** The largest data file of a directory dump, which holds rows. */
const dataFile = (folder: string): string => {
  const files = readdirSync(folder).filter((name) => /^\d+\.dat/.test(name))
  const sizes = files.map((name) => ({ file: join(folder, name), size: statSync(join(folder, name)).size }))
  return sizes.toSorted((a, b) => b.size - a.size)[0]!.file
}

const blobFile = (folder: string): string =>
  join(
    folder,
    readdirSync(folder).find((name) => name.startsWith("blob_"))!
  )

/** What can happen to an archive, and what is said of it. */
const damages: ReadonlyArray<
  readonly [title: string, archive: Archives.Name, damage: (file: string) => void, says: RegExp]
> = [
  ...[0.1, 0.5, 0.9, 0.999].flatMap((part) =>
    (["custom", "custom-0", "custom-inserts"] as const).map(
      (name) =>
        [`${name} cut at ${part}`, name, (file: string) => cut(file, part), /cannot read it to its end/] as const
    )
  ),
  ...[0.02, 0.1, 0.5, 0.9, 0.999].flatMap((part) =>
    (["tar", "tar-inserts"] as const).map(
      (name) => [`${name} cut at ${part}`, name, (file: string) => cut(file, part), /it is cut/] as const
    )
  ),
  ["custom with a byte changed in a packed block", "custom", (file) => flip(file, 0.7), /cannot read it to its end/],
  [
    "directory with a byte changed in a packed file",
    "directory",
    (file) => flip(dataFile(file), 0.6),
    /compressed data/
  ],
  ["directory with a packed file cut", "directory", (file) => cut(dataFile(file), 0.9), /ends inside its compressed/],
  ["directory with a large object cut", "directory", (file) => cut(blobFile(file), 0.7), /ends inside its compressed/],
  ["directory with an empty file", "directory-0", (file) => truncateSync(dataFile(file), 0), /is empty/],
  ["directory with an empty packed file", "directory", (file) => truncateSync(dataFile(file), 0), /is empty/],
  ["directory with a file cut", "directory-0", (file) => cut(dataFile(file), 0.9), /is cut/],
  ["directory of INSERTs with a file cut behind a row", "directory-inserts", cutInserts, /is cut/],
  ["directory without a file", "directory", (file) => rmSync(dataFile(file)), /\d+\.dat is missing/],
  ["directory without a large object", "directory", (file) => rmSync(blobFile(file)), /blob_\d+\.dat is missing/],
  ["directory without its list of large objects", "directory", (file) => rmSync(join(file, "blobs.toc")), /blobs/],
  ["directory with half a list of them", "directory", (file) => cut(join(file, "blobs.toc"), 0.4), /blobs\.toc is dam/],
  [
    "directory with an empty list",
    "directory",
    (file) => truncateSync(join(file, "blobs.toc"), 0),
    /large objects is m/
  ],
  [
    "directory with half a toc.dat",
    "directory",
    (file) => cut(join(file, "toc.dat"), 0.5),
    /cannot read it to its end/
  ],
  ["tar with a damaged header", "tar", (file) => edit(file, (bytes) => bytes.fill("x", 130, 133)), /header at offset 0/]
]

/** Unpacked, so that only its end tells that it is not all. */
function cutInserts(folder: string): void {
  const packed = dataFile(folder)
  const rows = 'INSERT INTO public."X" VALUES (1);\n'
  rmSync(packed)
  writeFileSync(packed.replace(/\.gz$/, ""), rows)
}

NativePgDump.suite("archives of pg_dump", Archives.major, () => {
  layer(Archives.Archives.layer, { excludeTestServices: true })((it) => {
    it.effect.each(ofRun(Archives.names, ["custom", "directory"]))("are restored: %s", (name) =>
      Effect.gen(function* () {
        const { file, source } = yield* Archives.Archives
        const target = yield* Restores.twin(source)
        const expected = yield* snapshot(target.admin)
        yield* Clusters.query(target.url, `DELETE FROM "DayEvent"; DROP TABLE "Cursor"`)
        const report = yield* Restores.restore(target.url, file(name), { clean: true })
        assert.strictEqual(report.against, "structure")
        assert.isTrue(report.unproven.some((what) => what.includes("no manifest")))
        assert.strictEqual(report.unproven.length, name.endsWith("inserts") ? 2 : 1)
        assert.strictEqual(yield* snapshot(target.admin), expected)
      })
    )

    it.effect.each(ofRun([...new Set(damages.map(([, name]) => name))], ["custom", "directory"]))(
      "are refused when damaged: %s",
      (archive) =>
        Effect.gen(function* () {
          const { file, source } = yield* Archives.Archives
          const all = Effect.forEach(
            damages.filter(([, name]) => name === archive),
            Effect.fnUntraced(function* ([title, name, damage, says]) {
              const copy = join(yield* Restores.folder, "copy")
              cpSync(file(name), copy, { recursive: true })
              damage(copy)
              const error = yield* Effect.flip(Restores.restore(source.url, copy, { clean: true }))
              assert.deepInclude(error, { _tag: "DumpDamaged", state: "untouched" }, title)
              assert.match(error.message, says, title)
            })
          )
          yield* Restores.unchanged(source.admin, all)
        })
    )

    it.effect("are found by their content, not by their name, and a folder is one only with a toc.dat", () =>
      Effect.gen(function* () {
        const { file } = yield* Archives.Archives
        const folder = yield* Restores.folder
        cpSync(file("custom"), join(folder, "dump.sql"))
        mkdirSync(join(folder, "empty"))
        yield* Effect.gen(function* () {
          const store = yield* DumpStore
          assert.strictEqual((yield* store.find("dump.sql")).form.format, "custom")
          const directory = yield* store.find(file("directory"))
          assert.strictEqual(directory.form.format, "pg_dump directory")
          const sizes = readdirSync(file("directory")).map((name) => statSync(join(file("directory"), name)).size)
          assert.strictEqual(
            directory.size,
            sizes.reduce((sum, size) => sum + size, 0)
          )
          assert.include((yield* Effect.flip(store.find("empty"))).message, "is a folder, not a dump")
        }).pipe(Effect.provide(Restores.dumpLayer((yield* Archives.Archives).source.url, folder)))
      })
    )
  })
})
