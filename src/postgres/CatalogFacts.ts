/** What a database's catalogue says that its dump does not: locale, versions of extensions, unusual states of objects. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import { qualified, quote } from "./Identifier.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** An object that is not in its usual state, and a restore must bring that back. */
export interface ObjectState {
  readonly kind: "constraint" | "event trigger" | "materialized view" | "rule" | "table" | "trigger"
  /** Qualified and quoted; of what stands on a table with that table. */
  readonly object: string
  readonly state:
    | "always"
    | "disabled"
    | "not populated"
    | "not valid"
    | "replica"
    | "row security"
    | "row security, forced"
}

/** The database as a whole; `pg_database`'s own names. */
export interface CatalogFacts {
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  /** `icu` or `builtin` (15 and later), with the locale that it uses instead of the two above. */
  readonly localeProvider?: string
  readonly locale?: string
  readonly extensions: ReadonlyArray<{ readonly name: string; readonly version: string }>
}

interface LocaleRow {
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  readonly provider: string | null
  readonly locale: string | null
}

interface StateRow {
  readonly kind: ObjectState["kind"]
  readonly schema: string | null
  readonly table: string | null
  readonly name: string
  readonly state: string
}

const providers: Record<string, string> = { b: "builtin", i: "icu" }
/** `tgenabled`, `ev_enabled` and `evtenabled`. */
const firing: Record<string, ObjectState["state"]> = { A: "always", D: "disabled", R: "replica" }

const describe = ({ name, schema, table }: StateRow): string => {
  if (schema === null) return quote(name)
  return table === null ? qualified(schema, name) : `${quote(name)} on ${qualified(schema, table)}`
}

/** Where objects are looked at. */
export interface StatesScope {
  /** All schemas of people where it is undefined. */
  readonly schemas: ReadonlyArray<string> | undefined
  /** Event triggers stand in no schema. */
  readonly eventTriggers: boolean
  /** Of and on these relations alone; all unless told. */
  readonly within?: (schema: string, relation: string) => boolean
}

/** States of what is not an extension's; extensions see to their own. */
export const readStates = Effect.fn("CatalogFacts.readStates")(function* ({
  eventTriggers,
  schemas,
  within = () => true
}: StatesScope): Effect.fn.Return<ReadonlyArray<ObjectState>, DatabaseError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const scope =
    schemas === undefined
      ? sql.literal(`n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
      : sql`n.nspname = any(${schemas}::text[])`
  const rows = yield* sql<StateRow>`
    with relation as (
      select c.oid, c.relname, c.relkind, c.relispopulated, c.relrowsecurity, c.relforcerowsecurity, n.nspname
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and ${scope}
        and not exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    )
    select 'constraint' as "kind", nspname::text as "schema", relname::text as "table", conname::text as "name",
      'not valid' as "state"
    from pg_constraint k join relation r on r.oid = k.conrelid where not convalidated
    union all
    select 'materialized view', nspname::text, null, relname::text, 'not populated'
    from relation where relkind = 'm' and not relispopulated
    union all
    select 'table', nspname::text, null, relname::text,
      case when relforcerowsecurity then 'row security, forced' else 'row security' end
    from relation where relrowsecurity
    union all
    select 'trigger', nspname::text, relname::text, tgname::text, tgenabled::text
    from pg_trigger t join relation r on r.oid = t.tgrelid where not tgisinternal and tgenabled <> 'O'
    union all
    select 'rule', nspname::text, relname::text, rulename::text, ev_enabled::text
    from pg_rewrite w join relation r on r.oid = w.ev_class where ev_enabled <> 'O'
    union all
    select 'event trigger', null, null, evtname::text, evtenabled::text
    from pg_event_trigger e where evtenabled <> 'O' and ${eventTriggers}
      and not exists (select from pg_depend d
        where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
    order by 1, 2, 3, 4`.pipe(Effect.mapError(fromSqlError))
  return rows
    .filter(({ name, schema, table }) => schema === null || within(schema, table ?? name))
    .map((row) => ({
      kind: row.kind,
      object: describe(row),
      state: firing[row.state] ?? (row.state as ObjectState["state"])
    }))
})

/** What is true of the whole database, in two queries. */
export const read = Effect.fn("CatalogFacts.read")(function* (): Effect.fn.Return<
  CatalogFacts,
  DatabaseError,
  SqlClient.SqlClient
> {
  const sql = yield* SqlClient.SqlClient
  // to_jsonb: the provider has its column since 15, its locale since 15 under one name and since 17 under another.
  const [database] = yield* sql<LocaleRow>`
    select
      pg_encoding_to_char(encoding)::text as "encoding", datcollate::text as "collate", datctype::text as "ctype",
      to_jsonb(d) ->> 'datlocprovider' as "provider",
      coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as "locale"
    from pg_database d where datname = current_database()`.pipe(Effect.mapError(fromSqlError))
  if (database === undefined) return yield* Effect.die(new Error("the server does not know its own database"))
  const extensions = yield* sql<CatalogFacts["extensions"][number]>`
    select extname::text as "name", extversion as "version" from pg_extension order by 1`.pipe(
    Effect.mapError(fromSqlError)
  )
  const { collate, ctype, encoding, locale } = database
  const localeProvider = providers[database.provider ?? ""]
  return {
    encoding,
    collate,
    ctype,
    ...(localeProvider === undefined ? {} : { localeProvider }),
    ...(locale === null ? {} : { locale }),
    extensions
  }
})
