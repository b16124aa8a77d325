/**
 * Telling how far a task is, at a price that does not depend on how much it does: the task keeps its own counts, and
 * now and then somebody looks at them.
 */
import { isDeepStrictEqual } from "node:util"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Progress, progress } from "./RunEvent.ts"

/** How often it is looked: as often as somebody can read it. */
const every = "100 millis"

/**
 * Does the work, and tells at its beginning, at its end and every tenth of a second between them what `look` gives,
 * where that has changed. `look` must be quick and must not throw.
 */
export const telling =
  (look: () => Progress) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      let told: Progress | undefined
      const tell = Effect.suspend(() => {
        const now = look()
        if (isDeepStrictEqual(now, told)) return Effect.void
        told = now
        return progress(now)
      })
      const looking = Effect.forever(Effect.andThen(Effect.sleep(every), tell))
      const watched = Effect.scopedWith((scope) =>
        // The work may stand where nothing interrupts it; that its watcher goes must not wait for the end of that.
        Effect.andThen(Effect.forkIn(Effect.interruptible(looking), scope), work)
      )
      return tell.pipe(Effect.andThen(watched), Effect.ensuring(tell))
    })

/** Says what a task is at while it does work that has no counts: a statement that may take long, or wait for a lock. */
export const during =
  (name: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (since) => {
      const at: Progress = { what: "", parts: [{ name, since }] }
      return Effect.andThen(progress(at), Effect.ensuring(work, progress({ what: "", parts: [] })))
    })

/** A list of which one item is done after the other. */
interface Steps {
  /** What is done with them: "analyzed". */
  readonly what: string
  readonly unit: "tables" | "statements"
  readonly total: number
}

/**
 * Does the work on a list, telling at which item it is.
 *
 * @param work is given what it says at the beginning of an item, or of several: its name, and how many are done
 */
export const stepwise = <A, E, R>(
  { total, unit, what }: Steps,
  work: (begun: (name: string, done: number) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    let at: Progress = { what, [unit]: { done: 0, total }, parts: [] }
    const begun = (name: string, done: number) => {
      at = { what, [unit]: { done, total }, parts: [{ name, since: clock.currentTimeMillisUnsafe() }] }
    }
    const ended = Effect.sync(() => void (at = { what, [unit]: { done: total, total }, parts: [] }))
    return telling(() => at)(Effect.tap(work(begun), () => ended))
  })

/** Does the same with one item after the other, telling at which one it is. */
export const each = <A, E, R>(
  items: ReadonlyArray<A>,
  steps: Omit<Steps, "total"> & { readonly name: (item: A, index: number) => string },
  work: (item: A) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  stepwise({ ...steps, total: items.length }, (begun) =>
    Effect.forEach(
      items,
      (item, index) =>
        Effect.suspend(() => {
          begun(steps.name(item, index), index)
          return work(item)
        }),
      { discard: true }
    )
  )
