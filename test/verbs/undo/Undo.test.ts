/** Whatever a restore has replaced comes back, to the last right and comment; and undoing again takes that back. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import * as Restores from "../../support/Restores.ts"
import { long, ofRun } from "../../support/Tier.ts"
import * as Undoing from "../../support/Undoing.ts"

/** An app in two states; of each something is nowhere in the other. */
const app = (n: number) => `
  CREATE TYPE mood AS ENUM ('sad', 'm${n}');
  CREATE TABLE "User" (id serial PRIMARY KEY, mood mood, text text);
  INSERT INTO "User" (mood, text) SELECT 'm${n}', repeat('x', i) FROM generate_series(1, ${10 * n}) i;
  CREATE TABLE only${n} (id int GENERATED ALWAYS AS IDENTITY);
  CREATE FUNCTION f(i int) RETURNS int LANGUAGE sql AS 'SELECT ${n}';
  CREATE VIEW v AS SELECT id, f(1) FROM "User";
  CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM "User";
  CREATE SCHEMA s${n}; CREATE TABLE s${n}.t AS SELECT ${n} AS n;
  GRANT SELECT ON "User" TO PUBLIC; SELECT lo_from_bytea(${n + 1000}, 'own'); SELECT lo_from_bytea(1000, 'n${n}')`

/** Databases with subscriptions are not dropped, and a trusted language comes back as an extension only. */
const everyKind = (role: string) => `${EveryKind.sql(role)}; DROP SUBSCRIPTION listening; DROP LANGUAGE plmine`

/** What stands in no schema. */
const around = `
  CREATE SCHEMA e; CREATE EXTENSION hstore SCHEMA e; CREATE TABLE "User" (id e.hstore);
  INSERT INTO "User" VALUES ('a=>1'); CREATE PUBLICATION p FOR TABLE "User"; CREATE PUBLICATION everything FOR ALL TABLES;
  CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
  CREATE EVENT TRIGGER w ON ddl_command_end EXECUTE FUNCTION et()`

interface Case {
  readonly title: string
  /** What is dumped, and what is there when it is restored. `role` has a part in both. */
  readonly source: (role: string) => string
  readonly target: (role: string) => string
  /** Without --grant-to: a right that was given and taken is another entry of the catalogue than none. */
  readonly plain?: true
  /** More that is there where nothing is emptied first. */
  readonly beside?: string
}

const cases: ReadonlyArray<Case> = [
  {
    title: "an app in another state",
    source: () => app(1),
    target: (role) =>
      `${app(2)}; COMMENT ON SCHEMA public IS 'of the target'; ALTER SCHEMA public OWNER TO ${role};
       GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT SELECT ON only2, only2_id_seq TO PUBLIC; CREATE TABLE s2.more AS SELECT 1 AS one`
  },
  {
    title: "every kind, by every kind",
    source: everyKind,
    target: (role) => `${everyKind(role)}; ALTER TABLE kinds.refers ADD COLUMN more int; CREATE TABLE beside (id int)`,
    beside: "CREATE FUNCTION kinds.twice(text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'"
  }
]

const more: ReadonlyArray<Case> = [
  {
    title: "what stands in no schema",
    source: () => around,
    target: () =>
      `CREATE TABLE "User" (id text); INSERT INTO "User" VALUES ('a'); CREATE PUBLICATION p FOR TABLE "User"`,
    beside: "CREATE TABLE b (id int); GRANT SELECT ON b TO PUBLIC; ALTER PUBLICATION p ADD TABLE b"
  },
  {
    title: "every kind, by an app",
    source: () => `${app(1)}; CREATE SCHEMA kinds; CREATE TABLE kinds.fleeting (id int)`,
    target: (role) => `${everyKind(role)}; DROP PUBLICATION parts; DROP EVENT TRIGGER watched`,
    plain: true
  },
  {
    title: "an app, by every kind",
    source: everyKind,
    target: () => `${app(1)}; CREATE SCHEMA kinds; CREATE TABLE kinds.fleeting AS SELECT 'a' AS id`,
    plain: true
  }
]

const roundTrips = (major: Clusters.Major, some: ReadonlyArray<Case>) => {
  for (const { beside, plain = false, source, target, title } of some) {
    for (const clean of ofRun([true, false], [title === cases[0]?.title])) {
      it.live(`${title}${clean ? ", --clean" : ""}`, () =>
        Effect.gen(function* () {
          const { name: role } = yield* Clusters.makeRole(major)
          const from = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(from, source(role))
          const { file } = yield* Restores.dump(from, yield* Restores.folder)
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, target(role))
          if (!clean && beside !== undefined) yield* Clusters.query(admin, beside)
          yield* Undoing.thereAndBack({ url: admin, admin, file, clean, ...(plain ? {} : { grantTo: role }) })
        })
      )
    }
  }
}

/** What dumps of other tools do without DROPs, to what is there. */
const scripts: ReadonlyArray<readonly [title: string, sql: string]> = [
  ["TRUNCATE and rows", "TRUNCATE public.a;\nCOPY public.a (id) FROM stdin;\n7\n\\.\n"],
  ["DO, anywhere", "CREATE TABLE public.c (id int);\nDO $$ BEGIN UPDATE other.o SET o = 9; END $$;"],
  ["CREATE OR REPLACE", "CREATE OR REPLACE VIEW public.v AS SELECT 2 AS one;"]
]
const moreScripts: typeof scripts = [
  ["DELETE and INSERT", "DELETE FROM public.a;\nINSERT INTO public.a VALUES (7);"],
  ["CREATE OR REPLACE FUNCTION", "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 2';"],
  ["names without schemas", "SET search_path = public;\nTRUNCATE a;"],
  ["rows alone", "COPY public.empty (id) FROM stdin;\n7\n\\.\n"],
  ["ALTER", "ALTER TABLE public.a ADD COLUMN x int;"],
  ["a constraint", "ALTER TABLE public.a ADD CONSTRAINT positive CHECK (id > 0);"]
]

const inPlace = (major: Clusters.Major, some: typeof scripts) => {
  for (const [title, sql] of some) {
    it.live(title, () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(
          admin,
          `CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1); CREATE TABLE empty (id int PRIMARY KEY);
           CREATE TABLE b (id int REFERENCES empty); CREATE VIEW v AS SELECT 1 AS one;
           CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
           CREATE SCHEMA other; CREATE TABLE other.o AS SELECT 1 AS o`
        )
        const file = yield* Restores.script(`${sql}\n`)
        yield* Undoing.thereAndBack({ url: admin, admin, file })
      })
    )
  }
}

describe("undo brings back", () => roundTrips(18, cases))
describe("undo brings back what was changed in place, by", () => inPlace(18, scripts.slice(0, 1)))
long("undo brings back, too,", () => {
  describe("on PostgreSQL 18", () => {
    roundTrips(18, more)
    inPlace(18, scripts.slice(1))
    inPlace(18, moreScripts)
  })
  describe.each([13, 15, 16] as const)("on PostgreSQL %s", (major) => {
    roundTrips(major, major < 15 ? [cases[0]!] : cases)
    inPlace(major, scripts)
  })
})

describe("undo of an undo", () => {
  it.live("brings back what the restore had made nothing of", () =>
    Effect.gen(function* () {
      const from = yield* Clusters.makeDatabase(18)
      yield* Clusters.query(from, "CREATE SCHEMA x")
      const { file } = yield* Restores.dump(from, yield* Restores.folder)
      const admin = yield* Clusters.makeDatabase(18)
      yield* Clusters.query(admin, "CREATE SCHEMA x; CREATE TABLE x.t AS SELECT 1 AS id")
      yield* Undoing.thereAndBack({ url: admin, admin, file, clean: true })
    })
  )

  it.live("brings back rows of extensions' tables", () =>
    Effect.gen(function* () {
      const configure = (name: string, more: string) => `
        CREATE TABLE public.${name} (id int); ALTER EXTENSION plpgsql ADD TABLE public.${name};
        UPDATE pg_extension SET extconfig = coalesce(extconfig, '{}') || 'public.${name}'::regclass::oid,
          extcondition = coalesce(extcondition, '{}') || ''::text WHERE extname = 'plpgsql'; ${more}`
      const from = yield* Clusters.makeDatabase(18)
      const fill = "INSERT INTO public.conf VALUES (1); CREATE TABLE public.t (id int)"
      yield* Clusters.query(from, configure("conf", fill))
      const { file } = yield* Restores.dump(from, yield* Restores.folder)
      const some = "INSERT INTO public.conf VALUES (2), (3); "
      for (const rows of ofRun(["", some], [some])) {
        const admin = yield* Clusters.makeDatabase(18)
        yield* Clusters.query(admin, configure("conf", `${rows}CREATE TABLE public.t (x int)`))
        yield* Undoing.thereAndBack({ url: admin, admin, file, clean: true })
      }
    })
  )
})
