import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import { RunEvents, type RunEvent } from "../../src/pipeline/RunEvent.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as GrantFile from "../../src/postgres/GrantFile.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import * as Rights from "../../src/postgres/Rights.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Grant from "../../src/verbs/Grant.ts"
import * as Clusters from "../support/Clusters.ts"
import { snapshot } from "../support/Snapshot.ts"
import { ofRun } from "../support/Tier.ts"

const app = `
  SET search_path = public;
  CREATE TABLE "User" (id serial PRIMARY KEY, name text NOT NULL);
  CREATE TABLE "Post" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "userId" int REFERENCES "User");
  CREATE VIEW "Names" AS SELECT name FROM "User";
  INSERT INTO "User" (name) VALUES ('Ada')`

const schemas = ["public"]
const grant = (url: DatabaseUrl, options: Grant.GrantOptions) =>
  Grant.grant(options).pipe(Effect.provide(Session.layer(url)))
const rights = (url: DatabaseUrl, options: Grant.GrantOptions) =>
  Rights.rights(options).pipe(Effect.provide(Session.layer(url)))

/** A target with the app's tables, created by the role under test, and an app role. */
const prepare = Effect.fnUntraced(function* (major: Clusters.Major, kind: Clusters.RoleKind) {
  const target = yield* Clusters.makeTarget(major, kind)
  yield* Clusters.query(target.url, app)
  const role = yield* Clusters.makeRole(major)
  return { ...target, app: role, appUrl: Clusters.as(target.admin, role) }
})

const tagOf = <E extends { readonly _tag: string }>(error: E): E["_tag"] => error._tag

for (const major of ofRun([15, 18] as const, [18])) {
  describe(`grant on PostgreSQL ${major}`, () => {
    for (const kind of ["superuser", "databaseOwner", "schemaOwner", "tableOwner"] as const) {
      it.live(`lets the app role read and write what a ${kind} created`, () =>
        Effect.gen(function* () {
          const { url, app, appUrl } = yield* prepare(major, kind)
          const denied = yield* Effect.flip(Clusters.query(appUrl, `SELECT * FROM public."User"`))
          assert.strictEqual(denied._tag, "PermissionDenied")

          const report = yield* grant(url, { roles: [app.name], schemas, profile: "all" })
          assert.deepStrictEqual(
            { tables: report.tables, sequences: report.sequences, schemas: report.schemas },
            { tables: 3, sequences: 2, schemas: 1 }
          )
          const rows = yield* Clusters.query(
            appUrl,
            `INSERT INTO public."User" (name) VALUES ('Grace') RETURNING id, name`
          )
          assert.deepStrictEqual(rows, [{ id: 2, name: "Grace" }])
          yield* Clusters.query(appUrl, `DELETE FROM public."User" WHERE id = 2; TRUNCATE public."Post"`)
          // Tables that come later, from the same role.
          yield* Clusters.query(url, "CREATE TABLE public.later (id serial)")
          yield* Clusters.query(appUrl, "INSERT INTO public.later DEFAULT VALUES")
        })
      )
    }

    it.live("needs no right on the schema where PUBLIC has it, and says what was refused", () =>
      Effect.gen(function* () {
        // public belongs to pg_database_owner here, and PUBLIC has USAGE on it.
        const { url, app } = yield* prepare(major, "tableOwner")
        const events: Array<RunEvent> = []
        const report = yield* grant(url, { roles: [app.name], schemas, profile: "readonly" }).pipe(
          Effect.provideService(RunEvents, (event) => Effect.sync(() => void events.push(event)))
        )
        assert.strictEqual(report.refused.length, 1)
        assert.match(report.refused[0]!, /^grant use of schema public: no privileges were granted/)
        const notes = events.filter(({ _tag }) => _tag === "TaskNote")
        assert.strictEqual(notes.length, 1)
        assert.include(JSON.stringify(notes), "It does not matter")
      })
    )

    it.live("fails when nobody gave the app role the use of a schema that belongs to another", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "tableOwner")
        yield* Clusters.query(admin, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        const before = yield* snapshot(admin)
        const error = yield* Effect.flip(grant(url, { roles: [app.name], schemas, profile: "all" }))
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        assert.include(error.detail, `schema "public" of "pg_database_owner": no USAGE for ${quote(app.name)}`)
        assert.include(error.suggestion, `"pg_database_owner"`)
        assert.notInclude(error.suggestion, "--skip-others")
        assert.strictEqual(error.state, "untouched")
        // Without its schema there is no use in the rest.
        const options = { roles: [app.name], schemas, profile: "all", skipOthers: true } as const
        assert.strictEqual(tagOf(yield* Effect.flip(grant(url, options))), "PermissionDenied")
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )

    it.live("names the objects of others, and grants nothing", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "someTablesOwner")
        const before = yield* snapshot(admin)
        const error = yield* Effect.flip(grant(url, { roles: [app.name], schemas, profile: "readwrite" }))
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        assert.match(
          error.detail!,
          /^table "public"\."NotMine" of "test_role_\w+": no SELECT, INSERT, UPDATE, DELETE for "test_role_\w+"$/m
        )
        assert.notInclude(error.detail, `"User"`)
        assert.include(error.suggestion, "With `--skip-others` the rest is granted")
        assert.strictEqual(error.state, "untouched")
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )

    it.live("grants table by table where ON ALL TABLES is refused because of a table the app may use anyway", () =>
      Effect.gen(function* () {
        const { url, admin, app, appUrl } = yield* prepare(major, "someTablesOwner")
        yield* Clusters.query(admin, `GRANT ALL ON public."NotMine" TO ${quote(app.name)}`)
        const refused = yield* Effect.flip(
          Clusters.query(url, `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${quote(app.name)}`)
        )
        assert.strictEqual(refused._tag, "PermissionDenied")
        const report = yield* grant(url, { roles: [app.name], schemas, profile: "all" })
        assert.deepStrictEqual(report.notGranted, [])
        assert.isFalse(report.refused.some((text) => text.includes("tables of public")))
        yield* Clusters.query(appUrl, `INSERT INTO public."Post" ("userId") VALUES (1)`)
      })
    )

    it.live("lets the app role connect where PUBLIC may not, as owner of the database", () =>
      Effect.gen(function* () {
        const { url, admin, app, appUrl } = yield* prepare(major, "databaseOwner")
        yield* Clusters.query(admin, `REVOKE CONNECT ON DATABASE ${quote(admin.database)} FROM PUBLIC`)
        const options = { roles: [app.name], schemas, profile: "readonly" } as const
        assert.strictEqual(tagOf(yield* Effect.flip(Clusters.query(appUrl, "SELECT"))), "PermissionDenied")
        const database: Rights.MissingRight = {
          role: app.name,
          kind: "database",
          object: quote(admin.database),
          schema: "",
          name: admin.database,
          owner: url.user,
          privileges: ["CONNECT"],
          grantable: true
        }
        assert.deepStrictEqual((yield* rights(url, options)).missing[0], database)
        yield* grant(url, options)
        assert.deepStrictEqual(yield* Clusters.query(appUrl, `SELECT name FROM public."Names"`), [{ name: "Ada" }])
        assert.deepStrictEqual((yield* rights(url, options)).missing, [])

        yield* Clusters.query(admin, `REVOKE CONNECT ON DATABASE ${quote(admin.database)} FROM ${quote(app.name)}`)
        yield* Clusters.query(url, GrantFile.sqlFile(options, url.database))
        assert.deepStrictEqual((yield* rights(url, options)).missing, [])
      })
    )

    it.live("says who may let the app role connect, before anything is granted", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "tableOwner")
        const database = quote(admin.database)
        yield* Clusters.query(
          admin,
          `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC; GRANT CONNECT ON DATABASE ${database} TO ${quote(url.user)}`
        )
        const error = yield* Effect.flip(
          Pipeline.plan(Grant.pipeline({ roles: [app.name], schemas, profile: "all" })).pipe(
            Effect.provide(Session.layer(url))
          )
        )
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        assert.strictEqual(error.detail, `database ${database} of "${admin.user}": no CONNECT`)
        assert.include(error.suggestion, `GRANT CONNECT ON DATABASE ${database} TO ${quote(app.name)}`)
        assert.strictEqual(error.state, "untouched")
      })
    )

    it.live("says where the rights are not all that it takes: views and foreign tables", () =>
      Effect.gen(function* () {
        const { url, admin, app, appUrl } = yield* prepare(major, "superuser")
        const other = quote((yield* Clusters.makeRole(major)).name)
        yield* Clusters.query(
          admin,
          `CREATE SCHEMA hidden; CREATE TABLE hidden.t AS SELECT 1 AS id; GRANT USAGE ON SCHEMA hidden TO PUBLIC;
           CREATE VIEW public.blind AS SELECT id FROM hidden.t; ALTER VIEW public.blind OWNER TO ${other};
           CREATE VIEW public.asks WITH (security_invoker = on) AS SELECT id FROM hidden.t;
           CREATE VIEW public.sees AS SELECT id FROM hidden.t;
           CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
           CREATE FOREIGN TABLE public.away (id int) SERVER far`
        )
        const report = yield* grant(url, { roles: [app.name], schemas, profile: "readonly" })
        assert.deepStrictEqual(report.unproven, [
          {
            role: app.name,
            kind: "view",
            object: `"public"."asks"`,
            why: `it reads with the rights of whoever asks: ${app.name} may not read hidden.t`
          },
          {
            role: app.name,
            kind: "foreign table",
            object: `"public"."away"`,
            why: "what the foreign server far lets the role do was not asked"
          },
          {
            role: app.name,
            kind: "view",
            object: `"public"."blind"`,
            why: `it reads with the rights of its owner: ${other.slice(1, -1)} may not read hidden.t`
          }
        ])
        for (const name of ["asks", "away", "blind"]) {
          yield* Effect.flip(Clusters.query(appUrl, `SELECT * FROM public.${name}`))
        }
        yield* Clusters.query(appUrl, "SELECT * FROM public.sees")
      })
    )

    it.live("grants the use of a schema without tables, and says that there are none", () =>
      Effect.gen(function* () {
        const { url, app } = yield* prepare(major, "databaseOwner")
        yield* Clusters.query(url, "CREATE SCHEMA bare")
        const { tables, sequences, schemas } = yield* grant(url, {
          roles: [app.name],
          schemas: ["bare"],
          profile: "all"
        })
        assert.deepStrictEqual({ tables, sequences, schemas }, { tables: 0, sequences: 0, schemas: 1 })
      })
    )

    it.live("leaves out tables of an extension", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "tableOwner")
        yield* Clusters.query(
          admin,
          "CREATE TABLE public.member (id int); ALTER EXTENSION plpgsql ADD TABLE public.member"
        )
        const report = yield* grant(url, { roles: [app.name], schemas, profile: "all" })
        assert.strictEqual(report.tables, 3)
      })
    )

    it.live("readonly and readwrite give that and no more", () =>
      Effect.gen(function* () {
        const { url, app, appUrl } = yield* prepare(major, "schemaOwner")
        yield* grant(url, { roles: [app.name], schemas, profile: "readonly" })
        assert.deepStrictEqual(yield* Clusters.query(appUrl, `SELECT name FROM public."Names"`), [{ name: "Ada" }])
        const insert = `INSERT INTO public."User" (name) VALUES ('Grace')`
        assert.strictEqual(tagOf(yield* Effect.flip(Clusters.query(appUrl, insert))), "PermissionDenied")
        const lacking = yield* rights(url, { roles: [app.name], schemas, profile: "readwrite" })
        assert.deepStrictEqual(
          lacking.missing.map(({ object, privileges }) => [object, ...privileges]),
          [
            [`"public"."Post_id_seq"`, "USAGE"],
            [`"public"."User_id_seq"`, "USAGE"],
            [`"public"."Names"`, "INSERT", "UPDATE", "DELETE"],
            [`"public"."Post"`, "INSERT", "UPDATE", "DELETE"],
            [`"public"."User"`, "INSERT", "UPDATE", "DELETE"]
          ]
        )
        yield* grant(url, { roles: [app.name], schemas, profile: "readwrite" })
        yield* Clusters.query(appUrl, insert)
        assert.strictEqual(
          tagOf(yield* Effect.flip(Clusters.query(appUrl, `TRUNCATE public."User" CASCADE`))),
          "PermissionDenied"
        )
      })
    )

    it.live("the SQL file gives the same rights", () =>
      Effect.gen(function* () {
        const { url, app, appUrl } = yield* prepare(major, "schemaOwner")
        const options = { roles: [app.name], schemas, profile: "all" } as const
        const file = GrantFile.sqlFile(options, url.database)
        yield* Effect.gen(function* () {
          const session = yield* Session
          yield* session.execute(file)
        }).pipe(Effect.provide(Session.layer(url)))
        assert.deepStrictEqual((yield* rights(url, options)).missing, [])
        yield* Clusters.query(appUrl, `DELETE FROM public."User"`)
        // The query in its last comment runs, and shows the rights.
        const query = file.slice(file.indexOf("-- SELECT")).replaceAll(/^-- /gm, "")
        const shown = yield* Clusters.query(url, query)
        assert.isTrue(shown.some((row) => row["table_name"] === "User" && row["privilege_type"] === "DELETE"))
      })
    )

    it.live("works for names that need quoting", () =>
      Effect.gen(function* () {
        const { url, admin } = yield* prepare(major, "superuser")
        const role = `Test "app"; ${(yield* Clusters.makeRole(major)).name}`
        yield* Effect.acquireRelease(Clusters.query(admin, `CREATE ROLE ${quote(role)}`), () =>
          Effect.orDie(Clusters.query(admin, `DROP OWNED BY ${quote(role)}; DROP ROLE ${quote(role)}`))
        )
        const schema = `My "schema"'s \\ name`
        yield* Clusters.query(admin, `CREATE SCHEMA ${quote(schema)}; CREATE TABLE ${quote(schema)}."T""x" (id serial)`)
        const options = { roles: [role], schemas: [schema, "public"], profile: "all" } as const
        const report = yield* grant(url, options)
        assert.deepStrictEqual(
          { tables: report.tables, sequences: report.sequences, schemas: report.schemas },
          { tables: 4, sequences: 3, schemas: 2 }
        )
        yield* Clusters.query(admin, GrantFile.sqlFile(options, admin.database))
      })
    )

    it.live("a role or a schema that is not there stops it in planning", () =>
      Effect.gen(function* () {
        const { url, admin, app } = yield* prepare(major, "superuser")
        const before = yield* snapshot(admin)
        const plan = (options: Grant.GrantOptions) =>
          Pipeline.plan(Grant.pipeline(options)).pipe(Effect.provide(Session.layer(url)))
        const role = yield* Effect.flip(plan({ roles: ["nobody at all"], schemas, profile: "all" }))
        if (role._tag !== "RoleMissing") return assert.fail(role._tag)
        assert.strictEqual(role.role, "nobody at all")
        assert.include(role.suggestion, `CREATE ROLE "nobody at all"`)
        const schema = yield* Effect.flip(plan({ roles: [app.name], schemas: ["public", "nowhere"], profile: "all" }))
        if (schema._tag !== "SchemaMissing") return assert.fail(schema._tag)
        assert.strictEqual(schema.schema, "nowhere")

        const { plan: planned } = yield* plan({ roles: [app.name], schemas, profile: "all" })
        const to = `TO ${quote(app.name)}`
        assert.deepStrictEqual(
          planned.tasks.flatMap(({ rows }) => rows.flatMap(({ sql }) => (sql === undefined ? [] : [sql]))),
          [
            `GRANT USAGE ON SCHEMA "public" ${to}`,
            `GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA "public" ${to}`,
            `GRANT ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA "public" ${to}`,
            `ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT ALL PRIVILEGES ON TABLES ${to}`,
            `ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT ALL PRIVILEGES ON SEQUENCES ${to}`,
            `ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT ALL PRIVILEGES ON ROUTINES ${to}`,
            `ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT ALL PRIVILEGES ON TYPES ${to}`
          ]
        )
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )
  })
}
