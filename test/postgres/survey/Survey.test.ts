import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type DatabaseUrl, toUri } from "../../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../../src/postgres/Identifier.ts"
import { type Survey, survey } from "../../../src/postgres/survey/Survey.ts"
import type { Obstacle, SchemaFacts } from "../../../src/postgres/survey/Schemas.ts"
import type { RoleMembership } from "../../../src/postgres/survey/Server.ts"
import { as, makeDatabase, makeRole, makeTarget, query, type Role, type RoleKind } from "../../support/Clusters.ts"

const surveyOf = (url: DatabaseUrl, schemas: ReadonlyArray<string>, extensions: ReadonlyArray<string> = []) =>
  survey({ schemas, extensions }).pipe(Effect.provide(PgClient.layer({ url: toUri(url) })))

const schemaOf = (found: Survey, name: string) => {
  const schema = found.schemas.find((each) => each.name === name)
  if (schema === undefined || !schema.exists) throw new Error(`schema ${name} is missing`)
  return schema
}

const reasons = (schema: SchemaFacts) =>
  schema.exists && schema.recreatable !== true ? schema.recreatable.map(({ reason }) => reason) : []

const stands = (of: ReadonlyArray<RoleMembership>, to: Role) => of.find(({ name }) => name === to.name)

/** Owner, comment and ACL of a schema; the order of the ACL means nothing once it is granted. */
const schemaState = (admin: DatabaseUrl, name: string) =>
  query(
    admin,
    `SELECT pg_get_userbyid(nspowner)::text AS owner, obj_description(oid) AS comment,
       array(SELECT a::text FROM unnest(nspacl) a ORDER BY 1) AS acl
     FROM pg_namespace WHERE nspname = $1`,
    [name]
  )

const app = (role: Role) => `CREATE SCHEMA app AUTHORIZATION ${role.name}; SET search_path = app;`

describe.each([15, 18] as const)("survey of PostgreSQL %d", (major) => {
  it.live("says where we are and who we are", () =>
    Effect.gen(function* () {
      const group = yield* makeRole(major)
      const stranger = yield* makeRole(major)
      const heir = yield* makeRole(major, { memberOf: [group.name] })
      const barred = yield* makeRole(major, { attributes: "NOINHERIT", memberOf: [group.name] })
      const admin = yield* makeDatabase(major, { owner: heir, encoding: "LATIN1" })
      yield* query(admin, "CREATE EXTENSION citext SCHEMA public")

      const found = yield* surveyOf(as(admin, heir), ["public", "nowhere"], ["citext", "file_fdw", "none", "hstore"])
      const { server, role, roles } = found
      assert.strictEqual(Math.floor(server.versionNumber / 10000), major)
      assert.isTrue(server.version.startsWith(`${major}.`))
      assert.strictEqual(server.database, admin.database)
      assert.strictEqual(server.encoding, "LATIN1")
      assert.isTrue(server.canCreateInDatabase)
      assert.isFalse(server.inRecovery)
      assert.strictEqual(server.settings.has("transaction_timeout"), major >= 17)
      assert.isTrue(server.settings.has("datestyle"))
      assert.deepStrictEqual(role, { name: heir.name, superuser: false })
      const name = group.name
      assert.deepStrictEqual(stands(roles, group), { name, member: true, inherits: true, settable: true })
      assert.deepStrictEqual(stands(roles, stranger), {
        name: stranger.name,
        member: false,
        inherits: false,
        settable: false
      })
      const other = yield* surveyOf(as(admin, barred), [])
      assert.deepStrictEqual(stands(other.roles, group), { name, member: true, inherits: false, settable: true })
      assert.isFalse(other.server.canCreateInDatabase)
      assert.deepStrictEqual(other.objects, [])
      if (major >= 16) {
        yield* query(admin, `GRANT ${name} TO ${barred.name} WITH SET FALSE`)
        const kept = yield* surveyOf(as(admin, barred), [])
        assert.deepStrictEqual(stands(kept.roles, group), { name, member: true, inherits: false, settable: false })
      }

      assert.deepStrictEqual(
        found.extensions.map((each) => `${each.name} in ${each.schema}`),
        ["citext in public", "plpgsql in pg_catalog"]
      )
      // Neither what is installed nor what the server does not have.
      assert.deepStrictEqual(found.availableExtensions, [
        { name: "file_fdw", superuserOnly: true, trusted: false },
        { name: "hstore", superuserOnly: true, trusted: true }
      ])
      assert.deepStrictEqual(other.availableExtensions, [])
      assert.deepStrictEqual(found.schemas[1], { name: "nowhere", exists: false })
    })
  )

  const rights: ReadonlyArray<{
    readonly kind: RoleKind
    readonly own: boolean
    readonly other: boolean
    readonly reasons: ReadonlyArray<string>
  }> = [
    { kind: "superuser", own: true, other: true, reasons: [] },
    { kind: "databaseOwner", own: true, other: true, reasons: [] },
    { kind: "schemaOwner", own: true, other: true, reasons: ["no-create-on-database"] },
    {
      kind: "someTablesOwner",
      own: true,
      other: false,
      reasons: ["not-owner", "no-create-on-database", "owner-not-settable"]
    }
  ]
  it.live.each(rights)("says what a $kind may drop and put back", (expected) =>
    Effect.gen(function* () {
      const { role, url, admin } = yield* makeTarget(major, expected.kind)
      const other = yield* makeRole(major)
      yield* query(
        admin,
        `CREATE TABLE public.mine (id int); ALTER TABLE public.mine OWNER TO ${role.name};
         INSERT INTO public.mine SELECT generate_series(1, 100); ANALYZE public.mine;
         CREATE TABLE public.theirs (id int); ALTER TABLE public.theirs OWNER TO ${other.name}`
      )
      const found = yield* surveyOf(url, ["public"])
      const objects = new Map(found.objects.map((object) => [object.name, object]))
      assert.deepInclude(objects.get("mine"), { droppable: expected.own, owner: role.name })
      assert.deepInclude(objects.get("theirs"), { droppable: expected.other, owner: other.name })
      // What the survey says is what the server does.
      const dropped = yield* Effect.result(query(url, "DROP TABLE public.theirs"))
      assert.strictEqual(dropped._tag === "Success", expected.other)
      assert.deepStrictEqual(reasons(schemaOf(found, "public")), expected.reasons)
    })
  )

  it.live("needs the right to look into a schema, even for one's own tables", () =>
    Effect.gen(function* () {
      const role = yield* makeRole(major)
      const admin = yield* makeDatabase(major)
      yield* query(admin, `CREATE SCHEMA app; CREATE TABLE app.t (); ALTER TABLE app.t OWNER TO ${role.name}`)
      const { objects, schemas } = yield* surveyOf(as(admin, role), ["app"])
      assert.deepStrictEqual(
        objects.map(({ droppable }) => droppable),
        [false]
      )
      assert.deepInclude(schemas[0], { canCreate: false, ownedByRole: false })
    })
  )

  it.live("puts a schema back as it was", () =>
    Effect.gen(function* () {
      const owner = yield* makeRole(major)
      const reader = yield* makeRole(major)
      const passer = yield* makeRole(major)
      const extra = yield* makeRole(major)
      const admin = yield* makeDatabase(major, { owner })
      yield* query(
        admin,
        `${app(owner)}
         COMMENT ON SCHEMA app IS 'it''s \\ ours';
         ALTER DEFAULT PRIVILEGES FOR ROLE ${owner.name} GRANT USAGE ON SCHEMAS TO ${extra.name};
         GRANT USAGE ON SCHEMA app TO PUBLIC;
         ALTER DEFAULT PRIVILEGES FOR ROLE ${owner.name} IN SCHEMA app
           GRANT SELECT, INSERT ON TABLES TO ${reader.name} WITH GRANT OPTION;
         ALTER DEFAULT PRIVILEGES FOR ROLE ${owner.name} IN SCHEMA app GRANT USAGE ON SEQUENCES TO PUBLIC;
         ALTER DEFAULT PRIVILEGES FOR ROLE ${owner.name} IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO ${extra.name};
         ALTER DEFAULT PRIVILEGES FOR ROLE ${owner.name} IN SCHEMA app GRANT USAGE ON TYPES TO ${extra.name};
         GRANT ALL ON SCHEMA app TO ${passer.name} WITH GRANT OPTION;
         SET ROLE ${passer.name};
         GRANT USAGE ON SCHEMA app TO ${reader.name};
         CREATE TABLE app.gone (id int)`
      )
      const defaults = query(
        admin,
        `SELECT defaclrole::regrole::text AS role, defaclobjtype AS objects, defaclacl::text AS acl
         FROM pg_default_acl JOIN pg_namespace n ON n.oid = defaclnamespace ORDER BY 1, 2`
      )
      const defaultsBefore = yield* defaults
      assert.lengthOf(defaultsBefore, 4)
      const states = Effect.all([schemaState(admin, "app"), schemaState(admin, "public")])
      const statesBefore = yield* states
      const before = yield* surveyOf(admin, ["app", "public"])
      assert.isTrue(schemaOf(before, "app").recreatable)
      for (const name of ["app", "public"]) {
        const statements = [`DROP SCHEMA ${quote(name)} CASCADE`, ...schemaOf(before, name).recreate]
        yield* query(admin, `BEGIN; ${statements.join("; ")}; CREATE TABLE public.as_before (); COMMIT`)
      }
      assert.deepStrictEqual(yield* defaults, defaultsBefore)
      const after = yield* surveyOf(admin, ["app", "public"])
      assert.deepStrictEqual(yield* states, statesBefore)
      assert.deepStrictEqual(
        after.objects.map((object) => [object.name, object.owner]),
        [["as_before", admin.user]]
      )

      // The owner of schema and database may not act as the role that passed the right on.
      const asOwner = yield* surveyOf(as(admin, owner), ["app", "public"])
      assert.deepStrictEqual(reasons(schemaOf(asOwner, "app")), ["grantor-not-settable"])
      assert.isTrue(schemaOf(asOwner, "public").recreatable)
      const script = schemaOf(asOwner, "public").recreate.join("; ")
      yield* query(as(admin, owner), `BEGIN; DROP SCHEMA public CASCADE; ${script}; COMMIT`)
      assert.deepStrictEqual(yield* states, statesBefore)
    })
  )

  const obstacles: ReadonlyArray<Obstacle & { readonly sql: string }> = [
    {
      reason: "extension",
      text: "extension citext has objects in schema app",
      sql: "CREATE EXTENSION citext SCHEMA app"
    },
    {
      reason: "publication",
      text: "publication every publishes schema app",
      sql: "CREATE PUBLICATION every FOR TABLES IN SCHEMA app"
    },
    {
      reason: "publication",
      text: "publication one publishes table app.t",
      sql: "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION one FOR TABLE t"
    },
    {
      reason: "default-privileges",
      text: "role postgres has default privileges in schema app",
      sql: "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC"
    },
    {
      reason: "outside-dependent",
      text: "event trigger watch depends on function app.watch()",
      sql: `CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
            CREATE EVENT TRIGGER watch ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE FUNCTION watch()`
    },
    {
      reason: "outside-dependent",
      text: "view total depends on column id of table app.t",
      sql: "CREATE TABLE t (id int); CREATE VIEW public.total AS SELECT id FROM t"
    },
    {
      reason: "outside-dependent",
      text: "rule _RETURN on view named depends on schema app",
      sql: "CREATE VIEW public.named AS SELECT 'app'::regnamespace AS home"
    }
  ]
  it.live.each(obstacles)("finds that $text", ({ reason, text, sql }) =>
    Effect.gen(function* () {
      const owner = yield* makeRole(major)
      const admin = yield* makeDatabase(major, { owner })
      yield* query(admin, app(owner) + sql)
      const { recreatable } = schemaOf(yield* surveyOf(as(admin, owner), ["app"]), "app")
      assert.deepStrictEqual(recreatable, [{ reason, text: text.replace("role postgres", `role ${admin.user}`) }])
    })
  )

  it.live("follows outside dependents as far as CASCADE goes, and no further", () =>
    Effect.gen(function* () {
      const owner = yield* makeRole(major)
      const admin = yield* makeDatabase(major)
      yield* query(
        admin,
        `${app(owner)}
         CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (id int PRIMARY KEY) PARTITION BY LIST (id);
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION mine() RETURNS bool LANGUAGE sql AS 'SELECT true';
         SET search_path = public;
         CREATE TABLE part PARTITION OF app.t FOR VALUES IN (1);
         CREATE TABLE other (id int REFERENCES app.t, m app.mood, free int);
         ALTER TABLE other OWNER TO ${owner.name};
         CREATE TRIGGER touched BEFORE UPDATE ON other FOR EACH ROW EXECUTE FUNCTION app.touch();
         CREATE POLICY own ON other USING (app.mine());
         CREATE VIEW of_column AS SELECT m FROM other;
         CREATE VIEW of_view AS SELECT * FROM of_column;
         CREATE VIEW of_part AS SELECT * FROM part;
         CREATE VIEW free AS SELECT free FROM other;
         CREATE SCHEMA second; CREATE VIEW second.inside AS SELECT * FROM app.t`
      )
      const { outside } = yield* surveyOf(admin, ["app", "second"])
      assert.deepStrictEqual(
        outside.map(({ description, owner: by }) => [description, by === owner.name]),
        [
          ["column m of table other", true],
          ["constraint other_id_fkey on table other", true],
          ["policy own on table other", true],
          ["table part", false],
          ["trigger touched on table other", true],
          ["view of_column", false],
          ["view of_part", false],
          ["view of_view", false]
        ]
      )
      // The server agrees: what CASCADE takes is what was named, what was not named stays.
      yield* query(admin, "DROP SCHEMA app, second CASCADE")
      const left = yield* query<{ name: string }>(
        admin,
        `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
         UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'other'::regclass AND attnum > 0 AND NOT attisdropped
         UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = 'other'::regclass
         UNION ALL SELECT conname FROM pg_constraint WHERE conrelid = 'other'::regclass
         UNION ALL SELECT polname FROM pg_policy ORDER BY 1`
      )
      assert.deepStrictEqual(
        left.map(({ name }) => name),
        ["free", "free", "id", "other"]
      )
    })
  )

  it.live("counts the triggers of a foreign key as part of the table that has it", () =>
    Effect.gen(function* () {
      const owner = yield* makeRole(major)
      const admin = yield* makeDatabase(major)
      yield* query(
        admin,
        `${app(owner)} SET search_path = public;
         CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id);
         CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
         CREATE TABLE app.child (id int REFERENCES parent DEFERRABLE, other int REFERENCES parted)`
      )
      assert.deepStrictEqual((yield* surveyOf(admin, ["app"])).outside, [])
      const { outside } = yield* surveyOf(admin, ["public"])
      assert.deepStrictEqual(
        outside.map(({ description, on }) => [description, on]),
        [
          ["constraint child_id_fkey on table app.child", "column id of table parent"],
          ["constraint child_other_fkey on table app.child", "column id of table part"]
        ]
      )
    })
  )

  it.live("names for an outside dependent what is inside, not a part of itself", () =>
    Effect.gen(function* () {
      const owner = yield* makeRole(major)
      const admin = yield* makeDatabase(major)
      yield* query(
        admin,
        `${app(owner)} CREATE TABLE t (id int); CREATE TABLE parted (id int) PARTITION BY LIST (id);
         SET search_path = public;
         CREATE TABLE heir () INHERITS (app.t); CREATE VIEW v AS SELECT * FROM app.t;
         CREATE TABLE part PARTITION OF app.parted DEFAULT`
      )
      const { outside } = yield* surveyOf(admin, ["app"])
      assert.deepStrictEqual(
        outside.map(({ description, on }) => [description, on]),
        [
          ["table heir", "table app.t"],
          ["table part", "table app.parted"],
          ["view v", "column id of table app.t"]
        ]
      )
    })
  )

  it.live("knows how to publish a table again", () =>
    Effect.gen(function* () {
      const admin = yield* makeDatabase(major)
      yield* query(
        admin,
        `CREATE TABLE public."T" (id int PRIMARY KEY, "a b" int, c int);
         CREATE PUBLICATION "all";
         ALTER PUBLICATION "all" ADD TABLE public."T" (id, "a b") WHERE (id > 1 AND "a b" IS NULL)`
      )
      const before = (yield* surveyOf(admin, ["public"])).published
      assert.strictEqual(before.length, 1)
      assert.deepInclude(before[0], { schema: "public", table: "T", publication: "all" })
      yield* query(admin, `ALTER PUBLICATION "all" DROP TABLE public."T"; ${before[0]?.restore}`)
      assert.deepStrictEqual((yield* surveyOf(admin, ["public"])).published, before)
    })
  )
})
