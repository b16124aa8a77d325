/** A server whose lock table is small, and a database with more tables than one transaction can replace there. */
import { chunksOf } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "./Clusters.ts"
import * as Pgark from "./Pgark.ts"
import * as Restores from "./Restores.ts"
import type * as Several from "./Several.ts"
import { snapshot } from "./Snapshot.ts"

export class SmallServer extends Context.Service<SmallServer, EmbeddedServer.EmbeddedServer>()("test/SmallServer") {
  static readonly layerOf = (settings: Readonly<Record<string, string>>) =>
    Layer.orDie(Layer.effect(SmallServer, EmbeddedServer.start({ settings })))
  /** Its lock table has 860 entries. */
  static readonly layer = SmallServer.layerOf({ max_locks_per_transaction: "10", max_connections: "50" })
}

/** The advisory lock that holds up what builds the index on the last table. */
export const gate = 42

/** Statements about each of so many tables, some at a time: one transaction may not lock them all. */
const forAll = (tables: number, sql: (i: number) => string): ReadonlyArray<string> =>
  chunksOf(
    Array.from({ length: tables }, (_, i) => sql(i)),
    60
  ).map((some) => some.join(";\n"))

/** The index on the last table waits while somebody holds the gate. */
const sample = (tables: number) => [
  `CREATE FUNCTION public.gate(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(${gate}); RETURN n; END'`,
  ...forAll(tables, (i) => `CREATE TABLE public.t${i} (id serial PRIMARY KEY, name text UNIQUE)`),
  ...forAll(tables, (i) => `INSERT INTO public.t${i} (name) SELECT 'old ' || i FROM generate_series(1, 5) i`),
  `CREATE TABLE public.z (id integer);
  INSERT INTO public.z VALUES (1);
  CREATE INDEX z_gate ON public.z (public.gate(id));
  COMMENT ON SCHEMA public IS 'ours';
  SELECT lo_from_bytea(4711, 'large')`
]

const later = (tables: number) => [
  ...forAll(tables, (i) => `UPDATE public.t${i} SET name = 'new ' || id`),
  `ALTER TABLE public.t3 ADD COLUMN more text DEFAULT 'x';
  CREATE TABLE public.since (id integer REFERENCES public.t7);
  SELECT lo_unlink(4711)`
]

/** A database in its later state, and the dump of its earlier one. */
export interface Target {
  readonly url: DatabaseUrl.DatabaseUrl
  readonly cwd: string
  readonly file: string
  readonly before: string
  readonly options: Pgark.Options
}

/** A database of the superuser's. */
export const database = Effect.fnUntraced(function* (name: string) {
  const { superuser } = yield* SmallServer
  yield* Effect.acquireRelease(Effect.orDie(Clusters.query(superuser, `CREATE DATABASE ${name}`)), () =>
    Effect.orDie(Clusters.query(superuser, `DROP DATABASE ${name} WITH (FORCE)`))
  )
  return DatabaseUrl.withDatabase(superuser, name)
})

/** In public of `batches` is an extension, so that the schema cannot be set aside. */
export const prepare = Effect.fnUntraced(function* (
  way: Several.Way,
  tables = 60
): Effect.fn.Return<Target, never, Scope.Scope | SmallServer> {
  const url = yield* database(way)
  const cwd = yield* Restores.folder
  const file = yield* Effect.orDie(
    Effect.gen(function* () {
      if (way === "batches") yield* Clusters.query(url, "CREATE EXTENSION citext SCHEMA public")
      for (const sql of sample(tables)) yield* Clusters.query(url, sql)
      const { file } = yield* Restores.dump(url, `${cwd}/dumps`)
      for (const sql of later(tables)) yield* Clusters.query(url, sql)
      return file
    })
  )
  const before = yield* Effect.orDie(snapshot(url))
  return { url, cwd, file, before, options: { cwd, env: { DATABASE_URL: Pgark.uri(url) } } }
})
