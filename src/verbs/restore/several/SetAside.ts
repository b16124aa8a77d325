/**
 * Schemas that are renamed to get out of the way of a restore, and renamed back when it fails. What stands in them stays
 * as it is all the while.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Journal } from "../../../dumps/RestoreJournal.ts"
import * as Plan from "../../../pipeline/Plan.ts"
import * as Progress from "../../../pipeline/Progress.ts"
import * as Task from "../../../pipeline/Task.ts"
import { plural } from "../../../pipeline/Words.ts"
import type { DatabaseError } from "../../../postgres/DatabaseError.ts"
import { quote } from "../../../postgres/Identifier.ts"
import { Session, type SessionService } from "../../../postgres/Session.ts"
import { fromSqlError } from "../../../postgres/Sqlstate.ts"
import type { Survey } from "../../../postgres/survey/Survey.ts"
import type { SchemaFacts } from "../../../postgres/survey/Schemas.ts"
import { defaultLockTimeout } from "../../clean/Lock.ts"
import * as Batches from "./Batches.ts"

/** A schema, and what it is called while it is out of the way. */
export type Renamed = NonNullable<Journal["aside"]>[number]

const prefix = "pgark_aside_"
/** Of such as are to stay until the next restore. Nobody takes them for what a restore that was cut short has left. */
const keptPrefix = "pgark_previous_"

/** Whether a schema of this name is one that was set aside, for a while or to be kept. */
export const isAside = (name: string): boolean => /^pgark_(aside|previous)_\d+$/.test(name)

/** What a schema that was set aside is called when it is kept. */
export const kept = ({ aside, schema }: Renamed): Renamed => ({ schema, aside: aside.replace(prefix, keptPrefix) })

type Existing = Extract<SchemaFacts, { readonly exists: true }>

const existing = (survey: Survey): ReadonlyArray<Existing> => survey.schemas.filter((schema) => schema.exists)

/** Names for those of the schemas that are there, by their OIDs: no other restore ever gives one of them. */
export const names = (survey: Survey): ReadonlyArray<Renamed> =>
  existing(survey).map(({ name, oid }) => ({ schema: name, aside: `${prefix}${oid}` }))

const rename = (from: string, to: string) => ({ to, sql: `ALTER SCHEMA ${quote(from)} RENAME TO ${quote(to)}` })

/** Moves schemas away and creates empty ones, which for the time being only their owners may use. */
const away = (survey: Survey, { aside, schema }: Renamed): ReadonlyArray<string> => [
  rename(schema, aside).sql,
  ...existing(survey).flatMap(({ name, recreate }) => (name === schema ? recreate.slice(0, 1) : []))
]

/** What makes the new schemas what the old ones were: rights, comment, default privileges. */
const restOf = (survey: Survey): ReadonlyArray<string> => existing(survey).flatMap(({ recreate }) => recreate.slice(1))

/** Whether schemas are moved at all, and which. */
export interface Moving {
  readonly survey: Survey
  readonly wanted: boolean
}

/** Nobody reads or writes a table when its schema gets another name: he would go on with it under that. */
const lockAll = Effect.fnUntraced(function* (session: SessionService, survey: Survey) {
  const tables = survey.objects.filter(({ kind, extension }) => kind === "TABLE" && extension === null)
  if (tables.length === 0) return
  const list = tables.map(({ identity }) => identity).join(", ")
  yield* session
    .execute(`LOCK TABLE ${list} IN ACCESS EXCLUSIVE MODE`)
    .pipe(Progress.during(`LOCK TABLE of ${plural(tables.length, "table")}: others are at work there`))
})

/** Statements that give the surveyed schemas names under which they are kept, and put kept ones in their place. */
export const exchanging = (survey: Survey, back: ReadonlyArray<Renamed>) => ({
  away: names(survey).map((one) => ({ ...kept(one), ...rename(one.schema, kept(one).aside) })),
  back: back.map((one) => ({ ...one, ...rename(one.aside, one.schema) }))
})

/** Does that, in an open transaction. */
export const exchange = Effect.fn("SetAside.exchange")(function* (
  session: SessionService,
  survey: Survey,
  back: ReadonlyArray<Renamed>
): Effect.fn.Return<void, DatabaseError> {
  const statements = exchanging(survey, back)
  yield* lockAll(session, survey)
  for (const { sql } of [...statements.away, ...statements.back]) yield* session.execute(sql)
})

/**
 * The step that moves them, in a transaction that is open on the session "target" and holds the tables locked against
 * writing; readers are waited for too.
 */
export const task = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly what: (needs: Task.PlannedNeeds<N>) => Moving
}) =>
  Task.make("aside", {
    title: "Set the schemas aside",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const { survey, wanted } = options.what(needs)
      if (!wanted) {
        const none: ReadonlyArray<Renamed> = []
        return Effect.succeed({ value: none, does: "nothing" as const, rows: [], run: () => Effect.succeed(none) })
      }
      const renamed = names(survey)
      return Effect.succeed({
        value: renamed,
        rows: renamed.map((one) =>
          Plan.row(`rename schema ${quote(one.schema)} to ${quote(one.aside)}, and create it empty`, {
            sql: away(survey, one).join("; "),
            why: "it is renamed back if anything fails"
          })
        ),
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            yield* lockAll(session, survey)
            for (const sql of renamed.flatMap((one) => away(survey, one))) yield* session.execute(sql)
            return renamed
          })
      })
    }
  })

/** The step that makes the new schemas what the old ones were, in an open transaction. */
export const rights = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly what: (needs: Task.PlannedNeeds<N>) => Moving
}) =>
  Task.make("put back", {
    title: "Give the schemas their rights",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const { survey, wanted } = options.what(needs)
      const statements = wanted ? restOf(survey) : []
      return Effect.succeed({
        value: undefined,
        ...(statements.length === 0 ? { does: "nothing" as const } : {}),
        rows: statements.map((sql) => Plan.row("put the rights on the schema back", { sql })),
        run: () =>
          Effect.flatMap(Session, (session) =>
            Effect.forEach(statements, (sql) => session.execute(sql), { discard: true })
          )
      })
    }
  })

/** The step that gives them the names under which they are kept, in an open transaction: the one that ends the restore. */
export const keep = <N extends Task.Needs>(options: {
  readonly needs: N
  readonly what: (needs: Task.PlannedNeeds<N>) => Moving
}) =>
  Task.make("keep", {
    title: "Keep what was set aside",
    session: "target",
    needs: options.needs,
    plan: (needs) => {
      const { survey, wanted } = options.what(needs)
      const statements = (wanted ? names(survey) : []).map((one) => ({ ...one, ...rename(one.aside, kept(one).aside) }))
      return Effect.succeed({
        value: undefined,
        ...(statements.length === 0 ? { does: "nothing" as const } : {}),
        rows: statements.map(({ schema, sql, to }) =>
          Plan.row(`keep what was in ${quote(schema)} as ${quote(to)}, until the next restore`, {
            sql,
            why: "--keep-previous: undo renames it back"
          })
        ),
        run: () =>
          Effect.gen(function* () {
            const session = yield* Session
            for (const { sql } of statements) yield* session.execute(sql)
            return statements.map(({ schema, to }): Renamed => ({ schema, aside: to }))
          })
      })
    }
  })

/** Which of these schemas are there. */
export const present = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select nspname::text as "name" from pg_namespace where nspname = any(${names}::text[])`.pipe(
    Effect.mapError(fromSqlError)
  )
  return new Set(rows.map(({ name }) => name))
})

/** Schemas that are out of the way now, of this restore or of any. */
export const standing = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select nspname::text as "name" from pg_namespace where nspname = ${prefix}::text || oid order by 1`.pipe(
    Effect.mapError(fromSqlError)
  )
  return rows.map(({ name }) => name)
})

/** Drops schemas with all that stands in them, in batches. Those that are gone already do not matter. */
export const drop = Effect.fn("SetAside.drop")(function* (
  session: SessionService,
  schemas: ReadonlyArray<string>
): Effect.fn.Return<void, DatabaseError, SqlClient.SqlClient> {
  const there = yield* present(schemas)
  const names = schemas.filter((schema) => there.has(schema))
  yield* Batches.emptySchemas(session, names)
  if (names.length > 0) yield* session.execute(`DROP SCHEMA ${names.map(quote).join(", ")}`)
})

/**
 * Puts schemas back under their names, and drops what stands there in their place. It may have been begun before, and
 * been cut short at any point.
 *
 * @param created schemas that were not there before
 */
export const bringBack = Effect.fn("SetAside.bringBack")(function* (
  session: SessionService,
  renamed: ReadonlyArray<Renamed>,
  created: ReadonlyArray<string>
): Effect.fn.Return<void, DatabaseError, SqlClient.SqlClient> {
  // The restore may have come as far as to keep them.
  const either = renamed.flatMap((one) => [one, kept(one)])
  const there = yield* present(either.map(({ aside }) => aside))
  const away = either.filter(({ aside }) => there.has(aside))
  const names = away.map(({ schema }) => schema)
  const inPlace = yield* present(names)
  yield* Batches.emptySchemas(
    session,
    names.filter((name) => inPlace.has(name))
  )
  yield* session.transaction(
    Effect.gen(function* () {
      for (const { schema, aside } of away) {
        if (inPlace.has(schema)) yield* session.execute(`DROP SCHEMA ${quote(schema)}`)
        yield* session.execute(rename(aside, schema).sql)
      }
    }),
    { lockTimeout: defaultLockTimeout }
  )
  yield* drop(session, created)
})
