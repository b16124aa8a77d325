/** Restores that end where somebody else's lock makes them wait, and what comes after. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "./Clusters.ts"
import * as Pgark from "./Pgark.ts"
import * as Restores from "./Restores.ts"
import { gate, type Target } from "./SmallServer.ts"
import * as Several from "./Several.ts"
import { snapshot } from "./Snapshot.ts"

/** Sessions of pgark that wait for a lock in a statement like this one. */
const waiting = (url: DatabaseUrl.DatabaseUrl, like: string) =>
  Clusters.query<{ pid: number }>(
    DatabaseUrl.withDatabase(url, "postgres"),
    `SELECT pid FROM pg_stat_activity
     WHERE datname = $1 AND application_name LIKE 'pgark%' AND wait_event_type = 'Lock' AND query LIKE $2`,
    [url.database, like]
  )

const gone = (url: DatabaseUrl.DatabaseUrl) =>
  Restores.until(
    Clusters.query(
      DatabaseUrl.withDatabase(url, "postgres"),
      "SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'pgark%'",
      [url.database]
    ),
    (rows) => rows.length === 0,
    "10 seconds"
  )

/** Where a run is stopped: what somebody locks before it begins or when the dump is in, and what waits for that. */
export interface Stop {
  readonly way: Several.Way
  readonly name: string
  readonly before?: string
  readonly meanwhile?: string
  readonly waits: string
}

/** `pgark restore FILE --clean`, although somebody holds it up. */
export const restoreArgs = ({ file }: Target) => ["restore", file, "--clean", "--yes", "--while-in-use", "--no-analyze"]

/** What ends a run: a signal, or the end of its connection. */
export type End = "SIGKILL" | "SIGINT" | "pg_terminate_backend"

/** Runs it until it waits for that, and ends it there. */
export const endAt = Effect.fnUntraced(function* (
  target: Target,
  args: ReadonlyArray<string>,
  stop: Omit<Stop, "name" | "way">,
  end: End = "SIGKILL"
) {
  const { options, url } = target
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const holder = yield* Session.open(url, { application: "holder" })
      yield* holder.execute(`SELECT pg_advisory_lock(${gate})`)
      yield* holder.execute("BEGIN")
      if (stop.before !== undefined) yield* holder.execute(stop.before)
      const running = yield* Pgark.start(args, options)
      if (stop.meanwhile !== undefined) {
        yield* Restores.until(waiting(url, "CREATE INDEX%"), (rows) => rows.length > 0, "120 seconds")
        yield* holder.execute(stop.meanwhile)
        yield* holder.execute(`SELECT pg_advisory_unlock(${gate})`)
      }
      const [found] = yield* Restores.until(waiting(url, stop.waits), (rows) => rows.length > 0, "120 seconds")
      if (end === "pg_terminate_backend") yield* holder.execute(`SELECT pg_terminate_backend(${found!.pid})`)
      else running.child.kill(end)
      // Its way back would wait for the same.
      if (end !== "SIGKILL") yield* holder.execute("ROLLBACK; SELECT pg_advisory_unlock_all()")
      const ended = yield* running.ended
      yield* gone(url)
      return ended
    })
  )
})

/** `pgark undo` brings back what was there. */
export const undone = Effect.fnUntraced(function* ({ before, options, url }: Target) {
  const undo = yield* Pgark.run(["undo", "--yes"], options)
  assert.strictEqual(undo.code, 0, undo.stderr)
  assert.strictEqual(yield* snapshot(url), before)
  assert.deepStrictEqual(yield* Several.asides(url), [])
  return undo
})

/** Neither journals nor safety dumps. */
export const nothingLeft = ({ cwd }: Target) => assert.deepStrictEqual(Several.before(`${cwd}/dumps`), [])
