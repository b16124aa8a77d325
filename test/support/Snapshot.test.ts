/** The proof that "the target is as it was" is only as good as what a snapshot sees: one change of each kind. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { quote } from "../../src/postgres/Identifier.ts"
import * as Clusters from "./Clusters.ts"
import { snapshot } from "./Snapshot.ts"
import { long } from "./Tier.ts"

const setUp = `
  CREATE SCHEMA s; SET search_path = s;
  CREATE TYPE mood AS ENUM ('low', 'high'); CREATE DOMAIN d AS int; CREATE TYPE r AS RANGE (subtype = float8);
  CREATE TABLE t (id serial PRIMARY KEY, a text, b int); INSERT INTO t (a) VALUES ('x');
  CREATE INDEX t_a ON t (lower(a)); CREATE TABLE child () INHERITS (t);
  CREATE TABLE part (k int) PARTITION BY LIST (k); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
  CREATE VIEW v AS SELECT a FROM t; CREATE MATERIALIZED VIEW m AS SELECT a FROM t;
  CREATE RULE hush AS ON DELETE TO t DO ALSO NOTHING; CREATE POLICY mine ON t USING (true);
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
  CREATE FUNCTION eq(mood, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
  CREATE FUNCTION cmp(mood, mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 0';
  CREATE FUNCTION to_int(mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
  CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
  CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
  CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION e();
  CREATE STATISTICS st ON a, b FROM t; CREATE PUBLICATION pub; CREATE PUBLICATION named FOR TABLE t;
  CREATE LANGUAGE lang HANDLER plpgsql_call_handler;
  CREATE FOREIGN DATA WRAPPER w; CREATE SERVER srv FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER srv;
  CREATE FOREIGN TABLE ft (id int) SERVER srv;
  CREATE OPERATOR === (LEFTARG = mood, RIGHTARG = mood, FUNCTION = eq);
  CREATE OPERATOR FAMILY fam USING btree;
  CREATE TEXT SEARCH CONFIGURATION cfg (COPY = pg_catalog.simple);
  CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = pg_catalog.simple);
  CREATE COLLATION c (LOCALE = 'C')`

/** The kind of line that must differ, and what makes it differ. `app` is a role. */
const changes: ReadonlyArray<readonly [kind: string, sql: (names: { app: string; database: string }) => string]> = [
  ["database", ({ database }) => `ALTER DATABASE ${database} CONNECTION LIMIT 50`],
  ["database", ({ app, database }) => `GRANT CREATE ON DATABASE ${database} TO ${app}`],
  ["database", ({ database }) => `COMMENT ON DATABASE ${database} IS 'x'`],
  ["database setting", ({ database }) => `ALTER DATABASE ${database} SET work_mem = '5MB'`],
  ["database setting", ({ app, database }) => `ALTER ROLE ${app} IN DATABASE ${database} SET work_mem = '5MB'`],
  ["schema", ({ app }) => `GRANT USAGE ON SCHEMA s TO ${app}`],
  ["schema", ({ app }) => `ALTER SCHEMA s OWNER TO ${app}`],
  ["extension", () => `UPDATE pg_extension SET extversion = '0'`],
  ["extension", () => `UPDATE pg_extension SET extconfig = ARRAY['s.t'::regclass], extcondition = ARRAY['']`],
  ["extension member", () => "ALTER EXTENSION plpgsql ADD TABLE s.part_1"],
  ["extension member", () => "ALTER FUNCTION s.f() DEPENDS ON EXTENSION plpgsql"],
  ["comment", () => "COMMENT ON COLUMN s.t.a IS 'x'"],
  ["comment", () => "COMMENT ON SCHEMA public IS 'x'"],
  ["comment", () => "COMMENT ON RULE hush ON s.t IS 'x'"],
  ["security label", () => "INSERT INTO pg_seclabel VALUES ('s.t'::regclass, 'pg_class'::regclass, 0, 'p', 'l')"],
  ["relation", ({ app }) => `GRANT SELECT ON s.t TO ${app}`],
  ["relation", ({ app }) => `ALTER TABLE s.m OWNER TO ${app}`],
  ["relation", () => "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY"],
  ["relation", () => "ALTER TABLE s.t SET (toast.autovacuum_enabled = off)"],
  ["relation", () => "ALTER TABLE s.child NO INHERIT s.t"],
  ["relation", () => "ALTER TABLE s.part DETACH PARTITION s.part_1"],
  ["relation", () => "ALTER TABLE s.part ATTACH PARTITION s.part_1 FOR VALUES IN (2)"],
  ["column", () => "ALTER TABLE s.t ALTER a SET STORAGE EXTERNAL"],
  ["column", () => "ALTER TABLE s.t ALTER a SET STATISTICS 7"],
  ["column", ({ app }) => `GRANT UPDATE (b) ON s.t TO ${app}`],
  ["column", () => "ALTER TABLE s.t ALTER a SET DEFAULT 'x'"],
  ["constraint", () => "ALTER TABLE s.t ADD CONSTRAINT positive CHECK (b > 0) NOT VALID"],
  ["constraint", () => "ALTER DOMAIN s.d ADD CHECK (VALUE > 0)"],
  ["index", () => "ALTER INDEX s.t_a ALTER COLUMN 1 SET STATISTICS 7"],
  ["index", () => "ALTER TABLE s.t CLUSTER ON t_pkey"],
  ["rule", () => "ALTER TABLE s.t DISABLE RULE hush"],
  ["rule", () => "CREATE OR REPLACE VIEW s.v AS SELECT upper(a) AS a FROM s.t"],
  ["function", () => "ALTER FUNCTION s.f() COST 7"],
  ["function", ({ app }) => `REVOKE EXECUTE ON FUNCTION s.f() FROM PUBLIC; ALTER FUNCTION s.f() OWNER TO ${app}`],
  ["function", () => "CREATE OR REPLACE AGGREGATE s.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '1')"],
  ["type", () => "ALTER TYPE s.mood ADD VALUE 'middle'"],
  ["type", () => "ALTER DOMAIN s.d SET DEFAULT 1"],
  ["type", ({ app }) => `ALTER TYPE s.r OWNER TO ${app}`],
  ["trigger", () => "ALTER TABLE s.t DISABLE TRIGGER tr"],
  ["policy", () => "ALTER POLICY mine ON s.t USING (false)"],
  ["sequence", () => "ALTER SEQUENCE s.t_id_seq CACHE 7"],
  ["sequence", () => "ALTER SEQUENCE s.t_id_seq OWNED BY NONE"],
  ["sequence value", () => "SELECT nextval('s.t_id_seq')"],
  ["default acl", ({ app }) => `ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO ${app}`],
  ["large object", () => "SELECT lo_from_bytea(4711, 'x')"],
  ["large object", () => "SELECT lo_put(4711, 0, 'y')"],
  ["large object", ({ app }) => `GRANT SELECT ON LARGE OBJECT 4711 TO ${app}`],
  ["large object", ({ app }) => `ALTER LARGE OBJECT 4711 OWNER TO ${app}`],
  ["large object", () => "COMMENT ON LARGE OBJECT 4711 IS 'x'"],
  ["publication", () => "ALTER PUBLICATION pub SET (publish = 'insert')"],
  ["published table", () => "ALTER PUBLICATION pub ADD TABLE s.t"],
  ["publication member", () => "ALTER PUBLICATION named SET TABLE s.child"],
  ["publication member", () => "ALTER PUBLICATION named ADD TABLES IN SCHEMA s"],
  ["event trigger", () => "ALTER EVENT TRIGGER et DISABLE"],
  ["statistics", () => "ALTER STATISTICS s.st SET STATISTICS 7"],
  ["language", ({ app }) => `ALTER LANGUAGE lang OWNER TO ${app}`],
  ["language", ({ app }) => `GRANT USAGE ON LANGUAGE plpgsql TO ${app}`],
  ["cast", () => "CREATE CAST (s.mood AS int) WITH FUNCTION s.to_int(s.mood)"],
  [
    "transform",
    () => "CREATE TRANSFORM FOR s.mood LANGUAGE plpgsql (FROM SQL WITH FUNCTION pg_catalog.time_support(internal))"
  ],
  ["foreign data wrapper", () => "ALTER FOREIGN DATA WRAPPER w OPTIONS (x 'y')"],
  ["server", () => "ALTER SERVER srv VERSION '2'"],
  ["server", ({ app }) => `GRANT USAGE ON FOREIGN SERVER srv TO ${app}`],
  ["user mapping", () => "ALTER USER MAPPING FOR PUBLIC SERVER srv OPTIONS (x 'y')"],
  ["foreign table", () => "ALTER FOREIGN TABLE s.ft OPTIONS (x 'y')"],
  ["column", () => "ALTER FOREIGN TABLE s.ft ALTER id OPTIONS (x 'y')"],
  ["access method", () => "CREATE ACCESS METHOD mine TYPE TABLE HANDLER heap_tableam_handler"],
  ["operator", ({ app }) => `ALTER OPERATOR s.=== (s.mood, s.mood) OWNER TO ${app}`],
  ["operator", () => "ALTER OPERATOR s.=== (s.mood, s.mood) SET (RESTRICT = eqsel)"],
  ["operator family", ({ app }) => `ALTER OPERATOR FAMILY s.fam USING btree OWNER TO ${app}`],
  ["operator family member", () => "ALTER OPERATOR FAMILY s.fam USING btree ADD OPERATOR 3 s.=== (s.mood, s.mood)"],
  ["operator family function", () => "ALTER OPERATOR FAMILY s.fam USING btree ADD FUNCTION 1 s.cmp(s.mood, s.mood)"],
  ["operator class", () => "CREATE OPERATOR CLASS s.cls FOR TYPE s.mood USING btree FAMILY s.fam AS STORAGE s.mood"],
  ["text search configuration", () => "ALTER TEXT SEARCH CONFIGURATION s.cfg DROP MAPPING FOR int"],
  ["text search dictionary", () => "ALTER TEXT SEARCH DICTIONARY s.dict (accept = false)"],
  [
    "text search parser",
    () => `CREATE TEXT SEARCH PARSER s.prs (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
      LEXTYPES = prsd_lextype)`
  ],
  ["text search template", () => "CREATE TEXT SEARCH TEMPLATE s.tmpl (LEXIZE = dsimple_lexize)"],
  ["conversion", () => "CREATE CONVERSION s.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"],
  ["collation", ({ app }) => `ALTER COLLATION s.c OWNER TO ${app}`],
  ["rows", () => "UPDATE s.t SET a = 'y'"],
  ["rows", () => "REFRESH MATERIALIZED VIEW s.m"],
  [
    "subscription",
    () => "CREATE SUBSCRIPTION sub CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)"
  ],
  ["subscription", () => "ALTER SUBSCRIPTION sub CONNECTION 'dbname=y'"]
]

for (const major of Clusters.majors) {
  long(`a snapshot on PostgreSQL ${major}`, () => {
    it.live(
      "sees one change of each kind, and none where there is none",
      () =>
        Effect.gen(function* () {
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, setUp)
          const app = quote((yield* Clusters.makeRole(major)).name)
          // A database with a subscription cannot be dropped.
          yield* Effect.addFinalizer(() => Effect.orDie(Clusters.query(admin, "DROP SUBSCRIPTION IF EXISTS sub")))
          let before = yield* snapshot(admin)
          assert.strictEqual(yield* snapshot(admin), before)
          const unseen: Array<string> = []
          for (const [kind, sql] of changes) {
            const change = sql({ app, database: quote(admin.database) })
            yield* Clusters.query(admin, change)
            const after = yield* snapshot(admin)
            const [was, is] = [new Set(before.split("\n")), new Set(after.split("\n"))]
            const changed = [...was, ...is].filter((line) => was.has(line) !== is.has(line))
            if (!changed.some((line) => line.startsWith(`["${kind}"`))) unseen.push(`${kind}: ${change}`)
            before = after
          }
          assert.deepStrictEqual(unseen, [])
          assert.notMatch(before, new RegExp(`\\b${admin.database}\\b`), "the database's own name")
        }),
      180_000
    )
  })
}
