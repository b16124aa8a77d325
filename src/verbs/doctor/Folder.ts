/** The folder of dumps: whether there is a way to write into it, what lies there unfinished, how much room is left. */
import * as Effect from "effect/Effect"
import * as DumpFolder from "../../dumps/DumpFolder.ts"
import { DumpStore } from "../../dumps/DumpStore.ts"
import { bytes, plural } from "../../pipeline/Words.ts"
import { about, everything } from "./Check.ts"
import type { Sizes } from "./Replacing.ts"
import type { Visit } from "./Visit.ts"

/** Bytes below which not even a small dump with its manifest has room. */
const least = 1_000_000

const leftovers = Effect.fnUntraced(function* (visit: Visit) {
  const { leftovers } = yield* DumpStore
  const what = about("dump", "unfinished", "unfinished")
  const found = yield* visit.ask(what, leftovers)
  if (found === undefined || found.length === 0) return
  visit.tell(
    what.note(
      `${plural(found.length, "file")} of runs that are under way, or were killed`,
      "Remove what no run is writing any more.",
      found.map(({ file, size }) => `${file}, ${bytes(size)}`)
    )
  )
})

const mend =
  "Free some space, or choose another folder with --dir. A dump may fit when it is packed (--compress gzip); a restore " +
  "saves first what it replaces, unless it is told --no-backup-first."

/**
 * Tells it.
 *
 * @param size how large the tables are; undefined where that is not known
 */
export const look = Effect.fn("doctor.Folder.look")(function* (
  visit: Visit,
  size: Sizes | undefined
): Effect.fn.Return<void, never, DumpStore> {
  const { directory, free } = yield* DumpStore
  const what = about("dump", "folder", "folder")
  const state = yield* visit.ask(what, DumpFolder.look(directory), { stops: everything })
  if (state === undefined) return
  const left = yield* visit.ask(what, free)
  if (left === undefined) return
  const where = `${directory.replace(/\/*$/, "/")} ${state.exists ? "is there" : "will be created"}, ${bytes(left)} free`
  const text = size === undefined ? where : `${where}; the tables take ${bytes(size.dumped)}`
  if (left <= least) visit.tell(what.problem(text, { stops: everything, mend }))
  else if (size !== undefined && left <= size.replaced) visit.tell(what.problem(text, { stops: ["restore"], mend }))
  else visit.tell(size !== undefined && left <= size.dumped ? what.note(text, mend) : what.ok(where))
  if (state.isOpen) {
    visit.tell(
      about("dump", "permissions", "permissions").note(
        `anybody may put files into ${directory}/, or replace dumps there`,
        `chmod o-w ${directory}`
      )
    )
  }
  if (state.exists) yield* leftovers(visit)
})
