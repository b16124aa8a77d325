/** What a doctor's visit is made of: one thing that was looked at, what was found, and what mends it. */
import * as Schema from "effect/Schema"
import { Grant } from "../../postgres/DatabaseError.ts"

/** How it stands: as it should be, worth knowing, or something that will fail or may go wrong. */
export const Level = Schema.Literals(["ok", "note", "problem"])
export type Level = typeof Level.Type

/** What it is about, in the order in which it is told. */
export const Group = Schema.Literals(["machine", "url", "connection", "server", "dump", "restore"])
export type Group = typeof Group.Type

/** What pgark is for; `restore` stands for all that changes a target: clean, undo and grant, too. */
export const Work = Schema.Literals(["dump", "restore"])
export type Work = typeof Work.Type

export const Check = Schema.Struct({
  id: Schema.String.annotateKey({
    description: "The same in every version: `server.version`, of several of a kind with a name behind it: `role.app`."
  }),
  group: Group.annotateKey({ description: "What it is about." }),
  title: Schema.String.annotateKey({ description: "One or two words." }),
  level: Level.annotateKey({ description: "How it stands." }),
  found: Schema.String.annotateKey({ description: "What was found, in words." }),
  detail: Schema.optionalKey(Schema.Array(Schema.String)).annotateKey({
    description: "More of it, one thing a line: the objects in the way."
  }),
  mend: Schema.optionalKey(Schema.String).annotateKey({ description: "What to do about it." }),
  grants: Schema.optionalKey(Schema.Array(Grant)).annotateKey({
    description: "What would open to the role what is closed to it, ready to be run."
  }),
  stops: Schema.optionalKey(Schema.Array(Work)).annotateKey({
    description: "Which work cannot be done until it is mended; of a problem that stops nothing it is empty."
  })
})
export type Check = typeof Check.Type

/** What an error of pgark says of itself; see `problemFields`. */
export interface Failure {
  readonly _tag: string
  readonly message: string
  readonly detail?: string
  readonly suggestion?: string
  readonly grants?: ReadonlyArray<Grant>
  /** What is in the way of emptying the target. */
  readonly blockers?: ReadonlyArray<{ readonly what: string; readonly owner: string; readonly why: string }>
}

/** All of it: the words of an error leave out what would be too much. */
const detailOf = ({ blockers, detail }: Failure): ReadonlyArray<string> | undefined =>
  blockers !== undefined && blockers.length > 0
    ? blockers.map(({ owner, what, why }) => `${what} of ${owner}: ${why}`)
    : detail?.split("\n")

/** Makes the checks about one thing. */
export interface About {
  readonly id: string
  readonly title: string
  readonly ok: (found: string) => Check
  readonly note: (found: string, mend?: string, detail?: ReadonlyArray<string>) => Check
  readonly problem: (
    found: string,
    more: Pick<Check, "mend" | "detail" | "grants"> & { readonly stops: ReadonlyArray<Work> }
  ) => Check
  /** The error that a verb would fail with. */
  readonly failure: (error: Failure, stops: ReadonlyArray<Work>) => Check
}

/** All work: without it nothing can be done. */
export const everything: ReadonlyArray<Work> = ["dump", "restore"]

export const about = (group: Group, id: string, title: string): About => {
  const check = (level: Level, found: string): Check => ({ id: `${group}.${id}`, group, title, level, found })
  const problem: About["problem"] = (found, more) => ({ ...check("problem", found), ...more })
  return {
    id: `${group}.${id}`,
    title,
    ok: (found) => check("ok", found),
    note: (found, mend, detail = []) => ({
      ...check("note", found),
      ...(mend === undefined ? {} : { mend }),
      ...(detail.length === 0 ? {} : { detail })
    }),
    problem,
    failure: (error, stops) => {
      const { grants, message, suggestion } = error
      const detail = detailOf(error)
      return problem(message, {
        stops,
        ...(detail === undefined ? {} : { detail }),
        ...(suggestion === undefined ? {} : { mend: suggestion }),
        ...(grants === undefined ? {} : { grants })
      })
    }
  }
}
