/**
 * Dumps the same database with pg_dump alone, with pgark over that pg_dump, and with pgark over the pg_dump that comes
 * with it, plain and packed, in turn; and proves what pgark has just dumped. Seconds and peak memory of the client.
 *
 *     npm run bench:dump [-- gigabytes [rounds]]
 *
 * Needs pg_dump on PATH, of major 15 or later. Writes `test/bench/results/dump.json`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { readdirSync, rmSync, statSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { main, prepare, report, uri } from "./Bench.ts"
import { measure, median, type Run } from "./Measure.ts"
import { fill } from "./Shapes.ts"

/** What is measured of one program; `proof` of those of pgark. */
interface Measures {
  readonly dump: Array<Run>
  readonly proof: Array<Run>
  /** Of the dump as stored. */
  bytes: number
}

const summary = ({ bytes, dump, proof }: Measures) => ({
  bytes,
  dump,
  ...(proof.length === 0 ? {} : { proof, proofToDump: median(proof).seconds / median(dump).seconds })
})

const run = Effect.gen(function* () {
  const [gigabytes = 1, rounds = 3] = process.argv.slice(2).map(Number)
  const { databaseBytes, folder, server, source } = yield* prepare(fill("skewed", gigabytes))
  const env = { DATABASE_URL: uri(source) }
  const pgark = (...flags: ReadonlyArray<string>) =>
    measure({ command: process.execPath, args: [main, "dump", "--dir", folder, ...flags], env }, server.pid)
  const programs = {
    pg_dump: () =>
      measure({ command: "pg_dump", args: ["--file", join(folder, "alone.sql"), "--dbname", uri(source)] }, server.pid),
    native: () => pgark("--pg-dump", "native"),
    wasm: () => pgark("--pg-dump", "wasm"),
    gzip: () => pgark("--pg-dump", "wasm", "--compress", "gzip"),
    zstd: () => pgark("--pg-dump", "wasm", "--compress", "zstd")
  }
  const none = (): Measures => ({ dump: [], proof: [], bytes: 0 })
  const measured = { pg_dump: none(), native: none(), wasm: none(), gzip: none(), zstd: none() }
  for (let round = 0; round < rounds; round++) {
    for (const name of ["pg_dump", "native", "wasm", "gzip", "zstd"] as const) {
      const measures = measured[name]
      measures.dump.push(yield* programs[name]())
      const files = readdirSync(folder).map((file) => join(folder, file))
      const dump = files.find((file) => /\.sql(\.\w+)?$/.test(file))!
      measures.bytes = statSync(dump).size
      if (name !== "pg_dump")
        measures.proof.push(
          yield* measure({ command: process.execPath, args: [main, "inspect", "--quiet", dump] }, server.pid)
        )
      for (const file of files) rmSync(file)
    }
  }
  const { native, pg_dump, wasm } = measured
  report("dump", {
    node: process.version,
    server: server.version,
    cores: cpus().length,
    databaseBytes,
    ...Object.fromEntries(Object.entries(measured).map(([name, measures]) => [name, summary(measures)])),
    wasmToNative: median(wasm.dump).seconds / median(native.dump).seconds,
    wasmToPgDump: median(wasm.dump).seconds / median(pg_dump.dump).seconds,
    wasmPeakMegabytes: median(wasm.dump).peakMegabytes
  })
})

NodeRuntime.runMain(Effect.scoped(run).pipe(Effect.provide(NodeServices.layer)))
