/** Dumps that pgark did not make: of rows alone, of parts, by hand. */
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"

const major = Clusters.sourceMajor

const parents = `
  CREATE TABLE public.u (id int PRIMARY KEY); CREATE TABLE public.w (id serial PRIMARY KEY, u int REFERENCES public.u);
  INSERT INTO public.u VALUES (1), (2); INSERT INTO public.w (u) VALUES (1), (2), (2)`

describe("a dump of rows alone", () => {
  it.live("fills the tables that are there, and is refused where they are not or would go", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, parents)
      const expected = yield* snapshot(admin)
      const file = yield* Restores.foreignDump(url, "--data-only")
      const cleaned = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
      assert.deepInclude(cleaned, { _tag: "TargetUnfit", state: "untouched" })
      assert.include(cleaned.message, `rows for 2 tables that it does not create: "public"."u", "public"."w"`)
      yield* Clusters.query(url, "TRUNCATE public.u, public.w")
      const report = yield* Restores.restore(url, file)
      assert.strictEqual(report.rows, 5)
      assert.strictEqual(yield* snapshot(admin), expected)
      const empty = yield* Clusters.makeTarget(major, "tableOwner")
      const unfit = yield* Restores.unchanged(empty.admin, Effect.flip(Restores.restore(empty.url, file)))
      assert.deepInclude(unfit, { _tag: "TargetUnfit", state: "untouched" })
    })
  )

  it.live("is counted in the target, where triggers may have taken the rows", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, parents)
      const file = yield* Restores.foreignDump(url, "--data-only", "--table=public.u")
      yield* Clusters.query(
        url,
        `TRUNCATE public.u, public.w; CREATE FUNCTION public.eat() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN DELETE FROM public.u; RETURN NULL; END';
         CREATE TRIGGER eat AFTER INSERT ON public.u FOR EACH STATEMENT EXECUTE FUNCTION public.eat()`
      )
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
      assert.deepInclude(error, { _tag: "VerificationFailed", state: "rolled-back" })
    })
  )
})

describe("a dump by hand", () => {
  it.live("is counted in the target where it does what pg_dump does not", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      const file = yield* Restores.script(
        "CREATE TABLE public.t (id int);\nCOPY public.t (id) FROM stdin;\n1\n\\.\nTRUNCATE public.t;"
      )
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file)))
      assert.deepInclude(error, { _tag: "VerificationFailed", state: "rolled-back" })
    })
  )

  it.live("may not touch roles", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "superuser")
      for (const sql of ["CREATE ROLE evil SUPERUSER", "ALTER ROLE postgres SET work_mem = '1MB'", "GRANT a TO b"]) {
        const error = yield* Restores.unchanged(
          admin,
          Effect.flip(Restores.restore(url, yield* Restores.script(`${sql};`)))
        )
        assert.deepInclude(error, { _tag: "DumpUnsafe", state: "untouched" })
      }
    })
  )

  it.live("is not called proven where only --accept-unproven lets it pass, and an empty file is no dump", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const file = yield* Restores.script("CREATE TABLE public.z (id int);\n", false)
      assert.strictEqual((yield* Effect.flip(Restores.restore(url, file)))._tag, "DumpDamaged")
      assert.strictEqual((yield* Restores.restore(url, file, { acceptUnproven: true })).against, "nothing")
      const empty = yield* Restores.script("", false)
      const error = yield* Effect.flip(Restores.restore(url, empty, { acceptUnproven: true }))
      assert.deepInclude(error, { _tag: "DumpDamaged", state: "untouched" })
    })
  )

  it.live("is no pipe, which cannot be read twice", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      const fifo = join(yield* Restores.folder, "fifo")
      execFileSync("mkfifo", [fifo])
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, fifo)))
      assert.deepInclude(error, { _tag: "DumpUnreadable", state: "untouched" })
      assert.include(error.message, "is no regular file")
    })
  )
})

describe("a dump with DROPs that expect everything to be there", () => {
  it.live("goes into an empty database", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(source.url)
      const target = yield* Restores.twin(yield* Clusters.makeTarget(major, "tableOwner"))
      const file = yield* Restores.foreignDump(source.url, "--clean")
      const { rows, skipped } = yield* Restores.restore(target.url, file)
      assert.isAbove(rows, 700)
      assert.isTrue(skipped.some(({ reason }) => reason === "what the dump would drop is not there"))
    })
  )
})

describe("owners", () => {
  it.live("that must be kept and cannot be are told in the plan", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(source.url, "CREATE TABLE public.t (id serial)")
      const { file } = yield* Restores.dump(source.url, yield* Restores.folder)
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { owner: "keep" })))
      assert.deepInclude(error, { _tag: "PermissionDenied", state: "untouched" })
      assert.include(error.message, `"${source.role.name}"`)
    })
  )

  it.live("of a sequence are its table's, which is no loss", () =>
    Effect.gen(function* () {
      const group = yield* Clusters.makeRole(major)
      const role = yield* Clusters.makeRole(major, { attributes: "NOINHERIT", memberOf: [group.name] })
      const source = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(source, `CREATE TABLE public.t (id serial); ALTER TABLE public.t OWNER TO ${group.name}`)
      const { file } = yield* Restores.dump(source, yield* Restores.folder)
      const admin = yield* Clusters.makeDatabase(major, { owner: role })
      yield* Clusters.query(admin, `GRANT CREATE ON SCHEMA public TO ${group.name}`)
      const { skipped } = yield* Restores.restore(Clusters.as(admin, role), file)
      assert.isTrue(
        skipped.some(
          ({ reason }) => reason === `"${group.name}" may not own it here, or owns it already with its table`
        )
      )
      const owners = yield* Clusters.query(
        admin,
        `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace`
      )
      assert.deepStrictEqual(owners, [{ owner: group.name }])
    })
  )
})

describe("a schema with keys into another", () => {
  it.live("is emptied and restored, and the other is left alone", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(
        url,
        `CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
         CREATE TABLE public.part PARTITION OF public.parted DEFAULT; INSERT INTO public.parted VALUES (1);
         CREATE SCHEMA app; CREATE TABLE app.child (id int REFERENCES public.parted); INSERT INTO app.child VALUES (1)`
      )
      const expected = yield* snapshot(admin)
      const { file } = yield* Restores.dump(url, yield* Restores.folder, { schemas: ["app"] })
      yield* Clusters.query(url, "DELETE FROM app.child")
      yield* Restores.restore(url, file, { clean: true })
      assert.strictEqual(yield* snapshot(admin), expected)
    })
  )
})
