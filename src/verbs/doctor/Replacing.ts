/** What a restore of the database's own dump, and a clean, would meet there, found out by what decides it in a run. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { count, listed, plural } from "../../pipeline/Words.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import { quote } from "../../postgres/Identifier.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { Session } from "../../postgres/Session.ts"
import { type Survey, survey } from "../../postgres/survey/Survey.ts"
import { type Emptying, decided } from "../Clean.ts"
import { census } from "../clean/Ladder.ts"
import { choose } from "../restore/Choosing.ts"
import { extensionReason, unfit } from "../restore/Fitness.ts"
import * as Going from "../restore/Going.ts"
import { emptied, type Replacement } from "../restore/Replacement.ts"
import * as Selection from "../restore/Selection.ts"
import * as Way from "../restore/Way.ts"
import { noSuchSchema } from "../VerbError.ts"
import { type About, about, type Work } from "./Check.ts"
import { type Covered, lockPatience } from "./Dumping.ts"
import { type Imagined, imagine } from "./Imagined.ts"
import type { Visit } from "./Visit.ts"

/** How long a survey may take: thousands of tables take a second or so. */
const patience = "30 seconds"

const rungs = {
  1: "drops the schema and puts it back",
  2: "keeps the schema, drops its content"
}

/** The rung that the ladder takes, or what is in the way of all of them. Gives what was said of the rung. */
const ladder = Effect.fnUntraced(function* (
  visit: Visit,
  what: About,
  emptying: Emptying,
  options: {
    readonly stops: ReadonlyArray<Work>
    /** What was said before, and how to say that it is the same. */
    readonly before?: { readonly text: string | undefined; readonly same: string }
  }
) {
  const { before, stops } = options
  const found = yield* visit.ask(what, decided(emptying, false), { stops })
  if (found === undefined) return undefined
  const [rung] = found.ladder.rungs
  const nothing = "nothing is there to drop"
  const text = rung === undefined ? nothing : `${rungs[rung.rung]}: ${listed(rung.why.split("; "), 3).join("; ")}`
  const said = before?.text === text && text !== nothing ? before.same : text
  const stays = rung?.stays ?? []
  visit.tell(
    stays.length === 0
      ? what.ok(said)
      : what.note(
          `${said}; ${plural(stays.length, "object of another role stays", "objects of other roles stay")}`,
          undefined,
          stays
        )
  )
  return text
})

/** The schemas that `clean` empties, which need not be those of a dump. */
const clean = Effect.fnUntraced(function* (visit: Visit, schemas: ReadonlyArray<string>, known: Survey) {
  if (schemas.length === 0) return undefined
  const what = about("restore", "clean", "clean")
  const isKnown = known.schemas.map(({ name }) => name).join("\n") === schemas.join("\n")
  const found = isKnown
    ? // What is not in the schemas is a dump's business.
      { ...known, largeObjects: [], configTables: [] }
    : yield* visit.ask(what, LockLimit.reading(lockPatience, survey({ schemas })), { limit: patience })
  if (found === undefined) return undefined
  const missing = found.schemas.find(({ exists }) => !exists)
  if (missing === undefined) return yield* ladder(visit, what, { survey: found }, { stops: [] })
  const { message, suggestion } = noSuchSchema(missing.name, found.server.database)
  visit.tell(what.note(message, suggestion))
  return undefined
})

const owners = (visit: Visit, { objects, role, schemas }: Survey): void => {
  for (const schema of schemas) {
    if (!schema.exists) continue
    const own = objects.filter((object) => object.schema === schema.name && object.extension === null)
    const foreign = own.filter(({ droppable }) => !droppable)
    const what = about("restore", `schema.${schema.name}`, "schema")
    const head = `${quote(schema.name)} of ${schema.owner}${schema.canCreate ? "" : `, in which ${role.name} may not create`}`
    const holds = own.length === 0 ? "empty" : listed(census(own).split(", "), 3).join(", ")
    visit.tell(
      what.ok(
        `${head}: ${holds}${foreign.length === 0 ? "" : `, of which ${count(foreign.length)} ${foreign.length === 1 ? "is" : "are"} not this role's to drop`}`
      )
    )
  }
}

const databaseWide = (visit: Visit, { databaseWide: wide, largeObjects }: Survey): void => {
  if (wide.length + largeObjects.length === 0) return
  const what = about("restore", "database", "besides")
  const there = census([...wide, ...largeObjects.map(() => ({ kind: "LARGE OBJECT" }))])
  const staying = wide.filter(({ droppable }) => !droppable)
  visit.tell(
    staying.length === 0
      ? what.ok(there)
      : what.note(
          `${there}: a restore leaves ${staying.length} of them as they are, which this role may not replace`,
          undefined,
          staying.map(({ kind, name, owner }) => `${kind.toLowerCase()} ${name} of ${owner}`)
        )
  )
}

const extensions = (visit: Visit, found: Survey): void => {
  const { availableExtensions, extensions } = found
  const what = about("restore", "extensions", "extensions")
  const installed = new Set(extensions.map(({ name }) => name))
  const others = availableExtensions.filter(({ name }) => !installed.has(name))
  const creatable = others.filter(({ name }) => extensionReason(name, found) === undefined)
  const here = extensions.map(({ name, version }) => `${name} ${version}`)
  visit.tell(
    what.ok(
      [
        ...listed(here, 6),
        `${creatable.length === others.length ? "" : `${count(creatable.length)} of `}${count(others.length)} others may be created`
      ].join(", ")
    )
  )
}

const way = Effect.fnUntraced(function* (visit: Visit, { contents, survey }: Imagined, going: Replacement) {
  const what = about("restore", "way", "way")
  const course = yield* visit.ask(
    what,
    choose({ survey, contents, going, backupFirst: true, several: false, jobs: 1 }),
    {
      stops: ["restore"]
    }
  )
  if (course === undefined) return false
  if (course.way === "transaction") visit.tell(what.ok(`in one transaction: ${course.why}`))
  else {
    visit.tell(
      what.note(
        `${Way.words[course.way]}: ${course.why}`,
        "Raise max_locks_per_transaction and restart the server for one transaction; stop what is connected meanwhile otherwise."
      )
    )
  }
  return course.way !== "transaction"
})

/** What is found. */
export interface Found {
  /**
   * Asks for the bytes of tables on the server's disk; undefined where they are not told. To be asked last: it waits for
   * those who have a table locked.
   */
  readonly size: Effect.Effect<Sizes | undefined, never, Session | SqlClient.SqlClient>
  /** A restore would take several transactions. */
  readonly several: boolean
}

/** Bytes of tables on the server's disk, without their indexes: about what a plain dump of them takes. */
export interface Sizes {
  /** All that a dump covers. */
  readonly dumped: number
  /** What a restore would save before it replaces it. */
  readonly replaced: number
}

const sizesOf = Effect.fnUntraced(function* ({ contents, survey }: Imagined, going: Replacement) {
  const replaced = yield* Going.of({ contents, found: survey, going, clean: true })
  const objects = survey.objects.filter(({ extension }) => extension === null)
  const dumped = yield* Selection.select({ ...replaced, objects })
  return {
    dumped: dumped.bytes,
    replaced: objects.length === replaced.objects.length ? dumped.bytes : (yield* Selection.select(replaced)).bytes
  }
})

/** Where a table is locked, a run would wait for it as well, and what holds it may be gone by then. */
const sizes = (visit: Visit, imagined: Imagined, going: Replacement) => {
  const what = about("restore", "size", "size")
  const unknown = Effect.sync(() => {
    visit.tell(
      what.note("how large the tables are is not known: other sessions have some of them locked", "Try again later.")
    )
    return undefined
  })
  const asked = LockLimit.reading(lockPatience, sizesOf(imagined, going)).pipe(
    Effect.catchTag("LockTimeout", () => unknown)
  )
  return visit.ask(what, asked, { limit: patience })
}

/**
 * Tells it.
 *
 * @param options.cleaned the schemas that `clean` would empty
 */
export const look = Effect.fn("doctor.Replacing.look")(function* (
  visit: Visit,
  options: { readonly covered: Covered; readonly cleaned: ReadonlyArray<string> }
): Effect.fn.Return<Found, never, Session | SqlClient.SqlClient> {
  const what = about("restore", "survey", "survey")
  const reading: Effect.Effect<Imagined, DatabaseError, Session | SqlClient.SqlClient> = LockLimit.reading(
    lockPatience,
    imagine(options.covered.schemas, options.covered.whole)
  )
  const imagined = yield* visit.ask(what, reading, { limit: patience, stops: ["restore"] })
  if (imagined === undefined) return { size: Effect.undefined, several: false }
  const { contents, survey } = imagined
  owners(visit, survey)
  extensions(visit, survey)
  databaseWide(visit, survey)
  const cleaning = yield* clean(visit, options.cleaned, survey)
  const reason = unfit(survey, contents, { clean: true, owner: "auto" })
  const restoring = about("restore", "restore", "restore")
  if (reason !== undefined) visit.tell(restoring.failure(reason, ["restore"]))
  const going = emptied(contents, survey)
  const emptying = yield* ladder(
    visit,
    reason === undefined ? restoring : about("restore", "ladder", "emptying"),
    { survey, wish: { wanted: new Set(contents.creates.map(objectKey)), replaced: going.databaseWide } },
    { stops: ["restore"], before: { text: cleaning, same: "with --clean in the same way" } }
  )
  const possible = reason === undefined && emptying !== undefined
  const several = possible && (yield* way(visit, imagined, going))
  return { size: sizes(visit, imagined, going), several }
})
