/** Which pg_dump is taken for a server. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mostFitting } from "../../../src/postgres/ClientProgram.ts"
import type { PgDumpTool } from "../../../src/postgres/PgDump.ts"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import * as Restores from "../../support/Restores.ts"

const tools = (...majors: ReadonlyArray<number>): ReadonlyArray<PgDumpTool> =>
  majors.map((major, index) => ({ kind: "native", name: `${index}`, version: `${major}.1`, major }))

describe("of the programs of the machine", () => {
  it.each([
    { have: [15, 18, 16, 17], server: 16, takes: 16, because: "it is the lowest that can read it" },
    { have: [18, 13], server: 14, takes: 18, because: "the other is too old" },
    { have: [13, 15], server: 18, takes: 15, because: "all are too old" },
    { have: [], server: 18, takes: undefined, because: "there is none" }
  ])("$have for a server $server: $takes, because $because", ({ have, server, takes }) => {
    assert.strictEqual(mostFitting(tools(...have), server)?.major, takes)
  })

  it("the one on PATH goes before others of its major", () => {
    assert.strictEqual(mostFitting(tools(17, 16, 16), 15)?.name, "1")
  })
})

describe("auto", () => {
  /** A folder for PATH with a program that calls itself that version and dumps nothing. */
  const pathWith = Effect.fnUntraced(function* (version: string) {
    const folder = join(yield* Restores.folder, "bin")
    mkdirSync(folder)
    const program = join(folder, "pg_dump")
    writeFileSync(program, `#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) ${version}"\nexit 0\n`)
    chmodSync(program, 0o755)
    return folder
  })

  const plan = Effect.fnUntraced(function* (version: string, ...args: ReadonlyArray<string>) {
    const server = DatabaseUrl.withDatabase(yield* Clusters.superuser(18), "postgres")
    const PATH = yield* pathWith(version)
    const options = { cwd: yield* Restores.folder, env: { DATABASE_URL: Pgark.uri(server), PATH } }
    const { code, stdout, stderr } = yield* Pgark.run(["dump", "--dry-run", ...args], options)
    return { code, all: stdout + stderr }
  })

  it.live("takes the program on PATH where it is new enough, else pgark's own", () =>
    Effect.gen(function* () {
      const fresh = yield* plan("18.4")
      assert.match(fresh.all, /pg_dump 18\.4 \(pg_dump\) can read/)
      const old = yield* plan("17.9")
      assert.match(old.all, /pg_dump 18\.\d+ \(WebAssembly\) can read/)
      const own = yield* plan("18.4", "--pg-dump", "wasm")
      assert.match(own.all, /pg_dump 18\.\d+ \(WebAssembly\) can read/)
      const native = yield* plan("17.9", "--pg-dump", "native")
      assert.strictEqual(native.code, 2, native.all)
      assert.match(native.all, /newest pg_dump here is 1\d/)
    })
  )
})
