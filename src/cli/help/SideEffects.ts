/** What a command reads, writes and changes, noted beside the command for its page in the reference. */
import * as Context from "effect/Context"

/** Sentences, each about one thing, in Markdown. */
export interface SideEffectsService {
  /** Files, besides the configuration that every command reads. */
  readonly reads: ReadonlyArray<string>
  readonly writes: ReadonlyArray<string>
  /** What becomes of the database. */
  readonly database: string
}

/** The annotation of a command; see `Command.annotate`. */
export class SideEffects extends Context.Service<SideEffects, SideEffectsService>()("pgark/cli/help/SideEffects") {}
