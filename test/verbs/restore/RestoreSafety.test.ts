import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import * as Clean from "../../../src/verbs/Clean.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { ofRun } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

const blockersOf = Effect.fnUntraced(function* (
  target: Clusters.Target,
  file: string,
  more: Partial<Restore.RestoreOptions> = {}
) {
  const error = yield* Restores.unchanged(target.admin, Effect.flip(Restores.restore(target.url, file, more)))
  if (error._tag !== "CleanRefused" && error._tag !== "CleanBlocked") return yield* Effect.die(error)
  assert.strictEqual(error.state, "untouched")
  return error.blockers
})

const reasons = ({ skipped }: Restore.RestoreReport) => new Map(skipped.map(({ reason, count }) => [reason, count]))

describe("what appears after the plan", () => {
  /** What others do in the seconds of the warning, how the refusal names it, and how `role` has it as before. */
  const others: ReadonlyArray<readonly [sql: string, named: string, back?: (role: string) => string]> = [
    [`CREATE TABLE public.fresh AS SELECT 1 AS id`, "new: table public.fresh", () => "DROP TABLE public.fresh"],
    [`CREATE SCHEMA r; CREATE VIEW r.v AS SELECT * FROM public."Goal"`, "new: view r.v", () => "DROP SCHEMA r CASCADE"],
    [
      `CREATE PUBLICATION p FOR TABLE public."Goal"`,
      "new: table public.Goal in publication p",
      () => "DROP PUBLICATION p"
    ],
    [
      `ALTER TABLE public."Goal" OWNER TO CURRENT_USER`,
      `changed: table public."Goal"`,
      (role) => `ALTER TABLE public."Goal" OWNER TO ${role}`
    ],
    [`DROP TABLE public."OAuthToken"`, `gone: table public."OAuthToken"`]
  ]

  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    for (const kind of ofRun(["databaseOwner", "tableOwner"] as const, ["tableOwner"])) {
      it.effect(`stops a clean and a restore as ${kind}, with everything as it is by then`, () =>
        Effect.gen(function* () {
          const { file } = yield* Restores.JournalDump
          const { admin, role, url } = yield* Clusters.makeTarget(major, kind)
          yield* Restores.fillJournal(url)
          // A new table, an owner, and a table that is gone: the others come from the same comparison.
          for (const [sql, named, back] of ofRun(others, [others[0]!, others[3]!, others[4]!])) {
            const meanwhile = Effect.fnUntraced(function* <E, R>(run: Effect.Effect<unknown, E, R>) {
              return yield* Restores.unchanged(admin, Effect.flip(run))
            })
            yield* Effect.gen(function* () {
              const restore = yield* Pipeline.plan(Restore.pipeline({ ...Restores.restoreOptions, file, clean: true }))
              const clean = yield* Pipeline.plan(Clean.pipeline({ schemas: ["public"] }))
              yield* Clusters.query(admin, sql)
              for (const error of [yield* meanwhile(restore.run), yield* meanwhile(clean.run)]) {
                assert.deepInclude(error, { _tag: "TargetChanged", state: "rolled-back" })
                assert.include("detail" in error ? error.detail : "", named)
              }
            }).pipe(Effect.provide(Restores.restoreLayer(url, dirname(file))))
            if (back !== undefined) yield* Clusters.query(admin, back(role.name))
          }
        })
      )
    }

    it.effect("makes a plan that is run exactly stale, however small it is", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Restores.fillJournal(url)
        yield* Effect.gen(function* () {
          const options = { ...Restores.restoreOptions, file, clean: true, exact: true }
          const { run } = yield* Pipeline.plan(Restore.pipeline(options))
          yield* Clusters.query(admin, `CREATE INDEX late ON public."Goal" (title)`)
          const error = yield* Restores.unchanged(admin, Effect.flip(run))
          assert.deepInclude(error, { _tag: "PlanStale", state: "rolled-back" })
          assert.include("detail" in error ? error.detail : "", `changed: table public."Goal"`)
        }).pipe(Effect.provide(Restores.restoreLayer(url, dirname(file))))
      })
    )

    it.effect("rows that a writer commits before the locks are replaced, and stop nothing", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Restores.restore(url, file)
        const expected = yield* snapshot(admin)
        yield* Effect.gen(function* () {
          const { run } = yield* Pipeline.plan(Restore.pipeline({ ...Restores.restoreOptions, file, clean: true }))
          yield* Clusters.query(
            admin,
            `UPDATE public."Goal" SET title = 'late'; CREATE INDEX late ON public."Goal" (title)`
          )
          yield* run
        }).pipe(Effect.provide(Restores.restoreLayer(url, dirname(file))))
        assert.strictEqual(yield* snapshot(admin), expected)
      })
    )
  })
})

describe("published tables", () => {
  it.live("are not taken out of a publication that the dump does not bring back", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(target.url, "CREATE TABLE public.t AS SELECT 1 AS id")
      const { file } = yield* Restores.dump(target.url, yield* Restores.folder)
      yield* Clusters.query(target.admin, "CREATE PUBLICATION p FOR TABLE public.t")
      for (const clean of ofRun([false, true], [true])) {
        const [blocker, ...rest] = yield* blockersOf(target, file, { clean })
        assert.deepStrictEqual(rest, [])
        assert.deepInclude(blocker, { what: `publication "p"`, owner: target.admin.user })
        assert.include(blocker?.remedy, `ALTER PUBLICATION "p" ADD TABLE ONLY "public"."t"`)
      }
    })
  )

  it.live("come back with a publication that the dump has, where the role may", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        target.url,
        `CREATE TABLE public.t (id int, secret text);
         CREATE PUBLICATION p FOR TABLE public.t (id) WHERE (id > 0) WITH (publish = 'insert')`
      )
      const { file } = yield* Restores.dump(target.url, yield* Restores.folder)
      const expected = yield* snapshot(target.admin)
      const members = Clusters.query(
        target.admin,
        "SELECT pubname, tablename, attnames::text, rowfilter FROM pg_publication_tables"
      )
      const before = yield* members
      for (const clean of ofRun([false, true], [true])) {
        yield* Restores.restore(target.url, file, { clean })
        assert.strictEqual(yield* snapshot(target.admin), expected)
        assert.deepStrictEqual(yield* members, before)
      }
      yield* Clusters.query(target.admin, "ALTER PUBLICATION p OWNER TO CURRENT_USER")
      assert.lengthOf(yield* blockersOf(target, file, { clean: true }), 1)
    })
  )
})

describe("rights that a dump needs", () => {
  it.live("are only those on schemas into which it puts something", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        admin,
        `ALTER SCHEMA public OWNER TO CURRENT_USER; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         CREATE SCHEMA app AUTHORIZATION ${role.name}; REVOKE CREATE ON DATABASE ${admin.database} FROM PUBLIC;
         ALTER DATABASE ${admin.database} OWNER TO CURRENT_USER`
      )
      yield* Clusters.query(url, "CREATE TABLE app.t AS SELECT 1 AS id")
      const { file, manifest } = yield* Restores.dump(url, yield* Restores.folder)
      assert.sameMembers([...(manifest?.schemas ?? [])], ["app", "public"])
      const expected = yield* snapshot(admin)
      for (const clean of ofRun([false, true], [true])) {
        yield* Restores.restore(url, file, { clean })
        assert.strictEqual(yield* snapshot(admin), expected)
      }
      yield* Clusters.query(admin, `ALTER SCHEMA app OWNER TO CURRENT_USER; GRANT USAGE ON SCHEMA app TO ${role.name}`)
      const denied = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
      assert.deepInclude(denied, { _tag: "PermissionDenied", state: "untouched" })
    })
  )

  it.live("and where a schema is missing that the dump does not create, it says so before anything else", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(source.url, "CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 1 AS id")
      const file = yield* Restores.foreignDump(source.url, "-t", "app.t")
      const target = yield* Clusters.makeTarget(major, "databaseOwner")
      const unfit = yield* Restores.unchanged(target.admin, Effect.flip(Restores.restore(target.url, file)))
      assert.deepInclude(unfit, { _tag: "TargetUnfit", state: "untouched" })
      assert.include("suggestion" in unfit ? unfit.suggestion : "", `CREATE SCHEMA "app"`)
      yield* Clusters.query(target.url, "CREATE SCHEMA app")
      assert.strictEqual((yield* Restores.restore(target.url, file)).rows, 1)
    })
  )

  it.live(
    "and where a policy is for a role that the server lacks; rights of such a role are left out by the plan",
    () =>
      Effect.gen(function* () {
        const file = yield* Restores.script(
          `CREATE TABLE public.t (id int); CREATE POLICY p ON public.t TO "No body", PUBLIC USING (true);
         GRANT SELECT ON TABLE public.t TO "No body";`
        )
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        const unfit = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
        assert.deepInclude(unfit, { _tag: "TargetUnfit", state: "untouched" })
        assert.include("suggestion" in unfit ? unfit.suggestion : "", `CREATE ROLE "No body";`)
        const rights = yield* Restores.script(
          `CREATE TABLE public.t (id int); GRANT SELECT ON TABLE public.t TO "No body";`
        )
        const { plan } = yield* Pipeline.plan(Restore.pipeline({ ...Restores.restoreOptions, file: rights })).pipe(
          Effect.provide(Restores.restoreLayer(url, dirname(file)))
        )
        assert.isTrue(
          plan.tasks.flatMap(({ rows }) => rows).some(({ what }) => what.endsWith(`the server lacks: "No body"`))
        )
      })
  )
})

describe("large objects of a dump without DROPs", () => {
  it.live("are replaced by --clean, and in the way without it", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(target.url)
      const file = yield* Restores.foreignDump(target.url)
      const expected = yield* snapshot(target.admin)
      const blockers = yield* blockersOf(target, file)
      assert.deepStrictEqual(
        blockers.map(({ what, remedy }) => [what.replace(/\d+/, "N"), remedy]),
        Array.from({ length: 2 }, () => ["large object N", "Restore with --clean, which replaces them."])
      )
      const report = yield* Restores.restore(target.url, file, { clean: true })
      assert.include(report.clean?.dropped ?? [], "unlink 2 large objects that the dump has too")
      assert.strictEqual(yield* snapshot(target.admin), expected)
    })
  )

  it.live("stop the restore where they are another role's", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(target.url)
      const { file } = yield* Restores.dump(target.url, yield* Restores.folder)
      yield* Clusters.query(
        target.admin,
        `DO $$ DECLARE l oid; BEGIN FOR l IN SELECT oid FROM pg_largeobject_metadata LOOP
           EXECUTE format('ALTER LARGE OBJECT %s OWNER TO %I', l, current_user); END LOOP; END $$`
      )
      for (const clean of ofRun([false, true], [true])) {
        const blockers = yield* blockersOf(target, file, { clean })
        assert.deepStrictEqual(
          blockers.map(({ owner }) => owner),
          [target.admin.user, target.admin.user]
        )
      }
    })
  )
})

/** Everything that stands in no schema or wants a superuser; `role` owns what it may own. */
const wide = `
  CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE COLLATION') EXECUTE FUNCTION public.watched();
  CREATE FOREIGN DATA WRAPPER far_wrapper; CREATE SERVER far FOREIGN DATA WRAPPER far_wrapper;
  CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (who 'me');
  CREATE PUBLICATION every FOR ALL TABLES;
  CREATE CAST (text AS public.mood) WITH INOUT AS ASSIGNMENT;
  CREATE OPERATOR CLASS public.ints FOR TYPE int4 USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int4, int4);
  CREATE FUNCTION public.native(int) RETURNS int LANGUAGE internal AS 'int4abs'`

const wideOwn = `
  CREATE TYPE public.mood AS ENUM ('fine', 'bad'); CREATE TABLE public.t (id int PRIMARY KEY, mood public.mood);
  INSERT INTO public.t VALUES (1, 'fine');
  CREATE FUNCTION public.watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'`

describe("what stands in no schema", () => {
  it.live("comes back for a superuser, again and again", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "superuser")
      yield* Clusters.query(source.url, `${wideOwn}; ${wide}`)
      const admin = yield* Clusters.makeDatabase(major)
      const expected = yield* snapshot(source.admin)
      const url = Clusters.as(admin, source.role)
      const drops = [["--clean", "--if-exists"], ["--clean"]]
      for (const options of ofRun(drops, drops.slice(1))) {
        const file = yield* Restores.foreignDump(source.url, ...options)
        for (const clean of [false, true]) {
          yield* Restores.restore(url, file, { clean })
          assert.strictEqual(yield* snapshot(admin), expected)
        }
      }
      // A dump without DROPs does not say that what is there may go.
      const file = yield* Restores.foreignDump(source.url)
      const [blocker] = yield* blockersOf({ ...source, admin, url }, file, { clean: true })
      assert.deepInclude(blocker, { what: "event trigger watch" })
      yield* Clusters.query(url, "DROP EVENT TRIGGER watch")
      yield* Restores.restore(url, file, { clean: true })
      assert.strictEqual(yield* snapshot(admin), expected)
    })
  )

  it.live("is left out for a role that may not create it, with the reasons, and all data is there", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "superuser")
      yield* Clusters.query(source.url, `${wideOwn}; ${wide}`)
      const { file } = yield* Restores.dump(source.url, yield* Restores.folder)
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      for (const clean of ofRun([false, true], [true])) {
        const found = reasons(yield* Restores.restore(url, file, { clean }))
        for (const kind of [
          "an event trigger",
          "a foreign data wrapper",
          "a publication",
          "an operator class",
          "a function in c"
        ]) {
          assert.isTrue(found.has(`this role may not create or change ${kind}`), kind)
        }
        assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id, mood::text FROM public.t"), [
          { id: 1, mood: "fine" }
        ])
      }
    })
  )

  it.live("stays as it is where it belongs to another role", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(target.url, wideOwn)
      yield* Clusters.query(target.admin, "CREATE PUBLICATION every FOR ALL TABLES; CREATE FOREIGN DATA WRAPPER w")
      const { file } = yield* Restores.dump(target.admin, yield* Restores.folder)
      const expected = yield* snapshot(target.admin)
      const report = yield* Restores.restore(target.url, file, { clean: true })
      assert.isTrue(reasons(report).has(`publication "every" is left as it is: it is not this role's`))
      assert.strictEqual(yield* snapshot(target.admin), expected)
    })
  )
})

describe("rows of extensions' tables", () => {
  it.live("are replaced by --clean, and in the way without it", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        target.admin,
        `CREATE TABLE public.conf (id int, own bool); ALTER TABLE public.conf OWNER TO ${target.role.name};
         ALTER EXTENSION plpgsql ADD TABLE public.conf;
         UPDATE pg_extension SET extconfig = array['public.conf'::regclass::oid], extcondition = array['WHERE own']
         WHERE extname = 'plpgsql';
         INSERT INTO public.conf VALUES (1, false), (2, true); CREATE TABLE public.t AS SELECT 1 AS id;
         ALTER TABLE public.t OWNER TO ${target.role.name}`
      )
      const { file } = yield* Restores.dump(target.url, yield* Restores.folder)
      yield* Clusters.query(target.admin, "UPDATE public.conf SET id = 3 WHERE own")
      const rows = Clusters.query(target.admin, "SELECT id FROM public.conf ORDER BY 1")
      const [blocker] = yield* blockersOf(target, file)
      assert.deepInclude(blocker, {
        what: `rows of "public"."conf"`,
        remedy: "Restore with --clean, which replaces them."
      })
      yield* Restores.restore(target.url, file, { clean: true })
      assert.deepStrictEqual(yield* rows, [{ id: 1 }, { id: 2 }])
      yield* Clusters.query(
        target.admin,
        `ALTER TABLE public.conf OWNER TO CURRENT_USER; GRANT SELECT ON public.conf TO ${target.role.name}`
      )
      const [denied] = yield* blockersOf(target, file, { clean: true })
      assert.include(denied?.remedy, "GRANT SELECT, DELETE")
    })
  )
})

describe("the scope of a restore", () => {
  it.live("is what statements name, whatever comments say", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        url,
        "CREATE SCHEMA billing; CREATE TABLE billing.t AS SELECT 1 AS id; CREATE TABLE public.old ()"
      )
      const file = yield* Restores.script(
        `SELECT pg_catalog.set_config('search_path', '', false);
         --\n-- Name: t; Type: TABLE; Schema: billing; Owner: me\n--\n
         DROP TABLE IF EXISTS billing.t;
         REVOKE ALL ON SCHEMA billing FROM CURRENT_USER;
         COMMENT ON SCHEMA billing IS 'not ours';
         CREATE TABLE public.fresh (id int);`
      )
      const report = yield* Restores.restore(url, file, { clean: true })
      assert.isTrue(reasons(report).has(`nothing of schema "billing" is in the dump: what is there stays`))
      assert.deepStrictEqual(report.clean?.lost, ["table public.old"])
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM billing.t"), [{ id: 1 }])
      assert.deepStrictEqual(
        yield* Clusters.query(
          admin,
          "SELECT nspacl, obj_description(oid) AS comment FROM pg_namespace WHERE nspname = 'billing'"
        ),
        [{ nspacl: null, comment: null }]
      )
    })
  )

  it.live("tells in plan and warning what a partial dump does not bring back", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE public.a AS SELECT 1 AS id; CREATE TABLE public.b AS SELECT 2 AS id")
      const { file } = yield* Restores.dump(url, yield* Restores.folder, { excludeTables: ["public.b"] })
      const { plan } = yield* Pipeline.plan(Restore.pipeline({ ...Restores.restoreOptions, file, clean: true })).pipe(
        Effect.provide(Restores.restoreLayer(url, dirname(file)))
      )
      const destroys = plan.tasks.flatMap(({ rows }) => rows).filter((row) => row.destroys)
      assert.deepInclude(destroys, {
        what: "of these the dump does not bring back: table public.b",
        why: "it was made with --exclude-table public.b",
        destroys: true
      })
    })
  )

  it.live("tells which tables come back without their rows, with and without --clean", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(
        url,
        `CREATE TABLE public.log AS SELECT 1 AS id; CREATE TABLE public.t AS SELECT 2 AS id;
         CREATE TABLE public.parted (id int) PARTITION BY LIST (id);
         CREATE TABLE public.part PARTITION OF public.parted DEFAULT; INSERT INTO public.parted VALUES (1)`
      )
      const partial = yield* Restores.dump(url, yield* Restores.folder, { excludeTableData: ["public.log"] })
      const whole = yield* Restores.dump(url, yield* Restores.folder)
      for (const clean of ofRun([false, true], [true])) {
        assert.deepStrictEqual((yield* Restores.restore(url, partial.file, { clean })).withoutRows, [
          "table public.log"
        ])
        assert.deepStrictEqual((yield* Restores.restore(url, whole.file, { clean })).withoutRows, [])
        const byRoot = yield* Restores.foreignDump(url, "--clean", "--if-exists", "--load-via-partition-root")
        const report = yield* Restores.restore(url, byRoot, { clean })
        assert.deepStrictEqual(report.withoutRows, [])
        assert.strictEqual(report.rows, 3)
      }
    })
  )
})

describe("names without a schema", () => {
  it.live("go into public where a script sets no search_path", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      const file = yield* Restores.script(
        "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1), (2);\nCOPY t FROM stdin;\n3\n\\."
      )
      const report = yield* Restores.restore(url, file, { analyze: true })
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT sum(id)::int AS n FROM public.t"), [{ n: 6 }])
      assert.strictEqual(report.rows, 3)
    })
  )

  it.live("stand in the search_path of dumps made by pg_dump up to 9.6", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(target.url)
      const expected = yield* snapshot(target.admin)
      const { file } = yield* Restores.dump(target.url, yield* Restores.folder)
      const old = readFileSync(file, "utf8")
        .replace("SELECT pg_catalog.set_config('search_path', '', false);", "SET search_path = public, pg_catalog;")
        .replace(
          /^((?:CREATE (?:TABLE|SEQUENCE|VIEW|TYPE)|ALTER TABLE(?: IF EXISTS)?(?: ONLY)?|COPY|DROP (?:TABLE|VIEW|TYPE) IF EXISTS) )public\./gm,
          "$1"
        )
        .replaceAll("setval('public.", "setval('")
      const path = join(yield* Restores.folder, "old.sql")
      writeFileSync(path, old)
      assert.notInclude(old, "COPY public.")
      for (const clean of ofRun([false, true], [true])) {
        const report = yield* Restores.restore(target.url, path, { clean, analyze: true })
        assert.strictEqual(report.verify?.rows, report.rows)
        assert.deepStrictEqual(report.clean?.lost ?? [], [])
        assert.strictEqual(yield* snapshot(target.admin), expected)
      }
    })
  )
})

describe("statements that pg_dump does not write", () => {
  it.live("are named in the plan as destroying", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE public.t AS SELECT 1 AS id")
      const file = yield* Restores.script(
        "DELETE FROM public.t;\nDO $$ BEGIN END $$;\nDO 'BEGIN END';\nSELECT lo_import('/x');"
      )
      const { plan } = yield* Pipeline.plan(Restore.pipeline({ ...Restores.restoreOptions, file })).pipe(
        Effect.provide(Restores.restoreLayer(url, dirname(file)))
      )
      const rows = plan.tasks.flatMap(({ rows }) => rows).filter(({ destroys }) => destroys)
      assert.deepStrictEqual(
        rows.map(({ what }) => what),
        ["execute statements that pg_dump does not write: 1 DELETE, 2 DO, 1 SELECT"]
      )
    })
  )
})
