/**
 * What telling and drawing progress costs. First by itself: the processor time of a tenth of a second's telling and
 * drawing, with eight tables under way at once. Then in whole runs, whose processor seconds say more of the machine's
 * other work than of 2 %: a plain dump and a restore, drawn as a block on a terminal, as lines, and not at all
 * (`--quiet`), in turn. Another build of the program may run beside it: one that tells nothing.
 *
 *     npm run bench:progress [-- gigabytes [path of another main.js]]
 *
 * Needs Linux, and `script` of util-linux for the terminal. Writes `test/bench/results/progress.json`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { isDeepStrictEqual } from "node:util"
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import * as Block from "../../src/cli/progress/Block.ts"
import * as Board from "../../src/cli/progress/Board.ts"
import * as Screen from "../../src/cli/progress/Screen.ts"
import { type Progress, progress, type RunEvent, RunEvents } from "../../src/pipeline/RunEvent.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { main, prepare, report, uri } from "./Bench.ts"
import { fill } from "./Shapes.ts"

const rounds = 3

/** Clock ticks a second in `/proc`, the same on every Linux that Node runs on. */
const ticks = 100

type Way = "terminal" | "lines" | "quiet" | "other"

interface Used {
  /** User and system time of the client process, threads included. */
  readonly processorSeconds: number
  readonly seconds: number
}

/** The process that a `script` has started: the program itself, which took its shell's place. */
const childOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim())

/** Runs a command in one of the ways; fails unless it ends well. */
const run = (way: Way, program: string, args: ReadonlyArray<string>, url: string): Effect.Effect<Used> =>
  Effect.callback((resume) => {
    const begun = performance.now()
    const all = [program, ...args, ...(way === "quiet" || way === "other" ? ["--quiet"] : [])]
    const env = { ...process.env, DATABASE_URL: url, TERM: "xterm", SHELL: "/bin/sh" }
    const inside = `stty cols 120 rows 40; exec '${process.execPath}' ${all.map((word) => `'${word}'`).join(" ")}`
    const child =
      way === "terminal"
        ? spawn("script", ["-qfec", inside, "/dev/null"], { env, stdio: ["pipe", "ignore", "inherit"] })
        : spawn(process.execPath, all, { env, stdio: ["ignore", "ignore", "ignore"] })
    let used = 0
    const timer = setInterval(() => {
      try {
        const pid = way === "terminal" ? childOf(child.pid!) : child.pid!
        const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
        used = (Number(fields[11]) + Number(fields[12])) / ticks
      } catch {
        // It has just ended.
      }
    }, 10)
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("close", (code) => {
      clearInterval(timer)
      if (code !== 0) return resume(Effect.die(new Error(`pgark ${args.join(" ")} (${way}) ended with ${code}.`)))
      resume(Effect.succeed({ processorSeconds: used, seconds: (performance.now() - begun) / 1000 }))
    })
  })

const middle = (all: ReadonlyArray<number>): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!

const median = (all: ReadonlyArray<Used>) => middle(all.map(({ processorSeconds }) => processorSeconds))

/** Milliseconds from one telling, and one drawing, to the next. */
const every = 100

/** Eight tables that are copied at once, and a count that is another at every look. */
const lookAt = (tick: number): Progress => ({
  what: "applied",
  bytes: { done: tick * 1_000_000, total: 1e10 },
  rows: { done: tick * 3000, total: 3e7 },
  tables: { done: 12, total: 80 },
  statements: { done: 400, total: 900 },
  parts: Array.from({ length: 8 }, (_, n) => ({
    name: `public."Table ${n}"`,
    since: 0,
    rows: { done: tick * 300 + n, total: 3e6 },
    bytes: { done: tick * 100_000, total: 1e9 }
  })),
  next: "90 indexes and 40 foreign keys"
})

/** Milliseconds of processor time that one telling and one drawing take; the writing itself is not in it. */
const tick = Effect.gen(function* () {
  let [board, now] = [Board.empty, 0]
  const terminal = { columns: 120, rows: 40, write: () => true }
  const screen = Screen.make(terminal, (size) => Block.lines(board, now, size))
  const listen = (event: RunEvent) => Effect.sync(() => void (board = Board.update(board, event, now)))
  let told: Progress | undefined
  const once = Effect.suspend(() => {
    now += every
    const next = lookAt(now)
    if (isDeepStrictEqual(next, told)) return Effect.void
    told = next
    return Effect.andThen(progress(next), Effect.sync(screen.draw))
  })
  const times = (count: number) =>
    Effect.forEach(Array.from({ length: count }), () => once, { discard: true }).pipe(
      Effect.provideService(RunEvents, listen)
    )
  // As cold as in the first minute of a run.
  const count = 600
  const before = process.cpuUsage()
  yield* times(count)
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1000 / count
})

const bench = Effect.gen(function* () {
  const gigabytes = Number(process.argv[2] ?? 1)
  const other = process.argv[3]
  const ways: ReadonlyArray<Way> = ["terminal", "lines", "quiet", ...(other === undefined ? [] : (["other"] as const))]
  const milliseconds = yield* tick
  const { admin, folder, server, source } = yield* prepare(fill("skewed", gigabytes))
  const target = DatabaseUrl.withDatabase(server.superuser, "target")
  const programOf = (way: Way): string => (way === "other" && other !== undefined ? other : main)
  const dumps = () => readdirSync(folder).filter((name) => name.endsWith(".sql"))

  const measured = Effect.fnUntraced(function* (once: (way: Way) => Effect.Effect<Used>) {
    const found: Record<string, Array<Used>> = Object.fromEntries(ways.map((way) => [way, []]))
    for (let round = 0; round < rounds; round++) for (const way of ways) found[way]!.push(yield* once(way))
    const medians = Object.fromEntries(ways.map((way) => [way, median(found[way]!)]))
    const without = medians["other"] ?? medians["quiet"]!
    const cost = Object.fromEntries(
      ways.map((way) => [way, `${(((medians[way]! - without) / without) * 100).toFixed(1)} %`])
    )
    return { runs: found, medianProcessorSeconds: medians, costOfMedians: cost }
  })

  const dump = yield* measured((way) =>
    Effect.suspend(() => {
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
      return run(way, programOf(way), ["dump", "--dir", folder], uri(source))
    })
  )
  const [name] = dumps()
  const file = join(folder, name!)
  const restore = yield* measured((way) =>
    Effect.andThen(
      Effect.orDie(
        Effect.andThen(
          admin.execute(`DROP DATABASE IF EXISTS ${quote(target.database)}`),
          admin.execute(`CREATE DATABASE ${quote(target.database)}`)
        )
      ),
      run(way, programOf(way), ["restore", file, "--yes"], uri(target))
    )
  )
  report("progress", {
    node: process.version,
    server: server.version,
    cores: cpus().length,
    tick: { milliseconds, shareOfRun: `${((100 * milliseconds) / every).toFixed(2)} %` },
    dump: { bytes: statSync(file).size },
    against: other === undefined ? "--quiet" : "another build, which tells nothing, with --quiet",
    plainDump: dump,
    plainRestore: restore
  })
})

NodeRuntime.runMain(Effect.scoped(bench).pipe(Effect.provide(NodeServices.layer)))
