import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { toUri } from "../../../src/postgres/DatabaseUrl.ts"
import { type Dependency, type Droppable, dropStatements } from "../../../src/postgres/survey/DropOrder.ts"
import { literal } from "../../../src/postgres/Identifier.ts"
import { survey } from "../../../src/postgres/survey/Survey.ts"
import { makeDatabase, makeRole, as, query } from "../../support/Clusters.ts"
import { ofRun } from "../../support/Tier.ts"

const object = (key: string, kind = "TABLE"): Droppable => ({ key, kind, identity: key })
const sqlOf = (objects: ReadonlyArray<Droppable>, pairs: ReadonlyArray<readonly [string, string]>, limit?: number) =>
  dropStatements(
    objects,
    pairs.map(([dependent, on]) => ({ dependent, on })),
    limit === undefined ? {} : { limit }
  ).map(({ sql }) => sql)

describe("dropStatements", () => {
  it("names what depends first, and merges what is of one kind", () => {
    const objects = [object("t1"), object("t2"), object("v1", "VIEW"), object("v2", "VIEW"), object("f", "FUNCTION")]
    assert.deepStrictEqual(
      sqlOf(objects, [
        ["v2", "v1"],
        ["v1", "t1"],
        ["t2", "f"]
      ]),
      ["DROP VIEW v2, v1", "DROP TABLE t2, t1", "DROP FUNCTION f"]
    )
  })

  it("keeps tables that need each other in one statement, whatever the limit", () => {
    const objects = ["a", "b", "c", "d"].map((key) => object(key))
    const statements = sqlOf(
      objects,
      [
        ["a", "b"],
        ["b", "c"],
        ["c", "a"],
        ["d", "a"]
      ],
      2
    )
    assert.deepStrictEqual(statements, ["DROP TABLE d", "DROP TABLE a, b, c"])
  })

  it("cuts long statements so that dependents are in the earlier one", () => {
    const objects = Array.from({ length: 5000 }, (_, i) => object(`t${i}`))
    const chain = objects.slice(1).map((_, i): readonly [string, string] => [`t${i + 1}`, `t${i}`])
    const statements = sqlOf(objects, chain)
    assert.strictEqual(statements.length, 5)
    assert.match(statements[0] ?? "", /^DROP TABLE t4999, /)
    assert.match(statements[4] ?? "", /, t0$/)
  })

  it("uses CASCADE only where kinds need each other", () => {
    const objects = [object("base", "TYPE"), object("base_in(cstring)", "FUNCTION"), object("t")]
    assert.deepStrictEqual(
      sqlOf(objects, [
        ["base", "base_in(cstring)"],
        ["base_in(cstring)", "base"],
        ["t", "base"]
      ]),
      ["DROP TABLE t", "DROP TYPE IF EXISTS base CASCADE", "DROP FUNCTION IF EXISTS base_in(cstring) CASCADE"]
    )
  })

  it("drops kinds that take no list one by one", () => {
    const objects = [object("a USING hash", "OPERATOR CLASS"), object("b USING hash", "OPERATOR CLASS")]
    assert.deepStrictEqual(sqlOf(objects, []), ["DROP OPERATOR CLASS a USING hash", "DROP OPERATOR CLASS b USING hash"])
  })

  const count = 12
  const place = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: count - 1 }))
  it.effect.prop(
    "no statement meets a dependent that it does not name",
    [Schema.Array(Schema.Tuple([place, place])), Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))],
    ([edges, limit]) =>
      Effect.sync(() => {
        const kinds = ["TABLE", "VIEW", "OPERATOR CLASS"]
        const objects = Array.from({ length: count }, (_, i) => object(`o${i}`, kinds[i % kinds.length]))
        const dependencies: ReadonlyArray<Dependency> = edges.map(([a, b]) => ({ dependent: `o${a}`, on: `o${b}` }))
        /** Whatever CASCADE would take with an object, by the server's rule. */
        const taken = (key: string, seen = new Set<string>()): Set<string> => {
          if (seen.has(key)) return seen
          seen.add(key)
          for (const { dependent, on } of dependencies) if (on === key) taken(dependent, seen)
          return seen
        }
        const alive = new Set(objects.map(({ key }) => key))
        for (const statement of dropStatements(objects, dependencies, { limit })) {
          const named = new Set(statement.objects.map(({ key }) => key))
          for (const key of named) {
            if (!statement.cascade) assert.isTrue(alive.has(key), `${statement.sql}: ${key} is gone`)
            for (const other of taken(key)) {
              if (!alive.has(other) || named.has(other)) continue
              assert.isTrue(statement.cascade, `${statement.sql}: ${other} is in the way`)
              assert.isTrue(taken(other).has(key), `${statement.sql} takes ${other}, which does not need it back`)
            }
          }
          for (const key of named) for (const other of statement.cascade ? taken(key) : [key]) alive.delete(other)
        }
        assert.deepStrictEqual([...alive], [])
      })
  )
})

/** A schema with every kind of object that pg_dump writes, and the ways they need each other. */
const everything = `
CREATE SCHEMA "Every Thing";
SET search_path = "Every Thing";
CREATE EXTENSION citext SCHEMA "Every Thing";
CREATE TYPE "Mood" AS ENUM ('sad', 'ok');
CREATE DOMAIN "happy mood" AS "Mood" CHECK (VALUE <> 'sad');
CREATE TYPE pair AS (a int, b "Mood");
CREATE TYPE shell;
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN span_domain AS span;
CREATE TABLE uses_types (id serial PRIMARY KEY, m "Mood" DEFAULT 'ok', h "happy mood", p pair, ps pair[], s span,
  ms span_multirange, sd span_domain, c citext UNIQUE);
CREATE TABLE of_pair OF pair;
CREATE SEQUENCE free_sequence;
CREATE TABLE uses_sequence (id int GENERATED ALWAYS AS IDENTITY, n int DEFAULT nextval('free_sequence'));
CREATE TABLE uses_owned (n int DEFAULT nextval('uses_types_id_seq'));

CREATE TABLE "A" (id int PRIMARY KEY, b int);
CREATE TABLE "B" (id int PRIMARY KEY, a int REFERENCES "A");
ALTER TABLE "A" ADD FOREIGN KEY (b) REFERENCES "B";
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
CREATE TABLE measure (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE measure_1 PARTITION OF measure FOR VALUES FROM (0) TO (10) PARTITION BY LIST (id);
CREATE TABLE measure_1_1 PARTITION OF measure_1 FOR VALUES IN (1);
CREATE TABLE refers_measure (id int, at int, FOREIGN KEY (id, at) REFERENCES measure);
CREATE TABLE animal (name text, size int);
CREATE TABLE cat (lives int) INHERITS (animal);
CREATE STATISTICS sizes ON name, size FROM animal;

CREATE VIEW v1 AS SELECT * FROM "A";
CREATE MATERIALIZED VIEW m1 AS SELECT * FROM v1;
CREATE UNIQUE INDEX ON m1 (id);
CREATE VIEW v2 AS SELECT * FROM m1;
CREATE FUNCTION atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM v2; END;
CREATE VIEW v3 AS SELECT atomic() AS n;

CREATE TABLE rowed (id int);
CREATE FUNCTION row_default(rowed) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
ALTER TABLE rowed ADD d int DEFAULT row_default(null);
CREATE FUNCTION listed(x pair) RETURNS TABLE (a int, b "Mood") LANGUAGE sql AS 'SELECT 1, null::"Every Thing"."Mood"';
CREATE VIEW v4 AS SELECT * FROM listed(null);
CREATE FUNCTION many(VARIADIC "Mood"[]) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TABLE generated (m "Mood", n int GENERATED ALWAYS AS (many(m)) STORED);
CREATE INDEX ON generated (many(m));
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON "A" FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER instead INSTEAD OF UPDATE ON v1 FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE also AS ON INSERT TO cat DO ALSO INSERT INTO animal VALUES ('x', 1);
CREATE FUNCTION mine(text) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE POLICY own ON cat USING (mine(name));
CREATE PROCEDURE proc(IN a int, OUT b int) LANGUAGE plpgsql AS 'BEGIN b := a; END';
CREATE PROCEDURE proc(IN a int, IN b int) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE nothing(*) (SFUNC = int8inc, STYPE = int8, INITCOND = '0');
CREATE AGGREGATE middle(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal,
  FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);

CREATE FUNCTION pair_eq(pair, pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE FUNCTION pair_not(pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION pair_hash(pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE OPERATOR === (FUNCTION = pair_eq, LEFTARG = pair, RIGHTARG = pair, COMMUTATOR = ===);
CREATE OPERATOR !! (FUNCTION = pair_not, RIGHTARG = pair);
CREATE OPERATOR FAMILY family USING hash;
CREATE OPERATOR CLASS in_family FOR TYPE pair USING hash FAMILY family AS OPERATOR 1 ===, FUNCTION 1 pair_hash(pair);
CREATE OPERATOR CLASS alone FOR TYPE pair USING hash AS OPERATOR 1 ===, FUNCTION 1 pair_hash(pair);
CREATE TABLE hashed (p pair);
CREATE INDEX ON hashed USING hash (p in_family);
CREATE FUNCTION pair_int(pair) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE CAST (pair AS int) WITH FUNCTION pair_int(pair);
CREATE FUNCTION pair_in(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'int4out';
CREATE TRANSFORM FOR pair LANGUAGE plpgsql (FROM SQL WITH FUNCTION pair_in(internal));

CREATE TYPE base;
CREATE FUNCTION base_in(cstring) RETURNS base LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION base_out(base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE base (INPUT = base_in, OUTPUT = base_out, LIKE = text);
CREATE CAST (base AS text) WITHOUT FUNCTION;
CREATE TABLE uses_base (b base DEFAULT 'x');

CREATE COLLATION german FROM "C";
CREATE TABLE collated (t text COLLATE german);
CREATE CONVERSION conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH PARSER parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
  LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE template (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = template);
CREATE TEXT SEARCH CONFIGURATION cfg (PARSER = parser);
ALTER TEXT SEARCH CONFIGURATION cfg ADD MAPPING FOR word WITH dict;
CREATE INDEX ON collated USING gin (to_tsvector('cfg', t));
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far (id int, m "Mood") SERVER nowhere`

const kinds = [
  ..."AGGREGATE CAST COLLATION CONVERSION DOMAIN FUNCTION OPERATOR PROCEDURE SEQUENCE TABLE TRANSFORM TYPE VIEW".split(
    " "
  ),
  "FOREIGN TABLE",
  "MATERIALIZED VIEW",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  ...["CONFIGURATION", "DICTIONARY", "PARSER", "TEMPLATE"].map((kind) => `TEXT SEARCH ${kind}`)
]

const surveyOf = (url: DatabaseUrl) =>
  survey({ schemas: ["Every Thing"] }).pipe(Effect.provide(PgClient.layer({ url: toUri(url) })))

/** What the server itself says stands in the schema, or is a cast or transform of the database; extension members aside. */
const left = (url: DatabaseUrl) =>
  query<{ description: string }>(
    url,
    `SELECT pg_describe_object(classid, objid, objsubid) AS description FROM pg_depend d
     WHERE (refclassid = 'pg_namespace'::regclass AND refobjid = '"Every Thing"'::regnamespace
         AND classid <> 'pg_extension'::regclass
       OR classid IN ('pg_cast'::regclass, 'pg_transform'::regclass))
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE (e.classid, e.objid) = (d.classid, d.objid) AND e.deptype = 'e')`
  ).pipe(Effect.map((rows) => rows.map(({ description }) => description)))

describe.each(ofRun([15, 18] as const, [18]))("every kind of object on PostgreSQL %d", (major) => {
  it.live("is dropped by the superuser, extension members stay", () =>
    Effect.gen(function* () {
      const admin = yield* makeDatabase(major)
      yield* query(admin, everything)
      const { objects, dependencies, outside } = yield* surveyOf(admin)
      const mine = objects.filter(({ extension }) => extension === null)
      assert.deepStrictEqual([...new Set(mine.map(({ kind }) => kind))].sort(), kinds.sort())
      assert.deepStrictEqual(outside, [])
      assert.isAbove((yield* left(admin)).length, 50)

      const statements = dropStatements(mine, dependencies)
      assert.deepStrictEqual(
        statements.flatMap((statement) => (statement.cascade ? [statement.sql] : [])),
        [
          'DROP FUNCTION IF EXISTS "Every Thing".row_default("Every Thing".rowed) CASCADE',
          'DROP TABLE IF EXISTS "Every Thing".rowed CASCADE',
          'DROP FUNCTION IF EXISTS "Every Thing".base_in(pg_catalog.cstring), "Every Thing".base_out("Every Thing".base) CASCADE',
          'DROP TYPE IF EXISTS "Every Thing".base CASCADE'
        ]
      )
      for (const { sql } of statements) yield* query(admin, sql)
      assert.deepStrictEqual(yield* left(admin), [])

      const members = objects.filter(({ extension }) => extension === "citext").map(({ key }) => key)
      assert.isAbove(members.length, 30)
      assert.deepStrictEqual(
        (yield* surveyOf(admin)).objects.map(({ key }) => key),
        members
      )
    })
  )

  it.live("is dropped by the owner of the objects, who does not own the schema", () =>
    Effect.gen(function* () {
      const admin = yield* makeDatabase(major)
      const role = yield* makeRole(major)
      yield* query(admin, everything)
      yield* query(admin, `GRANT USAGE ON SCHEMA "Every Thing" TO ${role.name}`)
      for (const { kind, identity, owner, extension } of (yield* surveyOf(admin)).objects) {
        if (owner === null || extension !== null) continue
        yield* query(admin, `ALTER ${kind} ${identity} OWNER TO ${role.name}`)
      }
      const url = as(admin, role)
      const { objects, dependencies } = yield* surveyOf(url)
      const mine = objects.filter(({ extension }) => extension === null)
      // They have no owner: the superuser's or the schema owner's to drop.
      assert.deepStrictEqual(
        mine.filter(({ droppable }) => !droppable).map(({ identity }) => identity),
        ['"Every Thing".parser', '"Every Thing".template']
      )
      const droppable = mine.filter((each) => each.droppable)
      for (const { sql } of dropStatements(droppable, dependencies)) yield* query(url, sql)
      assert.deepStrictEqual((yield* left(admin)).sort(), [
        'text search parser "Every Thing".parser',
        'text search template "Every Thing".template'
      ])
    })
  )

  it.live("with CASCADE takes dependents outside along", () =>
    Effect.gen(function* () {
      const admin = yield* makeDatabase(major)
      yield* query(admin, everything)
      yield* query(
        admin,
        `CREATE VIEW public.totals AS SELECT * FROM "Every Thing".v1;
         CREATE FUNCTION "Every Thing".back(public.totals) RETURNS int LANGUAGE sql AS ${literal("SELECT 1")}`
      )
      const { objects, dependencies, outside } = yield* surveyOf(admin)
      assert.deepStrictEqual(
        outside.map(({ description }) => description),
        ["view totals"]
      )
      const mine = objects.filter(({ extension }) => extension === null)
      for (const { sql } of dropStatements(mine, dependencies, { cascade: true })) yield* query(admin, sql)
      assert.deepStrictEqual(yield* left(admin), [])
    })
  )
})
