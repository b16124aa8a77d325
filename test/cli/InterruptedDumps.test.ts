/**
 * Dumps that end at moments by chance: by a signal, with the server, on a full disk. The folder never shows a dump that
 * is not whole, and only SIGKILL leaves anything at all.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, readlinkSync, watch } from "node:fs"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import type { Method } from "../../src/dumps/Compression.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Chance from "../support/Chance.ts"
import * as Clusters from "../support/Clusters.ts"
import { methods } from "../support/Damages.ts"
import * as NativePgDump from "../support/NativePgDump.ts"
import * as Pgark from "../support/Pgark.ts"
import { backends, folder, until } from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

/** A server that the pg_dump of many machines can read, too. */
const major = 15
const rows = 30_000

/** The ways to pg_dump that there are here. */
const kinds = NativePgDump.major !== undefined && NativePgDump.major >= major ? ["wasm", "native"] : ["wasm"]

/** Whether this process may mount a disk of its own, which then can be full. */
const mounts = ((): boolean => {
  const probe = "mount -t tmpfs -o size=64k tmpfs /mnt && umount /mnt"
  try {
    execFileSync("unshare", ["--mount", "sh", "-c", probe], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

const ways = ["SIGINT", "SIGTERM", "SIGKILL", "disk full", "server killed"] as const
type Way = (typeof ways)[number]

/** One dump and how it ends. */
interface Ending {
  readonly way: Way
  readonly method: Method
  readonly kind: string
  /** From 0 to 1: of the time that a dump takes, or of the space. */
  readonly moment: number
  /** At the moment when the dump gets its name. */
  readonly atName: boolean
}

const endings = (count: number): ReadonlyArray<Ending> => {
  const next = Chance.from(6)
  const possible = ways.filter((way) => mounts || way !== "disk full")
  return Array.from({ length: count }, (_, i) => ({
    way: possible[i % possible.length]!,
    method: methods[i % methods.length]!,
    kind: kinds[i % kinds.length]!,
    moment: next(),
    atName: next() < 0.2
  }))
}

/** What a dump takes when nobody ends it. */
interface Whole {
  readonly milliseconds: number
  readonly bytes: number
}

interface Source {
  readonly url: DatabaseUrl.DatabaseUrl
  /** MD5 of the rows as COPY writes them. */
  readonly md5: string
  readonly whole: ReadonlyMap<Method, Whole>
}

interface Left {
  readonly code: number | null
  readonly stderr: string
  readonly files: ReadonlyArray<string>
}

/** Processes at work in this folder; on Linux only, elsewhere none are seen. */
const processesIn = (cwd: string): ReadonlyArray<string> => {
  const isThere = (pid: string) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === cwd
    } catch {
      return false
    }
  }
  return process.platform === "linux" ? readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isThere(name)) : []
}

/** Whether the file holds all that was in the database; pgark's own code has no part in it. */
const isWhole = (file: string, { md5 }: Source): boolean => {
  const stored = readFileSync(file)
  const sql = file.endsWith(".gz")
    ? zlib.gunzipSync(stored)
    : file.endsWith(".zst")
      ? zlib.zstdDecompressSync(stored)
      : stored
  const header = "COPY public.large (id, text) FROM stdin;\n"
  const from = sql.indexOf(header) + header.length
  const data = sql.subarray(from, sql.indexOf("\\.\n", from))
  return (
    createHash("md5").update(data).digest("hex") === md5 &&
    /\n-- PostgreSQL database dump complete\n--\n(\n\\unrestrict \S+\n)?\s*$/.test(sql.subarray(-300).toString())
  )
}

/** Whether it is a dump, finished or not, or a part of one; what else pgark keeps there is no dump's. */
const isOfDump = (name: string): boolean => name.startsWith("db_dump_")

interface Listed {
  readonly file: string
  readonly proven: boolean
  readonly against?: string
}

/** What `list` shows: all of it is whole. */
const listed = Effect.fnUntraced(function* (cwd: string, source: Source) {
  const { code, stderr, stdout } = yield* Pgark.run(["list", "--json"], { cwd })
  assert.strictEqual(code, 0, stderr)
  const { dumps } = JSON.parse(stdout) as { readonly dumps: ReadonlyArray<Listed> }
  for (const { file, proven } of dumps) {
    assert.isTrue(proven, file)
    assert.isTrue(isWhole(join(cwd, file), source), file)
  }
  return dumps
})

const dump = (cwd: string, { url }: Source, method: Method, kind: string) =>
  Pgark.start(["dump", "--quiet", "--pg-dump", kind, "--compress", method], {
    cwd,
    env: { DATABASE_URL: Pgark.uri(url) }
  })

/** A server of its own, and how long a dump of each form takes. */
const prepare = Effect.gen(function* () {
  const server = yield* EmbeddedServer.start({ major })
  const url = DatabaseUrl.withDatabase(server.superuser, "source")
  yield* Clusters.query(server.superuser, "CREATE DATABASE source")
  yield* Clusters.query(
    url,
    `CREATE TABLE public.large AS SELECT i AS id, repeat(md5(i::text), 20) AS text FROM generate_series(1, ${rows}) i`
  )
  const [digest] = yield* Clusters.query<{ md5: string }>(
    url,
    `SELECT md5(string_agg(id || E'\\t' || text || E'\\n', '' ORDER BY id)) AS md5 FROM public.large`
  )
  const whole = new Map<Method, Whole>()
  const source: Source = { url, md5: digest!.md5, whole }
  for (const method of methods) {
    const cwd = yield* folder
    const { code, milliseconds, stderr } = yield* Effect.flatMap(
      dump(cwd, source, method, "wasm"),
      ({ ended }) => ended
    )
    assert.strictEqual(code, 0, stderr)
    const [only] = yield* listed(cwd, source)
    assert.strictEqual(only?.against, "manifest", method)
    whole.set(method, { milliseconds, bytes: readFileSync(join(cwd, only?.file ?? "")).length })
  }
  return { server, source }
})

/** A folder for dumps on a disk of this size, in bytes. */
const smallDisk = (directory: string, size: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", directory])),
      () => Effect.sync(() => execFileSync("umount", ["--lazy", directory]))
    )
  )

/** Returns when a dump has its name in the folder. */
const named = (directory: string) =>
  Effect.callback<void>((resume) => {
    const watcher = watch(directory, (_, name) => {
      if (name !== null && /\.sql(\.\w+)?$/.test(name)) resume(Effect.void)
    })
    return Effect.sync(() => watcher.close())
  })

/** Runs one dump to the end that is meant for it. */
const run = Effect.fnUntraced(function* (
  ending: Ending,
  source: Source,
  end: (running: Pgark.Running) => Effect.Effect<void>
) {
  const { atName, kind, method, moment, way } = ending
  const whole = source.whole.get(method)!
  const cwd = yield* folder
  const dumps = join(cwd, "dumps")
  mkdirSync(dumps)
  // Less than the dump takes by one page at least.
  if (way === "disk full") yield* smallDisk(dumps, 4096 * Math.ceil((moment * (whole.bytes - 8192)) / 4096))
  const running = yield* dump(cwd, source, method, kind)
  const reached = atName ? named(dumps) : Effect.sleep(moment * whole.milliseconds)
  if (way !== "disk full") yield* Effect.andThen(Effect.raceFirst(reached, running.ended), end(running))
  const { code, stderr } = yield* Effect.timeout(running.ended, "30 seconds")
  yield* until(
    Effect.sync(() => processesIn(cwd)),
    (pids) => pids.length === 0,
    "5 seconds"
  )
  const left: Left = { code, stderr, files: readdirSync(dumps).filter(isOfDump).toSorted() }
  yield* judge(ending, left, left.files.length === 0 ? [] : yield* listed(cwd, source))
}, Effect.scoped)

const signals: ReadonlySet<Way> = new Set(["SIGINT", "SIGTERM", "SIGKILL"])

/** The exit codes of a dump that has ended so; none is that of a process that had not yet begun to listen. */
const codes: Record<Way, ReadonlyArray<number | null>> = {
  SIGINT: [130, null],
  SIGTERM: [143, null],
  SIGKILL: [null],
  "disk full": [9],
  "server killed": [6]
}

const judge = (ending: Ending, { code, files, stderr }: Left, dumps: ReadonlyArray<Listed>) =>
  Effect.sync(() => {
    const where = `${JSON.stringify(ending)} (seed ${Chance.seed}), exit code ${code}, left ${files.join()}\n${stderr}`
    const { way } = ending
    const expected = way === "disk full" ? codes[way] : [0, ...codes[way]]
    assert.include(expected, code, where)
    const complete = files.length === 2 && files[1] === `${files[0]}.manifest.json`
    if (dumps.length > 0) assert.strictEqual(dumps.length, 1, where)
    if (code === 0 || complete) {
      // A signal may come when everything is written and only the report is missing.
      assert.isTrue(complete && (code === 0 || signals.has(way)), where)
      assert.strictEqual(dumps[0]?.against, "manifest", where)
    } else if (way !== "SIGKILL") assert.deepStrictEqual(files, [], where)
    // A dump that is whole may wait for its manifest.
    else if (dumps.length === 0) for (const file of files) assert.match(file, /\.partial$/, where)
  })

/** What has ended since it was looked for is ended. */
const killIfThere = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

/** So many; those that kill the server one by one, and it is killed for good at last. */
const interrupted = Effect.fnUntraced(function* (count: number) {
  const { server, source } = yield* prepare
  const all = endings(count)
  const signalled = (way: Way) => (running: Pgark.Running) =>
    Effect.sync(() => void running.child.kill(way === "SIGINT" || way === "SIGTERM" ? way : "SIGKILL"))
  const killBackends = Effect.gen(function* () {
    for (const pid of yield* backends(source.url)) killIfThere(pid, "SIGKILL")
  }).pipe(Effect.orDie)
  const ownWays = all.filter(({ way }) => way !== "server killed")
  yield* Effect.forEach(ownWays, (ending) => run(ending, source, signalled(ending.way)), {
    concurrency: 2,
    discard: true
  })
  yield* until(backends(source.url), (pids) => pids.length === 0, "5 seconds")
  for (const ending of all.filter(({ way }) => way === "server killed")) {
    yield* run(ending, source, () => killBackends)
    // All others go with them, and the server recovers.
    yield* Effect.retry(Clusters.query(source.url, "SELECT 1"), { times: 200, schedule: Schedule.spaced("50 millis") })
  }
  const last = { way: "server killed", method: "none", kind: "wasm", moment: 0.7, atName: false } as const
  yield* run(last, source, () =>
    Effect.andThen(
      killBackends,
      Effect.sync(() => void process.kill(server.pid, "SIGKILL"))
    )
  )
})

const timeout = { timeout: 900_000 }

describe("dumps that are ended at moments by chance", () => {
  it.live("are never shown unless they are whole", () => interrupted(7), timeout)
})

long("many dumps that are ended at moments by chance", () => {
  it.live("are never shown unless they are whole", () => interrupted(100), timeout)
})
