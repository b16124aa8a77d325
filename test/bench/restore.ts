/**
 * Restores the same plain dump with psql and with pgark, in turn, on the same server: seconds and peak memory. Then over
 * what is there: without saving that, with saving it, and back by undo.
 *
 *     npm run bench [-- gigabytes]
 *
 * Needs psql on PATH, of major 15 or later. Writes `test/bench/results/restore.json`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { readdirSync, statSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { main, type Measured, measure, median, peak, prepare, report, uri } from "./Bench.ts"

const rounds = 3

const run = Effect.gen(function* () {
  const { admin, folder, rows, server, source } = yield* prepare(Number(process.argv[2] ?? 1))
  const target = DatabaseUrl.withDatabase(server.superuser, "target")
  const dumped = yield* measure(process.execPath, [main, "dump", "--dir", folder], { DATABASE_URL: uri(source) })
  const file = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(".sql"))!
  )
  const fresh = Effect.andThen(
    admin.execute(`DROP DATABASE IF EXISTS ${quote(target.database)}`),
    admin.execute(`CREATE DATABASE ${quote(target.database)}`)
  )
  const psql: Array<Measured> = []
  const pgark: Array<Measured> = []
  for (let round = 0; round < rounds; round++) {
    yield* fresh
    yield* admin.execute("CHECKPOINT")
    psql.push(yield* measure("psql", ["-X", "-1", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, uri(target)], {}))
    yield* fresh
    yield* admin.execute("CHECKPOINT")
    pgark.push(yield* measure(process.execPath, [main, "restore", file, "--yes"], { DATABASE_URL: uri(target) }))
  }
  const over = (...args: ReadonlyArray<string>) =>
    Effect.andThen(
      admin.execute("CHECKPOINT"),
      measure(process.execPath, [main, ...args, "--dir", folder, "--yes"], { DATABASE_URL: uri(target) })
    )
  const replacing = {
    notSaved: yield* over("restore", file, "--clean", "--no-backup-first"),
    saved: yield* over("restore", file, "--clean"),
    undo: yield* over("undo", "--no-backup-first")
  }
  report("restore", {
    node: process.version,
    server: server.version,
    cores: cpus().length,
    dump: { bytes: statSync(file).size, rows, seconds: dumped.seconds, peakMegabytes: dumped.peakMegabytes },
    psql,
    pgark,
    ratioOfMedians: median(pgark) / median(psql),
    replacing,
    ratioOfSaving: replacing.saved.seconds / replacing.notSaved.seconds,
    peakMegabytes: peak(pgark)
  })
})

NodeRuntime.runMain(Effect.scoped(run).pipe(Effect.provide(NodeServices.layer)))
