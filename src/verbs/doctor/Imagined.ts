/** The dump that would be made of a database, as far as its catalogue tells what would be in it. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Contents } from "../../dumps/DumpReading.ts"
import type { DatabaseError } from "../../postgres/DatabaseError.ts"
import type { NamedObject } from "../../postgres/ObjectName.ts"
import { fromSqlError } from "../../postgres/Sqlstate.ts"
import { type Survey, survey } from "../../postgres/survey/Survey.ts"

/** A database, and what restoring its own dump into it would meet. */
export interface Imagined {
  readonly survey: Survey
  readonly contents: Contents
}

/** What goes with its table in a survey and has a statement of its own in a dump. */
const parts = Effect.fnUntraced(function* (schemas: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<NamedObject>`
    select case c.relkind when 'S' then 'SEQUENCE' else 'INDEX' end as "kind",
      n.nspname::text as "schema", c.relname::text as "name"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('i', 'I', 'S') and c.relpersistence <> 't' and n.nspname = any(${schemas}::text[])
      and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`.pipe(
    Effect.mapError(fromSqlError)
  )
})

interface BesideTables {
  readonly largeObjects: ReadonlyArray<string>
  /** Tables whose rows extensions leave to the user: those are in a dump. */
  readonly configuration: ReadonlyArray<{ readonly schema: string; readonly name: string }>
  /** Keys of what belongs to extensions and stands in no schema: it comes with them. */
  readonly members: ReadonlyArray<string>
}

const nothing: BesideTables = { largeObjects: [], configuration: [], members: [] }

const beside = Effect.fnUntraced(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<BesideTables>`
    select
      array(select oid::text from pg_largeobject_metadata order by oid)::text[] as "largeObjects",
      coalesce((
        select json_agg(json_build_object('schema', n.nspname, 'name', c.relname) order by 1)
        from pg_extension e cross join unnest(e.extconfig) as x(oid)
        join pg_class c on c.oid = x.oid and c.relkind in ('r', 'p')
        join pg_namespace n on n.oid = c.relnamespace), '[]') as "configuration",
      array(
        select classid::int8::text || ':' || objid::int8::text from pg_depend
        where deptype = 'e' and classid in ('pg_language'::regclass, 'pg_foreign_data_wrapper'::regclass,
          'pg_foreign_server'::regclass, 'pg_am'::regclass, 'pg_event_trigger'::regclass, 'pg_publication'::regclass)
      )::text[] as "members"`.pipe(Effect.mapError(fromSqlError))
  return row ?? nothing
})

/**
 * Surveys these schemas, and imagines the dump that is made of them.
 *
 * Of the dump it knows the objects by name, as the checks of a restore and the count of its locks want them. It is not
 * known: which rows there are, which roles policies and grants name (all of them are on this server).
 *
 * @param whole the dump is one of the whole database, with what stands in no schema
 */
export const imagine = Effect.fn("doctor.Imagined.imagine")(function* (
  schemas: ReadonlyArray<string>,
  whole: boolean
): Effect.fn.Return<Imagined, DatabaseError, SqlClient.SqlClient> {
  const { configuration, largeObjects, members } = yield* whole ? beside() : Effect.succeed(nothing)
  const all = yield* survey({ schemas, largeObjects, extensions: "all", tables: configuration })
  const databaseWide = whole ? all.databaseWide.filter(({ key }) => !members.includes(key)) : []
  const found = { ...all, databaseWide }
  const own = found.objects.filter(({ extension }) => extension === null)
  const objects: ReadonlyArray<NamedObject> = [
    ...own.map(({ kind, name, schema }) => ({ kind, name, schema })),
    ...(yield* parts(schemas)),
    ...found.databaseWide.map(({ kind, name }) => ({ kind, name }))
  ]
  const tables = [
    ...own.filter(({ holdsRows }) => holdsRows).map(({ name, schema }) => ({ name, schema })),
    ...configuration
  ]
  const contents: Contents = {
    creates: objects,
    drops: [...objects, ...largeObjects.map((name) => ({ kind: "LARGE OBJECT", name }))],
    alters: [],
    tables: tables.map((table) => ({ ...table, columns: [], rows: 0, bytes: 0 })),
    schemas,
    extensions: whole ? found.extensions.map(({ name }) => name) : [],
    largeObjects: { count: largeObjects.length, bytes: 0, sha256: "" },
    largeObjectIds: largeObjects,
    roles: [...new Set(own.flatMap(({ owner }) => (owner === null ? [] : [owner])))],
    owners: [],
    policyRoles: [],
    sequences: [],
    objects: {},
    checks: { foreignKeys: 0, indexes: 0, uniqueConstraints: 0, primaryKeys: 0 },
    encoding: found.server.encoding,
    // It goes back to where it comes from.
    bridge: { text: "bytes", features: [], leftOut: [], collations: [], rangedByText: [] },
    sql: { length: 0, sha256: "" },
    statements: 0,
    copies: 0,
    trailer: true,
    flaws: [],
    unsafe: [],
    unusual: {},
    rowSecurity: false
  }
  return { survey: found, contents }
})
