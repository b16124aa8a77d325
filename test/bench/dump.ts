/**
 * Dumps the same database with pg_dump alone, with pgark over that pg_dump, and with pgark over the pg_dump that comes
 * with it, in turn: seconds and peak memory of the client.
 *
 *     npm run bench:dump [-- gigabytes]
 *
 * Needs pg_dump on PATH, of major 15 or later. Writes `test/bench/results/dump.json`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { readdirSync, rmSync, statSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { main, type Measured, measure, median, peak, prepare, report, uri } from "./Bench.ts"

const rounds = 3

const run = Effect.gen(function* () {
  const { folder, rows, server, source } = yield* prepare(Number(process.argv[2] ?? 1))
  const env = { DATABASE_URL: uri(source) }
  const pgark = (kind: string) => measure(process.execPath, [main, "dump", "--pg-dump", kind, "--dir", folder], env)
  const programs = {
    pg_dump: () => measure("pg_dump", ["--file", join(folder, "alone.sql"), "--dbname", uri(source)], {}),
    native: () => pgark("native"),
    wasm: () => pgark("wasm")
  }
  const measured: Record<keyof typeof programs, Array<Measured>> = { pg_dump: [], native: [], wasm: [] }
  let bytes = 0
  for (let round = 0; round < rounds; round++) {
    for (const name of ["pg_dump", "native", "wasm"] as const) {
      measured[name].push(yield* programs[name]())
      for (const file of readdirSync(folder)) {
        bytes = Math.max(bytes, statSync(join(folder, file)).size)
        rmSync(join(folder, file))
      }
    }
  }
  report("dump", {
    node: process.version,
    server: server.version,
    cores: cpus().length,
    bytes,
    rows,
    ...measured,
    wasmToNative: median(measured.wasm) / median(measured.native),
    wasmToPgDump: median(measured.wasm) / median(measured.pg_dump),
    wasmPeakMegabytes: peak(measured.wasm)
  })
})

NodeRuntime.runMain(Effect.scoped(run).pipe(Effect.provide(NodeServices.layer)))
