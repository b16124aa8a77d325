import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import { RunEvents, type RunEvent } from "../../src/pipeline/RunEvent.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Clean from "../../src/verbs/Clean.ts"
import * as Clusters from "../support/Clusters.ts"
import { fillJournal, unchanged } from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import { ofRun } from "../support/Tier.ts"

const clean = (url: DatabaseUrl, ...schemas: ReadonlyArray<string>) =>
  Clean.clean({ schemas }).pipe(Effect.provide(Session.layer(url)))

/** The plan, and what running this very plan gives. */
const planned = (url: DatabaseUrl, ...schemas: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { plan, run } = yield* Pipeline.plan(Clean.pipeline({ schemas }))
    return { rows: plan.tasks.flatMap(({ rows }) => rows), report: (yield* run).transaction }
  }).pipe(Effect.provide(Session.layer(url)))

const refusal = Effect.fnUntraced(function* (admin: DatabaseUrl, url: DatabaseUrl, ...schemas: ReadonlyArray<string>) {
  const error = yield* unchanged(admin, Effect.flip(clean(url, ...schemas)))
  if (error._tag !== "CleanRefused") return yield* Effect.die(error)
  return error
})

const objects = (admin: DatabaseUrl, schema = "public") =>
  Effect.map(
    Clusters.query<{ name: string }>(
      admin,
      `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'v', 'S')
       UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace
       UNION ALL SELECT typname FROM pg_type WHERE typnamespace = $1::regnamespace AND typtype IN ('e', 'd') ORDER BY 1`,
      [schema]
    ),
    (rows) => rows.map(({ name }) => name)
  )

const rungs: Record<Clusters.RoleKind, 1 | 2> = {
  superuser: 1,
  databaseOwner: 1,
  schemaOwner: 2,
  tableOwner: 2,
  someTablesOwner: 2
}

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))("clean on PostgreSQL %i", (major) => {
  for (const kind of Clusters.roleKinds) {
    it.live(`empties the schema as ${kind} and leaves its owner, rights and comment`, () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(major, kind)
        yield* Clusters.query(admin, "COMMENT ON SCHEMA public IS 'ours'; GRANT USAGE ON SCHEMA public TO pg_monitor")
        const before = yield* snapshot(admin)
        yield* fillJournal(url)
        yield* Clusters.query(admin, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
        const { rows, report } = yield* planned(url, "public")
        assert.strictEqual(yield* snapshot(admin), before)
        assert.strictEqual(report.rung, rungs[kind])
        assert.deepStrictEqual(
          report.dropped,
          rows.filter(({ destroys }) => destroys).map(({ what }) => what)
        )
        assert.isTrue(
          rows
            .find(({ destroys }) => destroys)
            ?.why?.startsWith(`the schema is ${report.rung === 1 ? "dropped" : "kept"}`)
        )
        assert.strictEqual(
          rows.some(({ sql }) => sql?.startsWith("DROP SCHEMA")),
          rungs[kind] === 1
        )
        assert.strictEqual(report.stays.length, kind === "someTablesOwner" ? 1 : 0)
        // Nothing is left to do.
        if (kind === "someTablesOwner") return
        assert.deepStrictEqual((yield* planned(url, "public")).report, {
          rung: 0,
          why: "nothing was there",
          dropped: [],
          stays: [],
          lost: [],
          outside: []
        })
      })
    )
  }

  it.live("stops where nothing of what is there may be dropped, naming the owners", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "someTablesOwner")
      const [owner] = yield* Clusters.query<{ name: string }>(
        admin,
        `SELECT relowner::regrole::text AS name FROM pg_class WHERE oid = 'public."NotMine"'::regclass`
      )
      const { blockers, message, state } = yield* refusal(admin, url, "public")
      assert.strictEqual(state, "untouched")
      assert.match(message, /cannot empty the target: 1 object is in the way/)
      assert.deepStrictEqual(
        blockers.map(({ what, owner }) => ({ what, owner })),
        [{ what: 'table public."NotMine"', owner: owner!.name }]
      )
    })
  )

  it.live("keeps what belongs to an extension", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        admin,
        `CREATE TABLE public.kept (id int); CREATE FUNCTION public.kept() RETURNS int LANGUAGE sql AS 'SELECT 1';
         ALTER EXTENSION plpgsql ADD TABLE public.kept; ALTER EXTENSION plpgsql ADD FUNCTION public.kept()`
      )
      const before = yield* snapshot(admin)
      yield* Clusters.query(url, "CREATE TABLE public.t AS SELECT 1 AS id; CREATE VIEW public.v AS SELECT * FROM t")
      const report = yield* clean(url, "public")
      assert.strictEqual(report.rung, 2)
      assert.match(report.why, /extension plpgsql has objects in schema public/)
      assert.strictEqual(yield* snapshot(admin), before)
      assert.deepStrictEqual(yield* objects(admin), ["kept", "kept"])
    })
  )

  it.live("stops at dependents in other schemas, naming them and their owners", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      const other = yield* Clusters.makeRole(major)
      yield* Clusters.query(url, "CREATE TYPE public.mood AS ENUM ('fine'); CREATE TABLE public.t (id int PRIMARY KEY)")
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA reports; CREATE VIEW reports.totals AS SELECT count(*) FROM public.t;
         ALTER VIEW reports.totals OWNER TO ${other.name};
         CREATE TABLE reports.moods (mood public.mood, t int REFERENCES public.t);
         ALTER TABLE reports.moods OWNER TO ${role.name}`
      )
      const { blockers, message, detail, state } = yield* refusal(admin, url, "public")
      assert.deepStrictEqual(
        blockers.map(({ what, owner }) => ({ what, owner })),
        [
          { what: "column mood of table reports.moods", owner: role.name },
          { what: "constraint moods_t_fkey on table reports.moods", owner: role.name },
          { what: "view reports.totals", owner: other.name }
        ]
      )
      assert.match(message, /3 objects are in the way/)
      assert.include(detail, `view reports.totals, owned by "${other.name}"`)
      assert.strictEqual(state, "untouched")
      // In scope they are no obstacle, as far as they may be dropped.
      yield* Clusters.query(admin, `ALTER SCHEMA reports OWNER TO ${role.name}`)
      const report = yield* clean(url, "public", "reports")
      assert.strictEqual(report.rung, 1)
      assert.deepStrictEqual([...(yield* objects(admin)), ...(yield* objects(admin, "reports"))], [])
    })
  )

  it.live("stops at tables that are published", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE public.t (id int)")
      yield* Clusters.query(admin, `CREATE PUBLICATION "My pub" FOR TABLE public.t`)
      const { blockers } = yield* refusal(admin, url, "public")
      assert.strictEqual(blockers.length, 1)
      assert.deepInclude(blockers[0], { what: `publication "My pub"`, owner: admin.user })
    })
  )

  it.live("stops at another role's object that needs one of its own, and leaves others alone", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "someTablesOwner")
      yield* Clusters.query(url, "CREATE TABLE public.mine (id int PRIMARY KEY)")
      yield* Clusters.query(admin, `ALTER TABLE public."NotMine" ADD FOREIGN KEY (id) REFERENCES public.mine NOT VALID`)
      const { blockers } = yield* refusal(admin, url, "public")
      assert.deepStrictEqual(
        blockers.map(({ what, why }) => ({ what, why })),
        [
          {
            what: `table public."NotMine"`,
            why: "this role may not drop it, and it depends on table public.mine"
          }
        ]
      )
      yield* Clusters.query(admin, `ALTER TABLE public."NotMine" DROP CONSTRAINT "NotMine_id_fkey"`)
      const report = yield* clean(url, "public")
      assert.deepStrictEqual(report.dropped, ["drop 1 table: public.mine"])
      assert.deepStrictEqual(yield* objects(admin), ["NotMine"])
    })
  )

  it.live("takes several schemas at once, odd names and objects that need each other across them", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA "a ""b"""; GRANT USAGE, CREATE ON SCHEMA "a ""b""" TO ${role.name};
         CREATE SCHEMA untouched; CREATE TABLE untouched.t (id int)`
      )
      const before = yield* snapshot(admin)
      yield* Clusters.query(
        url,
        `CREATE TABLE public.x (id int PRIMARY KEY); CREATE TABLE "a ""b"""."y;" (id int PRIMARY KEY REFERENCES public.x);
         ALTER TABLE public.x ADD FOREIGN KEY (id) REFERENCES "a ""b"""."y;";
         CREATE VIEW public.v AS SELECT id, count(*) FROM "a ""b"""."y;" GROUP BY id;
         CREATE FUNCTION public.f(public.v) RETURNS int LANGUAGE sql AS 'SELECT 1'`
      )
      const report = yield* clean(url, "public", `a "b"`)
      assert.strictEqual(report.rung, 2)
      assert.strictEqual(yield* snapshot(admin), before)
    })
  )

  it.live("falls back where DROP SCHEMA is denied, says so, and stops where the second rung is denied too", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      const deny = (tag: string) => `
        CREATE FUNCTION guard.deny_${tag}() RETURNS event_trigger LANGUAGE plpgsql AS $$
          BEGIN RAISE 'no ${tag} here' USING ERRCODE = '42501'; END $$;
        CREATE EVENT TRIGGER deny_${tag} ON ddl_command_start WHEN TAG IN ('DROP ${tag}')
          EXECUTE FUNCTION guard.deny_${tag}()`
      yield* Clusters.query(admin, `CREATE SCHEMA guard; ${deny("SCHEMA")}`)
      const before = yield* snapshot(admin)
      const sql = "CREATE VIEW public.v AS SELECT 1 AS id; CREATE TABLE public.t (id int)"
      yield* Clusters.query(url, sql)
      const notes: Array<string> = []
      const listen = (event: RunEvent) =>
        Effect.sync(() => void (event._tag === "TaskNote" && notes.push(`${event.task}: ${event.note}`)))
      const report = yield* clean(url, "public").pipe(Effect.provideService(RunEvents, listen))
      assert.deepInclude(report, { rung: 2, why: "no SCHEMA here" })
      assert.deepStrictEqual(notes, [
        "clean: Dropping the schema was denied (no SCHEMA here); it is kept and its content dropped."
      ])
      assert.strictEqual(yield* snapshot(admin), before)

      yield* Clusters.query(url, sql)
      yield* Clusters.query(admin, deny("TABLE"))
      const error = yield* refusal(admin, url, "public")
      assert.match(error.message, /no TABLE here/)
      assert.match(error.detail ?? "", /^DROP TABLE public\.t$/)
      assert.strictEqual(error.state, "rolled-back")
    })
  )

  it.live("rolls everything back when a statement in the middle fails", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA guard; CREATE FUNCTION guard.fail() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
         CREATE EVENT TRIGGER fail ON ddl_command_start WHEN TAG IN ('DROP TYPE') EXECUTE FUNCTION guard.fail()`
      )
      const error = yield* unchanged(admin, Effect.flip(clean(url, "public")))
      assert.deepInclude(error, { _tag: "StatementFailed", sqlstate: "P0001", state: "rolled-back" })
      assert.match("statement" in error ? (error.statement ?? "") : "", /^DROP TYPE /)
    })
  )

  it.live("cleans where it may not create, and knows no schema that is not there", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE public.t (id int)")
      yield* Clusters.query(admin, `REVOKE CREATE ON SCHEMA public FROM ${url.user}`)
      const missing = yield* unchanged(admin, Effect.flip(clean(url, "public", "nowhere")))
      assert.deepInclude(missing, { _tag: "SchemaMissing", schema: "nowhere", state: "untouched" })
      assert.strictEqual((yield* clean(url, "public")).rung, 2)
      assert.deepStrictEqual(yield* objects(admin), [])
    })
  )
})
