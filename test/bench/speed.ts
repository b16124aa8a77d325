/**
 * pgark against those who do the same work: databases of four shapes are dumped, restored and cloned by each in turn, on
 * one server, into a fresh database after a checkpoint, with the same number of jobs. What a restore or a clone has made
 * is held against its source, all of the catalogue and every row; a run that is not equal ends the benchmark.
 *
 *     npm run bench [-- --gigabytes 1.5 --shape skewed --rounds 3 --jobs 2 --group restore --only "psql -1" --profile]
 *
 * `--shape`, `--group` and `--only` may be given several times; all shapes, and all groups but `replace`, unless told.
 * `--profile` tells what the server's processes waited for. Needs Linux and bash; peers (psql, pg_dump, pg_restore of
 * major 15 or later, pgcopydb) are looked for on PATH. Writes `test/bench/results/speed-SHAPE.json` and, from all of
 * these, `test/bench/RESULTS.md`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { snapshot } from "../support/Snapshot.ts"
import { main, prepare, report, uri } from "./Bench.ts"
import { type Contender, contenders, type Group, groups, isInstalled, type Place } from "./Contenders.ts"
import { measure, type Run } from "./Measure.ts"
import { type Figures, table, writeResults } from "./Results.ts"
import { fill, type Shape, shapes } from "./Shapes.ts"
import { sample, type Waits } from "./Waits.ts"

const { values: flags } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "1.5" },
    rounds: { type: "string", default: "3" },
    jobs: { type: "string", default: "2" },
    shape: { type: "string", multiple: true, default: [...shapes] },
    group: { type: "string", multiple: true, default: ["dump", "restore", "clone"] },
    only: { type: "string", multiple: true, default: [] },
    profile: { type: "boolean", default: false }
  }
})

/** The values of a flag that are among those there are; any other is a mistake. */
const chosen = <A extends string>(flag: string, given: ReadonlyArray<string>, known: ReadonlyArray<A>): Array<A> =>
  given.map((value) => {
    const found = known.find((one) => one === value)
    if (found === undefined) throw new Error(`--${flag} is one of ${known.join(", ")}, not ${value}`)
    return found
  })

const wanted = {
  gigabytes: Number(flags.gigabytes),
  rounds: Number(flags.rounds),
  jobs: Number(flags.jobs),
  shapes: chosen<Shape>("shape", flags.shape, shapes),
  groups: chosen<Group>("group", flags.group, groups),
  names: chosen(
    "only",
    flags.only,
    contenders.map(({ name }) => name)
  )
}

const missing = (contender: Contender): ReadonlyArray<string> => contender.needs.filter((name) => !isInstalled(name))

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** Who takes part, in the order of the list: whatever is asked for by name, else by group. */
const taking = contenders.filter(({ group, name }) =>
  wanted.names.length === 0 ? wanted.groups.includes(group) : wanted.names.includes(name)
)

/** What the programs call themselves. */
const versions = (): Record<string, string> =>
  Object.fromEntries(
    ["psql", "pg_dump", "pg_restore", "pgcopydb"].filter(isInstalled).map((program) => {
      const said = execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      return [program, said.trim().split("\n")[0] ?? ""]
    })
  )

/** One after the other, the first of the last round being the last now: none always follows the same one. */
const rotated = <A>(all: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const at = all.length === 0 ? 0 : by % all.length
  return [...all.slice(at), ...all.slice(0, at)]
}

const bench = Effect.fnUntraced(function* (shape: Shape) {
  say(`${shape}: filling`)
  const { admin, databaseBytes, folder, server, source } = yield* prepare(fill(shape, wanted.gigabytes))
  const target = DatabaseUrl.withDatabase(server.superuser, "target")
  const place: Place = { source, target, folder, jobs: wanted.jobs }
  const truth = yield* snapshot(source)
  for (const name of ["plain", "directory", "pg_dump", "unpacked", "pgcopydb"]) mkdirSync(join(folder, name))
  yield* measure(
    {
      command: process.execPath,
      args: [main, "dump", "--dir", join(folder, "plain")],
      env: { DATABASE_URL: uri(source) }
    },
    server.pid
  )

  const runs = new Map<string, Array<Run>>()
  const waits = new Map<string, Waits>()
  const once = Effect.fnUntraced(function* (contender: Contender) {
    if (contender.writes !== undefined) {
      rmSync(join(folder, contender.writes), { recursive: true, force: true })
      mkdirSync(join(folder, contender.writes))
    }
    const fresh = contender.group === "restore" || contender.group === "clone"
    if (fresh) {
      yield* admin.execute(`DROP DATABASE IF EXISTS ${quote(target.database)}`)
      yield* admin.execute(`CREATE DATABASE ${quote(target.database)}`)
    }
    yield* admin.execute("CHECKPOINT")
    const running = measure(contender.program(place), server.pid)
    const { result: run, waits: waited } = flags.profile ? yield* sample(running, admin) : { result: yield* running }
    if (waited !== undefined) waits.set(contender.name, waited)
    say(`  ${contender.name}: ${run.seconds.toFixed(1)} s`)
    if (contender.group !== "dump" && (yield* snapshot(target)) !== truth) {
      return yield* Effect.die(new Error(`What ${contender.name} made is not equal to its source.`))
    }
    runs.set(contender.name, [...(runs.get(contender.name) ?? []), run])
  })
  for (let round = 0; round < wanted.rounds; round++) {
    say(`${shape}: round ${round + 1} of ${wanted.rounds}`)
    for (const group of groups) {
      const here = taking.filter((contender) => contender.group === group && missing(contender).length === 0)
      // What replaces goes on from what the one before has left.
      for (const contender of group === "replace" ? here : rotated(here, round)) yield* once(contender)
    }
  }
  const figures: Figures = {
    shape,
    gigabytes: wanted.gigabytes,
    databaseBytes,
    rounds: wanted.rounds,
    jobs: wanted.jobs,
    machine: { cores: cpus().length, memoryGigabytes: Math.round(totalmem() / 2 ** 30), node: process.version },
    server: server.version,
    versions: versions(),
    skipped: taking.flatMap((contender) =>
      missing(contender).length === 0 ? [] : [{ name: contender.name, missing: missing(contender) }]
    ),
    runs: Object.fromEntries(runs),
    ...(flags.profile ? { waits: Object.fromEntries(waits) } : {})
  }
  report(`speed-${shape}`, figures)
  process.stdout.write(`${table(figures)}\n`)
})

NodeRuntime.runMain(
  Effect.forEach(wanted.shapes, (shape) => Effect.scoped(bench(shape)), { discard: true }).pipe(
    Effect.andThen(Effect.sync(writeResults)),
    Effect.provide(NodeServices.layer)
  )
)
