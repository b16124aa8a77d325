/**
 * How long pgark takes to answer what needs no database, over what an empty script takes: `--version`, `--help`, the
 * page of a command, and a command line that is wrong. Runs take turns, so that a busy machine slows all of them.
 *
 *     npm run bench:start [-- path/to/another/node …]
 *
 * Needs bash. Writes `test/bench/results/start.json`.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { cpus } from "node:os"
import { main, report } from "./Bench.ts"

const rounds = 25

const lines = {
  empty: ["-e", "0"],
  version: [main, "--version"],
  help: [main, "--help"],
  "help of restore": [main, "restore", "--help"],
  "wrong usage": [main, "restore", "--claen"]
}

/** Milliseconds: of the clock, and of the processor, in user and system. */
interface Taken {
  readonly clock: number
  readonly processor: number
}

/** A run as bash times it. Without the compile cache that a developer may have set up. */
const run = (node: string, args: ReadonlyArray<string>): Taken => {
  const { NODE_COMPILE_CACHE: _, ...env } = process.env
  const timed = `TIMEFORMAT='%R %U %S'; time "$0" "$@" >/dev/null 2>&1`
  const { stderr } = spawnSync("bash", ["-c", timed, node, ...args], { env, encoding: "utf8" })
  const [clock = NaN, user = NaN, system = NaN] = stderr.trim().split(" ").map(Number)
  return { clock: clock * 1000, processor: (user + system) * 1000 }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

const measured = [process.execPath, ...process.argv.slice(2)].map((node) => {
  const taken = Object.entries(lines).map(([name, args]) => ({ name, args, runs: new Array<Taken>() }))
  for (let round = 0; round < rounds; round++) {
    for (const { args, runs } of taken) runs.push(run(node, args))
  }
  const sums = taken.map(({ name, runs }) => {
    const [clock, processor] = [runs.map((taken) => taken.clock), runs.map((taken) => taken.processor)]
    return { name, clock: median(clock), quickest: Math.min(...clock), processor: median(processor) }
  })
  const [empty, ...others] = sums
  return {
    node: execFileSync(node, ["--version"], { encoding: "utf8" }).trim(),
    empty,
    moreThanEmpty: others.map(({ clock, name, processor, quickest }) => ({
      name,
      clock: Math.round(clock - (empty?.clock ?? 0)),
      quickest: Math.round(quickest - (empty?.quickest ?? 0)),
      processor: Math.round(processor - (empty?.processor ?? 0))
    }))
  }
})

report("start", { cores: cpus().length, rounds, unit: "milliseconds", measured })
