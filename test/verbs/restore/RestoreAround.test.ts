/** What a restore leaves as it was around what it replaces: default privileges, publications, and all that is no object. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { exitCodeOf } from "../../../src/cli/ExitCode.ts"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { each, long, ofRun } from "../../support/Tier.ts"

const sql = `
  CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t VALUES (1, 'one');
  CREATE TABLE public.parent (id int); CREATE TABLE public.child () INHERITS (public.parent);
  CREATE SEQUENCE public.s; CREATE TYPE public.mood AS ENUM ('fine');
  CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`

/** Rights that the objects of the schema have; none is NULL. */
const acls = (admin: DatabaseUrl) =>
  Effect.map(
    Clusters.query<{ name: string; acl: string | null }>(
      admin,
      `SELECT relname AS name, relacl::text AS acl FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
       UNION ALL SELECT proname, proacl::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
       UNION ALL SELECT typname, typacl::text FROM pg_type WHERE typname = 'mood'`
    ),
    (rows) => Object.fromEntries(rows.map(({ name, acl }) => [name, acl]))
  )

const defaults = (admin: DatabaseUrl) =>
  Effect.map(
    Clusters.query<{ entry: string }>(
      admin,
      `SELECT concat_ws(' ', defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace, defaclobjtype, defaclacl)
         AS entry
       FROM pg_default_acl ORDER BY 1`
    ),
    (rows) => rows.map(({ entry }) => entry)
  )

const asIfNothing = { t: null, parent: null, child: null, s: null, f: null, mood: null }

const newest = [18] as const

each(
  Clusters.majors,
  newest,
  (major) => `default privileges on PostgreSQL ${major}`,
  (major) => {
    /** Of every form: added, passed on, taken from PUBLIC and from the owner; for all schemas and for one. */
    const target = (role: string, reader: string) => `
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT SELECT ON TABLES TO ${reader};
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE TRUNCATE ON TABLES FROM ${role};
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT INSERT ON TABLES TO ${role} WITH GRANT OPTION;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} REVOKE USAGE ON TYPES FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT USAGE ON SEQUENCES TO ${reader} WITH GRANT OPTION;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT USAGE ON SCHEMAS TO ${reader};
    ${major >= 18 ? `ALTER DEFAULT PRIVILEGES FOR ROLE ${role} GRANT SELECT ON LARGE OBJECTS TO ${reader};` : ""}
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} IN SCHEMA public GRANT UPDATE ON TABLES TO PUBLIC;
    ALTER DEFAULT PRIVILEGES FOR ROLE ${role} IN SCHEMA public GRANT ALL ON SEQUENCES TO ${reader}`

    for (const kind of ["superuser", "databaseOwner", "tableOwner"] as const) {
      for (const clean of ofRun([false, true], kind === "databaseOwner" ? [] : [kind === "superuser"])) {
        it.live(`give nothing to what a ${kind} restores${clean ? " --clean" : ""}, and are then what they were`, () =>
          Effect.gen(function* () {
            const { admin, role, url } = yield* Clusters.makeTarget(major, kind)
            const { name: reader } = yield* Clusters.makeRole(major)
            yield* Clusters.query(url, sql)
            const { file } = yield* Restores.dump(url, yield* Restores.folder)
            assert.deepStrictEqual(yield* acls(admin), asIfNothing)
            yield* Clusters.query(admin, target(role.name, reader))
            const before = yield* defaults(admin)
            assert.lengthOf(before, major >= 18 ? 8 : 7)
            yield* Restores.restore(url, file, { clean })
            assert.deepStrictEqual(yield* acls(admin), asIfNothing)
            assert.deepStrictEqual(yield* defaults(admin), before)
            // They are still what they say: a table that comes later has them.
            yield* Clusters.query(url, "CREATE TABLE public.later ()")
            const { later } = yield* acls(admin)
            for (const item of [`${reader}=r/`, `=w/`, `${role.name}=a*rwd`]) assert.include(later, item)
          })
        )
      }
    }

    it.live("of the dump come beside those of the target", () =>
      Effect.gen(function* () {
        const { admin, role, url } = yield* Clusters.makeTarget(major, "tableOwner")
        const { name: one } = yield* Clusters.makeRole(major)
        const { name: two } = yield* Clusters.makeRole(major)
        yield* Clusters.query(url, sql)
        yield* Clusters.query(url, `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${one}`)
        const { file } = yield* Restores.dump(url, yield* Restores.folder)
        yield* Clusters.query(
          url,
          `ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM ${one};
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO ${two}`
        )
        yield* Restores.restore(url, file, { clean: true, grantTo: two, profile: "readonly" })
        const tables = (yield* defaults(admin)).find((entry) => entry.startsWith(`${role.name} public r `))
        assert.include(tables, `${one}=r/${role.name}`)
        assert.include(tables, `${two}=ar/${role.name}`)
        const { t } = yield* acls(admin)
        assert.include(t, `${two}=r/`)
        assert.notInclude(t, one)
      })
    )

    it.live("of a role that a superuser's dump acts as give nothing either", () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(major, "superuser")
        const { name: owner } = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, `GRANT CREATE ON SCHEMA public TO ${owner}; SET ROLE ${owner}; ${sql}`)
        const file = yield* Restores.foreignDump(admin, "--use-set-session-authorization", "--clean", "--if-exists")
        yield* Clusters.query(admin, target(owner, "pg_monitor"))
        const before = yield* defaults(admin)
        yield* Restores.restore(url, file)
        assert.deepStrictEqual(yield* acls(admin), asIfNothing)
        assert.deepStrictEqual(yield* defaults(admin), before)
      })
    )

    it.live("are what they were where the restore fails", () =>
      Effect.gen(function* () {
        const { admin, role, url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Clusters.query(url, sql)
        yield* Clusters.query(admin, target(role.name, "pg_monitor"))
        const file = yield* Restores.script("CREATE TABLE public.u (); CREATE TABLE public.u ();")
        yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
      })
    )
  }
)

each(
  Clusters.majors,
  newest,
  (major) => `publications on PostgreSQL ${major}`,
  (major) => {
    const publish = `CREATE PUBLICATION "My pub" FOR TABLE public.t (id) WHERE (id > 0) WITH (publish = 'insert')`

    /** The dump is of the schema alone, so that it brings no publication. */
    const published = Effect.fnUntraced(function* (kind: Clusters.RoleKind) {
      const target = yield* Clusters.makeTarget(major, kind)
      yield* Clusters.query(target.url, sql)
      const dump = yield* Restores.dump(target.url, yield* Restores.folder, { schemas: ["public"] })
      return { ...target, file: dump.file }
    })

    for (const clean of [false, true]) {
      for (const kind of ofRun(["superuser", "databaseOwner"] as const, [clean ? "superuser" : "databaseOwner"])) {
        it.live(`publish as before what a ${kind} restores${clean ? " --clean" : ""}`, () =>
          Effect.gen(function* () {
            const { admin, file, url } = yield* published(kind)
            yield* Clusters.query(url, `${publish}; CREATE PUBLICATION heirs FOR TABLE public.parent`)
            if (kind === "superuser") yield* Clusters.query(url, "CREATE PUBLICATION whole FOR TABLES IN SCHEMA public")
            const before = yield* snapshot(admin)
            const report = yield* Restores.restore(url, file, { clean })
            assert.deepStrictEqual(report.published, [
              `table "public"."t" in publication "My pub"`,
              `table "public"."child" in publication "heirs"`,
              `table "public"."parent" in publication "heirs"`
            ])
            assert.strictEqual(yield* snapshot(admin), before)
          })
        )
      }

      const suite = clean ? describe : long
      suite("where it may not", () =>
        it.live(`stop a role that could not publish again${clean ? ", --clean" : ""}`, () =>
          Effect.gen(function* () {
            const { admin, file, url } = yield* published("tableOwner")
            yield* Clusters.query(admin, publish)
            const refused = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean })))
            if (refused._tag !== "CleanRefused") return assert.fail(refused.message)
            assert.match(refused.blockers[0]?.why ?? "", /this role may not put it back$/)
          })
        )
      )
    }

    it.live("are set right where the dump publishes the table otherwise", () =>
      Effect.gen(function* () {
        const { admin, file: _, url } = yield* published("databaseOwner")
        yield* Clusters.query(url, publish)
        const before = yield* snapshot(admin)
        const file = yield* Restores.script(
          `DROP TABLE public.t; CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t VALUES (1, 'one');
         ALTER PUBLICATION "My pub" ADD TABLE ONLY public.t;`
        )
        yield* Restores.restore(url, file)
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )

    it.live("keep a table that does not come back, by a decision that no right makes", () =>
      Effect.gen(function* () {
        const { admin, file, url } = yield* published("databaseOwner")
        yield* Clusters.query(url, `CREATE TABLE public.extra (); CREATE PUBLICATION p FOR TABLE public.extra`)
        const blocked = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
        assert.strictEqual(blocked._tag, "CleanBlocked")
        assert.match(blocked.suggestion ?? "", /^Run ALTER PUBLICATION "p" DROP TABLE ONLY "public"."extra" first/)
      })
    )
  }
)

each(
  Clusters.majors,
  newest,
  (major) => `subscriptions on PostgreSQL ${major}`,
  (major) => {
    for (const clean of [false, true]) {
      for (const kind of ofRun(["superuser", "tableOwner"] as const, [clean ? "tableOwner" : "superuser"])) {
        it.live(`stop a ${kind} that would take their tables from them${clean ? ", --clean" : ""}`, () =>
          Effect.gen(function* () {
            const publisher = yield* Clusters.makeDatabase(major)
            yield* Clusters.query(
              publisher,
              "CREATE TABLE public.t (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t"
            )
            const { admin, url } = yield* Clusters.makeTarget(major, kind)
            yield* Clusters.query(url, "CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.u ()")
            const dump = (excludeTables: ReadonlyArray<string>) =>
              Effect.flatMap(Restores.folder, (folder) =>
                Restores.dump(url, folder, { schemas: ["public"], excludeTables })
              )
            const [whole, other] = [yield* dump([]), yield* dump(["public.t"])]
            const { database, host, password, port, user } = publisher
            const secret = Redacted.value(password ?? Redacted.make(""))
            yield* Clusters.query(
              admin,
              `CREATE SUBSCRIPTION s
             CONNECTION 'host=${host} port=${port} dbname=${database} user=${user} password=${secret}'
             PUBLICATION p WITH (create_slot = false, slot_name = NONE, enabled = false, copy_data = false)`
            )
            yield* Effect.addFinalizer(() => Effect.orDie(Clusters.query(admin, "DROP SUBSCRIPTION s")))
            const members = Clusters.query(admin, "SELECT srrelid::regclass::text AS name FROM pg_subscription_rel")
            assert.deepStrictEqual(yield* members, [{ name: "t" }])
            const refused = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, whole.file, { clean })))
            assert.strictEqual(exitCodeOf(refused), kind === "superuser" ? 2 : 5)
            assert.include(refused.suggestion, `DROP SUBSCRIPTION "s" first`)
            // What leaves the table where it is takes nothing from the subscription.
            if (!clean) yield* Restores.restore(url, other.file)
            assert.deepStrictEqual(yield* members, [{ name: "t" }])
          })
        )
      }
    }
  }
)

describe("restore --clean of the same database's dump", () => {
  describe.each(ofRun(Clusters.roleKinds, ["superuser", "tableOwner"]))("as %s", (kind) => {
    it.live("changes nothing of what belongs to the database and not to the dump", () =>
      Effect.gen(function* () {
        const { admin, role, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, kind)
        const { name: reader } = yield* Clusters.makeRole(Clusters.sourceMajor)
        yield* Restores.fillJournal(url)
        yield* Clusters.query(
          admin,
          `COMMENT ON SCHEMA public IS 'ours'; GRANT USAGE ON SCHEMA public TO ${reader} WITH GRANT OPTION;
           CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
           CREATE SCHEMA besides; CREATE TABLE besides.t (id int PRIMARY KEY);
           ALTER DATABASE ${admin.database} SET work_mem = '7MB';
           ALTER ROLE ${role.name} IN DATABASE ${admin.database} SET statement_timeout = '1h';
           CREATE FUNCTION ext.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
           CREATE EVENT TRIGGER watch ON ddl_command_start WHEN TAG IN ('CREATE DOMAIN') EXECUTE FUNCTION ext.watch();
           CREATE PUBLICATION whole FOR TABLES IN SCHEMA public;
           CREATE PUBLICATION other FOR TABLE besides.t (id) WHERE (id > 1);
           ALTER DEFAULT PRIVILEGES FOR ROLE ${role.name} GRANT SELECT ON TABLES TO ${reader};
           ALTER DEFAULT PRIVILEGES FOR ROLE ${role.name} IN SCHEMA public GRANT ALL ON SEQUENCES TO ${reader};
           ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${reader}`
        )
        if (kind === "superuser" || kind === "databaseOwner") {
          yield* Clusters.query(url, `CREATE PUBLICATION one FOR TABLE public."Goal", public."Day"`)
        }
        const rows = (catalogue: string, columns: string) =>
          Clusters.query(admin, `SELECT ${columns} FROM ${catalogue} ORDER BY 1, 2, 3`)
        const all = Effect.all({
          schemas: rows("pg_namespace", "nspname, nspowner, nspacl::text, obj_description(oid)"),
          defaults: rows(
            "pg_default_acl",
            "defaclrole, defaclnamespace::regnamespace::text, defaclobjtype, defaclacl::text"
          ),
          extensions: rows("pg_extension", "extname, extowner, extnamespace::regnamespace, extversion"),
          // Of roles everywhere those of other tests come and go.
          settings: rows(
            "pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
            "setdatabase, setrole, setconfig"
          ),
          publications: rows("pg_publication", "pubname, pubowner, to_jsonb(pg_publication) - 'oid' AS all"),
          published: rows("pg_publication_tables", "pubname, schemaname, tablename, attnames, rowfilter"),
          publishedSchemas: rows("pg_publication_namespace", "pnpubid, pnnspid::regnamespace::text, 1"),
          eventTriggers: rows("pg_event_trigger", "evtname, evtowner, evtfoid, evtenabled, evttags")
        })
        const before = yield* all
        for (const [catalogue, found] of Object.entries(before)) assert.isAbove(found.length, 0, catalogue)
        const whole = yield* snapshot(admin)
        const own = kind === "someTablesOwner" ? { excludeTables: [`public."NotMine"`] } : {}
        const { file } = yield* Restores.dump(url, yield* Restores.folder, { schemas: ["public"], ...own })
        yield* Restores.restore(url, file, { clean: true })
        const after = yield* all
        // Publications are the same and not only alike: their subscribers know them by OID.
        assert.deepStrictEqual(after, before)
        assert.strictEqual(yield* snapshot(admin), whole)
      })
    )
  })
})
