/** What a restore did not replace stays as it is by the time of the undoing. */
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { each } from "../../support/Tier.ts"
import * as Undoing from "../../support/Undoing.ts"

/** The dump's own, in another state on the target. */
const own = (n: number) => `
  CREATE TABLE t AS SELECT ${n} AS n; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT ${n}';
  CREATE PUBLICATION p FOR TABLE t; SELECT lo_from_bytea(1000, 'n${n}'); CREATE TYPE pair AS (a int, b int);
  CREATE FUNCTION text_of(pair) RETURNS text LANGUAGE sql AS 'SELECT ''${n}''';
  CREATE CAST (pair AS text) WITH FUNCTION text_of(pair)`

/** What the dump does not know: of every kind that a dump of schemas takes whole. */
const beside = (other: string) => `
  CREATE EXTENSION citext; CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1); CREATE SEQUENCE counter;
  CREATE TABLE parent (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parent DEFAULT;
  CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION goes() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE TYPE mood AS ENUM ('a'); CREATE TYPE gone AS ENUM ('a'); CREATE DOMAIN d AS int; CREATE COLLATION c (locale = 'C');
  CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE OPERATOR FAMILY fam USING hash;
  CREATE TYPE two AS (a int); CREATE FUNCTION text_of_two(two) RETURNS text LANGUAGE sql AS 'SELECT ''2''';
  CREATE CAST (two AS text) WITH FUNCTION text_of_two(two);
  CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION conf (COPY = simple);
  CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE PUBLICATION q FOR TABLE other;
  CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
  CREATE EVENT TRIGGER w ON ddl_command_end EXECUTE FUNCTION et();
  SELECT lo_from_bytea(1001, 'beside'); SELECT lo_from_bytea(1002, 'goes');
  CREATE TABLE theirs AS SELECT 1 AS id; ALTER TABLE theirs OWNER TO ${other};
  CREATE FUNCTION their_f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION their_f() OWNER TO ${other}`

/** What happens to it between the restore and the undoing. */
const since = (other: string) => `
  UPDATE other SET id = 2; ALTER TABLE other ADD COLUMN more int; SELECT nextval('counter'); INSERT INTO part VALUES (5);
  CREATE OR REPLACE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 2'; DROP FUNCTION goes();
  ALTER TYPE mood ADD VALUE 'b'; DROP TYPE gone; ALTER DOMAIN d SET DEFAULT 5; COMMENT ON COLLATION c IS 'since';
  ALTER TEXT SEARCH DICTIONARY dict (StopWords = english); ALTER TEXT SEARCH CONFIGURATION conf DROP MAPPING FOR word;
  ALTER PUBLICATION q SET (publish = 'insert'); ALTER EVENT TRIGGER w DISABLE; ALTER SERVER s OPTIONS (ADD host 'h');
  SELECT lo_put(1001, 0, 'BESIDE'); SELECT lo_unlink(1002); UPDATE theirs SET id = 7; GRANT SELECT ON other TO ${other};
  CREATE TABLE fresh AS SELECT 1 AS id; CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE OR REPLACE FUNCTION their_f() RETURNS int LANGUAGE sql AS 'SELECT 9'`

each(
  [18, 15, 13] as const,
  [18],
  (major) => `undo on PostgreSQL ${major}`,
  (major) => {
    it.live("leaves alone what stood beside and has changed since", () =>
      Effect.gen(function* () {
        const { name: other } = yield* Clusters.makeRole(major)
        const from = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(from, own(1))
        const { file } = yield* Restores.dump(from, yield* Restores.folder)
        // The same changes, once with the restore and its undoing in between and once without.
        const [plain, admin] = [yield* Clusters.makeDatabase(major), yield* Clusters.makeDatabase(major)]
        for (const one of [plain, admin]) yield* Clusters.query(one, `${own(2)}; ${beside(other)}`)
        yield* Undoing.restore(admin, file)
        for (const one of [plain, admin]) yield* Clusters.query(one, since(other))
        yield* Undoing.undo(admin, dirname(file))
        yield* Restores.same(yield* snapshot(admin), yield* snapshot(plain), "Something beside was touched")
        // And the undoing of it leaves it alone, too.
        for (const one of [plain, admin]) yield* Clusters.query(one, "UPDATE other SET id = 3; DROP FUNCTION fresh()")
        yield* Undoing.undo(admin, dirname(file))
        yield* Undoing.undo(admin, dirname(file))
        yield* Restores.same(yield* snapshot(admin), yield* snapshot(plain), "Something beside was touched")
      })
    )
  }
)

describe("undo", () => {
  it.live("is refused where something new needs what would go, and names it", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(18)
      yield* Clusters.query(admin, "CREATE TABLE t (id int PRIMARY KEY)")
      const { file } = yield* Restores.dump(admin, yield* Restores.folder)
      yield* Undoing.restore(admin, file)
      yield* Clusters.query(admin, "CREATE VIEW v AS SELECT id FROM t")
      const undo = Undoing.undo(admin, dirname(file))
      const error = yield* Restores.unchanged(admin, Effect.flip(undo))
      if (error._tag !== "CleanBlocked") return assert.fail(error.message)
      assert.deepStrictEqual(
        error.blockers.map(({ what }) => what),
        ["view public.v"]
      )
      yield* Clusters.query(admin, "DROP VIEW v")
      yield* undo
    })
  )

  it.live("does without the rights of a role that is gone", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(18)
      yield* Clusters.query(admin, "CREATE TABLE t AS SELECT 1 AS id")
      const { file } = yield* Restores.dump(admin, yield* Restores.folder)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { name } = yield* Clusters.makeRole(18)
          yield* Clusters.query(
            admin,
            `GRANT USAGE ON SCHEMA public TO ${name}; GRANT SELECT ON t TO ${name};
             ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${name}`
          )
          yield* Undoing.restore(admin, file, { clean: true })
        })
      )
      yield* Clusters.query(admin, "UPDATE t SET id = 2")
      const before = yield* snapshot(admin)
      yield* Undoing.undo(admin, dirname(file))
      assert.notStrictEqual(yield* snapshot(admin), before)
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM t"), [{ id: 1 }])
    })
  )
})
