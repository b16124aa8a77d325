/** The figures of the benchmark as people read them: tables of medians and ratios, and `RESULTS.md` of all shapes. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { contenders, contests, type Group, mostMegabytes } from "./Contenders.ts"
import { median, type Run } from "./Measure.ts"
import { about, type Shape, shapes } from "./Shapes.ts"
import type { Waits } from "./Waits.ts"

/** What one shape gave. */
export interface Figures {
  readonly shape: Shape
  /** As asked for. */
  readonly gigabytes: number
  readonly databaseBytes: number
  readonly rounds: number
  readonly jobs: number
  readonly machine: { readonly cores: number; readonly memoryGigabytes: number; readonly node: string }
  readonly server: string
  /** Of the peers, by program. */
  readonly versions: Readonly<Record<string, string>>
  readonly skipped: ReadonlyArray<{ readonly name: string; readonly missing: ReadonlyArray<string> }>
  readonly runs: Readonly<Record<string, ReadonlyArray<Run>>>
  readonly waits?: Readonly<Record<string, Waits>>
}

const row = (cells: ReadonlyArray<string | number>): string =>
  `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`

const rows = (head: ReadonlyArray<string>, body: ReadonlyArray<ReadonlyArray<string | number>>): string =>
  [row(head), row(head.map(() => "---")), ...body.map(row)].join("\n")

const of = ({ runs }: Figures, name: string): Run | undefined => {
  const found = runs[name]
  return found === undefined || found.length === 0 ? undefined : median(found)
}

/** Who won. */
const ratios = (figures: Figures) =>
  contests.flatMap(({ job, limits, ours, peer }) => {
    const [mine, theirs] = [of(figures, ours), of(figures, peer)]
    if (mine === undefined || theirs === undefined) return []
    const limit = limits[figures.shape]
    const ratio = mine.seconds / theirs.seconds
    const verdict = limit === undefined ? "" : ratio <= limit ? "yes" : "no"
    return [[job, `\`${ours}\``, `\`${peer}\``, ratio.toFixed(2), limit?.toFixed(2) ?? "", verdict]]
  })

/** The tables of one shape, as Markdown. */
export const table = (figures: Figures): string => {
  const taken = (group: Group) =>
    contenders.flatMap((contender) => {
      const run = contender.group === group ? of(figures, contender.name) : undefined
      if (run === undefined) return []
      const { clientSeconds, peakMegabytes, seconds, serverSeconds } = run
      return [
        [`\`${contender.name}\``, seconds, clientSeconds, serverSeconds, peakMegabytes].map((cell) =>
          typeof cell === "string" ? cell : cell === peakMegabytes ? cell.toFixed(0) : cell.toFixed(1)
        )
      ]
    })
  const most = Math.max(
    0,
    ...contenders.flatMap(({ name }) => (name.startsWith("pgark") ? [of(figures, name)?.peakMegabytes ?? 0] : []))
  )
  const waits = Object.entries(figures.waits ?? {}).map(([name, found]) => {
    const shares = Object.entries(found).slice(0, 6)
    return `- \`${name}\`: ${shares.map(([event, share]) => `${event} ${Math.round(100 * share)} %`).join(", ")}`
  })
  return [
    rows(
      ["", "seconds", "client's processor", "server's processor", "peak MB"],
      [...taken("dump"), ...taken("restore"), ...taken("clone"), ...taken("replace")]
    ),
    rows(["job", "pgark", "against", "ratio", "at most", "reached"], ratios(figures)),
    `pgark held ${most.toFixed(0)} MB at most (limit: ${mostMegabytes} MB${most > mostMegabytes ? ", passed" : ""}).`,
    ...figures.skipped.map(({ missing, name }) => `Skipped: \`${name}\`, as ${missing.join(", ")} is not installed.`),
    ...(waits.length === 0 ? [] : [`What the server's processes waited for:\n\n${waits.join("\n")}`])
  ].join("\n\n")
}

const here = import.meta.dirname

/** Writes `RESULTS.md` anew, from what was measured of each shape, last or before, and from `notes.md`. */
export const writeResults = (): void => {
  const known = shapes.flatMap((shape) => {
    const file = join(here, "results", `speed-${shape}.json`)
    return existsSync(file) ? [JSON.parse(readFileSync(file, "utf8")) as Figures] : []
  })
  const sections = known.map((figures) => {
    const { gigabytes, jobs, machine, rounds, server, shape, versions } = figures
    const size = (figures.databaseBytes / 1e9).toFixed(2)
    const peers = Object.values(versions).join("; ")
    return [
      `## ${shape}: ${about[shape]}`,
      `Database of ${size} GB, ${rounds} rounds, ${jobs} jobs. ${machine.cores} cores, ${machine.memoryGigabytes} GB of
memory, Node ${machine.node}, PostgreSQL ${server}. Peers: ${peers}.`,
      `    npm run build && npm run bench -- --gigabytes ${gigabytes} --shape ${shape} --rounds ${rounds} --jobs ${jobs}`,
      table(figures)
    ].join("\n\n")
  })
  const notes = readFileSync(join(here, "notes.md"), "utf8").trim()
  const file = join(here, "RESULTS.md")
  writeFileSync(file, `${["# Speed", notes, ...sections].join("\n\n")}\n`)
  // As all other files are, which `npm run check` wants.
  execFileSync("npx", ["oxfmt", file])
}
