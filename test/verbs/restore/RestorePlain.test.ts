/** Plain dumps of pg_dump 15, made with its options, and of pg_dumpall. */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import * as Archives from "../../support/Archives.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"

/** A dump of pg_dump with these options. Gives its path. */
const dump = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, ...options: ReadonlyArray<string>) {
  const file = join(yield* Restores.folder, "plain.sql")
  writeFileSync(file, yield* NativePgDump.dump(url, ...options))
  return file
})

const aboutDatabase = "what concerns the database itself is left as it is"
const elsewhere = "all goes into the target, not where the dump would connect to"

const plain = [
  "--inserts",
  "--column-inserts --rows-per-insert=50",
  "--load-via-partition-root --no-owner",
  "--create",
  "--create --clean --if-exists",
  "--clean"
]

NativePgDump.suite("a plain dump of pg_dump", Archives.major, () => {
  layer(Archives.Archives.layer, { excludeTestServices: true })((it) => {
    it.effect.each(plain)("is restored: %s", (options) =>
      Effect.gen(function* () {
        const { source } = yield* Archives.Archives
        const target = yield* Restores.twin(source)
        const expected = yield* snapshot(target.admin)
        const file = yield* dump(source.url, ...options.split(" "))
        yield* Clusters.query(target.url, `DELETE FROM "DayEvent"; DROP TABLE "Cursor"`)
        const { against, skipped } = yield* Restores.restore(target.url, file, { clean: true })
        assert.strictEqual(against, "structure")
        assert.strictEqual(
          skipped.some(({ reason }) => reason === aboutDatabase),
          options.includes("--create")
        )
        assert.strictEqual(yield* snapshot(target.admin), expected)
      })
    )

    it.effect("with --create leaves the target's database as it is, settings, rights, comment and name", () =>
      Effect.gen(function* () {
        const { source } = yield* Archives.Archives
        // Its name wants `\connect -reuse-previous=on`, its settings a second one.
        const name = `${source.admin.database} "odd' name`
        const quoted = `"${name.replaceAll('"', '""')}"`
        const server = DatabaseUrl.withDatabase(source.admin, "postgres")
        const { role } = source
        yield* Effect.acquireRelease(
          Clusters.query(server, `CREATE DATABASE ${quoted} TEMPLATE "${source.admin.database}"`),
          () => Effect.orDie(Clusters.query(server, `DROP DATABASE ${quoted}`))
        )
        yield* Clusters.query(
          server,
          `COMMENT ON DATABASE ${quoted} IS 'odd';
           ALTER DATABASE ${quoted} SET work_mem = '7MB'; ALTER DATABASE ${quoted} CONNECTION LIMIT 7;
           ALTER ROLE ${role.name} IN DATABASE ${quoted} SET enable_seqscan = on;
           REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC; GRANT CONNECT ON DATABASE ${quoted} TO ${role.name};
           ALTER DATABASE ${quoted} IS_TEMPLATE true`
        )
        const file = yield* dump(DatabaseUrl.withDatabase(source.admin, name), "--create", "--clean", "--if-exists")
        yield* Clusters.query(server, `ALTER DATABASE ${quoted} IS_TEMPLATE false`)
        const target = yield* Restores.twin(source)
        const expected = yield* snapshot(target.admin)
        const { skipped } = yield* Restores.restore(target.url, file, { clean: true })
        const count = (reason: string) => skipped.find((found) => found.reason === reason)?.count
        // UPDATE pg_database, DROP, CREATE, OWNER, COMMENT, LIMIT, TEMPLATE, two settings, REVOKE and GRANT.
        assert.isAtLeast(count(aboutDatabase) ?? 0, 10)
        assert.strictEqual(count(elsewhere), 2)
        assert.strictEqual(yield* snapshot(target.admin), expected)
      })
    )

    it.effect("of a whole server is refused, with what to do instead", () =>
      Effect.gen(function* () {
        const { source } = yield* Archives.Archives
        const server = DatabaseUrl.withDatabase(source.admin, "postgres")
        const settings = Object.entries(DatabaseUrl.toLibpqEnvironment(server)).map(([name, value]) => [
          name,
          Redacted.isRedacted(value) ? Redacted.value(value) : value
        ])
        const env = { ...process.env, ...Object.fromEntries(settings) }
        const all = execFileSync("pg_dumpall", ["--no-password"], { env, maxBuffer: 1 << 28 })
        const file = join(yield* Restores.folder, "all.sql")
        const target = yield* Restores.twin(source)
        for (const text of [all.toString("latin1"), all.toString("latin1").replace(/^(CREATE|ALTER) ROLE .*$/gm, "")]) {
          writeFileSync(file, text, "latin1")
          const error = yield* Restores.unchanged(target.admin, Effect.flip(Restores.restore(target.url, file)))
          assert.deepInclude(error, { _tag: "DumpUnsafe", state: "untouched" })
          assert.include("suggestion" in error ? error.suggestion : "", "dump each of its databases by itself")
        }
      })
    )
  })
})
