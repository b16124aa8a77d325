/** What a plan puts at stake, for whoever is asked whether it shall run. No plan rests on it: it may be an estimate. */
import * as Schema from "effect/Schema"

/** Somebody else who is connected to the database. What this role may not see is null. */
export const Connected = Schema.Struct({
  pid: Schema.Int,
  user: Schema.NullOr(Schema.String),
  application: Schema.NullOr(Schema.String),
  /** The address of its client; none of a local one. */
  client: Schema.NullOr(Schema.String)
})
export type Connected = typeof Connected.Type

export const Stakes = Schema.Struct({
  database: Schema.String,
  /** The server that answered: `host:port`. */
  server: Schema.String,
  /** How many tables go, with rows of their own. */
  tables: Schema.Int,
  /** Their rows: counted where `exact`, else about so many. */
  rows: Schema.Finite,
  exact: Schema.Boolean,
  /** Tables among them of which nobody knows how many rows they have: none of theirs are in `rows`. */
  uncounted: Schema.Int,
  /** What these tables take on the server's disk, with their indexes. */
  bytes: Schema.Finite,
  largeObjects: Schema.Int,
  /** Where what goes is dumped to before, and the command that brings it back; null where nothing is saved. */
  wayBack: Schema.NullOr(Schema.Struct({ folder: Schema.String, command: Schema.String })),
  /** Other sessions in the database. */
  connected: Schema.Array(Connected)
})
export type Stakes = typeof Stakes.Type
