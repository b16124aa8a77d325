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

/** Whether a schema of this name is one that was set aside. */
export const isAside = (name: string): boolean => /^pgark_aside_\d+$/.test(name)

type Existing = Extract<SchemaFacts, { readonly exists: true }>

const existing = (survey: Survey): ReadonlyArray<Existing> => survey.schemas.filter((schema) => schema.exists)

/** Names for those of the schemas that are there, by their OIDs: no other restore ever gives one of them. */
export const names = (survey: Survey): ReadonlyArray<Renamed> =>
  existing(survey).map(({ name, oid }) => ({ schema: name, aside: `${prefix}${oid}` }))

/** Moves schemas away and creates empty ones, which for the time being only their owners may use. */
const away = (survey: Survey, { aside, schema }: Renamed): ReadonlyArray<string> => [
  `ALTER SCHEMA ${quote(schema)} RENAME TO ${quote(aside)}`,
  ...existing(survey).flatMap(({ name, recreate }) => (name === schema ? recreate.slice(0, 1) : []))
]

/** What makes the new schemas what the old ones were: rights, comment, default privileges. */
const restOf = (survey: Survey): ReadonlyArray<string> => existing(survey).flatMap(({ recreate }) => recreate.slice(1))

/** Whether schemas are moved at all, and which. */
export interface Moving {
  readonly survey: Survey
  readonly wanted: boolean
}

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
      const tables = survey.objects.filter(({ kind, extension }) => kind === "TABLE" && extension === null)
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
            if (tables.length > 0) {
              const list = tables.map(({ identity }) => identity).join(", ")
              yield* session
                .execute(`LOCK TABLE ${list} IN ACCESS EXCLUSIVE MODE`)
                .pipe(Progress.during(`LOCK TABLE of ${plural(tables.length, "table")}: others are at work there`))
            }
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

/** Which of these schemas are there. */
const present = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
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
  const there = yield* present(renamed.map(({ aside }) => aside))
  const away = renamed.filter(({ aside }) => there.has(aside))
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
        yield* session.execute(`ALTER SCHEMA ${quote(aside)} RENAME TO ${quote(schema)}`)
      }
    }),
    { lockTimeout: defaultLockTimeout }
  )
  yield* drop(session, created)
})
