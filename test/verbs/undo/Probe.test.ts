import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import * as Undoing from "../../support/Undoing.ts"

const major = 18 as const
const q = Clusters.query

const source = Effect.fnUntraced(function* (sql: string) {
  const admin = yield* Clusters.makeDatabase(major)
  yield* q(admin, sql)
  return yield* Restores.dump(admin, yield* Restores.folder)
})

const app = (n: number) => `
  CREATE TYPE mood AS ENUM ('sad', 'm${n}');
  CREATE TABLE u (id serial PRIMARY KEY, m mood, big text);
  INSERT INTO u (m, big) SELECT 'm${n}', repeat('x', i) FROM generate_series(1, ${10 * n}) i;
  CREATE TABLE only${n} (id int);
  CREATE FUNCTION f(i int) RETURNS int LANGUAGE sql AS 'SELECT ${n}';
  CREATE VIEW v AS SELECT id, f(1) FROM u;
  CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM u;
  CREATE SCHEMA s${n}; CREATE TABLE s${n}.t AS SELECT ${n} AS n; 
  GRANT SELECT ON u TO PUBLIC`

for (const clean of [true, false]) {
  const t = (title: string) => `${title} ${clean ? "--clean" : ""}`
  it.live(t("app"), () =>
    Effect.gen(function* () {
      const { file } = yield* source(app(1))
      const admin = yield* Clusters.makeDatabase(major)
      const app_ = yield* Clusters.makeRole(major)
      yield* q(
        admin,
        app(2) +
          `; COMMENT ON SCHEMA public IS 'x'; ALTER SCHEMA public OWNER TO ${app_.name}; CREATE TABLE s2.stays AS SELECT 1 AS one`
      )
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean, grantTo: app_.name })
    })
  )
  it.live(t("every kind replaced by app"), () =>
    Effect.gen(function* () {
      const { file } = yield* source(app(1) + "; CREATE SCHEMA kinds; CREATE TABLE kinds.parent (id int)")
      const admin = yield* Clusters.makeDatabase(major)
      const { name } = yield* Clusters.makeRole(major)
      yield* q(
        admin,
        EveryKind.sql(name) +
          "; DROP SUBSCRIPTION listening; DROP LANGUAGE plmine; DROP PUBLICATION parts; DROP EVENT TRIGGER watched"
      )
      if (!clean)
        yield* q(
          admin,
          "DROP TABLE kinds.parent CASCADE; CREATE TABLE kinds.parent (x text); INSERT INTO kinds.parent VALUES ('a')"
        )
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean })
    })
  )
  it.live(t("app replaced by every kind"), () =>
    Effect.gen(function* () {
      const { name } = yield* Clusters.makeRole(major)
      const { file } = yield* source(
        EveryKind.sql(name) + "; DROP SUBSCRIPTION listening; DROP LANGUAGE plmine; CREATE TABLE public.u (id int)"
      )
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(admin, "CREATE TABLE u (id text); INSERT INTO u VALUES ('a')")
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean })
    })
  )
  it.live(t("every kind replaced by every kind"), () =>
    Effect.gen(function* () {
      const { name } = yield* Clusters.makeRole(major)
      const { file } = yield* source(EveryKind.sql(name) + "; DROP SUBSCRIPTION listening; DROP LANGUAGE plmine")
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(
        admin,
        EveryKind.sql(name) +
          "; DROP SUBSCRIPTION listening; DROP LANGUAGE plmine; ALTER TABLE kinds.refers ADD COLUMN more int; CREATE TABLE public.beside (id int); CREATE FUNCTION kinds.twice(text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'"
      )
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean })
    })
  )
  it.live(t("large objects"), () =>
    Effect.gen(function* () {
      const { file } = yield* source(
        "CREATE TABLE u (id int); SELECT lo_from_bytea(1001, 'one'); SELECT lo_from_bytea(1002, 'two'); COMMENT ON LARGE OBJECT 1001 IS 'c'; GRANT SELECT ON LARGE OBJECT 1002 TO PUBLIC"
      )
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(
        admin,
        "CREATE TABLE u (id text); SELECT lo_from_bytea(1002, 'zwei'); SELECT lo_from_bytea(1003, 'drei')"
      )
      const directory = dirname(file)
      const before = yield* snapshot(admin)
      yield* Undoing.restore(admin, file, { clean })
      const after = yield* snapshot(admin)
      yield* q(admin, "SELECT lo_put(1003, 0, 'DREI')")
      yield* Undoing.undo(admin, directory)
      assert.deepStrictEqual(yield* q(admin, "SELECT lo_get(1003)::text AS l"), [{ l: "\\x44524549" }])
      yield* q(admin, "SELECT lo_put(1003, 0, 'drei')")
      yield* Restores.same(yield* snapshot(admin), before, "before")
      yield* q(admin, "SELECT lo_put(1003, 0, 'DREI')")
      yield* Undoing.undo(admin, directory)
      assert.deepStrictEqual(yield* q(admin, "SELECT lo_get(1003)::text AS l"), [{ l: "\\x44524549" }])
      yield* q(admin, "SELECT lo_put(1003, 0, 'drei')")
      yield* Restores.same(yield* snapshot(admin), after, "after")
    })
  )
  it.live(t("extensions, publications, event triggers new"), () =>
    Effect.gen(function* () {
      const { file } =
        yield* source(`CREATE SCHEMA e; CREATE EXTENSION hstore SCHEMA e; CREATE TABLE u (id e.hstore); INSERT INTO u VALUES ('a=>1');
        CREATE PUBLICATION p FOR TABLE u; CREATE PUBLICATION allt FOR ALL TABLES; CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER w ON ddl_command_end EXECUTE FUNCTION et()`)
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(
        admin,
        "CREATE TABLE u (id text); INSERT INTO u VALUES ('a'); CREATE TABLE b (id int); CREATE PUBLICATION p FOR TABLE u, b;"
      )
      if (clean) yield* q(admin, "DROP TABLE b")
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean })
    })
  )
  it.live(t("only undo leaves nothing"), () =>
    Effect.gen(function* () {
      const { file } = yield* source(`CREATE SCHEMA x`)
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(admin, "CREATE SCHEMA x; CREATE TABLE x.u (id text); INSERT INTO x.u VALUES ('a')")
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean })
    }).pipe(Effect.when(Effect.sync(() => clean)))
  )
}
for (const [title, sql] of [
  ["truncate", "TRUNCATE public.a; COPY public.a (id) FROM stdin;\n7\n\\.\n"],
  ["delete", "DELETE FROM public.a; INSERT INTO public.a VALUES (7);"],
  ["do", "DO $$ BEGIN UPDATE public.b SET id = 9; END $$; CREATE TABLE public.c (id int);"],
  ["replace", "CREATE OR REPLACE VIEW public.v AS SELECT 2 AS one;"],
  ["function", "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 2';"],
  ["unqualified", "SET search_path = public; TRUNCATE a;"],
  ["other", "CREATE TABLE public.n (id int); DELETE FROM other.o;"],
  ["rows", "COPY public.a (id) FROM stdin;\n7\n\\.\n"],
  ["alter", "ALTER TABLE public.a ADD COLUMN x int;"],
  ["setval", "SELECT pg_catalog.setval('public.sq', 7, true);"]
] as const)
  it.live(`script ${title}`, () =>
    Effect.gen(function* () {
      const file = yield* Restores.script(sql + "\n")
      const admin = yield* Clusters.makeDatabase(major)
      yield* q(
        admin,
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1); CREATE TABLE b (id int); INSERT INTO b VALUES (1); CREATE VIEW v AS SELECT 1 AS one; CREATE SEQUENCE sq; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA other; CREATE TABLE other.o AS SELECT 1 AS o"
      )
      if (title === "rows") yield* q(admin, "DELETE FROM a")
      yield* Undoing.thereAndBack({ url: admin, admin, file })
    })
  )
