/** How a run of a program is measured: time, processor and memory. Linux only: all of it is read from `/proc`. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

/** Clock ticks a second in `/proc`, the same on every Linux that Node runs on. */
const ticks = 100

/** What a run took. */
export interface Run {
  readonly seconds: number
  /** User and system time of the program and of all that it started. */
  readonly clientSeconds: number
  /** User and system time of the server's processes meanwhile. */
  readonly serverSeconds: number
  /** The most that the program and all that it started held at once: pages that several hold count once. */
  readonly peakMegabytes: number
}

/** A program to run. */
export interface Program {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

/** What `/proc/PID/stat` says behind the program's name, which may hold blanks; undefined once the process is gone. */
const stat = (pid: number | string): ReadonlyArray<string> | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    return text.slice(text.lastIndexOf(") ") + 2).split(" ")
  } catch {
    return undefined
  }
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, one) => total + one, 0)

/** Seconds that a process has used itself: utime and stime. */
const own = (fields: ReadonlyArray<string>): number => (Number(fields[11]) + Number(fields[12])) / ticks

/** Seconds that its children had used when it took note of their end: cutime and cstime. */
const ended = (fields: ReadonlyArray<string>): number => (Number(fields[13]) + Number(fields[14])) / ticks

/** A process and all that came from it, itself first. */
const tree = (root: number): ReadonlyArray<number> => {
  const children = Map.groupBy(
    readdirSync("/proc").filter((name) => /^\d+$/.test(name)),
    (name) => Number(stat(name)?.[1])
  )
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []).map(Number))
  return found
}

const clientSeconds = (): number => ended(stat("self") ?? [])

/** Since the server was started: its processes, and those that are gone. */
export const serverSeconds = (postmaster: number): number => {
  const [first = [], ...others] = tree(postmaster).flatMap((pid) => {
    const fields = stat(pid)
    return fields === undefined ? [] : [fields]
  })
  return own(first) + ended(first) + sum(others.map(own))
}

const megabytes = (pid: number): number => {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) / 1024
  } catch {
    // It has just ended.
    return 0
  }
}

/** Milliseconds between two looks at the memory. */
const every = 100

/**
 * Runs a program to its end; dies unless it ends well. One at a time: the client's processor time is that of all
 * children of this process that end meanwhile.
 *
 * @param postmaster process id of the server's first process
 */
export const measure = ({ args, command, env }: Program, postmaster: number): Effect.Effect<Run> =>
  Effect.callback<Run>((resume) => {
    const before = { client: clientSeconds(), server: serverSeconds(postmaster) }
    const begun = performance.now()
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
      // pgcopydb ends its whole process group where it fails.
      detached: true
    })
    let [peak, stderr] = [0, ""]
    child.stderr.on("data", (text: Buffer) => (stderr = `${stderr}${text.toString()}`.slice(-4000)))
    const timer = setInterval(() => {
      if (child.pid !== undefined) peak = Math.max(peak, sum(tree(child.pid).map(megabytes)))
    }, every)
    child.on("error", (error) => {
      clearInterval(timer)
      resume(Effect.die(error))
    })
    child.on("close", (code) => {
      clearInterval(timer)
      const seconds = (performance.now() - begun) / 1000
      if (code !== 0) return resume(Effect.die(new Error(`${command} ${args[0] ?? ""} ended with ${code}:\n${stderr}`)))
      resume(
        Effect.succeed({
          seconds,
          clientSeconds: clientSeconds() - before.client,
          serverSeconds: serverSeconds(postmaster) - before.server,
          peakMegabytes: peak
        })
      )
    })
    return Effect.sync(() => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid)
    })
  })

const middle = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN

/** Each figure's median by itself, and the highest peak. */
export const median = (runs: ReadonlyArray<Run>): Run => ({
  seconds: middle(runs.map(({ seconds }) => seconds)),
  clientSeconds: middle(runs.map(({ clientSeconds }) => clientSeconds)),
  serverSeconds: middle(runs.map(({ serverSeconds }) => serverSeconds)),
  peakMegabytes: Math.max(...runs.map(({ peakMegabytes }) => peakMegabytes))
})
