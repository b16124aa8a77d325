/** Dumps with part of the rows, and what says so: from the manifest to the command line. */
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { manifestOf } from "../../../src/dumps/DumpName.ts"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import { PgDump, type PgDumpProgram } from "../../../src/postgres/PgDump.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Dump from "../../../src/verbs/Dump.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Verify from "../../../src/verbs/Verify.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import * as Restores from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

const app = `
  CREATE TABLE forced AS SELECT i AS id FROM generate_series(1, 5) i; CREATE POLICY p ON forced USING (id > 3);
  ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  CREATE TABLE plain AS SELECT i AS id FROM generate_series(1, 3) i`

const prepare = Effect.fnUntraced(function* (major: Clusters.Major) {
  const target = yield* Clusters.makeTarget(major, "tableOwner")
  yield* Clusters.query(target.url, app)
  return { ...target, directory: join(yield* Restores.folder, "dumps") }
})

const forced = `"public"."forced"`
const partialRows = [forced]

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))(
  "a dump with part of the rows, PostgreSQL %i",
  (major) => {
    it.live("is restored only by whom it will do, and verify does not compare these rows without a word", () =>
      Effect.gen(function* () {
        const { admin, directory, url } = yield* prepare(major)
        const { file } = yield* Restores.dump(url, directory, { allowPartialRows: true })
        const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
        assert.deepInclude(error, {
          _tag: "DumpPartial",
          state: "untouched",
          tables: partialRows,
          detail: forced
        })
        assert.match(error.suggestion ?? "", /BYPASSRLS.*--allow-partial-rows/)
        // Not by the newest either: no other dump takes its place.
        assert.strictEqual((yield* Effect.flip(Restores.restoreNewest(url, directory)))._tag, "DumpPartial")
        const store = yield* DumpStore.pipe(Effect.provide(Restores.dumpLayer(url, directory)))
        const expected = yield* store.prove(yield* store.find(file))
        const { findings } = yield* Verify.verify({ expected }).pipe(Effect.provide(Session.layer(url)))
        assert.deepStrictEqual(
          findings.map(({ check, object, severity }) => [check, object, severity]),
          [["rows", forced, "warning"]]
        )
        const options = { ...Restores.restoreOptions, file, clean: true, allowPartialRows: true }
        const { plan } = yield* Pipeline.plan(Restore.pipeline(options)).pipe(
          Effect.provide(Restores.restoreLayer(url, directory))
        )
        const warned = plan.tasks.flatMap(({ rows }) => rows).filter(({ what }) => what.includes("part of the rows"))
        assert.deepStrictEqual(
          warned.map(({ destroys, what }) => [what, destroys]),
          [[`restore only part of the rows of: ${forced}`, true]]
        )
        const report = yield* Restores.restore(url, file, options)
        assert.deepStrictEqual([report.partialRows, report.rows, report.verify?.findings], [partialRows, 5, []])
        assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM forced ORDER BY id"), [
          { id: 4 },
          { id: 5 }
        ])
      })
    )
  }
)

describe("a dump that takes part of the rows", () => {
  it.live("says so before it begins, and is whole where nothing is hidden", () =>
    Effect.gen(function* () {
      const { admin, directory, role, url } = yield* prepare(Clusters.sourceMajor)
      const planned = Pipeline.plan(Dump.pipeline({ allowPartialRows: true })).pipe(
        Effect.map(({ plan }) => plan.tasks.flatMap(({ rows }) => rows)),
        Effect.provide(Restores.dumpLayer(url, directory))
      )
      const hidden = yield* planned
      assert.include(hidden[0]?.what, `sees of 1 table: ${forced}`)
      assert.isTrue(hidden.some(({ argv }) => argv?.includes("--enable-row-security")))
      yield* Clusters.query(admin, `ALTER ROLE ${role.name} BYPASSRLS`)
      assert.isFalse((yield* planned).some(({ argv }) => argv?.includes("--enable-row-security")))
      const { manifest } = yield* Restores.dump(url, directory, { allowPartialRows: true })
      assert.doesNotHaveAnyKeys(manifest, ["partialRows"])
    })
  )

  it.live("is exit 5 with the tables named, and on the command line too it must be said twice", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* prepare(Clusters.sourceMajor)
      yield* Clusters.query(admin, "CREATE TABLE closed (id serial)")
      const cwd = yield* Restores.folder
      const run = (...args: ReadonlyArray<string>) => Pgark.run(args, { cwd, env: { DATABASE_URL: Pgark.uri(url) } })
      const refused = yield* run("dump")
      assert.strictEqual(refused.code, 5)
      for (const line of [
        "  detail  public.closed",
        "          public.closed_id_seq",
        "          public.forced (policies)",
        "  SQL     -- as postgres, or a superuser:"
      ]) {
        assert.include(refused.stderr.split("\n"), line, refused.stderr)
      }
      for (const name of ["TABLE public.closed", "SEQUENCE public.closed_id_seq"]) {
        assert.include(refused.stderr.replaceAll(/\s+/g, " "), `GRANT SELECT ON ${name} TO "${url.user}";`)
      }
      const { error } = JSON.parse((yield* run("dump", "--json")).stdout) as {
        error: { exitCode: number; grants: ReadonlyArray<{ sql: string }> }
      }
      assert.strictEqual(error.exitCode, 5)
      for (const { sql } of error.grants) yield* Clusters.query(admin, sql)
      const half = yield* run("dump")
      assert.deepStrictEqual([half.code, half.stderr.includes("public.forced (policies)")], [5, true])
      const partial = yield* run("dump", "--allow-partial-rows")
      assert.strictEqual(partial.code, 0, partial.stderr)
      assert.match(partial.stdout, /only the rows that policies show of "public"."forced"/)
      // From what a proof has recorded, and from another reading.
      for (const again of [[], ["--prove"], []]) {
        const { stdout } = yield* run("list", ...again)
        assert.match(
          stdout,
          /^ {2}proven .*\n(?: {14}.*\n)* {14}only the rows that policies show of "public"."forced"$/m
        )
      }
      const unsaid = yield* run("restore", "--clean", "--yes")
      assert.deepStrictEqual([unsaid.code, unsaid.stdout], [4, ""])
      assert.match(unsaid.stderr, /--allow-partial-rows/)
      yield* Clusters.query(admin, "DROP TABLE closed")
      // What goes cannot be saved whole either.
      const unsaved = yield* run("restore", "--clean", "--yes", "--allow-partial-rows")
      assert.deepStrictEqual([unsaved.code, unsaved.stdout], [5, ""])
      assert.match(unsaved.stderr, /--no-backup-first/)
      const said = yield* run("restore", "--clean", "--yes", "--allow-partial-rows", "--no-backup-first")
      assert.strictEqual(said.code, 0, said.stderr)
      assert.match(said.stderr, /restore only part of the rows of: "public"."forced"/)
      assert.match(said.stdout, /^ {2}partial {4}only part of the rows of "public"."forced"/m)
      const verified = yield* run("verify")
      assert.strictEqual(verified.code, 0, verified.stderr)
      assert.match(verified.stdout, /warning +rows: "public"."forced"/)
    })
  )

  it.live("is known by what pg_dump writes where its manifest is lost", () =>
    Effect.gen(function* () {
      const { admin, directory, url } = yield* prepare(Clusters.sourceMajor)
      const { file } = yield* Restores.dump(url, directory, { allowPartialRows: true })
      rmSync(manifestOf(file))
      const error = yield* Restores.unchanged(admin, Effect.flip(Restores.restore(url, file, { clean: true })))
      assert.deepInclude(error, { _tag: "DumpPartial", state: "untouched", tables: [] })
      assert.match(error.message, /made with --enable-row-security/)
      const report = yield* Restores.restore(url, file, { clean: true, allowPartialRows: true })
      assert.isTrue(report.unproven.some((what) => what.includes("--enable-row-security")))
      assert.deepStrictEqual(yield* Clusters.query(admin, "SELECT id FROM forced ORDER BY id"), [{ id: 4 }, { id: 5 }])
    })
  )
})

describe("the sequences of a dump", () => {
  /** pg_dump, with what it writes altered: a fault of it, which no real one can be made to have. */
  const faulty = (from: string, to: string) =>
    Layer.effect(
      PgDump,
      Effect.map(PgDump, ({ choose }) =>
        PgDump.of({
          choose: (major) =>
            Effect.map(choose(major), (program): PgDumpProgram => ({
              ...program,
              dump: (...args) =>
                program
                  .dump(...args)
                  .pipe(Stream.map((chunk) => Buffer.from(Buffer.from(chunk).toString().replace(from, to))))
            }))
        })
      )
    ).pipe(Layer.provide(PgDump.layer("wasm")))

  it.live("are what the server has, or the dump is none", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* Clusters.query(
        url,
        `CREATE SEQUENCE used; SELECT nextval('used'), nextval('used'); CREATE SEQUENCE unused;
         CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'), nextval('down')`
      )
      const dump = (from: string, to: string, directory: string) =>
        Dump.dump().pipe(
          Effect.provide(
            Layer.mergeAll(Session.layer(url), DumpStore.layer(directory), faulty(from, to)).pipe(
              Layer.provideMerge(NodeServices.layer)
            )
          )
        )
      const directory = yield* Restores.folder
      for (const [from, to, found] of [
        ["'public.used', 2, true", "'public.used', 1, false", `"public"."used": at 2, in the dump about to begin at 1`],
        ["'public.used', 2, true", "'public.used', 3, true", `"public"."used": at 2, in the dump at 3`],
        [
          "'public.down', -2, true",
          "'public.down', -1, false",
          `"public"."down": at -2, in the dump about to begin at -1`
        ]
      ] as const) {
        const error = yield* Effect.flip(dump(from, to, directory))
        assert.deepInclude(error, { _tag: "PgDumpFailed", detail: found, state: "untouched" })
        assert.deepStrictEqual(readdirSync(directory), [])
      }
      // One that gets its first value while the dump is made may be in it with that value or without.
      const { manifest } = yield* dump("'public.unused', 1, false", "'public.unused', 1, true", directory)
      assert.strictEqual(manifest?.sequences.length, 3)
      // Writers do not disturb a dump.
      const busy = Effect.forever(Clusters.query(admin, "SELECT nextval('public.used'), nextval('public.unused')"))
      const raced = yield* Effect.raceFirst(Restores.dump(url, directory), busy)
      assert.strictEqual(raced.manifest?.sequences.length, 3)
    })
  )
})
