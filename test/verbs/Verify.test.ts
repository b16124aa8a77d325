import { assert, describe, it } from "@effect/vitest"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { Manifest } from "../../src/dumps/Manifest.ts"
import { manifestOf } from "../support/Manifests.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Grant from "../../src/verbs/Grant.ts"
import type { Finding } from "../../src/verbs/VerbError.ts"
import * as Verify from "../../src/verbs/Verify.ts"
import * as Clusters from "../support/Clusters.ts"
import { long } from "../support/Tier.ts"

/** Every shape that is counted in its own way: inheritance, partitions, constraints with and without an index. */
const app = `
  SET search_path = public;
  CREATE TABLE "User" (id serial PRIMARY KEY, email text UNIQUE, age int);
  CREATE INDEX "User_age" ON "User" (age);
  CREATE TABLE "Post" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "userId" int CONSTRAINT "Post_user" REFERENCES "User", slot int4range, EXCLUDE USING gist (slot WITH &&));
  CREATE TABLE animal (name text);
  CREATE TABLE dog () INHERITS (animal);
  CREATE TABLE event (id int, day date, "userId" int REFERENCES "User", PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
  CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
  CREATE INDEX event_day ON event (day);
  CREATE TABLE "_prisma_migrations" (id text PRIMARY KEY, checksum text NOT NULL, finished_at timestamptz,
    migration_name text NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count int NOT NULL DEFAULT 0);
  INSERT INTO "User" (email, age) SELECT 'user' || i, i FROM generate_series(1, 10) i;
  INSERT INTO "Post" ("userId") SELECT i FROM generate_series(1, 5) i;
  INSERT INTO animal VALUES ('cat');
  INSERT INTO dog VALUES ('rex'), ('fido');
  INSERT INTO event VALUES (1, '2025-01-05', 1), (2, '2025-01-06', 1), (3, '2025-02-01', 2);
  INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES ('a', 'x', '1_init', now()),
    ('b', 'x', '2_more', now());
  INSERT INTO "_prisma_migrations" (id, checksum, migration_name, rolled_back_at) VALUES ('c', 'x', '2_more', now())`

const table = (name: string, rows: number) => ({ schema: "public", name, rows, bytes: rows * 10 })
const sequence = (name: string, value: string) => ({ schema: "public", name, value, called: true })

/** What a dump of {@link app} says. */
const contents = {
  tables: [
    table("User", 10),
    table("Post", 5),
    table("animal", 1),
    table("dog", 2),
    table("event_1", 2),
    table("event_2", 1),
    table("_prisma_migrations", 3)
  ],
  sequences: [sequence("User_id_seq", "10"), sequence("Post_id_seq", "5")],
  schemas: ["public"],
  roles: [],
  objects: { TABLE: 6 },
  largeObjects: { count: 0, bytes: 0, sha256: "0".repeat(64) },
  checks: { foreignKeys: 2, primaryKeys: 6, uniqueConstraints: 1, indexes: 4 },
  prismaMigrations: { applied: 2, failed: [], unfinished: [] },
  encoding: "UTF8",
  sql: { length: 1000, sha256: "0".repeat(64) }
}

const manifestWith = (more: Partial<Pick<Manifest, keyof typeof contents>> = {}) =>
  manifestOf("app", { ...contents, ...more })

const manifest = manifestWith()

const says = (
  contents: Verify.Expectation["contents"],
  against: Verify.Expectation["against"] = "manifest"
): Verify.Expectation => ({ against, contents })

const { prismaMigrations: _, ...withoutMigrations } = manifest

const check = (url: DatabaseUrl.DatabaseUrl, options: Partial<Verify.VerifyOptions> = {}) =>
  Verify.check({ expected: says(manifest), ...options }).pipe(Effect.provide(Session.layer(url)))

/** A finding in one line. */
const line = ({ severity, check, object, expected, found }: Finding) =>
  `${severity}: ${check}: ${object}: ${expected} / ${found}`

/** What breaks a faithful database, and exactly what is then found. */
const cases: ReadonlyArray<{
  readonly name: string
  readonly sql: string
  readonly options?: Partial<Verify.VerifyOptions>
  readonly finds: ReadonlyArray<string>
}> = [
  { name: "nothing, in a faithful database", sql: "SELECT", finds: [] },
  {
    name: "less structure than a dump of another tool seems to have, as a warning",
    sql: `DROP INDEX public."User_age"; ALTER TABLE public."Post" DROP CONSTRAINT "Post_user"; DELETE FROM public.dog`,
    options: { expected: says(manifest, "nothing") },
    finds: [
      `finding: rows: "public"."dog": 2 rows / 0 rows`,
      "warning: foreign keys: public: 2, counted in the text of the dump, which has neither a manifest nor pg_dump's closing lines / 1",
      "warning: indexes: public: 4, counted in the text of the dump, which has neither a manifest nor pg_dump's closing lines / 3"
    ]
  },
  {
    name: "nothing, where the dump loads a table in two goes",
    sql: "SELECT",
    options: {
      expected: says(manifestWith({ tables: [table("User", 4), ...contents.tables.slice(1), table("User", 6)] }))
    },
    finds: []
  },
  {
    name: "a row deleted",
    sql: `DELETE FROM public."Post" WHERE id = 3`,
    finds: [`finding: rows: "public"."Post": 5 rows / 4 rows`]
  },
  {
    name: "a row in the wrong table of an inheritance tree, and in the wrong partition",
    sql: `DELETE FROM ONLY public.animal; INSERT INTO public.dog VALUES ('cat');
      UPDATE public.event SET day = '2025-02-02' WHERE id = 1`,
    finds: [
      `finding: rows: "public"."animal": 1 row / 0 rows`,
      `finding: rows: "public"."dog": 2 rows / 3 rows`,
      `finding: rows: "public"."event_1": 2 rows / 1 row`,
      `finding: rows: "public"."event_2": 1 row / 2 rows`
    ]
  },
  {
    name: "an index dropped",
    sql: `DROP INDEX public."User_age"`,
    finds: ["finding: indexes: public: 4 / 3"]
  },
  {
    name: "a foreign key dropped",
    sql: `ALTER TABLE public."Post" DROP CONSTRAINT "Post_user"`,
    finds: ["finding: foreign keys: public: 2 / 1"]
  },
  {
    name: "a unique constraint and a primary key dropped",
    sql: `ALTER TABLE public."User" DROP CONSTRAINT "User_email_key";
      ALTER TABLE public."_prisma_migrations" DROP CONSTRAINT "_prisma_migrations_pkey"`,
    finds: ["finding: primary keys: public: 6 / 5", "finding: unique constraints: public: 1 / 0"]
  },
  {
    name: "a table missing",
    sql: `DROP TABLE public.dog`,
    finds: [`finding: tables: "public"."dog": a table with 2 rows / no table`]
  },
  {
    name: "a table that the dump does not know, whose indexes are no difference",
    sql: `CREATE TABLE public.extra (id int PRIMARY KEY, "userId" int REFERENCES public."User")`,
    finds: [
      `warning: tables: "public"."extra": no data of it in the dump / a table`,
      "warning: foreign keys: public: 2 / 3",
      "warning: primary keys: public: 6 / 7"
    ]
  },
  {
    name: "a table in another schema, which is out of scope",
    sql: `CREATE SCHEMA other; CREATE TABLE other.extra (id serial PRIMARY KEY)`,
    finds: []
  },
  {
    name: "an index left over, with no new table",
    sql: `CREATE INDEX ON public.animal (name)`,
    finds: ["finding: indexes: public: 4 / 5"]
  },
  {
    name: "a sequence set back",
    sql: `SELECT setval('public."User_id_seq"', 4)`,
    finds: [
      `finding: sequences: "public"."User_id_seq": at 10 / at 4, and "public"."User"."id" has 10 already: ` +
        "inserts will collide"
    ]
  },
  {
    name: "a sequence set to the last value as the next one",
    sql: `SELECT setval('public."Post_id_seq"', 5, false)`,
    finds: [
      `finding: sequences: "public"."Post_id_seq": at 5 / about to begin at 5, and "public"."Post"."id" has 5 ` +
        "already: inserts will collide"
    ]
  },
  {
    name: "a sequence that is ahead",
    sql: `SELECT nextval('public."User_id_seq"')`,
    finds: [`warning: sequences: "public"."User_id_seq": at 10 / at 11`]
  },
  {
    name: "a sequence behind in the source too, as a warning",
    sql: `SELECT setval('public."User_id_seq"', 4)`,
    options: {
      expected: says(manifestWith({ sequences: [sequence("User_id_seq", "4"), sequence("Post_id_seq", "5")] }))
    },
    finds: [
      `warning: sequences: "public"."User_id_seq": at 4 / at 4, and "public"."User"."id" has 10 already: ` +
        "inserts will collide"
    ]
  },
  {
    name: "a sequence dropped",
    sql: `ALTER TABLE public."User" ALTER id DROP DEFAULT; DROP SEQUENCE public."User_id_seq"`,
    finds: [`finding: sequences: "public"."User_id_seq": at 10 / no sequence`]
  },
  {
    name: "a sequence that counts down, behind",
    sql: `CREATE SEQUENCE public.down INCREMENT -1 MAXVALUE 100 START 50; CREATE TABLE public.low (id int);
      ALTER SEQUENCE public.down OWNED BY public.low.id; INSERT INTO public.low VALUES (20)`,
    finds: [
      `warning: tables: "public"."low": no data of it in the dump / a table`,
      `finding: sequences: "public"."down": ahead of its column / about to begin at 50, and "public"."low"."id" has ` +
        "20 already: inserts will collide"
    ]
  },
  {
    name: "a failed migration",
    sql: `UPDATE public."_prisma_migrations" SET finished_at = NULL, logs = 'boom' WHERE id = 'b'`,
    finds: [
      `finding: migrations: "public"."_prisma_migrations": 2_more: applied / failed`,
      "finding: migrations: _prisma_migrations: 2 migrations applied / 1 migration applied"
    ]
  },
  {
    name: "a migration failed in the source too, as a warning",
    sql: `UPDATE public."_prisma_migrations" SET finished_at = NULL, logs = 'boom' WHERE id = 'b'`,
    options: { expected: says(manifestWith({ prismaMigrations: { applied: 1, failed: ["2_more"], unfinished: [] } })) },
    finds: [`warning: migrations: "public"."_prisma_migrations": 2_more: applied / failed`]
  },
  {
    name: "an unfinished migration",
    sql: `UPDATE public."_prisma_migrations" SET finished_at = NULL WHERE id = 'b'`,
    finds: [
      `finding: migrations: "public"."_prisma_migrations": 2_more: applied / unfinished`,
      "finding: migrations: _prisma_migrations: 2 migrations applied / 1 migration applied"
    ]
  },
  {
    name: "a migration table that lost a column",
    sql: `ALTER TABLE public."_prisma_migrations" DROP logs`,
    finds: [
      `finding: migrations: "public"."_prisma_migrations": readable migrations / not Prisma's table: it has no column logs`
    ]
  },
  {
    name: "a migration table that is not Prisma's in the source either, as a warning",
    sql: `ALTER TABLE public."_prisma_migrations" DROP logs`,
    options: { expected: says(withoutMigrations) },
    finds: [
      `warning: migrations: "public"."_prisma_migrations": readable migrations / not Prisma's table: it has no column logs`
    ]
  },
  {
    name: "constraints and indexes that are not valid, as warnings, and the index as missing",
    sql: `ALTER TABLE public.animal ADD CONSTRAINT named CHECK (name <> '') NOT VALID;
      UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public."User_age"'::regclass`,
    finds: [
      `warning: validity: "named" on "public"."animal": a valid constraint / not validated`,
      `warning: validity: "named" on "public"."dog": a valid constraint / not validated`,
      `warning: validity: "public"."User_age": a valid index / not valid: never used`,
      "finding: indexes: public: 4 / 3"
    ]
  },
  {
    name: "a key whose index is not valid, as missing",
    sql: `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public."Post_pkey"'::regclass`,
    finds: [
      `warning: validity: "public"."Post_pkey": a valid index / not valid: never used`,
      "finding: primary keys: public: 6 / 5"
    ]
  },
  {
    name: "rows that the restore has counted, without counting again",
    sql: `DELETE FROM public."Post"`,
    options: {
      restored: {
        rows: new Map([
          ...contents.tables.slice(1).map(({ name, rows }) => [`"public".${quote(name)}`, rows] as const),
          [`"public"."dog"`, 1] as const
        ]),
        checksums: new Map()
      }
    },
    finds: [
      `finding: rows: "public"."User": 10 rows / the restore loaded no rows into it`,
      `finding: rows: "public"."dog": 2 rows / 1 row`
    ]
  },
  {
    name: "rows of an extension, which are not compared",
    sql: `ALTER EXTENSION plpgsql ADD TABLE public.animal; DELETE FROM ONLY public.animal`,
    finds: [`warning: rows: "public"."animal": rows of its own / it belongs to an extension: its rows are not compared`]
  },
  {
    name: "only the health of the database, without a manifest",
    sql: `DELETE FROM public."Post"; SELECT setval('public."User_id_seq"', 9)`,
    options: { expected: undefined },
    finds: [
      `warning: sequences: "public"."User_id_seq": ahead of its column / at 9, and "public"."User"."id" has 10 ` +
        "already: inserts will collide"
    ]
  },
  {
    name: "an app role that is not there",
    sql: "SELECT",
    options: { grantTo: { roles: ["nobody at all"], profile: "all" } },
    finds: ["finding: rights: nobody at all: a role of the server / no such role"]
  }
]

for (const major of [15, 18] as const) {
  const everyBreak = major === 18 ? describe : long
  everyBreak(`verify on PostgreSQL ${major} finds`, () => {
    for (const { name, sql, options, finds } of cases) {
      it.live(name, () =>
        Effect.gen(function* () {
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, app)
          yield* Clusters.query(admin, sql)
          const { findings } = yield* check(admin, options)
          assert.deepStrictEqual(findings.map(line).toSorted(), finds.toSorted())
        })
      )
    }

    it.live("what the connected role may not read", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, app)
        const role = yield* Clusters.makeRole(major)
        yield* Clusters.query(
          admin,
          `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role.name};
           GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role.name};
           REVOKE SELECT ON public."Post", public."_prisma_migrations", public."User_id_seq" FROM ${role.name};
           ALTER TABLE public.dog ENABLE ROW LEVEL SECURITY;
           SELECT setval('public."Post_id_seq"', 6)`
        )
        const { findings } = yield* check(Clusters.as(admin, role))
        assert.deepStrictEqual(findings.map(line), [
          `finding: rows: "public"."Post": 5 rows / the connected role may not read it`,
          `finding: rows: "public"."dog": 2 rows / row-level security hides rows from the connected role`,
          `finding: rows: "public"."_prisma_migrations": 3 rows / the connected role may not read it`,
          `finding: sequences: "public"."Post_id_seq": at 5 / at 6, and "public"."Post"."id" is not seen: ` +
            "the connected role may not read it",
          `finding: sequences: "public"."User_id_seq": at 10 / the connected role may not read it`,
          `finding: migrations: "public"."_prisma_migrations": readable migrations / the connected role may not read it`
        ])
      })
    )

    it.live("nothing in a faithful restore by an owner from whom FORCE ROW LEVEL SECURITY hides rows", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "databaseOwner")
        yield* Clusters.query(url, app)
        yield* Clusters.query(
          url,
          `ALTER TABLE public."User" ENABLE ROW LEVEL SECURITY; ALTER TABLE public."User" FORCE ROW LEVEL SECURITY`
        )
        const rows = new Map(contents.tables.map(({ name, rows }) => [`"public".${quote(name)}`, rows]))
        assert.deepStrictEqual((yield* check(url, { restored: { rows, checksums: new Map() } })).findings, [])
        assert.deepStrictEqual((yield* check(url)).findings.map(line), [
          `finding: rows: "public"."User": 10 rows / row-level security hides rows from the connected role`
        ])
      })
    )

    it.live("a role that may not connect", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        const { name: role } = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, `REVOKE CONNECT ON DATABASE ${quote(admin.database)} FROM PUBLIC`)
        const { findings } = yield* check(admin, {
          expected: undefined,
          grantTo: { roles: [role], profile: "readonly" },
          schemas: []
        })
        assert.deepStrictEqual(findings.map(line), [
          `finding: rights: database ${quote(admin.database)}: ${role} has CONNECT / it has not`
        ])
      })
    )

    it.live("a right that was revoked, and nothing before", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, app)
        const { name: role } = yield* Clusters.makeRole(major)
        const grantTo = { roles: [role], profile: "readwrite" } as const
        yield* Grant.grant({ ...grantTo, schemas: ["public"] }).pipe(Effect.provide(Session.layer(admin)))
        assert.deepStrictEqual((yield* check(admin, { grantTo })).findings, [])
        yield* Clusters.query(admin, `REVOKE DELETE ON public."User" FROM ${role}`)
        const { findings } = yield* check(admin, { grantTo })
        assert.deepStrictEqual(findings.map(line), [
          `finding: rights: table "public"."User": ${role} has DELETE / it has not`
        ])
      })
    )
  })

  describe(`verify on PostgreSQL ${major}`, () => {
    it.live("reports what it looked at, and fails on findings but not on warnings", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, app)
        const verify = Verify.verify({ expected: says(manifest) }).pipe(Effect.provide(Session.layer(admin)))
        assert.deepStrictEqual(yield* verify, {
          tables: 7,
          rows: 24,
          checksums: 0,
          sequences: 2,
          migrations: 2,
          prisma: { applied: ["1_init", "2_more"], failed: [], unfinished: [] },
          findings: []
        })
        yield* Clusters.query(admin, `SELECT nextval('public."User_id_seq"')`)
        assert.strictEqual((yield* verify).findings.length, 1)
        yield* Clusters.query(admin, `DELETE FROM public.dog`)
        const error = yield* Effect.flip(verify)
        if (error._tag !== "VerificationFailed") return assert.fail(error._tag)
        assert.strictEqual(error.message, "The database is not what it should be: 1 difference in rows.")
        assert.strictEqual(error.detail, `rows: "public"."dog": expected 2 rows, found 0 rows`)
        assert.strictEqual(error.findings.length, 2)
      })
    )

    it.live("asks the same over @effect/sql-pg", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, app)
        const { name: role } = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, `DELETE FROM public.dog; SELECT setval('public."User_id_seq"', 3)`)
        const options = { expected: says(manifest), grantTo: { roles: [role], profile: "all" } } as const
        const pool = PgClient.layer({ url: DatabaseUrl.toUri(admin), maxConnections: 1 })
        const report = yield* Verify.check(options).pipe(Effect.provide(pool))
        assert.deepStrictEqual(report, yield* check(admin, options))
        assert.isAbove(report.findings.length, 10)
      })
    )

    it.live("counts what is left when a table cannot be counted for an unforeseen reason", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, app)
        // The file of its rows is gone.
        yield* Clusters.query(admin, `UPDATE pg_class SET relfilenode = 2147483647 WHERE oid = 'public.dog'::regclass`)
        const { findings, rows } = yield* check(admin)
        assert.strictEqual(rows, 22)
        assert.deepStrictEqual(
          findings.map(({ check, object }) => [check, object]),
          [["rows", '"public"."dog"']]
        )
      })
    )

    long("of a large database", () => {
      it.live("takes few queries and little time for 2,000 tables", () =>
        Effect.gen(function* () {
          const admin = yield* Clusters.makeDatabase(major)
          const tables = Array.from({ length: 2000 }, (_, i) => table(`t${i}`, i % 3))
          for (let start = 0; start < tables.length; start += 250) {
            const batch = tables.slice(start, start + 250)
            yield* Clusters.query(
              admin,
              batch
                .map(
                  ({ name, rows }) =>
                    `CREATE TABLE public.${name} (id serial); INSERT INTO public.${name} SELECT FROM generate_series(1, ${rows});`
                )
                .join("")
            )
          }
          const report = yield* check(admin, {
            expected: says(
              manifestWith({
                tables,
                sequences: tables.map(({ name, rows }) => ({
                  schema: "public",
                  name: `${name}_id_seq`,
                  value: String(Math.max(rows, 1)),
                  called: rows > 0
                })),
                checks: { foreignKeys: 0, primaryKeys: 0, uniqueConstraints: 0, indexes: 0 }
              })
            )
          })
          assert.deepStrictEqual(report, {
            tables: 2000,
            rows: 1999,
            checksums: 0,
            sequences: 2000,
            migrations: 0,
            findings: []
          })
        })
      )
    })
  })
}
