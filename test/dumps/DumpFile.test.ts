import { existsSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as DumpFile from "../../src/dumps/DumpFile.ts"

describe.skipIf(!existsSync("/dev/full"))("a full disk", () => {
  it.live("is told in the system's own words", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const handle = yield* fs.open("/dev/full", { flag: "r+" })
      const write = Effect.mapError(handle.writeAll(Buffer.from("x")), DumpFile.unwritable("a.sql"))
      const error = yield* Effect.flip(write)
      assert.strictEqual(error._tag, "DiskFull")
      assert.match(error.detail ?? "", /^ENOSPC: no space left on device/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
