/** Reads post-data into memory before anything of it runs: its statements, and the settings in force for each. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { DumpDamaged } from "../../../dumps/DumpError.ts"
import { eventSource } from "../Script.ts"
import { changedSince, type ReadStatement, type Statements } from "../Statements.ts"

/** What the dump has set by the time of a statement: one SET of each name. Compared by identity. */
export type Settings = ReadonlyMap<string, ReadStatement>

/** A statement, and what has to be set where it runs. */
export interface PostStatement {
  readonly read: ReadStatement
  readonly settings: Settings
}

/** The statements of a script, in its order, without its settings; and the settings that are in force at its end. */
export const readAhead = Effect.fnUntraced(function* <E, R>(options: {
  readonly statements: Statements
  readonly chunk: Effect.Effect<Option.Option<Uint8Array>, E, R>
  readonly file: string
}): Effect.fn.Return<{ readonly post: ReadonlyArray<PostStatement>; readonly settings: Settings }, E | DumpDamaged, R> {
  const { file, statements } = options
  const next = eventSource(options.chunk)
  const post: Array<PostStatement> = []
  let settings: Settings = new Map()
  for (;;) {
    const event = yield* next
    if (event === undefined) return { post, settings }
    if (event._tag === "Meta") {
      const refused = statements.readMeta(event, file)
      if (refused !== undefined) return yield* refused
    } else if (event._tag === "Unfinished" || event._tag === "Malformed") {
      return yield* changedSince("ends in the middle of a statement", file, event.line)
    } else if (event._tag === "CopyStart") {
      return yield* changedSince("has rows behind what needs rows", file, event.line)
    } else if (event._tag === "Statement") {
      const found = statements.read(event, file)
      if (!("kind" in found)) return yield* found
      const { decision, kind } = found
      // The bytes are a view of a chunk that would otherwise be kept whole.
      const read = { ...found, bytes: found.bytes.map((bytes) => Uint8Array.from(bytes)) }
      if (kind._tag !== "SetSetting") post.push({ read, settings })
      else if (decision._tag === "Skip") statements.record(read, { skippedFor: decision.reason })
      else {
        settings = new Map(settings).set(kind.name, read)
        statements.countStatements(1)
      }
    }
  }
})
