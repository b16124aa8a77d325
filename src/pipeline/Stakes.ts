/** What a plan puts at stake, for whoever is asked whether it shall run. No plan rests on it: it may be an estimate. */
import * as Schema from "effect/Schema"

/** Somebody else who is connected to the database. */
export const Connected = Schema.Struct({
  pid: Schema.Int.annotateKey({ description: "The process of the server that serves it." }),
  user: Schema.NullOr(Schema.String).annotateKey({ description: "Its role; null where this role may not see it." }),
  application: Schema.NullOr(Schema.String).annotateKey({ description: "The name it gave itself." }),
  client: Schema.NullOr(Schema.String).annotateKey({
    description: "The address it is connected from; null for a local one, or where this role may not see it."
  })
})
export type Connected = typeof Connected.Type

/** What leads back to what goes. */
export const WayBack = Schema.Struct({
  folder: Schema.optionalKey(Schema.String).annotateKey({
    description: "Where what goes is dumped to, before it goes; absent where it is kept."
  }),
  kept: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "Schemas of the database that it is kept in, until the next restore."
  }),
  command: Schema.String.annotateKey({ description: "The command that brings it back from there." })
})

export const Stakes = Schema.Struct({
  database: Schema.String.annotateKey({ description: "The database that loses it." }),
  server: Schema.String.annotateKey({ description: "The server that answered: `host:port`." }),
  tables: Schema.Int.annotateKey({ description: "How many tables with rows of their own go." }),
  rows: Schema.Finite.annotateKey({ description: "Their rows: counted where `exact`, else about so many." }),
  exact: Schema.Boolean.annotateKey({ description: "Whether the rows were counted." }),
  uncounted: Schema.Int.annotateKey({
    description: "Tables among them of which nobody knows how many rows they have: none of theirs are in `rows`."
  }),
  bytes: Schema.Finite.annotateKey({
    description: "What these tables take on the server's disk, with their indexes; 0 where others held them locked."
  }),
  largeObjects: Schema.Int.annotateKey({ description: "How many large objects go." }),
  wayBack: Schema.NullOr(WayBack).annotateKey({ description: "What leads back; null where nothing is saved." }),
  connected: Schema.Array(Connected).annotateKey({ description: "Other sessions in the database." })
})
export type Stakes = typeof Stakes.Type
