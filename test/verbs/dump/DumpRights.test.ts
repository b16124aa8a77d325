/** What a dump says that it may not read, held against what pg_dump itself is refused. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../../src/postgres/Identifier.ts"
import * as Session from "../../../src/postgres/Session.ts"
import type { DumpOptions } from "../../../src/verbs/Dump.ts"
import * as DumpRights from "../../../src/verbs/dump/DumpRights.ts"
import { grantsFor } from "../../../src/verbs/dump/ReadGrants.ts"
import type { PgDumpKind } from "../../../src/postgres/PgDump.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import * as Restores from "../../support/Restores.ts"
import { long, ofRun } from "../../support/Tier.ts"

/** Everything that is read in a way of its own. The extension's relations are made its members afterwards. */
const everything = `
  CREATE TABLE plain (id int);
  CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY);
  CREATE TABLE ser (id serial);
  CREATE SEQUENCE alone;
  CREATE TABLE root (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF root DEFAULT;
  CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent);
  CREATE MATERIALIZED VIEW mv AS SELECT * FROM plain; CREATE VIEW v AS SELECT * FROM plain;
  CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER none FOREIGN DATA WRAPPER nowhere;
  CREATE FOREIGN TABLE ft (id serial) SERVER none;
  CREATE TABLE member (id int); CREATE TABLE config (id int); CREATE SEQUENCE config_seq;
  CREATE EXTENSION citext;
  ALTER EXTENSION citext ADD TABLE member; ALTER EXTENSION citext ADD TABLE config;
  ALTER EXTENSION citext ADD SEQUENCE config_seq;
  UPDATE pg_extension SET extconfig = ARRAY['config'::regclass::oid, 'config_seq'::regclass::oid],
    extcondition = ARRAY['', ''] WHERE extname = 'citext';
  CREATE TABLE hidden (id int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
  ALTER TABLE config ENABLE ROW LEVEL SECURITY`

/** What is closed, how it is dumped, and what of it that dump needs. */
const cases: ReadonlyArray<readonly [closed: string, options: DumpOptions, needs: ReadonlyArray<string>]> = [
  ["plain", {}, ["plain"]],
  ["plain", { schemaOnly: true }, ["plain"]],
  ["plain", { excludeTableData: ["plain"] }, ["plain"]],
  ["ident_id_seq", {}, ["ident_id_seq"]],
  ["ident_id_seq", { schemaOnly: true }, []],
  ["ident_id_seq", { excludeTableData: ["ident"] }, ["ident_id_seq"]],
  ["ident_id_seq", { excludeTableData: ["ident_id_seq"] }, []],
  // An identity column's sequence goes with its table, and one that a column owns cannot be left out by itself.
  ["ident_id_seq", { excludeTables: ["ident"] }, []],
  ["ident_id_seq", { excludeTables: ["ident_id_seq"] }, ["ident_id_seq"]],
  ["ser_id_seq", { excludeTables: ["ser_id_seq"] }, ["ser_id_seq"]],
  ["ser_id_seq", { excludeTables: ["ser"] }, ["ser_id_seq"]],
  ["ser_id_seq", { excludeTables: ["ser", "ser_id_seq"] }, []],
  ["ft_id_seq", { excludeTables: ["ft_id_seq"] }, ["ft_id_seq"]],
  ["alone", { schemas: ["public"] }, ["alone"]],
  ["root", { excludeTableData: ["leaf"] }, ["root"]],
  ["leaf", {}, ["leaf"]],
  ["child", { excludeTables: ["parent"] }, ["child"]],
  ["mv, v, ft, member", {}, []],
  ["config", {}, ["config"]],
  ["config", { schemas: ["public"] }, ["config"]],
  ["config", { excludeTables: ["config"] }, []],
  ["config", { excludeTableData: ["config"] }, []],
  ["config", { schemaOnly: true }, []],
  ["config_seq", {}, ["config_seq"]]
]

/** Rows that pg_dump would otherwise be refused are out of the way. */
const withoutHidden = (options: DumpOptions) => ({
  ...Restores.dumpOptions,
  ...options,
  excludeTableData: [...(options.excludeTableData ?? []), "hidden"]
})

const survey = (url: DatabaseUrl, options: DumpOptions = {}) =>
  DumpRights.survey({ ...Restores.dumpOptions, ...options }, url.database).pipe(
    Effect.provide(Session.Session.layer(url))
  )

const reader = Effect.fnUntraced(function* (major: Clusters.Major) {
  const admin = yield* Clusters.makeDatabase(major)
  const role = yield* Clusters.makeRole(major)
  yield* Clusters.query(admin, everything)
  yield* Clusters.query(
    admin,
    `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role.name};
     GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role.name}`
  )
  return { admin, role, url: Clusters.as(admin, role) }
})

/** Each closed thing by itself, because pg_dump, where one is to be asked too, stops at the first. */
const matrix = (major: Clusters.Major, kind?: PgDumpKind) =>
  it.live(
    "what is needed is what pg_dump is refused, whatever is left out",
    () =>
      Effect.gen(function* () {
        const { admin, role, url } = yield* reader(major)
        yield* Clusters.query(admin, "ALTER TABLE config DISABLE ROW LEVEL SECURITY")
        for (const [closed, options, needs] of cases) {
          const label = `${closed} ${JSON.stringify(options)}`
          yield* Clusters.query(admin, `REVOKE SELECT ON ${closed} FROM ${role.name}`)
          const asked = withoutHidden(options)
          const { denied } = yield* survey(url, asked)
          assert.deepStrictEqual(
            denied.map(({ what }) => what),
            needs.map((name) => `public.${name}`),
            label
          )
          if (kind !== undefined) {
            const refused = Exit.isFailure(yield* Effect.exit(dump(kind, major, url, asked)))
            assert.strictEqual(refused, needs.length > 0, label)
          }
          yield* Clusters.query(admin, `GRANT SELECT ON ${closed} TO ${role.name}`)
        }
      }),
    150_000
  )

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))(
  "rights to read by what is dumped, PostgreSQL %i",
  (major) => matrix(major)
)
long("rights to read by what is dumped, pg_dump asked too", () => {
  for (const major of Clusters.majors) describe(`that of pgark, PostgreSQL ${major}`, () => matrix(major, "wasm"))
  NativePgDump.suite("that of this machine, PostgreSQL 15", 15, () => matrix(15, "native"))
})

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))("rights to read, PostgreSQL %i", (major) => {
  it.live("a sequence wants SELECT: no other right will do, and pg_dump writes no value that it has not read", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* reader(major)
      yield* Clusters.query(admin, `SELECT nextval('alone'), nextval('alone'); REVOKE ALL ON alone FROM ${role.name}`)
      for (const privilege of ["USAGE", "UPDATE"]) {
        yield* Clusters.query(admin, `GRANT ${privilege} ON SEQUENCE alone TO ${role.name}`)
        const { denied } = yield* survey(url, withoutHidden({}))
        assert.deepStrictEqual(
          denied.map(({ what }) => what),
          ["public.alone"]
        )
        assert.isTrue(
          Exit.isFailure(yield* Effect.exit(dump("wasm", major, url, withoutHidden({ excludeTableData: ["config"] })))),
          privilege
        )
      }
    })
  )

  it.live("all that is closed comes at once, with the GRANTs that open it when their owners run them", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      const [one, two, role] = [
        yield* Clusters.makeRole(major),
        yield* Clusters.makeRole(major),
        yield* Clusters.makeRole(major)
      ]
      const group = yield* Clusters.makeRole(major)
      const [stranger] = [yield* Clusters.makeRole(major, { attributes: "NOINHERIT", memberOf: [one.name, two.name] })]
      yield* Clusters.query(
        admin,
        `GRANT ${group.name} TO ${role.name};
         CREATE SCHEMA "Clo sed" AUTHORIZATION ${one.name};
         GRANT USAGE, CREATE ON SCHEMA "Clo sed" TO ${two.name}; GRANT CREATE ON SCHEMA public TO ${one.name};
         CREATE TABLE "Clo sed"."t ""x" (id int); ALTER TABLE "Clo sed"."t ""x" OWNER TO ${two.name};
         CREATE TABLE "Clo sed".open (id int); GRANT SELECT ON "Clo sed".open TO ${role.name};
         ALTER TABLE "Clo sed".open OWNER TO ${two.name};
         CREATE TABLE public.cols (a int, b int); GRANT SELECT (a, b) ON public.cols TO ${role.name};
         ALTER TABLE public.cols OWNER TO ${one.name};
         CREATE TABLE public.ser (id serial); ALTER TABLE public.ser OWNER TO ${one.name};
         GRANT SELECT ON public.ser TO ${group.name};
         SELECT lo_from_bytea(i::oid, 'x') FROM generate_series(9001, 9004) i;
         ALTER LARGE OBJECT 9001 OWNER TO ${one.name}; ALTER LARGE OBJECT 9002 OWNER TO ${two.name};
         ALTER LARGE OBJECT 9003 OWNER TO ${two.name}; GRANT SELECT ON LARGE OBJECT 9004 TO ${role.name}`
      )
      const directory = join(yield* Restores.folder, "dumps")
      const error = yield* Effect.flip(Restores.dump(Clusters.as(admin, role), directory))
      if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
      assert.strictEqual(error.state, "untouched")
      assert.strictEqual(
        error.detail,
        [
          `"Clo sed"."t ""x"`,
          `"Clo sed".open`,
          "public.cols",
          "public.ser_id_seq",
          "large object 9001",
          "large object 9002",
          "large object 9003"
        ].join("\n")
      )
      const to = `TO ${quote(role.name)};`
      assert.deepStrictEqual(
        error.grants
          ?.toSorted((a, b) => a.by.localeCompare(b.by))
          .map(({ by, sql }) => ({ by, sql: sql.replaceAll(/\n +/g, " ") })),
        [
          { by: one.name, sql: `GRANT USAGE ON SCHEMA "Clo sed" ${to}` },
          { by: one.name, sql: `GRANT SELECT ON TABLE public.cols ${to}` },
          { by: one.name, sql: `GRANT SELECT ON SEQUENCE public.ser_id_seq ${to}` },
          { by: one.name, sql: `GRANT SELECT ON LARGE OBJECT 9001 ${to}` },
          { by: two.name, sql: `GRANT SELECT ON TABLE "Clo sed"."t ""x" ${to}` },
          { by: two.name, sql: `GRANT SELECT ON LARGE OBJECT 9002, 9003 ${to}` }
        ].toSorted((a, b) => a.by.localeCompare(b.by))
      )
      assert.isFalse(existsSync(directory))
      // Membership alone opens nothing to a role that does not inherit.
      const unheir = yield* survey(Clusters.as(admin, stranger))
      assert.strictEqual(unheir.denied.length, 9)
      for (const { by, sql } of error.grants ?? []) yield* Clusters.query(admin, `SET ROLE ${quote(by)}; ${sql}`)
      const { manifest } = yield* Restores.dump(Clusters.as(admin, role), directory)
      assert.strictEqual(manifest?.tables.length, 4)
      assert.strictEqual(manifest?.largeObjects.count, 4)
    })
  )

  it.live("large objects are open to all where the server says so", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      const role = yield* Clusters.makeRole(major)
      yield* Clusters.query(admin, "SELECT lo_from_bytea(9001, 'x')")
      const url = Clusters.as(admin, role)
      assert.strictEqual((yield* survey(url)).denied.length, 1)
      yield* Clusters.query(admin, `ALTER DATABASE ${quote(admin.database)} SET lo_compat_privileges = on`)
      assert.deepStrictEqual((yield* survey(url)).denied, [])
      const { manifest } = yield* Restores.dump(url, yield* Restores.folder)
      assert.strictEqual(manifest?.largeObjects.count, 1)
    })
  )
})

/** Who asks, and the tables of which row-level security may hide rows from it. */
const askers = ["superuser", "BYPASSRLS", "owner", "member", "NOINHERIT member", "database owner", "another"] as const

const hides: Record<(typeof askers)[number], ReadonlyArray<string>> = {
  superuser: [],
  BYPASSRLS: [],
  owner: ["forced"],
  member: ["forced"],
  "NOINHERIT member": ["forced", "policed"],
  "database owner": ["forced", "policed"],
  another: ["forced", "policed"]
}

const rowSecurity = (major: Clusters.Major) =>
  it.live(`row-level security by role, PostgreSQL ${major}`, () =>
    Effect.gen(function* () {
      const databaseOwner = yield* Clusters.makeRole(major)
      const owner = yield* Clusters.makeRole(major)
      const roles = {
        superuser: yield* Clusters.makeRole(major, { attributes: "SUPERUSER" }),
        BYPASSRLS: yield* Clusters.makeRole(major, { attributes: "BYPASSRLS" }),
        owner,
        member: yield* Clusters.makeRole(major, { memberOf: [owner.name] }),
        "NOINHERIT member": yield* Clusters.makeRole(major, { attributes: "NOINHERIT", memberOf: [owner.name] }),
        "database owner": databaseOwner,
        another: yield* Clusters.makeRole(major)
      }
      const admin = yield* Clusters.makeDatabase(major, { owner: databaseOwner })
      yield* Clusters.query(
        admin,
        `CREATE TABLE forced AS SELECT i AS id FROM generate_series(1, 5) i; CREATE POLICY p ON forced USING (id > 3);
         ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE TABLE policed AS SELECT i AS id FROM generate_series(1, 5) i; ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
         CREATE TABLE off AS SELECT 1 AS id; CREATE POLICY p ON off USING (false);
         ALTER TABLE off FORCE ROW LEVEL SECURITY; CREATE TABLE plain AS SELECT 1 AS id;
         ALTER TABLE forced OWNER TO ${owner.name}; ALTER TABLE policed OWNER TO ${owner.name};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC`
      )
      for (const asker of askers) {
        const url = Clusters.as(admin, roles[asker])
        const names = hides[asker].map((name) => `public.${name}`)
        const { denied, filtered } = yield* survey(url)
        assert.deepStrictEqual([denied, filtered.map(({ what }) => what)], [[], names], asker)
        const directory = join(yield* Restores.folder, "dumps")
        if (names.length > 0) {
          // What is said is what pg_dump does; where nothing is, the dump below has no leave to hide rows.
          if (asker === "owner") assert.isTrue(Exit.isFailure(yield* Effect.exit(dump("wasm", major, url))))
          const error = yield* Effect.flip(Restores.dump(url, directory))
          assert.deepInclude(error, { _tag: "PermissionDenied", state: "untouched" })
          assert.strictEqual(error.detail, names.map((name) => `${name} (policies)`).join("\n"))
          assert.match(error.suggestion ?? "", /BYPASSRLS;.*--allow-partial-rows/)
          assert.isFalse(existsSync(directory))
        }
        const { manifest } = yield* Restores.dump(url, directory, { allowPartialRows: true })
        const rows = manifest?.tables.map(({ name, rows }) => [name, rows]).toSorted()
        assert.deepStrictEqual(
          [manifest?.partialRows, rows],
          [
            names.length === 0 ? undefined : hides[asker].map((name) => `"public".${quote(name)}`),
            [
              ["forced", hides[asker].includes("forced") ? 2 : 5],
              ["off", 1],
              ["plain", 1],
              ["policed", hides[asker].includes("policed") ? 0 : 5]
            ]
          ],
          asker
        )
      }
    })
  )

describe("row-level security", () => {
  for (const major of ofRun(Clusters.majors, [Clusters.sourceMajor])) rowSecurity(major)

  it.live("of an extension's configuration, and of what is closed as well", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* reader(Clusters.sourceMajor)
      const { filtered } = yield* survey(url)
      assert.deepStrictEqual(
        filtered.map(({ table }) => table),
        [`"public"."config"`, `"public"."hidden"`]
      )
      // Only rows are hidden: what is dumped without them is dumped whole.
      const without = yield* survey(url, { excludeTableData: ["hidden"], excludeTables: ["config"] })
      assert.deepStrictEqual(without.filtered, [])
      assert.deepStrictEqual((yield* survey(url, { schemaOnly: true })).filtered, [])
      yield* Clusters.query(admin, `REVOKE SELECT ON hidden FROM ${role.name}`)
      const error = yield* Effect.flip(Restores.dump(url, yield* Restores.folder))
      assert.strictEqual(error.detail, "public.hidden (and policies)\npublic.config (policies)")
      // Policies may be accepted; a missing right may not.
      const denied = yield* Effect.flip(Restores.dump(url, yield* Restores.folder, { allowPartialRows: true }))
      assert.strictEqual(denied.detail, "public.hidden")
    })
  )
})

describe("GRANT statements", () => {
  it("are broken between names only, and SQL names nothing twice", () => {
    const names = Array.from({ length: 12 }, (_, index) => `"My Schema"."table ${index}"`)
    const closed = names.map((what) => ({
      kind: "TABLE",
      what,
      owner: "o",
      closedSchema: `"My Schema"`,
      schemaOwner: "s"
    }))
    const [usage, select, ...more] = grantsFor(closed as Parameters<typeof grantsFor>[0], 'r "1')
    assert.deepStrictEqual(usage, { by: "s", sql: `GRANT USAGE ON SCHEMA "My Schema" TO "r ""1";` })
    assert.strictEqual(select?.sql.replaceAll(/\n +/g, " "), `GRANT SELECT ON TABLE ${names.join(", ")} TO "r ""1";`)
    assert.isTrue(select?.sql.split("\n").every((line) => line.length <= 69))
    assert.deepStrictEqual(more, [])
  })
})

long("what an older server refuses", () => {
  for (const major of [13, 16] as const) {
    it.live(`is named before pg_dump starts: PostgreSQL ${major}`, () =>
      Effect.gen(function* () {
        const { superuser } = yield* EmbeddedServer.start({ major })
        yield* Clusters.query(
          superuser,
          `${everything}; CREATE ROLE reader LOGIN PASSWORD 'reader'; SELECT nextval('alone')`
        )
        const url = { ...superuser, user: "reader", password: Redacted.make("reader") }
        const error = yield* Effect.flip(Restores.dump(url, yield* Restores.folder))
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        for (const { sql } of error.grants ?? []) yield* Clusters.query(superuser, sql)
        const { manifest } = yield* Restores.dump(url, yield* Restores.folder, { allowPartialRows: true })
        assert.deepStrictEqual(manifest?.partialRows, [`"public"."config"`, `"public"."hidden"`])
        const alone = manifest?.sequences.find(({ name }) => name === "alone")
        assert.deepStrictEqual(alone, { schema: "public", name: "alone", value: "1", called: true })
      })
    )
  }
})
