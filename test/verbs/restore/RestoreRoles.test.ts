import { readFileSync } from "node:fs"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../../src/postgres/Identifier.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { each } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

/** Where DROP SCHEMA can be undone, it is the way; elsewhere the content goes object by object. */
const rungs: Record<Clusters.RoleKind, 1 | 2> = {
  superuser: 1,
  databaseOwner: 1,
  schemaOwner: 2,
  tableOwner: 2,
  someTablesOwner: 2
}

/** What a role may not read it leaves out of its dump. */
const own = (kind: Clusters.RoleKind) => (kind === "someTablesOwner" ? { excludeTables: [`public."NotMine"`] } : {})

/** The schema says something of its own, which a restore has to leave as it is. */
const dress = (admin: DatabaseUrl, role: string) =>
  Clusters.query(
    admin,
    `COMMENT ON SCHEMA public IS 'the target''s own'; GRANT USAGE ON SCHEMA public TO ${quote(role)} WITH GRANT OPTION`
  )

/** A schema that has moved on since the dump. */
const changes = `
  SET search_path = public;
  ALTER TABLE "User" DROP COLUMN "displayName";
  ALTER TABLE "Goal" ADD COLUMN extra text;
  ALTER TYPE "GoalState" ADD VALUE 'FORGOTTEN';
  CREATE OR REPLACE FUNCTION "touchUpdatedAt"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  DROP TABLE "TrelloSettings";
  DELETE FROM "DayEvent";
  UPDATE "JournalEntry" SET body = 'overwritten';
  SELECT setval('"Goal_id_seq"', 1000)`

/** What the dump knows nothing of. */
const extras = `
  SET search_path = public;
  CREATE TYPE mood AS ENUM ('fine', 'bad');
  CREATE TABLE extra (id serial PRIMARY KEY, mood mood DEFAULT 'fine', "userId" text REFERENCES "User");
  INSERT INTO extra DEFAULT VALUES;
  CREATE VIEW "Names" AS SELECT email, extra.id FROM "User" LEFT JOIN extra ON extra."userId" = "User".id;
  CREATE MATERIALIZED VIEW "Counts" AS SELECT count(*) FROM "Names";
  CREATE FUNCTION first_goal() RETURNS "Goal" LANGUAGE sql AS 'SELECT * FROM public."Goal" LIMIT 1';
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE SEQUENCE numbers`

describe("restore round trip", () => {
  // The matrix of roles has the others in every run, with a smaller database.
  each(
    Clusters.roleKinds,
    ["someTablesOwner"],
    (kind) => `as ${kind}`,
    (kind) => {
      it.live("into an empty database: dumped again it is the same, and nothing else has changed", () =>
        Effect.gen(function* () {
          const source = yield* Clusters.makeTarget(major, kind)
          const empty = yield* Restores.twin(source)
          yield* Restores.fillJournal(source.url)
          const directory = yield* Restores.folder
          const first = yield* Restores.dump(source.url, directory, own(kind))
          const report = yield* Restores.restore(empty.url, first.file)
          assert.strictEqual(report.against, "manifest")
          assert.strictEqual(
            report.rows,
            first.manifest?.tables.reduce((sum, { rows }) => sum + rows, 0)
          )
          assert.strictEqual(report.largeObjects, 2)
          assert.deepStrictEqual(
            report.verify?.findings.filter(({ severity }) => severity === "finding"),
            []
          )
          const second = yield* Restores.dump(empty.url, directory, own(kind))
          assert.strictEqual(
            NativePgDump.comparable(readFileSync(second.file)),
            NativePgDump.comparable(readFileSync(first.file))
          )
          assert.strictEqual(yield* snapshot(empty.admin), yield* snapshot(source.admin))
        })
      )

      for (const clean of [true, false]) {
        it.live(`over a changed schema${clean ? " and extra objects, --clean" : ""}: as it was dumped`, () =>
          Effect.gen(function* () {
            const { admin, url } = yield* Clusters.makeTarget(major, kind)
            const { name: reader } = yield* Clusters.makeRole(major)
            yield* dress(admin, reader)
            yield* Restores.fillJournal(url)
            const before = yield* snapshot(admin)
            const { file } = yield* Restores.dump(url, yield* Restores.folder, own(kind))
            yield* Clusters.query(url, changes)
            if (clean) yield* Clusters.query(url, extras)
            assert.notStrictEqual(yield* snapshot(admin), before)
            const report = yield* Restores.restore(url, file, { clean })
            assert.strictEqual(yield* snapshot(admin), before)
            assert.strictEqual(report.clean?.rung, clean ? rungs[kind] : undefined)
            const stays = clean && kind === "someTablesOwner" ? [/^table public\."NotMine" \(of test_role_\w+\)$/] : []
            assert.strictEqual(report.clean?.stays.length ?? 0, stays.length)
            stays.forEach((pattern, index) => assert.match(report.clean!.stays[index]!, pattern))
          })
        )
      }

      it.live("over objects that depend on the dump's, without --clean: refused, nothing changed", () =>
        Effect.gen(function* () {
          const { admin, url } = yield* Clusters.makeTarget(major, kind)
          yield* Restores.fillJournal(url)
          const { file } = yield* Restores.dump(url, yield* Restores.folder, own(kind))
          yield* Clusters.query(url, extras)
          const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
          assert.strictEqual(error._tag, "ObjectConflict")
          assert.strictEqual(error.state, "rolled-back")
          assert.match(error.suggestion ?? "", /restore --clean/)
          assert.match("statement" in error ? (error.statement ?? "") : "", /^(DROP|ALTER) /)
        })
      )
    }
  )
})

describe("restore by a role with less than all rights", () => {
  layer(Restores.JournalDump.layer, { excludeTestServices: true })((it) => {
    it.effect("stops at another role's table of a name that the dump creates", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "someTablesOwner")
        const other = yield* Clusters.makeRole(major)
        yield* Clusters.query(
          admin,
          `CREATE TABLE public."Goal" (id int); ALTER TABLE public."Goal" OWNER TO ${other.name};
           CREATE TABLE public.mine (id int); ALTER TABLE public.mine OWNER TO ${url.user}`
        )
        const refused = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
        if (refused._tag !== "CleanRefused") return assert.fail(refused._tag)
        assert.deepStrictEqual(refused.blockers, [
          {
            what: `table public."Goal"`,
            owner: other.name,
            why: "this role may not drop it, and the dump creates an object of this name",
            wants: "right",
            remedy:
              `Own the schema, or the objects (GRANT "${other.name}" TO "${url.user}"), ` +
              `or have "${other.name}" drop them first.`
          }
        ])
        assert.strictEqual(refused.state, "untouched")
        const denied = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
        if (denied._tag !== "CleanRefused") return assert.fail(denied._tag)
        assert.deepStrictEqual(
          denied.blockers.map(({ what, why }) => [what, why]),
          [[`table public."Goal"`, "this role may not drop it, and the dump replaces it"]]
        )
        assert.strictEqual(denied.state, "untouched")
      })
    )

    it.effect("falls back to the second rung where DROP SCHEMA is denied by what no survey sees", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
        yield* Restores.restore(url, file)
        yield* Clusters.query(admin, forbidDropSchema)
        const before = yield* snapshot(admin)
        yield* Clusters.query(url, extras)
        const report = yield* Restores.restore(url, file, { clean: true })
        assert.strictEqual(report.clean?.rung, 2)
        assert.strictEqual(report.clean?.why, "no schema is dropped here")
        assert.strictEqual(yield* snapshot(admin), before)
      })
    )

    it.effect("needs CREATE on the schema before anything is dropped", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Clusters.query(url, `CREATE TABLE public."Goal" (id int)`)
        yield* Clusters.query(admin, `REVOKE CREATE ON SCHEMA public FROM ${url.user}`)
        for (const clean of [true, false]) {
          const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean })))
          assert.strictEqual(error._tag, "PermissionDenied")
          assert.strictEqual(error.state, "untouched")
          assert.match(error.suggestion ?? "", /GRANT USAGE, CREATE ON SCHEMA "public"/)
        }
      })
    )

    const owners = (admin: DatabaseUrl) =>
      Effect.map(
        Clusters.query<{ owner: string }>(
          admin,
          `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')`
        ),
        (rows) => rows.map(({ owner }) => owner).join()
      )

    it.effect("gives objects to the dump's owner where it may, --owner auto", () =>
      Effect.gen(function* () {
        const { file, owner } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "superuser")
        yield* Clusters.query(admin, `GRANT CREATE ON SCHEMA public TO ${owner.name}`)
        yield* Restores.restore(url, file)
        assert.strictEqual(yield* owners(admin), owner.name)
        // A superuser's restore is not stopped by an owner without rights in the schema: nor is the server's own.
        yield* Clusters.query(admin, `REVOKE CREATE ON SCHEMA public FROM ${owner.name}`)
        yield* Restores.restore(url, file, { clean: true })
        assert.strictEqual(yield* owners(admin), owner.name)
      })
    )

    for (const inherit of ["INHERIT", "NOINHERIT"]) {
      it.effect(`gives objects to a role that it is a member of with ${inherit}, --owner auto`, () =>
        Effect.gen(function* () {
          const { file, owner } = yield* Restores.JournalDump
          const member = yield* Clusters.makeRole(major, { attributes: inherit, memberOf: [owner.name] })
          const admin = yield* Clusters.makeDatabase(major)
          const url = Clusters.as(admin, member)
          yield* Clusters.query(admin, `GRANT USAGE, CREATE ON SCHEMA public TO ${member.name}, ${owner.name}`)
          yield* Restores.restore(url, file)
          assert.strictEqual(yield* owners(admin), owner.name)
        })
      )

      it.effect(`keeps objects that such an owner may not have in this schema, ${inherit}`, () =>
        Effect.gen(function* () {
          const { file, owner } = yield* Restores.JournalDump
          const member = yield* Clusters.makeRole(major, { attributes: inherit, memberOf: [owner.name] })
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, `GRANT USAGE, CREATE ON SCHEMA public TO ${member.name}`)
          const { skipped } = yield* Restores.restore(Clusters.as(admin, member), file)
          assert.strictEqual(yield* owners(admin), member.name)
          assert.isTrue(skipped.some(({ reason }) => reason.includes("may not own it here")))
        })
      )
    }

    it.effect("keeps objects where it may not give them away, and says so", () =>
      Effect.gen(function* () {
        const { file, owner } = yield* Restores.JournalDump
        const { admin, url, role } = yield* Clusters.makeTarget(major, "tableOwner")
        const { skipped } = yield* Restores.restore(url, file)
        assert.strictEqual(yield* owners(admin), role.name)
        const reason = `this role may not SET ROLE to "${owner.name}": its objects are now this role's`
        assert.isAbove(skipped.find((one) => one.reason === reason)?.count ?? 0, 20)
      })
    )

    it.effect("is stopped by an owner that it cannot keep, --owner keep", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { owner: "keep" })))
        assert.strictEqual(error._tag, "PermissionDenied")
        assert.match(error.message, /may not make ".*" the owner of anything/)
        assert.strictEqual(error.state, "untouched")
      })
    )

    it.effect("owns everything itself, --owner skip", () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url, role } = yield* Clusters.makeTarget(major, "superuser")
        const { skipped } = yield* Restores.restore(url, file, { owner: "skip" })
        assert.strictEqual(yield* owners(admin), role.name)
        assert.isTrue(skipped.some(({ reason }) => reason === "owners are not restored (--owner skip)"))
      })
    )
  })
})

/** Denied as if by right, and in no catalogue column that says so. */
const forbidDropSchema = `
  CREATE SCHEMA guard;
  CREATE FUNCTION guard.deny() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'no schema is dropped here' USING ERRCODE = '42501'; END $$;
  CREATE EVENT TRIGGER deny ON ddl_command_start WHEN TAG IN ('DROP SCHEMA') EXECUTE FUNCTION guard.deny()`
