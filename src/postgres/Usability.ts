/** What keeps a role from using a table although it has all its rights: what is behind a view, policies, functions. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { DatabaseError } from "./DatabaseError.ts"
import type { Options } from "./Grants.ts"
import { qualified } from "./Identifier.ts"
import { among, isOfExtension } from "./Scope.ts"
import { fromSqlError } from "./Sqlstate.ts"

/** An object that the role may not be able to use although it has its rights. */
export const Unproven = Schema.Struct({
  role: Schema.String.annotateKey({ description: "The role." }),
  kind: Schema.Literals(["table", "view", "foreign table"]).annotateKey({ description: "Kind of the object." }),
  object: Schema.String.annotateKey({ description: "Its name, qualified and quoted." }),
  why: Schema.String.annotateKey({ description: "Why it may not be usable." })
})
export type Unproven = typeof Unproven.Type

interface Row {
  readonly kind: Unproven["kind"]
  readonly schema: string
  readonly name: string
  readonly why: string
}

type Scope = Pick<Options, "schemas" | "profile">

const notOfExtension = `not ${isOfExtension("pg_class", "c.oid")}`

/**
 * A view reads with its owner's rights, with `security_invoker` with the role's own on what it reads. What a foreign
 * server lets the role do is known to that server alone.
 */
const behind = Effect.fnUntraced(function* (role: string, { schemas }: Scope) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Row>`
    select distinct
      'view' as "kind", n.nspname::text as "schema", c.relname::text as "name",
      format('%s %I may not read %I.%I',
        case when v.invoker then 'it reads with the rights of whoever asks:' else 'it reads with the rights of its owner:' end,
        reader.rolname, tn.nspname, t.relname)::text as "why"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select exists(
        select from pg_options_to_table(c.reloptions) o where o.option_name = 'security_invoker' and o.option_value::boolean
      ) as invoker
    ) v
    join pg_roles reader on case when v.invoker then reader.rolname = ${role}::text::name else reader.oid = c.relowner end
    join pg_rewrite r on r.ev_class = c.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_class t on t.oid = d.refobjid and t.oid <> c.oid and t.relkind in ('r', 'p', 'v', 'm', 'f')
    join pg_namespace tn on tn.oid = t.relnamespace
    where c.relkind = 'v' and r.ev_type = '1' and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}
      and not has_any_column_privilege(reader.oid, t.oid, 'SELECT')
    union all
    select 'foreign table', n.nspname::text, c.relname::text,
      format('what the foreign server %I lets the role do was not asked', s.srvname)::text
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_foreign_table f on f.ftrelid = c.oid
    join pg_foreign_server s on s.oid = f.ftserver
    where ${among(sql, schemas)} and ${sql.literal(notOfExtension)}`
})

/** Row-level security without a policy for the role: it sees, or may change, no row at all. */
const policies = Effect.fnUntraced(function* (role: string, { schemas, profile }: Scope) {
  const sql = yield* SqlClient.SqlClient
  const commands = profile === "readonly" ? "SELECT" : "SELECT,INSERT,UPDATE,DELETE"
  return yield* sql<Row>`
    select 'table' as "kind", n.nspname::text as "schema", c.relname::text as "name",
      format('row-level security is on, and no policy lets %I %s', g.rolname, array_to_string(x.hidden, ', '))::text as "why"
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_roles g on g.rolname = ${role}::text::name
    cross join lateral (
      select array(
        select command from unnest(string_to_array(${commands}::text, ',')) command
        where not exists (
          select from pg_policy p
          where p.polrelid = c.oid and p.polpermissive
            and p.polcmd in ('*', case command when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' else 'd' end)
            and exists (select from unnest(p.polroles) m where m = 0 or pg_has_role(g.oid, m, 'USAGE'))
        )
      ) as hidden
    ) x
    where c.relrowsecurity and not g.rolsuper and not g.rolbypassrls and x.hidden <> '{}'
      and (c.relforcerowsecurity or not pg_has_role(g.oid, c.relowner, 'USAGE'))
      and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}`
})

/** Functions that run with the role's own rights when it reads, and unless it only reads, when it writes. */
const calls = Effect.fnUntraced(function* (role: string, { schemas, profile }: Scope) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Row>`
    select distinct case c.relkind when 'v' then 'view' else 'table' end as "kind",
      n.nspname::text as "schema", c.relname::text as "name",
      format('it calls %I.%I(%s), which %I may not', fn.nspname, f.proname, oidvectortypes(f.proargtypes),
        ${role}::text)::text as "why"
    from pg_proc f
    join pg_namespace fn on fn.oid = f.pronamespace
    join pg_depend d on d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
    join lateral (
      select r.ev_class as relation from pg_rewrite r
      where d.classid = 'pg_rewrite'::regclass and r.oid = d.objid and r.ev_type = '1'
      union all
      select p.polrelid from pg_policy p where d.classid = 'pg_policy'::regclass and p.oid = d.objid
      union all
      select a.adrelid from pg_attrdef a where ${profile}::text <> 'readonly' and d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
      union all
      select k.conrelid from pg_constraint k
      where ${profile}::text <> 'readonly' and d.classid = 'pg_constraint'::regclass and k.oid = d.objid
      union all
      select i.indrelid from pg_index i
      where ${profile}::text <> 'readonly' and d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
    ) by on true
    join pg_class c on c.oid = by.relation and c.relkind in ('r', 'p', 'v', 'f')
    join pg_namespace n on n.oid = c.relnamespace
    where not has_function_privilege(${role}::text::name, f.oid, 'EXECUTE')
      and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}`
})

/** Whether the role that logged in may act as another; until 15 a membership was enough. */
const mayAct = Effect.fnUntraced(function* (role: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly may: boolean }>`
    select pg_has_role(session_user, ${role}::text::name,
      case when current_setting('server_version_num')::int4 >= 160000 then 'SET' else 'MEMBER' end) as "may"`
  return rows[0]?.may === true
})

/** One object of each kind and schema that can be read at once. What a foreign table needs is not here. */
const samples = Effect.fnUntraced(function* ({ schemas }: Scope) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Omit<Row, "why">>`
    select distinct on (n.nspname, c.relkind)
      case c.relkind when 'v' then 'view' else 'table' end as "kind", n.nspname::text as "schema", c.relname::text as "name"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm') and c.relispopulated and ${among(sql, schemas)} and ${sql.literal(notOfExtension)}
    order by n.nspname, c.relkind, c.relname`
})

/** Carries what was found out of a transaction that is rolled back. */
interface RolledBack {
  readonly _tag: "RolledBack"
  readonly denied: ReadonlyArray<Row>
}

/** Reads as the role. It is always rolled back, so that role and settings are what they were. */
const read = Effect.fnUntraced(function* (role: string, targets: ReadonlyArray<Omit<Row, "why">>) {
  const sql = yield* SqlClient.SqlClient
  const attempt = (target: Omit<Row, "why">) =>
    sql.unsafe(`select from ${qualified(target.schema, target.name)} limit 0`).pipe(
      sql.withTransaction,
      Effect.as([]),
      Effect.catch((error) => {
        const { _tag, message } = fromSqlError(error)
        return _tag === "ConnectionFailed" ? Effect.fail(error) : Effect.succeed([{ ...target, why: message }])
      })
    )
  const reading = Effect.gen(function* () {
    yield* sql`
      select set_config('role', ${role}::text, true), set_config('row_security', 'on', true),
        set_config('lock_timeout', '1s', true)`
    const denied = yield* Effect.forEach(targets, attempt)
    return yield* Effect.fail<RolledBack>({ _tag: "RolledBack", denied: denied.flat() })
  })
  return yield* sql.withTransaction(reading).pipe(Effect.catchTag("RolledBack", ({ denied }) => Effect.succeed(denied)))
})

/**
 * What a role may not be able to use although it has the rights, and whether it was tried by acting as the role.
 *
 * @param lacks objects, qualified and quoted, on which the role has not all rights anyway
 */
export const unproven = Effect.fn("Usability.unproven")(function* (
  role: string,
  scope: Scope,
  lacks: (object: string) => boolean
): Effect.fn.Return<
  { readonly unproven: ReadonlyArray<Unproven>; readonly tried: boolean },
  DatabaseError,
  SqlClient.SqlClient
> {
  return yield* Effect.gen(function* () {
    const told = [
      ...(yield* behind(role, scope)),
      ...(yield* policies(role, scope)),
      ...(yield* calls(role, scope))
    ].filter(({ schema, name }) => !lacks(qualified(schema, name)))
    const known = new Set(told.map(({ schema, name }) => qualified(schema, name)))
    const targets = (yield* samples(scope)).filter(({ schema, name }) => {
      const object = qualified(schema, name)
      return !known.has(object) && !lacks(object)
    })
    const tried = targets.length > 0 && (yield* mayAct(role))
    const denied = tried ? yield* read(role, targets) : []
    const rows = [...told, ...denied].toSorted(
      (a, b) => compare(a.schema, b.schema) || compare(a.name, b.name) || compare(a.why, b.why)
    )
    return {
      unproven: rows.map(({ kind, schema, name, why }) => ({ role, kind, object: qualified(schema, name), why })),
      tried
    }
  }).pipe(Effect.mapError(fromSqlError))
})

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
