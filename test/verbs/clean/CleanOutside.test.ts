import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Clean from "../../../src/verbs/Clean.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { ofRun } from "../../support/Tier.ts"

const clean = (url: DatabaseUrl, cascadeOutside: boolean, ...schemas: ReadonlyArray<string>) =>
  Clean.clean({ schemas, cascadeOutside }).pipe(Effect.provide(Session.layer(url)))

const content = `
  SET search_path = app;
  CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN positive AS int;
  CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id);
  CREATE SEQUENCE numbers;
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
  CREATE FUNCTION yes() RETURNS bool LANGUAGE sql AS 'SELECT true'`

/** What there is without the dependents. */
const around = `
  SET search_path = "Re ports";
  CREATE TABLE other (id int, free int, n int); CREATE TYPE free_pair AS (a int); CREATE DOMAIN named AS text;
  CREATE VIEW free AS SELECT free FROM other; INSERT INTO other SELECT 1, 2`

/** One of each kind that may depend on something from another schema; `other` loses columns, not itself. */
const dependents = `
  SET search_path = "Re ports";
  ALTER TABLE other ADD m app.mood, ALTER n SET DEFAULT nextval('app.numbers');
  ALTER TABLE other ADD CONSTRAINT "to t" FOREIGN KEY (id) REFERENCES app.t NOT VALID;
  ALTER TABLE other ADD CONSTRAINT "more;" CHECK (app.twice(id) > 0);
  ALTER TABLE other ADD doubled int GENERATED ALWAYS AS (app.twice(id)) STORED;
  ALTER TYPE free_pair ADD ATTRIBUTE b app.mood;
  ALTER DOMAIN named ADD CONSTRAINT checked CHECK (app.yes());
  CREATE INDEX "by twice" ON other (app.twice(free));
  CREATE TRIGGER "was touched" BEFORE UPDATE ON other FOR EACH ROW EXECUTE FUNCTION app.touch();
  CREATE POLICY own ON other USING (app.yes());
  CREATE RULE quiet AS ON DELETE TO other WHERE app.yes() DO INSTEAD NOTHING;
  CREATE VIEW of_column AS SELECT m FROM other; CREATE VIEW of_view AS SELECT * FROM of_column;
  CREATE VIEW of_table AS SELECT count(*) FROM app.t; CREATE MATERIALIZED VIEW stored AS SELECT * FROM of_table;
  CREATE UNIQUE INDEX ON stored (count);
  CREATE VIEW app.back AS SELECT * FROM of_view; CREATE VIEW forth AS SELECT * FROM app.back;
  CREATE TABLE part PARTITION OF app.parted FOR VALUES IN (1); CREATE TABLE heir () INHERITS (app.t);
  CREATE FUNCTION takes(app.t) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION gives() RETURNS SETOF app.mood LANGUAGE sql AS 'SELECT NULL::app.mood';
  CREATE AGGREGATE last_one(app.mood) (SFUNC = enum_larger, STYPE = app.mood);
  CREATE DOMAIN "My mood" AS app.mood`

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))("clean --cascade-outside on PostgreSQL %i", (major) => {
  it.live("drops what depends on the schema, whatever its kind, by name, and nothing else", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(major)
      const admin = yield* Clusters.makeDatabase(major, { owner: role })
      const url = Clusters.as(admin, role)
      yield* Clusters.query(admin, `CREATE SCHEMA app AUTHORIZATION ${role.name}`)
      yield* Clusters.query(admin, `CREATE SCHEMA "Re ports" AUTHORIZATION ${role.name}`)
      yield* Clusters.query(url, around)
      const before = yield* snapshot(admin)
      yield* Clusters.query(url, content)
      yield* Clusters.query(url, dependents)

      const refused = yield* Restores.unchanged(admin, Effect.flip(clean(url, false, "app")))
      if (refused._tag !== "CleanBlocked") return assert.fail(refused.message)
      assert.strictEqual(refused.state, "untouched")
      assert.isAbove(refused.blockers.length, 18)
      assert.isTrue(refused.blockers.every(({ wants, owner }) => wants === "choice" && owner === role.name))
      assert.match(refused.suggestion ?? "", /--cascade-outside/)

      const { plan } = yield* Pipeline.plan(Clean.pipeline({ schemas: ["app"], cascadeOutside: true })).pipe(
        Effect.provide(Session.layer(url))
      )
      const rows = plan.tasks.flatMap(({ rows }) => rows)
      const row = rows.find(({ what }) => what.startsWith("lose what stands outside of the schemas: "))
      assert.isTrue(row?.destroys)
      for (const { what } of refused.blockers) assert.include(row?.what, what)
      assert.isFalse(rows.some(({ sql }) => sql?.includes("CASCADE")))

      const report = yield* clean(url, true, "app")
      assert.strictEqual(report.rung, 2)
      assert.strictEqual(report.outside.length, refused.blockers.length)
      assert.strictEqual(yield* snapshot(admin), before)
    })
  )

  it.live("stops at what it may not drop, its own dependents notwithstanding", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(major, "schemaOwner")
      const other = yield* Clusters.makeRole(major)
      yield* Clusters.query(url, "CREATE TABLE public.t (id int)")
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA mine AUTHORIZATION ${role.name}; CREATE SCHEMA theirs AUTHORIZATION ${other.name};
         CREATE VIEW mine.v AS SELECT id FROM public.t; ALTER VIEW mine.v OWNER TO ${role.name};
         CREATE VIEW mine.w AS SELECT id FROM public.t; ALTER VIEW mine.w OWNER TO ${other.name};
         CREATE VIEW theirs.v AS SELECT id FROM mine.v; ALTER VIEW theirs.v OWNER TO ${other.name}`
      )
      const refused = yield* Restores.unchanged(admin, Effect.flip(clean(url, true, "public")))
      if (refused._tag !== "CleanRefused") return assert.fail(refused.message)
      assert.deepStrictEqual(
        refused.blockers.map(({ what, owner, wants }) => [what, owner, wants]),
        [["view theirs.v", other.name, "right"]]
      )
      yield* Clusters.query(admin, "DROP VIEW theirs.v")
      // Another role's view in a schema that is the role's own may go, as the server has it.
      const { outside } = yield* clean(url, true, "public")
      assert.deepStrictEqual(outside, [`view mine.v (of ${role.name})`, `view mine.w (of ${other.name})`])
    })
  )

  it.live("leaves a dependent of what stays where it is", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "someTablesOwner")
      yield* Clusters.query(url, "CREATE TABLE public.mine (id int)")
      yield* Clusters.query(admin, `CREATE SCHEMA reports; CREATE VIEW reports.v AS SELECT * FROM public."NotMine"`)
      const { dropped, outside } = yield* clean(url, false, "public")
      assert.deepStrictEqual([dropped, outside], [["drop 1 table: public.mine"], []])
    })
  )

  it.live("never takes an extension", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(
        admin,
        `CREATE TYPE public.mood AS ENUM ('fine'); CREATE SCHEMA ext; CREATE TABLE ext.config (mood public.mood);
         CREATE FUNCTION ext.f(public.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER EXTENSION plpgsql ADD TABLE ext.config; ALTER EXTENSION plpgsql ADD FUNCTION ext.f(public.mood)`
      )
      const blocked = yield* Restores.unchanged(admin, Effect.flip(clean(admin, true, "public")))
      if (blocked._tag !== "CleanBlocked") return assert.fail(blocked.message)
      assert.deepStrictEqual(
        blocked.blockers.map(({ what }) => what),
        ["extension plpgsql"]
      )
      assert.notInclude(blocked.suggestion ?? "", "--cascade-outside")
    })
  )
})

describe("restore --clean --cascade-outside", () => {
  it.live("drops a view of another schema, and the foreign key of another schema's table, not the table", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* Restores.fillJournal(url)
      const { file } = yield* Restores.dump(url, yield* Restores.folder, { schemas: ["public"] })
      yield* Clusters.query(admin, `CREATE SCHEMA reports AUTHORIZATION ${role.name}`)
      yield* Clusters.query(
        url,
        `CREATE TABLE reports.notes (note text, "user" text); INSERT INTO reports.notes VALUES ('kept', NULL)`
      )
      const before = yield* snapshot(admin)
      yield* Clusters.query(
        url,
        `ALTER TABLE reports.notes ADD FOREIGN KEY ("user") REFERENCES public."User";
         CREATE VIEW reports.emails AS SELECT email FROM public."User"`
      )
      const blocked = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
      assert.strictEqual(blocked._tag, "CleanBlocked")
      const { clean } = yield* Restores.restore(url, file, { clean: true, cascadeOutside: true })
      assert.deepStrictEqual(clean?.outside, [
        `constraint notes_user_fkey on table reports.notes (of ${role.name})`,
        `view reports.emails (of ${role.name})`
      ])
      assert.strictEqual(yield* snapshot(admin), before)
    })
  )
})
