/** Nothing half-written: what a folder holds when a dump could not be written into it. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as DumpName from "../../src/dumps/DumpName.ts"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import { provenanceOf } from "../support/Manifests.ts"

const whole = readFileSync(new URL("fixtures/shop.sql", import.meta.url))

/** Mounts a small file system; undefined where this machine does not let us. */
const mount = (options: string): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "pgark-tmpfs-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" })
    return folder
  } catch {
    rmdirSync(folder)
    return undefined
  }
}

const unmount = (folder: string): void => {
  execFileSync("umount", [folder])
  rmdirSync(folder)
}

const mounts = ((): boolean => {
  const folder = mount("size=64k")
  if (folder !== undefined) unmount(folder)
  return folder !== undefined
})()

/** A file system with these options, for as long as the body runs. */
const onMounted = <A, E>(options: string, body: (folder: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mount(options)!),
    body,
    (folder) => Effect.sync(() => unmount(folder))
  )

const storeIn = (directory: string) => Layer.provide(DumpStore.layer(directory), NodeServices.layer)

/** Writes `bytes` more than a dump that is as small as can be. */
const write = (directory: string, bytes: number, method: "none" | "gzip" | "zstd") =>
  Effect.flatMap(DumpStore, (store) =>
    store.write({ ...provenanceOf("shop"), compression: { method } }, (append) =>
      Effect.andThen(append(Buffer.from(`-- ${"x".repeat(bytes)}\n`)), append(whole))
    )
  ).pipe(Effect.provide(storeIn(directory)))

const proves = (directory: string) =>
  Effect.flatMap(DumpStore, (store) => Effect.flatMap(store.newest(), (dump) => store.prove(dump))).pipe(
    Effect.provide(storeIn(directory))
  )

describe.skipIf(!mounts)(`a disk that is full${mounts ? "" : " (skipped: no right to mount one)"}`, () => {
  it.live("leaves nothing, or a dump that proves, wherever it is full", () =>
    onMounted(
      "size=64k",
      Effect.fnUntraced(function* (disk) {
        const outcomes = new Set<string>()
        const folder = join(disk, "dumps")
        // From what fits easily to what does not by far, a page at a time: the dump, its manifest, its record.
        for (let pages = 0; pages < 16; pages++) {
          const written = yield* Effect.result(write(folder, pages * 4096, "none"))
          const left = readdirSync(folder).filter((name) => !name.startsWith(".pgark-proofs.json"))
          if (Result.isSuccess(written)) {
            const { file } = written.success
            assert.sameMembers(
              left.map((name) => join(folder, name)),
              [file, DumpName.manifestOf(file)]
            )
            assert.strictEqual((yield* proves(folder)).against, "manifest")
            outcomes.add("proven")
          } else {
            assert.strictEqual(written.failure._tag, "DiskFull")
            assert.deepStrictEqual(left, [])
            outcomes.add("full")
          }
          assert.notInclude(readdirSync(folder), ".pgark-proofs.json.partial")
          rmSync(folder, { recursive: true })
          mkdirSync(folder)
        }
        assert.sameMembers([...outcomes], ["proven", "full"])
      })
    )
  )

  for (const method of ["gzip", "zstd"] as const) {
    it.live(`leaves nothing of what is packed: ${method}`, () =>
      onMounted(
        "size=4k,nr_inodes=20",
        Effect.fnUntraced(function* (disk) {
          const error = yield* Effect.flip(write(disk, 0, method))
          assert.strictEqual(error._tag, "DiskFull")
          assert.deepStrictEqual(readdirSync(disk), [])
        })
      )
    )
  }

  it.live("and one that nobody may write to is told", () =>
    onMounted(
      "ro",
      Effect.fnUntraced(function* (disk) {
        for (const folder of [disk, join(disk, "dumps")]) {
          const error = yield* Effect.flip(write(folder, 0, "none"))
          assert.strictEqual(error._tag, "FolderUnusable")
          assert.include(error.message, "the file system is read-only")
        }
      })
    )
  )
})
