/**
 * The events of a run as a stream, for renderers and whoever else consumes them at a pace of his own.
 *
 * A run never waits for its reader. What tells of a task's fate, its notes and its retries reaches the reader in order
 * and without a gap, however late; of progress, which is the bulk of the events, what comes while `backlog` events are
 * unread is left out: the counts are totals, so the next one that is read makes up for it.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { type RunEvent, RunEvents } from "./RunEvent.ts"

/** Behind the events of a run that went well: what it gave. */
export interface RunEnded<out A> {
  readonly _tag: "RunEnded"
  readonly value: A
}

/** Unread events from which on progress is left out. */
const backlog = 256

/** The run, whose events are offered to a reader besides those who listen already. */
const offering = <A, E, R>(
  run: Effect.Effect<A, E, R>,
  reader: { readonly offer: (event: RunEvent) => Effect.Effect<unknown>; readonly unread: () => number }
): Effect.Effect<A, E, R> =>
  Effect.flatMap(RunEvents, (listen) =>
    Effect.provideService(run, RunEvents, (event) =>
      Effect.suspend(() => {
        const leftOut = event._tag === "TaskProgress" && reader.unread() >= backlog
        return leftOut ? listen(event) : Effect.andThen(reader.offer(event), listen(event))
      })
    )
  )

/**
 * Runs when it is read: its events, and {@link RunEnded} at the end. A run that fails fails the stream, after its last
 * event. Who stops reading interrupts the run, and waits until it has put away everything.
 *
 * Listeners from outside (`RunEvents`) go on hearing the events, at once.
 */
export const make = <A, E, R>(run: Effect.Effect<A, E, R>): Stream.Stream<RunEvent | RunEnded<A>, E, R> =>
  Stream.callback<RunEvent | RunEnded<A>, E, R>((queue) =>
    offering(run, {
      offer: (event) => Queue.offer(queue, event),
      unread: () => Queue.sizeUnsafe(queue)
    }).pipe(
      Effect.flatMap((value) => Queue.offer(queue, { _tag: "RunEnded", value })),
      Effect.andThen(Queue.end(queue))
    )
  )

/**
 * Runs with a reader beside it, who reads the same stream of events (less its end) to the last one: also those of a run
 * that fails, or is interrupted and puts away what it had begun. Ends when both have.
 */
export const read =
  <R2>(reader: (events: Stream.Stream<RunEvent>) => Effect.Effect<void, never, R2>) =>
  <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2> =>
    Effect.gen(function* () {
      const queue = yield* Queue.unbounded<RunEvent, Cause.Done>()
      const reading = yield* Effect.forkChild(reader(Stream.fromQueue(queue)))
      return yield* Effect.onExit(
        offering(run, { offer: (event) => Queue.offer(queue, event), unread: () => Queue.sizeUnsafe(queue) }),
        () => Effect.andThen(Queue.end(queue), Fiber.join(reading))
      )
    })
