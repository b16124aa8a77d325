/** COPY as whoever uses it sees it: what is asked for, and what comes of it. How it is done stands beside this. */
import type * as Effect from "effect/Effect"
import type { DatabaseError } from "../DatabaseError.ts"
import type { Place } from "../Sqlstate.ts"

/** Sends COPY data, which must not be changed afterwards; returns when the socket can take more. */
export type WriteCopyData = (chunk: Uint8Array) => Effect.Effect<void, DatabaseError>

/** Runs a COPY, lets `body` write the data, gives the number of rows that the server counted. */
export type CopyIn = <E, R>(
  sql: Uint8Array,
  place: Place,
  body: (write: WriteCopyData) => Effect.Effect<void, E, R>
) => Effect.Effect<number, DatabaseError | E, R>

/** What a COPY has given. */
export interface CopiedOut {
  /** As the server counted them. */
  readonly rows: number
  /** Bytes of data, without what the protocol puts around them. */
  readonly bytes: number
}

/**
 * Runs a COPY and hands its data to `take`, one chunk after another: 256 KB or a little more each, the last one less, cut
 * wherever it is. A chunk is good until `take` has returned: its memory takes the next but one. While one is taken the next
 * one is read, and no more.
 *
 * When `take` fails, or it is interrupted, the server is told to cancel, and what it still sends is thrown away: the
 * connection is fit for the next statement, a transaction around it is not.
 */
export type CopyOut = <E, R>(
  sql: string,
  take: (chunk: Uint8Array) => Effect.Effect<void, E, R>
) => Effect.Effect<CopiedOut, DatabaseError | E, R>
