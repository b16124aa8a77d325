/** What the server's processes were waiting for while a program ran, as `pg_stat_activity` tells. */
import * as Effect from "effect/Effect"
import type { SessionService } from "../../src/postgres/Session.ts"

/** Shares of the looks at busy processes, by what each was waiting for; "running" is none. */
export type Waits = Readonly<Record<string, number>>

const sql = `
  SELECT coalesce(wait_event_type || ':' || wait_event, 'running') AS event FROM pg_stat_activity
  WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type IN ('client backend', 'parallel worker')`

/** Runs `body`, looking every tenth of a second. */
export const sample = Effect.fnUntraced(function* <A, E, R>(
  body: Effect.Effect<A, E, R>,
  { sql: client }: SessionService
) {
  const counts = new Map<string, number>()
  const look = Effect.map(client.unsafe<{ event: string }>(sql), (rows) => {
    for (const { event } of rows) counts.set(event, (counts.get(event) ?? 0) + 1)
  })
  const looking = Effect.forever(Effect.andThen(look, Effect.sleep("100 millis")))
  const result = yield* Effect.raceFirst(body, looking)
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0)
  const waits: Waits = Object.fromEntries(
    [...counts]
      .toSorted(([, a], [, b]) => b - a)
      .map(([event, count]) => [event, Math.round((1000 * count) / total) / 1000])
  )
  return { result, waits }
})
