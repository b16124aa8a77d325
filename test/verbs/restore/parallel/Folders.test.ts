/** Restores of directory dumps by every kind of role: what they leave, and what a failure leaves. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as DatabaseUrl from "../../../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../../../support/Clusters.ts"
import * as Restores from "../../../support/Restores.ts"
import { resealed } from "../../../support/Manifests.ts"
import { snapshot } from "../../../support/Snapshot.ts"
import { each } from "../../../support/Tier.ts"

const app = `
  CREATE TYPE state AS ENUM ('open', 'done');
  CREATE TABLE "User" (id serial PRIMARY KEY, email text UNIQUE NOT NULL, state state, tags text[]);
  CREATE TABLE task (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner int REFERENCES "User", doc jsonb);
  INSERT INTO "User" (email, state, tags) SELECT i || '@example.org', 'open', ARRAY['é', NULL] FROM generate_series(1, 200) i;
  INSERT INTO task (owner, doc) SELECT 1 + i % 20, '{"a": 1}' FROM generate_series(1, 1000) i;
  CREATE INDEX ON task (owner);
  SELECT lo_from_bytea(0, 'a large one');`

/** A source, its dump as a folder, and what is there later. */
const prepare = Effect.fnUntraced(function* (kind: Clusters.RoleKind, more = "") {
  const target = yield* Clusters.makeTarget(Clusters.sourceMajor, kind)
  const { admin, url } = target
  yield* Clusters.query(url, app + more)
  const { file } = yield* Restores.dump(url, yield* Restores.folder, { format: "directory", jobs: 2 })
  const dumped = yield* snapshot(admin)
  yield* Clusters.query(url, `DELETE FROM task WHERE id > 5; ALTER TABLE "User" ADD COLUMN more int`)
  return { ...target, dumped, file }
})

/** Backends and locks that a restore has left in the database. */
const left = (admin: DatabaseUrl.DatabaseUrl) =>
  Clusters.query<{ pid: number }>(
    DatabaseUrl.withDatabase(admin, "postgres"),
    `SELECT pid FROM pg_stat_activity WHERE datname = $1
     UNION SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = $1`,
    [admin.database]
  )

each(
  Clusters.roleKinds.filter((kind) => kind !== "someTablesOwner"),
  ["schemaOwner"],
  (kind) => `a directory dump, restored as ${kind}`,
  (kind) => {
    it.live("leaves the same over one connection and over several", () =>
      Effect.gen(function* () {
        const { admin, dumped, file, url } = yield* prepare(kind)
        for (const jobs of [1, 2, 4]) {
          const report = yield* Restores.restore(url, file, { clean: true, jobs, tune: jobs !== 4 })
          assert.strictEqual(report.way === "transaction", jobs === 1)
          assert.strictEqual(report.rows, 1200)
          yield* Restores.same(yield* snapshot(admin), dumped)
        }
      })
    )
  }
)

describe("a restore over several connections", () => {
  it.live("that an index fails leaves the target as it was, and no session behind", () =>
    Effect.gen(function* () {
      const twice = `CREATE FUNCTION one_of(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
          'BEGIN RETURN CASE WHEN current_database() LIKE ''%twin'' THEN 1 ELSE n END; END';
        CREATE UNIQUE INDEX only_here ON task (one_of(id));`
      const source = yield* prepare("databaseOwner", twice)
      const { admin, url } = yield* Restores.twin(source)
      yield* Clusters.query(url, "DROP INDEX only_here")
      const failing = Restores.restore(url, source.file, { clean: true, jobs: 3, backupFirst: true })
      const error = yield* Restores.unchanged(admin, Effect.flip(failing))
      assert.deepInclude(error, { _tag: "RestoreFailed", sqlstate: "23505", state: "rolled-back" })
      const { file, line, statement } = error as { file?: string; line?: number; statement?: string }
      assert.match(file ?? "", /post-data\.sql$/)
      assert.isAbove(line ?? 0, 10)
      assert.include(statement, "CREATE UNIQUE INDEX only_here")
      assert.deepStrictEqual(yield* left(admin), [])
    })
  )

  it.live("finds fewer rows in a file than its manifest says, and leaves the target as it was", () =>
    Effect.gen(function* () {
      const { admin, file, url } = yield* prepare("databaseOwner")
      const manifest = join(file, "manifest.json")
      const text = readFileSync(manifest, "utf8")
      const forged = text.replaceAll('"rows": 1000', '"rows": 1001')
      assert.notStrictEqual(forged, text)
      writeFileSync(manifest, resealed(forged))
      for (const jobs of [1, 3]) {
        const failing = Restores.restore(url, file, { clean: true, jobs, backupFirst: true })
        const error = yield* Restores.unchanged(admin, Effect.flip(failing))
        assert.deepInclude(error, { _tag: "DumpDamaged", state: "rolled-back" })
        assert.include(error.message, "1001 rows")
      }
    })
  )

  it.live("wants a directory dump, and says how to make one", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* prepare("schemaOwner")
      const { file } = yield* Restores.dump(url, yield* Restores.folder)
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { jobs: 2 })))
      assert.deepInclude(error, { _tag: "JobsInvalid", state: "untouched" })
      assert.include(error.suggestion, "--format directory")
    })
  )
})
