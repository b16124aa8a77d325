/**
 * Poolers between this program and the server: PgBouncer, Supavisor and their like.
 *
 * In transaction mode every transaction may run on another backend: what a session relies on (settings, advisory locks,
 * exported snapshots) belongs to whoever comes next. In session mode a client keeps its backend, which has served
 * others before it. Hosts and ports let one guess; what connections see of each other decides.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { acquire, urlOf } from "./Connecting.ts"
import { type DatabaseError, problemFields } from "./DatabaseError.ts"
import type { DatabaseUrl } from "./DatabaseUrl.ts"
import type { PoolerFound } from "./connecting/KnownPoolers.ts"
import * as PoolerProbe from "./connecting/PoolerProbe.ts"

export { guess, type PoolerFound } from "./connecting/KnownPoolers.ts"

/** A pooler is in between, in a mode that what was asked for does not go with (exit code 2). */
export class PoolerInBetween extends Schema.TaggedError<PoolerInBetween>()("PoolerInBetween", {
  ...problemFields,
  /** The server behind it, as host:port, where it can be derived. */
  direct: Schema.optionalKey(Schema.String)
}) {}

/** Connects, and says whether there is a pooler in between; with one it takes a few connections and seconds. */
export const detect = Effect.fn("Pooler.detect")(
  function* (url: DatabaseUrl): Effect.fn.Return<PoolerFound | undefined, DatabaseError, Scope.Scope> {
    const client = yield* acquire(url, PoolerProbe.application)
    const reached = urlOf(client) ?? url
    return yield* PoolerProbe.behind(reached, client, yield* PoolerProbe.backendPid(reached, client))
  },
  (effect) => Effect.scoped(effect)
)

const waysOut = ({ direct }: PoolerFound) =>
  direct === undefined
    ? "Use the URL of the server itself, which providers call the direct or unpooled one."
    : `Use the URL of the server itself: host and port ${direct}.`

/**
 * Fails where a connection through this pooler is not fit to work on: in transaction mode always, in session mode unless
 * it is allowed.
 *
 * @param server host:port that was connected to
 */
export const refuse = (
  pooler: PoolerFound | undefined,
  server: string,
  allowed: boolean
): Effect.Effect<void, PoolerInBetween> => {
  if (pooler === undefined || (allowed && pooler.mode === "session" && pooler.full !== true)) return Effect.void
  const name = `${pooler.name[0]!.toUpperCase()}${pooler.name.slice(1)}`
  const session = pooler.mode === "session"
  const message = `${name}${pooler.mode === "unknown" ? "" : ` in ${pooler.mode} mode`} stands in between at ${server}.`
  const why = pooler.full
    ? "It lets no second client in while one is there, and a dump takes two."
    : session
      ? "Its backends have served others before, whose settings may be left in them."
      : "Settings, locks and snapshots of a session would fall to whoever gets its backend next: a dump could not be " +
        "of one moment, and other clients would find another search_path."
  return Effect.fail(
    new PoolerInBetween({
      message,
      detail: why,
      suggestion: pooler.full
        ? `${waysOut(pooler)} Or give it a larger pool.`
        : session
          ? `${waysOut(pooler)} Or go through it all the same: --allow-pooler.`
          : `${waysOut(pooler)} --allow-pooler does not help here.`,
      state: "untouched",
      ...(pooler.direct === undefined ? {} : { direct: pooler.direct })
    })
  )
}
