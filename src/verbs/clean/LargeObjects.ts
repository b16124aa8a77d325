/** Statements that unlink large objects. */
import { chunksOf } from "effect/Array"

/** How many one statement unlinks: each takes an entry of the server's lock table. */
const most = 1000

/** Unlinks those of these large objects that there are, some by each statement. */
export const unlink = (oids: ReadonlyArray<string>) =>
  chunksOf(oids, most).map((some) => ({
    sql: `SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid IN (${some.join(", ")})`,
    count: some.length
  }))
