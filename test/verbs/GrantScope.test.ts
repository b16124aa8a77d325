/** On what grant grants, to whom, and what it leaves alone. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import * as Rights from "../../src/postgres/Rights.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Grant from "../../src/verbs/Grant.ts"
import * as Clusters from "../support/Clusters.ts"
import { snapshot } from "../support/Snapshot.ts"
import { ofRun } from "../support/Tier.ts"

const schemas = ["public"]
const grant = (url: DatabaseUrl, options: Grant.GrantOptions) =>
  Grant.grant(options).pipe(Effect.provide(Session.layer(url)))
const rights = (url: DatabaseUrl, options: Grant.GrantOptions) =>
  Rights.rights(options).pipe(Effect.provide(Session.layer(url)))
const denied = (url: DatabaseUrl, sql: string) =>
  Effect.map(Effect.flip(Clusters.query(url, sql)), ({ _tag }) => assert.strictEqual(_tag, "PermissionDenied"))

const prepare = Effect.fnUntraced(function* (major: Clusters.Major, kind: Clusters.RoleKind) {
  const target = yield* Clusters.makeTarget(major, kind)
  const app = yield* Clusters.makeRole(major)
  return { ...target, app, appUrl: Clusters.as(target.admin, app) }
})

const acls = (admin: DatabaseUrl) =>
  Clusters.query(admin, `SELECT relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL ORDER BY 1`)

/** One of every kind that a function or a type can be, and none for everyone. */
const hardened = `
  ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
  ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
  CREATE FUNCTION public.plus(a int, OUT sum int) LANGUAGE sql AS 'SELECT a + 1';
  CREATE FUNCTION public."Odd name"(VARIADIC a text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
  CREATE PROCEDURE public.act(a int, INOUT b text) LANGUAGE sql AS 'SELECT b';
  CREATE AGGREGATE public.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
  CREATE TYPE public.mood AS ENUM ('good', 'bad');
  CREATE DOMAIN public.even AS int CHECK (VALUE % 2 = 0);
  CREATE TYPE public.pair AS (a int, b int);
  CREATE TYPE public.span AS RANGE (SUBTYPE = int);
  CREATE TABLE public.t (id int, m public.mood)`

for (const major of ofRun([15, 18] as const, [18])) {
  describe(`grant on PostgreSQL ${major}`, () => {
    it.live("of all rights covers functions and types that not everyone may use, now and later", () =>
      Effect.gen(function* () {
        const { url, appUrl, app } = yield* prepare(major, "schemaOwner")
        yield* Clusters.query(url, hardened)
        const options = { roles: [app.name], schemas, profile: "all" } as const
        const use = `SELECT public.plus(1), public."Odd name"('a'), public.total(1); CALL public.act(1, 'x');
           CREATE TEMP TABLE x (m public.mood, e public.even, p public.pair, s public.span)`
        yield* grant(url, { ...options, profile: "readwrite" })
        yield* denied(appUrl, "SELECT public.plus(1)")
        yield* denied(appUrl, "CREATE TEMP TABLE x (m public.mood)")
        const lacking = (yield* rights(url, options)).missing.map(({ object }) => object)
        for (const object of [`"public"."act"(integer, text)`, `"public"."total"(integer)`, `"public"."even"`]) {
          assert.include(lacking, object)
        }

        const report = yield* grant(url, options)
        assert.strictEqual(report.types, 4)
        assert.isAtLeast(report.functions, 4)
        yield* Clusters.query(appUrl, use)
        yield* Clusters.query(
          url,
          "CREATE FUNCTION public.late() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE public.later AS ENUM ()"
        )
        yield* Clusters.query(appUrl, "SELECT public.late(); CREATE TEMP TABLE x (l public.later)")
        // What everyone may use anyway is not granted again.
        yield* Clusters.query(url, "GRANT EXECUTE ON FUNCTION public.late() TO PUBLIC")
        const { plan } = yield* Pipeline.plan(Grant.pipeline(options)).pipe(Effect.provide(Session.layer(url)))
        assert.notInclude(JSON.stringify(plan), "ON ROUTINE ")
      })
    )

    it.live("covers every kind of table, and reads one of each as the role where it may", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "tableOwner")
        yield* Clusters.query(
          url,
          `CREATE TABLE public.parted (id int) PARTITION BY LIST (id);
           CREATE TABLE public.part PARTITION OF public.parted FOR VALUES IN (1);
           CREATE VIEW public.seen AS SELECT id FROM public.parted;
           CREATE MATERIALIZED VIEW public.empty AS SELECT id FROM public.parted WITH NO DATA;
           CREATE MATERIALIZED VIEW public.kept AS SELECT id FROM public.parted`
        )
        const options = { roles: [app.name], schemas, profile: "readwrite" } as const
        const first = yield* grant(url, options)
        // This role is not a member of the app role.
        assert.deepInclude(first, { tables: 5, unproven: [], tried: [], refused: first.refused })
        assert.deepInclude(yield* rights(admin, options), { tables: 5, missing: [], unproven: [], tried: [app.name] })
        const who = yield* Effect.gen(function* () {
          const { sql, status } = yield* Session
          yield* Rights.rights(options)
          return [yield* sql`select current_user::text as name, current_setting('row_security') as rls`, status()]
        }).pipe(Effect.provide(Session.layer(admin)))
        assert.deepStrictEqual(who, [[{ name: admin.user, rls: "off" }], "I"])

        const once = yield* snapshot(admin)
        yield* grant(url, options)
        assert.strictEqual(yield* snapshot(admin), once)
      })
    )

    it.live("finds by reading as the role what stands in no catalogue", () =>
      Effect.gen(function* () {
        const { admin, app, appUrl } = yield* prepare(major, "superuser")
        const other = quote((yield* Clusters.makeRole(major)).name)
        yield* Clusters.query(
          admin,
          `CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int); CREATE VIEW hidden.v AS SELECT id FROM hidden.t;
           ALTER VIEW hidden.v OWNER TO ${other}; CREATE VIEW public.w AS SELECT id FROM hidden.v`
        )
        const report = yield* grant(admin, { roles: [app.name], schemas, profile: "readonly" })
        yield* denied(appUrl, "SELECT * FROM public.w")
        assert.deepStrictEqual(report.unproven, [
          { role: app.name, kind: "view", object: `"public"."w"`, why: "permission denied for table t" }
        ])
      })
    )

    it.live("says where policies hide all rows, and where functions that a table calls are not the role's", () =>
      Effect.gen(function* () {
        const { url, app, appUrl } = yield* prepare(major, "databaseOwner")
        yield* Clusters.query(
          url,
          `CREATE TABLE public.open (id int); CREATE TABLE public.shut (id int); CREATE TABLE public.half (id int);
           INSERT INTO public.half VALUES (1);
           ALTER TABLE public.shut ENABLE ROW LEVEL SECURITY; ALTER TABLE public.half ENABLE ROW LEVEL SECURITY;
           CREATE POLICY p ON public.half FOR SELECT TO ${quote(app.name)} USING (true);
           CREATE FUNCTION public.next_id() RETURNS int LANGUAGE sql AS 'SELECT 1';
           REVOKE EXECUTE ON FUNCTION public.next_id() FROM PUBLIC;
           CREATE TABLE public.calling (id int DEFAULT public.next_id())`
        )
        const options = { roles: [app.name], schemas, profile: "readwrite" } as const
        const { unproven } = yield* grant(url, options)
        assert.deepStrictEqual(
          unproven.map(({ object, why }) => [object, why]),
          [
            [`"public"."calling"`, `it calls public.next_id(), which ${app.name} may not`],
            [`"public"."half"`, `row-level security is on, and no policy lets ${app.name} INSERT, UPDATE, DELETE`],
            [
              `"public"."shut"`,
              `row-level security is on, and no policy lets ${app.name} SELECT, INSERT, UPDATE, DELETE`
            ]
          ]
        )
        yield* denied(appUrl, "INSERT INTO public.calling DEFAULT VALUES")
        yield* denied(appUrl, "INSERT INTO public.half VALUES (2)")
        const reading = yield* grant(url, { ...options, profile: "readonly" })
        assert.deepStrictEqual(
          reading.unproven.map(({ object }) => object),
          [`"public"."shut"`]
        )
      })
    )

    it.live("goes to several roles, in several schemas", () =>
      Effect.gen(function* () {
        const { url, admin, app, appUrl } = yield* prepare(major, "databaseOwner")
        const second = yield* Clusters.makeRole(major)
        yield* Clusters.query(
          url,
          "CREATE TABLE public.t (id serial); CREATE SCHEMA more; CREATE TABLE more.t (id serial)"
        )
        const options = {
          roles: [app.name, second.name, app.name],
          schemas: ["public", "more"],
          profile: "all"
        } as const
        const report = yield* grant(url, options)
        assert.deepInclude(report, { roles: [app.name, second.name], schemas: 2, tables: 2, sequences: 2 })
        for (const role of [app, second]) {
          yield* Clusters.query(Clusters.as(admin, role), "INSERT INTO public.t DEFAULT VALUES; SELECT FROM more.t")
        }
        yield* Clusters.query(admin, `REVOKE SELECT ON more.t FROM ${quote(second.name)}`)
        const { missing } = yield* rights(url, { ...options, roles: [app.name, second.name] })
        assert.deepStrictEqual(
          missing.map(({ object, privileges, role }) => [role, object, ...privileges]),
          [[second.name, `"more"."t"`, "SELECT"]]
        )
        yield* Clusters.query(appUrl, "SELECT FROM more.t")
      })
    )

    it.live("holds for what another role will create, where this one has its rights", () =>
      Effect.gen(function* () {
        const migrator = yield* Clusters.makeRole(major)
        const { url, admin, app, appUrl } = yield* prepare(major, "schemaOwner")
        yield* Clusters.query(admin, `GRANT USAGE, CREATE ON SCHEMA public TO ${quote(migrator.name)}`)
        const options = { roles: [app.name], schemas, profile: "all", forRoles: [migrator.name] } as const
        const error = yield* Effect.flip(grant(url, options))
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        assert.strictEqual(error.state, "untouched")
        assert.include(error.message, quote(migrator.name))
        const missing = yield* Effect.flip(grant(url, { ...options, forRoles: ["nobody at all"] }))
        if (missing._tag !== "RoleMissing") return assert.fail(missing._tag)
        assert.strictEqual(missing.role, "nobody at all")

        yield* Clusters.query(admin, `GRANT ${quote(migrator.name)} TO ${quote(url.user)}`)
        yield* grant(url, options)
        yield* Clusters.query(Clusters.as(admin, migrator), "CREATE TABLE public.migrated (id serial)")
        yield* Clusters.query(appUrl, "INSERT INTO public.migrated DEFAULT VALUES")
        yield* Clusters.query(url, "CREATE TABLE public.mine (id serial)")
        yield* denied(appUrl, "SELECT FROM public.mine")
      })
    )

    it.live("leaves out objects of others where it is told to, and gives what it may on them", () =>
      Effect.gen(function* () {
        const { url, admin, app, appUrl } = yield* prepare(major, "someTablesOwner")
        yield* Clusters.query(url, "CREATE TABLE public.mine (id serial)")
        yield* Clusters.query(admin, `GRANT SELECT ON public."NotMine" TO ${quote(url.user)} WITH GRANT OPTION`)
        const options = { roles: [app.name], schemas, profile: "readwrite", skipOthers: true } as const
        const { plan } = yield* Pipeline.plan(Grant.pipeline(options)).pipe(Effect.provide(Session.layer(url)))
        assert.match(JSON.stringify(plan), /leave table .*NotMine.* no INSERT, UPDATE, DELETE for /)
        const report = yield* grant(url, options)
        assert.deepStrictEqual(
          report.notGranted.map(({ object, privileges }) => [object, ...privileges]),
          [[`"public"."NotMine"`, "INSERT", "UPDATE", "DELETE"]]
        )
        yield* Clusters.query(appUrl, `INSERT INTO public.mine DEFAULT VALUES; SELECT FROM public."NotMine"`)
        yield* denied(appUrl, `DELETE FROM public."NotMine"`)
        // Until 15, DROP OWNED does not take what somebody else than the owner has granted.
        yield* Clusters.query(url, `REVOKE SELECT ON public."NotMine" FROM ${quote(app.name)}`)
      })
    )

    it.live("leaves the objects of an extension as they are, a superuser's too", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "superuser")
        yield* Clusters.query(
          admin,
          `CREATE TABLE public.member (id serial); ALTER EXTENSION plpgsql ADD TABLE public.member;
           ALTER EXTENSION plpgsql ADD SEQUENCE public.member_id_seq;
           CREATE FUNCTION public.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1';
           REVOKE EXECUTE ON FUNCTION public.theirs() FROM PUBLIC;
           ALTER EXTENSION plpgsql ADD FUNCTION public.theirs();
           CREATE TABLE public.own (id serial)`
        )
        const before = yield* acls(admin)
        const report = yield* grant(url, { roles: [app.name], schemas, profile: "all" })
        assert.deepInclude(report, { tables: 1, sequences: 1, functions: 0 })
        const changed = (yield* acls(admin)).filter((row) => !before.some(({ relname }) => relname === row["relname"]))
        assert.deepStrictEqual(
          changed.map(({ relname }) => relname),
          ["own", "own_id_seq"]
        )
        const may = `SELECT has_function_privilege($1, 'public.theirs()', 'EXECUTE') AS may`
        assert.deepStrictEqual(yield* Clusters.query(admin, may, [app.name]), [{ may: false }])
      })
    )

    it.live("takes as many queries for 400 tables as for one", () =>
      Effect.gen(function* () {
        const { url, app } = yield* prepare(major, "someTablesOwner")
        const options = { roles: [app.name], schemas, profile: "all", skipOthers: true } as const
        const queries = Effect.fnUntraced(function* () {
          let spans = 0
          const tracer = Tracer.make({
            span: (span) => {
              if (span.name === "postgresql" || span.name.startsWith("sql")) spans++
              return new Tracer.NativeSpan(span)
            }
          })
          yield* Effect.provideService(grant(url, options), Tracer.Tracer, tracer)
          return spans
        })
        yield* Clusters.query(url, "CREATE TABLE public.t0 (id serial)")
        const one = yield* queries()
        assert.isAbove(one, 5)
        yield* Clusters.query(
          url,
          `DO $$ BEGIN FOR i IN 1..400 LOOP EXECUTE format('CREATE TABLE public.t%s (id serial)', i); END LOOP; END $$`
        )
        // Default privileges are granted already.
        assert.isAtMost(yield* queries(), one)
      })
    )
  })
}
