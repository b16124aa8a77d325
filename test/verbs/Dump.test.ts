import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import type { Manifest } from "../../src/dumps/Manifest.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { qualified, quote } from "../../src/postgres/Identifier.ts"
import { PgDump } from "../../src/postgres/PgDump.ts"
import * as Session from "../../src/postgres/Session.ts"
import { Version } from "../../src/dumps/Version.ts"
import * as Dump from "../../src/verbs/Dump.ts"
import * as Clusters from "../support/Clusters.ts"
import * as NativePgDump from "../support/NativePgDump.ts"
import * as Restores from "../support/Restores.ts"
import { snapshot } from "../support/Snapshot.ts"
import * as WasmPgDump from "../support/WasmPgDump.ts"

const major = Clusters.sourceMajor

/** A database with the sample in it, and a folder that does not exist yet. */
const prepare = Effect.gen(function* () {
  const target = yield* Clusters.makeTarget(major, "tableOwner")
  yield* Restores.fillJournal(target.url)
  return { ...target, directory: join(yield* Restores.folder, "dumps") }
})

const tableNames = (manifest: Manifest | undefined) => manifest?.tables.map(({ name }) => name).toSorted()

/** Dumps and manifests; the store's record of proofs is neither. */
const dumpFiles = (directory: string) => readdirSync(directory).filter((name) => name.startsWith("db_dump_"))

describe("dump", () => {
  it.live("is what pg_dump writes, with a manifest that says what SQL says", () =>
    Effect.gen(function* () {
      const { admin, directory, url } = yield* prepare
      const { file, manifest } = yield* Restores.unchanged(admin, Restores.dump(url, directory))
      if (manifest === undefined) return assert.fail("no manifest")
      assert.deepStrictEqual(dumpFiles(directory).length, 2)
      assert.strictEqual(
        NativePgDump.comparable(readFileSync(file)),
        NativePgDump.comparable(yield* WasmPgDump.dump(url, "--clean", "--if-exists"))
      )
      for (const { schema, name, rows } of manifest.tables) {
        const counted = yield* Clusters.query(url, `SELECT count(*)::int AS rows FROM ${qualified(schema, name)}`)
        assert.deepStrictEqual(counted, [{ rows }], name)
      }
      for (const { schema, name, value, called } of manifest.sequences) {
        const read = yield* Clusters.query(
          url,
          `SELECT last_value::text AS value, is_called AS called FROM ${qualified(schema, name)}`
        )
        assert.deepStrictEqual(read, [{ value, called }], name)
      }
      const [counts] = yield* Clusters.query(
        admin,
        `SELECT count(*) FILTER (WHERE contype = 'f')::int AS "foreignKeys",
           (SELECT count(*)::int FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE relnamespace = 'public'::regnamespace
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))) AS indexes,
           count(*) FILTER (WHERE contype = 'u')::int AS "uniqueConstraints",
           count(*) FILTER (WHERE contype = 'p')::int AS "primaryKeys"
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace`
      )
      assert.deepStrictEqual<unknown>(manifest.checks, counts)
      assert.deepInclude(manifest, { schemas: ["public"], encoding: "UTF8", pgark: Version })
      assert.deepInclude(manifest.catalog, { snapshot: "shared", encoding: "UTF8", states: [] })
      const [largeObjects] = yield* Clusters.query(
        url,
        `SELECT count(*)::int AS count, sum(length(lo_get(oid)))::int AS bytes,
           encode(sha256(convert_to(string_agg(
             oid || ' ' || encode(sha256(lo_get(oid)), 'hex') || E'\\n', '' ORDER BY oid), 'UTF8')), 'hex') AS sha256
         FROM pg_largeobject_metadata`
      )
      assert.strictEqual(manifest.largeObjects.count, 2)
      assert.deepStrictEqual<unknown>(manifest.largeObjects, largeObjects)
      assert.strictEqual(manifest.tables.length, 18)
      assert.strictEqual(manifest.sequences.length, 7)
      assert.deepStrictEqual(manifest.prismaMigrations, { applied: 3, failed: [], unfinished: [] })
      assert.strictEqual(manifest.source.user, url.user)
      assert.deepStrictEqual(manifest.tool, { name: "pg_dump", version: manifest.tool.version, kind: "wasm" })
      assert.doesNotHaveAnyKeys(manifest, ["excluded", "onlySchemas"])
    })
  )

  it.live("of one schema, named exactly", () =>
    Effect.gen(function* () {
      const { directory, url, admin } = yield* prepare
      const odd = `Po*l "x"`
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA ${quote(odd)} AUTHORIZATION ${url.user}; CREATE TABLE ${quote(odd)}.t (id int);
         CREATE SCHEMA pol; CREATE TABLE pol.t (); ALTER TABLE ${quote(odd)}.t OWNER TO ${url.user}`
      )
      const { manifest } = yield* Restores.dump(url, directory, { schemas: [odd] })
      assert.deepStrictEqual(manifest?.schemas, [odd])
      assert.deepStrictEqual(manifest?.onlySchemas, [odd])
      assert.deepStrictEqual(tableNames(manifest), ["t"])
      const missing = yield* Effect.flip(Restores.dump(url, directory, { schemas: ["po*"] }))
      assert.deepInclude(missing, { _tag: "SchemaMissing", schema: "po*", state: "untouched" })
    })
  )

  it.live("without the tables, or the data, that patterns leave out", () =>
    Effect.gen(function* () {
      const { directory, url } = yield* prepare
      const whole = tableNames((yield* Restores.dump(url, directory)).manifest)
      const patterns = { excludeTables: [`public."Day"*`], excludeTableData: [`*.*"Log"`] }
      const { file, manifest } = yield* Restores.dump(url, directory, patterns)
      assert.deepStrictEqual(
        tableNames(manifest),
        whole?.filter((name) => !name.startsWith("Day") && !name.endsWith("Log"))
      )
      const text = readFileSync(file, "utf8")
      assert.include(text, `CREATE TABLE public."JournalLog"`)
      assert.notInclude(text, `CREATE TABLE public."Day"`)
      assert.deepStrictEqual(manifest?.excluded, { tables: patterns.excludeTables, data: patterns.excludeTableData })
      assert.isUndefined(manifest?.onlySchemas)
    })
  )

  it.live("stops before it begins where it may not read everything, and names all of it", () =>
    Effect.gen(function* () {
      const { admin, directory, url } = yield* prepare
      yield* Clusters.query(
        admin,
        `CREATE TABLE public."Closed" (id serial); CREATE SCHEMA closed; CREATE TABLE closed.t ();
         GRANT SELECT ON closed.t TO PUBLIC`
      )
      const error = yield* Effect.flip(Restores.dump(url, directory))
      assert.deepInclude(error, { _tag: "PermissionDenied", state: "untouched" })
      assert.strictEqual(error.detail, `closed.t\npublic."Closed"\npublic."Closed_id_seq"`)
      assert.isFalse(existsSync(directory))
      // What is left out need not be read; of what is kept without its rows sequences need not.
      yield* Restores.dump(url, directory, { excludeTables: [`public."Closed"*`, "closed.*"] })
      const left = { excludeTables: ["closed.*"], excludeTableData: [`"Day"*`] }
      const half = yield* Effect.flip(Restores.dump(url, directory, left))
      assert.deepInclude(half, { _tag: "PermissionDenied", state: "untouched" })
      assert.strictEqual(half.detail, `public."Closed"\npublic."Closed_id_seq"`)
      const table = { ...left, excludeTableData: [`public."Closed_id_seq"`] }
      assert.strictEqual((yield* Effect.flip(Restores.dump(url, directory, table))).detail, `public."Closed"`)
      assert.strictEqual(dumpFiles(directory).length, 2)
    })
  )

  it.live("stops before it begins where policies hide rows from it", () =>
    Effect.gen(function* () {
      const { admin, directory, role, url } = yield* prepare
      yield* Clusters.query(
        admin,
        `CREATE TABLE public.hidden (id int); ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY;
         CREATE TABLE public.owned (id int); ALTER TABLE public.owned ENABLE ROW LEVEL SECURITY;
         CREATE TABLE public.forced (id int);
         ALTER TABLE public.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         GRANT SELECT ON public.hidden TO ${role.name};
         ALTER TABLE public.owned OWNER TO ${role.name}; ALTER TABLE public.forced OWNER TO ${role.name}`
      )
      const error = yield* Effect.flip(Restores.dump(url, directory))
      assert.deepInclude(error, { _tag: "PermissionDenied", state: "untouched" })
      assert.match(error.message, /row-level security hides rows of 2 tables/)
      assert.strictEqual(error.detail, "public.forced (policies)\npublic.hidden (policies)")
      assert.match(error.suggestion ?? "", /BYPASSRLS.*--exclude-table-data/)
      assert.isFalse(existsSync(directory))
      // Without its rows a table can be dumped.
      yield* Restores.dump(url, directory, { excludeTableData: ["forced", "public.hidden"] })
      yield* Clusters.query(admin, `ALTER ROLE ${role.name} BYPASSRLS`)
      yield* Restores.dump(url, directory)
    })
  )

  it.live("stops before it begins where large objects are closed to it", () =>
    Effect.gen(function* () {
      const { admin, directory, role, url } = yield* prepare
      const group = yield* Clusters.makeRole(major)
      yield* Clusters.query(
        admin,
        `GRANT ${group.name} TO ${role.name};
         SELECT lo_from_bytea(i::oid, 'x') FROM generate_series(9001, 9006) i;
         GRANT SELECT ON LARGE OBJECT 9002 TO PUBLIC; GRANT SELECT ON LARGE OBJECT 9003 TO ${role.name};
         GRANT SELECT ON LARGE OBJECT 9004 TO ${group.name}; GRANT UPDATE ON LARGE OBJECT 9005 TO ${role.name};
         ALTER LARGE OBJECT 9006 OWNER TO ${group.name}`
      )
      const error = yield* Effect.flip(Restores.dump(url, directory))
      assert.deepInclude(error, { _tag: "PermissionDenied", state: "untouched" })
      assert.strictEqual(error.detail, "large object 9001\nlarge object 9005")
      assert.match(error.suggestion ?? "", /run the GRANT statements/)
      assert.isFalse(existsSync(directory))
      // A dump of schemas has none.
      yield* Restores.dump(url, directory, { schemas: ["public"] })
      yield* Clusters.query(admin, "GRANT SELECT ON LARGE OBJECT 9001, 9005 TO PUBLIC")
      assert.strictEqual((yield* Restores.dump(url, directory)).manifest?.largeObjects.count, 8)
    })
  )

  it.live("refuses a pattern that pg_dump would refuse, and names it", () =>
    Effect.gen(function* () {
      const { directory, url } = yield* prepare
      for (const [pattern, message] of [
        ["a.b.c.d", /more dots/],
        ["other.public.a", /another database/],
        ["public.a(b", /cannot be read/]
      ] as const) {
        for (const options of [{ excludeTables: [pattern] }, { excludeTableData: ["public.a", pattern] }]) {
          const error = yield* Effect.flip(Restores.dump(url, directory, options))
          assert.deepInclude(error, { _tag: "PatternInvalid", pattern, state: "untouched" })
          assert.match(error.message, message)
          const native = yield* Effect.exit(WasmPgDump.dump(url, `--exclude-table=${pattern}`))
          assert.isTrue(Exit.isFailure(native), pattern)
        }
      }
      assert.isFalse(existsSync(directory))
    })
  )

  it.live("refuses a pattern that matches nothing, which pg_dump would pass over, and says what may be meant", () =>
    Effect.gen(function* () {
      const { admin, directory, role, url } = yield* prepare
      yield* Clusters.query(
        admin,
        `CREATE TABLE public."It's" (); CREATE SCHEMA other;
         CREATE TABLE other.vault (); CREATE VIEW public.window AS SELECT 1 AS one;
         CREATE TABLE public.parted (id int) PARTITION BY LIST (id);
         CREATE TABLE public.part_1 PARTITION OF public.parted DEFAULT;
         ALTER TABLE public."It's" OWNER TO ${role.name};
         ALTER TABLE public.parted OWNER TO ${role.name}; ALTER TABLE public.part_1 OWNER TO ${role.name};
         GRANT USAGE ON SCHEMA other TO ${role.name}; GRANT SELECT ON other.vault TO ${role.name}`
      )
      for (const [pattern, hint] of [
        ["User", `Did you mean 'public."User"'?`],
        ["PUBLIC.use?", `Did you mean 'public."User"'?`],
        ["it's", `Did you mean 'public."It'\\''s"'?`],
        ["vault", "Did you mean 'other.vault'?"],
        ["nothing*", "Write [schema.]table"]
      ] as const) {
        for (const options of [{ excludeTables: [pattern] }, { excludeTableData: [`"User"`, pattern] }]) {
          const error = yield* Effect.flip(Restores.dump(url, directory, options))
          assert.deepInclude(error, { _tag: "PatternInvalid", pattern, state: "untouched" })
          assert.include(error.message, "matches no table")
          assert.isTrue(error.suggestion?.startsWith(hint), error.suggestion)
        }
      }
      for (const pattern of ["parted", "window"]) {
        const error = yield* Effect.flip(Restores.dump(url, directory, { excludeTableData: [pattern] }))
        assert.deepInclude(error, { _tag: "PatternInvalid", pattern })
        assert.include(error.message, `public.${pattern === "window" ? `"window"` : pattern} does not`)
      }
      assert.isFalse(existsSync(directory))
      const { file } = yield* Restores.dump(url, directory, {
        excludeTables: ["window", `"User"`, "part*", "*_id_seq"]
      })
      assert.notMatch(readFileSync(file, "utf8"), /CREATE (TABLE|VIEW|SEQUENCE) \S*(User|window|part|_id_seq)"? /)
    })
  )

  it.live("of names with quotes, spaces and letters of any kind", () =>
    Effect.gen(function* () {
      const server = yield* Clusters.superuser(major)
      const name = `we "ird' näme=日本 \\ %41`
      const url = DatabaseUrl.withDatabase(server, name)
      yield* Effect.acquireRelease(Clusters.query(server, `CREATE DATABASE ${quote(name)}`), () =>
        Effect.orDie(Clusters.query(server, `DROP DATABASE ${quote(name)} WITH (FORCE)`))
      )
      yield* Clusters.query(
        url,
        `CREATE SCHEMA "s ""1'"; CREATE TABLE "s ""1'"."täble\n; -- x" ("c ""1'" text); INSERT INTO "s ""1'"."täble\n; -- x" VALUES ('日本')`
      )
      const { file, manifest } = yield* Restores.dump(url, yield* Restores.folder)
      assert.strictEqual(manifest?.source.database, name)
      assert.deepStrictEqual(
        manifest?.tables.map(({ schema, name, rows }) => ({ schema, name, rows })),
        [{ schema: `s "1'`, name: "täble\n; -- x", rows: 1 }]
      )
      const copy = yield* Clusters.makeDatabase(major)
      yield* Restores.restore(copy, file)
      assert.strictEqual(yield* snapshot(copy), yield* snapshot(url))
    })
  )

  it.live("writes and changes nothing when it is only planned", () =>
    Effect.gen(function* () {
      const { admin, directory, url } = yield* prepare
      const { plan } = yield* Restores.unchanged(
        admin,
        Pipeline.plan(Dump.pipeline(Restores.dumpOptions)).pipe(Effect.provide(Restores.dumpLayer(url, directory)))
      )
      assert.isFalse(existsSync(directory))
      const argv = plan.tasks.flatMap(({ rows }) => rows.flatMap(({ argv }) => argv ?? []))
      assert.strictEqual(argv[0], "pg_dump")
      assert.notInclude(argv.join(" "), url.user)
    })
  )
})

describe("dump that cannot be finished leaves nothing behind", () => {
  const waiting = "wait_event_type = 'Lock'"

  /** A dump that has its file and waits for a table, which another session holds. */
  const stuck = Effect.gen(function* () {
    const { admin, directory, url } = yield* prepare
    const holder = yield* Session.open(admin)
    yield* holder.execute('BEGIN; LOCK TABLE public."User" IN ACCESS EXCLUSIVE MODE')
    const server = DatabaseUrl.withDatabase(admin, "postgres")
    const backends = (which: string) =>
      Clusters.query<{ pid: number }>(
        server,
        `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2 AND ${which}`,
        [admin.database, url.user]
      )
    const terminate = (which: string) =>
      Effect.flatMap(backends(which), (rows) =>
        Clusters.query(server, "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", [
          rows.map(({ pid }) => pid)
        ])
      )
    const fiber = yield* Effect.forkChild(Restores.dump(url, directory))
    yield* Restores.until(backends(waiting), (rows) => rows.length === 1, "10 seconds")
    assert.match(readdirSync(directory).join(), /^db_dump_\S+\.sql\.partial$/)
    const nothingLeft = Effect.gen(function* () {
      yield* Restores.until(backends("true"), (rows) => rows.length === 0, "2 seconds")
      assert.deepStrictEqual(readdirSync(directory), [])
    })
    const failure = Fiber.join(fiber).pipe(Effect.flip, Effect.timeout("10 seconds"))
    return { fiber, failure, terminate, nothingLeft }
  })

  it.live("when it is interrupted: no file, no backend", () =>
    Effect.gen(function* () {
      const { fiber, nothingLeft } = yield* stuck
      yield* Fiber.interrupt(fiber).pipe(Effect.timeout("10 seconds"))
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      yield* nothingLeft
    })
  )

  it.live("when the server ends pg_dump's connection", () =>
    Effect.gen(function* () {
      const { failure, nothingLeft, terminate } = yield* stuck
      yield* terminate(waiting)
      const error = yield* failure
      assert.deepInclude(error, { _tag: "ConnectionFailed", state: "untouched", sqlstate: "57P01" })
      assert.match(error.detail ?? "", /terminating connection/)
      yield* nothingLeft
    })
  )

  it.live("when the server ends every connection, as a shutdown does", () =>
    Effect.gen(function* () {
      const { failure, nothingLeft, terminate } = yield* stuck
      yield* terminate("true")
      assert.deepInclude(yield* failure, { _tag: "ConnectionFailed", state: "untouched" })
      yield* nothingLeft
    })
  )
})

/** A role of one connection, which pgark's own session takes. */
const oneConnection = (kind: "native" | "wasm", serverMajor: Clusters.Major) =>
  it.live(`of a role that may have one connection says that two are needed: ${kind}`, () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(serverMajor, "tableOwner")
      const directory = join(yield* Restores.folder, "dumps")
      yield* Clusters.query(admin, `ALTER ROLE ${role.name} CONNECTION LIMIT 1`)
      const layer = Layer.mergeAll(Session.Session.layer(url), DumpStore.layer(directory), PgDump.layer(kind)).pipe(
        Layer.provideMerge(NodeServices.layer)
      )
      const error = yield* Effect.flip(Dump.dump(Restores.dumpOptions).pipe(Effect.provide(layer)))
      assert.deepInclude(error, { _tag: "ConnectionFailed", state: "untouched", sqlstate: "53300" })
      assert.match(error.message, /refuses pg_dump the connection/)
      assert.match(error.detail ?? "", /too many connections for role/)
      assert.match(error.suggestion ?? "", /needs two connections/)
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

describe("a dump", () => oneConnection("wasm", major))
NativePgDump.suite("a dump by the pg_dump of this machine", 15, () => oneConnection("native", 15))
