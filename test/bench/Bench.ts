/** What the benchmarks share: the server, the database, and how a program is measured. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"

/** The bundled program. */
export const main = resolve(import.meta.dirname, "../../dist/main.js")

export const uri = (url: DatabaseUrl.DatabaseUrl) => Redacted.value(DatabaseUrl.toUri(url))

export interface Measured {
  readonly seconds: number
  /** Peak resident set of the client process, in megabytes. */
  readonly peakMegabytes: number
}

/** Runs a program to its end; fails unless it ends well. Linux only: the peak is the kernel's own VmHWM. */
export const measure = (
  command: string,
  args: ReadonlyArray<string>,
  env: Record<string, string>
): Effect.Effect<Measured> =>
  Effect.callback<Measured>((resume) => {
    const begun = performance.now()
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] })
    let [peak, stderr] = [0, ""]
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()))
    const timer = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, "utf8")
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024)
      } catch {
        // The process has just ended.
      }
    }, 20)
    child.on("error", (error) => resume(Effect.die(error)))
    child.on("close", (code) => {
      clearInterval(timer)
      if (code !== 0) return resume(Effect.die(new Error(`${command} ended with ${code}:\n${stderr}`)))
      resume(Effect.succeed({ seconds: (performance.now() - begun) / 1000, peakMegabytes: peak }))
    })
    return Effect.sync(() => void child.kill())
  })

/** Bytes of COPY text that a row of {@link fill} makes, about. */
const bytesPerRow = 333

/** A primary key, three indexes and a foreign key, as an app's table has. */
const fill = (rows: number) => `
  CREATE TABLE public."User" (id text PRIMARY KEY, email text NOT NULL UNIQUE);
  INSERT INTO public."User" SELECT md5(i::text), 'user' || i || '@example.org' FROM generate_series(1, 5000) i;
  CREATE TABLE public."Event" (id text PRIMARY KEY, "userId" text NOT NULL REFERENCES public."User" ON DELETE CASCADE,
    "occurredAt" timestamp(3) NOT NULL, source text NOT NULL, title text NOT NULL, payload jsonb NOT NULL,
    amount numeric(12, 2), tags text[] NOT NULL);
  INSERT INTO public."Event"
  SELECT md5(i::text) || i, md5((i % 5000 + 1)::text), timestamp '2020-01-01' + i * interval '13 seconds',
    (ARRAY['mail', 'calendar', 'map', 'board'])[i % 4 + 1], 'Event number ' || i || ' of the timeline',
    jsonb_build_object('n', i, 'hash', md5((i * 7)::text), 'text', repeat(md5((i * 3)::text), 3), 'ok', i % 3 = 0),
    i % 100000 / 100.0, ARRAY['tag' || i % 17, 'tag' || i % 31]
  FROM generate_series(1, ${rows}) i;
  CREATE INDEX ON public."Event" ("userId");
  CREATE INDEX ON public."Event" ("occurredAt");
  CREATE INDEX ON public."Event" (source, "occurredAt");`

/** A server with a database of about so many gigabytes of COPY text, and a folder; they go with the scope. */
export const prepare = Effect.fnUntraced(function* (gigabytes: number) {
  const server = yield* EmbeddedServer.start({
    major: 15,
    settings: { shared_buffers: "1GB", max_wal_size: "8GB", maintenance_work_mem: "256MB", fsync: "on" }
  })
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pgark-bench-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const admin = yield* Session.open(server.superuser)
  const source = DatabaseUrl.withDatabase(server.superuser, "source")
  yield* admin.execute("CREATE DATABASE source")
  const rows = Math.round((gigabytes * 1e9) / bytesPerRow)
  yield* Effect.scoped(Effect.flatMap(Session.open(source), (session) => session.execute(fill(rows))))
  return { server, folder, admin, source, rows }
})

/** Seconds. */
export const median = (all: ReadonlyArray<Measured>): number =>
  all.map(({ seconds }) => seconds).toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!

/** Megabytes. */
export const peak = (all: ReadonlyArray<Measured>): number => Math.max(...all.map(({ peakMegabytes }) => peakMegabytes))

/** Writes the figures to `results/<name>.json` and shows them. */
export const report = (name: string, figures: unknown): void => {
  const results = resolve(import.meta.dirname, "results")
  const text = `${JSON.stringify(figures, undefined, 2)}\n`
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, `${name}.json`), text)
  process.stdout.write(text)
}
