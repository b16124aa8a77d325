/** How far a reading of a dump is, for those who watch: while it is proven, and while it is written. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { JudgeOptions } from "../dumps/DumpListing.ts"
import type { ReadingPosition } from "../dumps/DumpReading.ts"
import type { DumpStoreService, ProveFileOptions, StoredDump } from "../dumps/DumpStore.ts"
import * as Progress from "../pipeline/Progress.ts"
import type { Amount, Part, Progress as Told } from "../pipeline/RunEvent.ts"
import { quote } from "../postgres/Identifier.ts"

/** A table, and how much there is of it. */
export interface KnownTable {
  readonly schema: string
  readonly name: string
  readonly rows: number
  readonly bytes?: number
}

/** An identifier as people write it, in quotes where it needs them. */
const written = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quote(name))

/** A table's name as people write it: `public."User"`. Two tables never have the same. */
export const nameOf = ({ schema, name }: Pick<KnownTable, "name" | "schema">): string =>
  schema === "" ? written(name) : `${written(schema)}.${written(name)}`

/** An amount, with its total where that is known. */
export const amount = (done: number, total: number | undefined, estimated = false): Amount => ({
  done,
  ...(total === undefined ? {} : { total, ...(estimated ? { estimated } : {}) })
})

/** Tells since when the same table is the one that is open. */
export const sinceWhen = (clock: Clock.Clock) => {
  let [open, since] = [-1, 0]
  return (position: ReadingPosition): number => {
    if (position.closed.length !== open) {
      open = position.closed.length
      since = clock.currentTimeMillisUnsafe()
    }
    return since
  }
}

/** What is known of a dump beforehand, by its manifest. */
const known = ({ manifest }: StoredDump) => {
  if (manifest === undefined) return { rows: undefined, tables: undefined, of: () => undefined }
  const tables = new Map(manifest.tables.map((table) => [nameOf(table), table]))
  return {
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    tables: tables.size,
    of: (name: string): KnownTable | undefined => tables.get(name)
  }
}

/** `DumpStore.prove`, telling how far it is: of the file, of its rows, and of the table that it reads. */
export const prove = Effect.fn("ReadingProgress.prove")(function* (
  store: Pick<DumpStoreService, "prove">,
  dump: StoredDump,
  options: Omit<ProveFileOptions, "onProgress"> = {}
): Effect.fn.Return<
  Effect.Success<ReturnType<DumpStoreService["prove"]>>,
  Effect.Error<ReturnType<DumpStoreService["prove"]>>
> {
  const since = sinceWhen(yield* Clock.Clock)
  const { of, rows, tables } = known(dump)
  // What is read of an archive is its SQL, whose length only a manifest could tell.
  const size = dump.form.format === "plain" || dump.form.format === "directory" ? dump.size : undefined
  let at: readonly [bytes: number, position: ReadingPosition] = [0, { bytes: 0, rows: 0, closed: [] }]
  const look = (): Told => {
    const [bytes, position] = at
    const { closed, table } = position
    const parts: Array<Part> = []
    if (table !== undefined) {
      const name = nameOf(table)
      const whole = of(name)
      parts.push({
        name,
        since: since(position),
        rows: amount(table.rows, whole?.rows),
        bytes: amount(table.bytes, whole?.bytes)
      })
    }
    return {
      what: `read ${dump.file}`,
      bytes: amount(bytes, size),
      rows: amount(position.rows, rows),
      tables: amount(closed.length, tables),
      parts
    }
  }
  const onProgress = (...read: typeof at) => Effect.sync(() => void (at = read))
  return yield* Progress.telling(look)(store.prove(dump, { ...options, onProgress }))
})

/** `DumpStore.judged`, telling which dump it reads, and how far that is. */
export const judged = Effect.fn("ReadingProgress.judged")(function* (
  store: Pick<DumpStoreService, "judged">,
  again: boolean
): Effect.fn.Return<
  Effect.Success<ReturnType<DumpStoreService["judged"]>>,
  Effect.Error<ReturnType<DumpStoreService["judged"]>>
> {
  const clock = yield* Clock.Clock
  let [reading, since] = ["", 0]
  let parts: ReadonlyArray<Part> = []
  const onProgress: JudgeOptions["onProgress"] = (file, bytes, size, position) =>
    Effect.sync(() => {
      if (file !== reading) [reading, since] = [file, clock.currentTimeMillisUnsafe()]
      parts = [{ name: file, since, bytes: amount(bytes, size), rows: amount(position.rows, undefined) }]
    })
  return yield* Progress.telling(() => ({ what: "read the dumps", parts }))(store.judged({ again, onProgress }))
})
