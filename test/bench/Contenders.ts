/** Who runs against whom: what is started for each job, on which database, and what pgark is held against. */
import * as Redacted from "effect/Redacted"
import { accessSync, constants, readdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { main, uri } from "./Bench.ts"
import type { Program } from "./Measure.ts"
import type { Shape } from "./Shapes.ts"

export const groups = ["dump", "restore", "clone", "replace"] as const
export type Group = (typeof groups)[number]

/** Where a run of the benchmark happens. */
export interface Place {
  readonly source: DatabaseUrl.DatabaseUrl
  readonly target: DatabaseUrl.DatabaseUrl
  /** Holds all that is written; `plain` the plain dump that all restore, `directory` pgark's, `pg_dump` pg_dump's. */
  readonly folder: string
  readonly jobs: number
}

export interface Contender {
  readonly name: string
  readonly group: Group
  /** Programs beside pgark that it needs. */
  readonly needs: ReadonlyArray<string>
  /** Folder that it writes and has to be empty for, below {@link Place.folder}. */
  readonly writes?: string
  readonly program: (place: Place) => Program
}

/** What pgark sets in its own session on the benchmark's server, for those that take it from their environment only. */
const tunedOne = { PGOPTIONS: "-c maintenance_work_mem=1GB" }

/**
 * The same of several sessions. As these do not wait for the disk at each commit, the program ends before its last
 * commit is safe: {@link durable} is the wait, and part of the run.
 */
const tunedSeveral = {
  PGOPTIONS: "-c maintenance_work_mem=1GB -c synchronous_commit=off -c max_parallel_maintenance_workers=0"
}

/** A commit that waits until it, and so all before it, is on disk. */
const durable = `PGOPTIONS= psql -X -q -o /dev/null -c "SELECT pg_logical_emit_message(true, 'bench', '')"`

/** What libpq reads from the environment to connect to a database. */
const libpq = ({ database, host, password, port, user }: DatabaseUrl.DatabaseUrl) => ({
  PGHOST: host,
  PGPORT: String(port),
  PGUSER: user,
  PGDATABASE: database,
  PGPASSWORD: password === undefined ? "" : Redacted.value(password),
  PGSSLMODE: "disable"
})

const shell = (script: string, env: Record<string, string>): Program => ({
  command: "bash",
  args: ["-o", "pipefail", "-ec", script],
  env
})

const pgark = (args: ReadonlyArray<string>, env: Record<string, string>): Program => ({
  command: process.execPath,
  args: [main, ...args, "--quiet"],
  env
})

/** The one dump that a folder holds. */
const dumpIn = (folder: string): string => {
  const name = readdirSync(folder).find((name) => /^db_dump_[^.]*(\.sql)?$/.test(name))
  if (name === undefined) throw new Error(`${folder} holds no dump`)
  return join(folder, name)
}

const restored = ["--no-analyze", "--yes"]

export const contenders: ReadonlyArray<Contender> = [
  {
    name: "pgark dump --format directory",
    group: "dump",
    needs: [],
    writes: "directory",
    program: ({ folder, jobs, source }) =>
      pgark(["dump", "--format", "directory", "--jobs", `${jobs}`, "--dir", join(folder, "directory")], {
        DATABASE_URL: uri(source)
      })
  },
  {
    name: "pg_dump -Fd -Z1",
    group: "dump",
    needs: ["pg_dump"],
    writes: "pg_dump",
    program: ({ folder, jobs, source }) => ({
      command: "pg_dump",
      args: ["-Fd", `-j${jobs}`, "-Z1", "-f", join(folder, "pg_dump", "dump")],
      env: libpq(source)
    })
  },
  {
    name: "pgark dump --format directory --compress none",
    group: "dump",
    needs: [],
    writes: "unpacked",
    program: ({ folder, jobs, source }) =>
      pgark(
        ["dump", "--format", "directory", "--compress", "none", "--jobs", `${jobs}`, "--dir", join(folder, "unpacked")],
        { DATABASE_URL: uri(source) }
      )
  },
  {
    name: "pg_dump -Fd -Z0",
    group: "dump",
    needs: ["pg_dump"],
    writes: "unpacked",
    program: ({ folder, jobs, source }) => ({
      command: "pg_dump",
      args: ["-Fd", `-j${jobs}`, "-Z0", "-f", join(folder, "unpacked", "dump")],
      env: libpq(source)
    })
  },
  {
    name: "pgark restore DIRECTORY",
    group: "restore",
    needs: [],
    program: ({ folder, jobs, target }) =>
      pgark(["restore", dumpIn(join(folder, "directory")), "--jobs", `${jobs}`, ...restored], {
        DATABASE_URL: uri(target)
      })
  },
  {
    name: "pg_restore",
    group: "restore",
    needs: ["pg_restore", "psql", "pg_dump"],
    program: ({ folder, jobs, target }) =>
      shell(`pg_restore -e -j${jobs} -d "$PGDATABASE" '${join(folder, "pg_dump", "dump")}'; ${durable}`, {
        ...libpq(target),
        ...tunedSeveral
      })
  },
  {
    name: "pgark restore FILE",
    group: "restore",
    needs: [],
    program: ({ folder, target }) =>
      pgark(["restore", dumpIn(join(folder, "plain")), ...restored], { DATABASE_URL: uri(target) })
  },
  {
    name: "psql -1",
    group: "restore",
    needs: ["psql"],
    program: ({ folder, target }) =>
      shell(`psql -X -1 -q -v ON_ERROR_STOP=1 -f '${dumpIn(join(folder, "plain"))}'`, {
        ...libpq(target),
        ...tunedOne
      })
  },
  {
    name: "pgark clone",
    group: "clone",
    needs: [],
    program: ({ jobs, source, target }) =>
      pgark(["clone", "--from", uri(source), "--to", uri(target), "--jobs", `${jobs}`, ...restored], {})
  },
  {
    name: "pgark clone with ANALYZE",
    group: "clone",
    needs: [],
    program: ({ jobs, source, target }) =>
      pgark(["clone", "--from", uri(source), "--to", uri(target), "--jobs", `${jobs}`, "--yes"], {})
  },
  {
    name: "pgcopydb clone",
    group: "clone",
    needs: ["pgcopydb", "pg_dump", "pg_restore"],
    writes: "pgcopydb",
    program: ({ folder, jobs, source, target }) => ({
      command: "pgcopydb",
      // It vacuums and analyzes each table by itself, and sets what it loads with: 0.10 cannot be told otherwise.
      args: ["clone", "--table-jobs", `${jobs}`, "--index-jobs", `${jobs}`, "--dir", join(folder, "pgcopydb", "work")],
      env: { PGCOPYDB_SOURCE_PGURI: uri(source), PGCOPYDB_TARGET_PGURI: uri(target) }
    })
  },
  {
    name: "pg_dump | psql -1",
    group: "clone",
    needs: ["pg_dump", "psql"],
    program: ({ source, target }) =>
      shell(`PGOPTIONS= pg_dump -d ${source.database} | psql -X -1 -q -v ON_ERROR_STOP=1 -d ${target.database}`, {
        ...libpq(target),
        ...tunedOne
      })
  },
  ...(
    [
      ["pgark restore FILE --clean --no-backup-first", ["--clean", "--no-backup-first"]],
      ["pgark restore FILE --clean", ["--clean"]]
    ] as const
  ).map(([name, flags]): Contender => ({
    name,
    group: "replace",
    needs: [],
    program: ({ folder, target }) =>
      pgark(["restore", dumpIn(join(folder, "plain")), ...flags, ...restored, "--dir", join(folder, "plain")], {
        DATABASE_URL: uri(target)
      })
  })),
  {
    name: "pgark undo",
    group: "replace",
    needs: [],
    program: ({ folder, target }) =>
      pgark(["undo", "--no-backup-first", "--yes", "--dir", join(folder, "plain")], { DATABASE_URL: uri(target) })
  }
]

/** A contest of two. */
export interface Contest {
  readonly job: string
  readonly ours: string
  readonly peer: string
  /** Ratio of the medians that pgark must not pass, by shape; where none is named, the figures are only told. */
  readonly limits: Partial<Record<Shape, number>>
}

export const contests: ReadonlyArray<Contest> = [
  {
    job: "directory dump",
    ours: "pgark dump --format directory",
    peer: "pg_dump -Fd -Z1",
    limits: { skewed: 0.7, small: 1 }
  },
  {
    job: "directory dump, not packed",
    ours: "pgark dump --format directory --compress none",
    peer: "pg_dump -Fd -Z0",
    limits: {}
  },
  {
    job: "directory restore",
    ours: "pgark restore DIRECTORY",
    peer: "pg_restore",
    limits: { skewed: 0.75, small: 1 }
  },
  { job: "directory restore", ours: "pgark restore DIRECTORY", peer: "psql -1", limits: { skewed: 0.6 } },
  { job: "plain restore", ours: "pgark restore FILE", peer: "psql -1", limits: { skewed: 1 } },
  { job: "clone", ours: "pgark clone with ANALYZE", peer: "pgcopydb clone", limits: { skewed: 0.8 } },
  { job: "clone", ours: "pgark clone", peer: "pg_dump | psql -1", limits: { skewed: 0.8 } }
]

/** Megabytes that pgark may hold, whatever the size of the database. */
export const mostMegabytes = 250

/** Whether a program is on PATH. */
export const isInstalled = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
