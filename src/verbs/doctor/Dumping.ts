/** What a dump of the database would hold, whether the role may read all of it, and which pg_dump would write it. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { listed, plural } from "../../pipeline/Words.ts"
import { quote } from "../../postgres/Identifier.ts"
import type { PgDump } from "../../postgres/PgDump.ts"
import * as LockLimit from "../../postgres/LockLimit.ts"
import type { Session } from "../../postgres/Session.ts"
import type { ServerFacts } from "../../postgres/survey/Server.ts"
import { userSchemas } from "../Dump.ts"
import { settled } from "../dump/DumpOptions.ts"
import * as DumpRights from "../dump/DumpRights.ts"
import * as Tool from "../dump/Tool.ts"
import { isAside } from "../restore/several/SetAside.ts"
import { noSuchSchema } from "../VerbError.ts"
import { about, everything } from "./Check.ts"
import type { Visit } from "./Visit.ts"

/** How long the catalogue may keep a question waiting that others have locked. */
export const lockPatience = "3 seconds"

/** The schemas that a dump covers, and whether it is one of the whole database. */
export interface Covered {
  readonly schemas: ReadonlyArray<string>
  readonly whole: boolean
}

const scope = Effect.fnUntraced(function* (visit: Visit, server: ServerFacts, asked: ReadonlyArray<string>) {
  const what = about("dump", "scope", "scope")
  const names = yield* visit.ask(what, userSchemas, { stops: ["dump"] })
  if (names === undefined) return undefined
  const missing = asked.filter((schema) => !names.includes(schema))
  visit.tell(...missing.map((schema) => what.failure(noSuchSchema(schema, server.database), everything)))
  const aside = names.filter(isAside)
  const whole = asked.length === 0
  const schemas = names.filter((name) => (whole ? !isAside(name) : asked.includes(name)))
  if (!whole && schemas.length === 0) return { schemas, whole }
  const list = `${plural(schemas.length, "schema")}${schemas.length === 0 ? "" : ` (${listed(schemas, 8).join(", ")})`}`
  visit.tell(
    what.ok(
      (whole ? `the whole database: ${list}` : `only ${list}`) +
        (aside.length === 0 ? "" : `, less ${aside.map(quote).join(", ")}, which a restore has set aside`)
    )
  )
  return { schemas, whole }
})

const reading = Effect.fnUntraced(function* (visit: Visit, server: ServerFacts, role: string, covered: Covered) {
  const what = about("dump", "reading", "reading")
  const options = settled({ schemas: covered.whole ? [] : covered.schemas })
  const readable = yield* visit.ask(
    what,
    LockLimit.reading(lockPatience, DumpRights.survey(options, server.database)),
    { stops: ["dump"] }
  )
  if (readable === undefined) return
  const denied = DumpRights.denial(readable, role, false)
  visit.tell(
    denied === undefined
      ? what.ok("the role may read all of it")
      : // What goes is read, too, before it goes.
        what.failure(denied, everything)
  )
})

/** Tells it. Gives what a dump covers. */
export const look = Effect.fn("doctor.Dumping.look")(function* (
  visit: Visit,
  options: { readonly server: ServerFacts; readonly role: string; readonly schemas: ReadonlyArray<string> }
): Effect.fn.Return<Covered | undefined, never, PgDump | Session | SqlClient.SqlClient> {
  const { role, server } = options
  const covered = yield* scope(visit, server, options.schemas)
  if (covered !== undefined && (covered.whole || covered.schemas.length > 0))
    yield* reading(visit, server, role, covered)
  const what = about("dump", "tool", "tool")
  // A restore dumps first what it replaces.
  const tool = yield* visit.ask(what, Tool.chosen(server.versionNumber), { stops: everything })
  if (tool !== undefined) {
    visit.tell(
      what.ok(
        `pg_dump ${Tool.describe(tool)}` + (tool.tool.kind === "wasm" ? "" : ", the lowest here that reads this server")
      )
    )
  }
  return covered
})
