/**
 * The verb doctor: what pgark finds where it is to work, and what follows from it for dumps and restores.
 *
 * It changes nothing: neither on the server, where its session may only read, nor in the folder. What it says is found
 * out by the code that decides it in a run.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { DumpStore } from "../dumps/DumpStore.ts"
import { moment } from "../dumps/Manifest.ts"
import { Version } from "../dumps/Version.ts"
import { listed, plural } from "../pipeline/Words.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import { isSystemSchema } from "../postgres/Identifier.ts"
import { PgDump, type PgDumpChoice } from "../postgres/PgDump.ts"
import { Session } from "../postgres/Session.ts"
import { readServer } from "../postgres/survey/Server.ts"
import { about, Check, everything, type Failure, Group } from "./doctor/Check.ts"
import * as Connection from "./doctor/Connection.ts"
import * as Dumping from "./doctor/Dumping.ts"
import * as Folder from "./doctor/Folder.ts"
import * as Machine from "./doctor/Machine.ts"
import * as Others from "./doctor/Others.ts"
import * as Replacing from "./doctor/Replacing.ts"
import * as Server from "./doctor/Server.ts"
import * as Url from "./doctor/Url.ts"
import * as Visit from "./doctor/Visit.ts"

export { Check, Group, Level, Work } from "./doctor/Check.ts"

/** What was found. There is no secret in it. */
export const Report = Schema.Struct({
  pgark: Schema.String.annotateKey({ description: "Version of pgark." }),
  at: moment("When it was looked at."),
  database: Schema.optionalKey(Schema.String).annotateKey({
    description: "`user@host:port/database`; absent where no URL could be read."
  }),
  can: Schema.Struct({
    dump: Schema.Boolean.annotateKey({ description: "Whether a dump has nothing in its way." }),
    restore: Schema.Boolean.annotateKey({ description: "Whether a restore has nothing in its way." })
  }).annotateKey({
    description: "Whether a dump, and a restore of it into the same database, have nothing in their way."
  }),
  problems: Schema.Int.annotateKey({ description: "How many checks found a problem." }),
  summary: Schema.String.annotateKey({ description: "All in one or two sentences." }),
  checks: Schema.Array(Check).annotateKey({ description: "All that was looked at." })
})
export type Report = typeof Report.Type

export interface DoctorOptions {
  /** The database, or why there is none: `DatabaseUrl.parse(…)`, `DatabaseUrl.fromConfig(…)`. */
  readonly url: Effect.Effect<DatabaseUrl.DatabaseUrl, Failure>
  /** What the caller has found, to be told with the rest. */
  readonly more?: ReadonlyArray<Check>
  /** Folder of the dumps. */
  readonly directory: string
  /** The schemas that a dump and `clean` are about: the whole database, and the URL's schema or public, unless told. */
  readonly schemas?: ReadonlyArray<string>
  /** Roles of the app. */
  readonly grantTo?: ReadonlyArray<string>
  readonly pgDump?: PgDumpChoice
  /** A pooler in session mode is no problem. */
  readonly allowPooler?: boolean
}

/** What the session is called in `pg_stat_activity`. */
const application = "pgark doctor"

/** From here on the server refuses this session whatever would change something. */
const readOnly = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"

/** All that is asked of the database. Gives how large its tables are. */
const database = Effect.fnUntraced(function* (
  visit: Visit.Visit,
  url: DatabaseUrl.DatabaseUrl,
  { grantTo = [], schemas = [] }: DoctorOptions
) {
  const session = yield* Session
  // A pooler hands the backend on. Where the connection is gone there is nothing to put back.
  if (session.pooler !== undefined) yield* Effect.addFinalizer(() => Effect.ignore(session.execute("RESET ALL")))
  const what = about("server", "version", "version")
  const asked = Effect.gen(function* () {
    yield* session.execute(readOnly)
    return { ...(yield* readServer()), basics: yield* Server.readBasics() }
  })
  const known = yield* visit.ask(what, asked, { stops: everything })
  if (known === undefined) return undefined
  const { basics, role, server } = known
  visit.tell(...Server.checks(server, role, basics))
  const covered = yield* Dumping.look(visit, { server, role: role.name, schemas })
  if (covered === undefined) return undefined
  const standard = url.schema ?? "public"
  const cleaned = schemas.length > 0 ? covered.schemas : isSystemSchema(standard) ? [] : [standard]
  // Of what is asked for nothing may be there.
  const replacing =
    covered.whole || covered.schemas.length > 0 ? yield* Replacing.look(visit, { covered, cleaned }) : undefined
  yield* Others.look(visit, { schemas: covered.schemas, several: replacing?.several ?? false, grantTo })
  return replacing === undefined ? undefined : yield* replacing.size
})

const summary = (checks: ReadonlyArray<Check>, can: Report["can"]): string => {
  const problems = checks.filter(({ level }) => level === "problem")
  const able =
    can.dump && can.restore
      ? "pgark can dump and restore here."
      : can.dump
        ? "pgark can dump here, and not restore."
        : can.restore
          ? "pgark can restore here, and not dump."
          : "pgark can neither dump nor restore here."
  if (problems.length === 0) return able
  const titles = [...new Set(problems.map(({ title }) => title))]
  return `${plural(problems.length, "problem")} (${listed(titles, 8).join(", ")}): ${able}`
}

/**
 * Looks at everything, and goes on where a part of it fails: an unreachable server is a problem among the others. No
 * question is waited for without end.
 */
export const doctor = Effect.fn("Doctor.doctor")(function* (
  options: DoctorOptions
): Effect.fn.Return<Report, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> {
  const { allowPooler = false } = options
  const visit = Visit.make()
  const at = yield* DateTime.now
  yield* Machine.look(visit)
  visit.tell(...(options.more ?? []))
  const store = DumpStore.layer(options.directory)
  const url = yield* visit.ask(about("url", "url", "URL"), options.url, { stops: everything })
  if (url !== undefined) yield* Url.look(url, visit)
  const usable = url !== undefined && (yield* Connection.look(url, visit, { application, allowPooler }))
  const layer = Layer.mergeAll(store, PgDump.layer(options.pgDump))
  const size =
    url === undefined || !usable
      ? undefined
      : yield* database(visit, url, options).pipe(
          Effect.provide(Session.layer(url, { application, allowPooler: true })),
          Effect.scoped,
          Effect.catch((error: DatabaseError | PoolerInBetween) =>
            Effect.sync(() => {
              visit.tell(about("connection", "session", "session").failure(error, everything))
              return undefined
            })
          ),
          Effect.provide(layer)
        )
  // A connection that was lost is nothing to the folder.
  const files = Visit.make()
  yield* Effect.provide(Folder.look(files, size), store)
  const order = Group.literals
  const checks = [...visit.checks, ...files.checks].toSorted((a, b) => order.indexOf(a.group) - order.indexOf(b.group))
  const stopped = new Set(checks.flatMap(({ stops = [] }) => stops))
  const can = { dump: !stopped.has("dump"), restore: !stopped.has("restore") }
  return {
    pgark: Version,
    at,
    ...(url === undefined ? {} : { database: DatabaseUrl.describe(url) }),
    can,
    problems: checks.filter(({ level }) => level === "problem").length,
    summary: summary(checks, can),
    checks
  }
})
