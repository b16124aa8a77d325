/** Dumps that are folders, held against plain ones of the same database. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { DumpStore, type WrittenDump } from "../../../src/dumps/DumpStore.ts"
import { sqlParts } from "../../../src/dumps/directory/Layout.ts"
import * as Pipeline from "../../../src/pipeline/Pipeline.ts"
import type * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import { PgDump, type PgDumpKind } from "../../../src/postgres/PgDump.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Dump from "../../../src/verbs/Dump.ts"
import { settled } from "../../../src/verbs/dump/DumpOptions.ts"
import { written } from "../../../src/verbs/dump/DumpWrite.ts"
import { chosen } from "../../../src/verbs/dump/Tool.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { each } from "../../support/Tier.ts"

const layer = (url: DatabaseUrl.DatabaseUrl, directory: string, kind: PgDumpKind = "wasm") =>
  Layer.mergeAll(Session.layer(url), DumpStore.layer(directory), PgDump.layer(kind)).pipe(
    Layer.provideMerge(NodeServices.layer)
  )

const dump = (url: DatabaseUrl.DatabaseUrl, directory: string, more: Dump.DumpOptions = {}, kind?: PgDumpKind) =>
  Dump.dump({ format: "directory", jobs: 2, ...more }).pipe(Effect.provide(layer(url, directory, kind)))

/**
 * A dump's entries, less those of rows, of which each format has its own. A folder has no transaction of its own around
 * large objects.
 */
const entries = (sql: string): ReadonlyArray<string> =>
  sql
    .replaceAll(/^(SET default_.*;|\\.*|--|BEGIN;|COMMIT;|)\n/gm, "")
    .split(/^-- (?=(?:Data for )?Name: )/m)
    .slice(1)
    .filter((entry) => !/; Type: (TABLE DATA|SEQUENCE SET);/.test(entry))
    .map((entry) => entry.replace(/^-- PostgreSQL database dump[^]*/m, ""))
    .toSorted()

/** All SQL of a folder, in the order in which it is applied. */
const sqlOf = Effect.fnUntraced(function* ({ file }: WrittenDump) {
  const store = yield* DumpStore
  const text = yield* store.read(file)
  const pieces: Array<Uint8Array> = []
  for (let piece = yield* text.pull; piece._tag === "Some"; piece = yield* text.pull) pieces.push(piece.value)
  return Buffer.concat(pieces).toString("latin1")
}, Effect.scoped)

/** What the two manifests must say alike. */
const said = ({ manifest }: WrittenDump) => {
  const { catalog, checks, largeObjects, roles, schemas, sequences, tables } = manifest
  const { "SEQUENCE SET": _set, "TABLE DATA": _data, ...objects } = manifest.objects
  const names = tables.map(({ schema, name, rows }) => [schema, name, rows].join("\0")).toSorted()
  const values = sequences.map(({ schema, name, value, called }) => [schema, name, value, called].join("\0")).toSorted()
  return {
    catalog,
    checks,
    largeObjects,
    objects,
    roles: roles.toSorted(),
    schemas: schemas.toSorted(),
    tables: names,
    sequences: values
  }
}

interface Case {
  readonly major: Clusters.Major
  readonly kind: PgDumpKind
  readonly role: Clusters.RoleKind
}

const cases: ReadonlyArray<Case> = Clusters.majors.flatMap((major) =>
  (["wasm", "native"] as const).flatMap((kind) =>
    (["superuser", "databaseOwner", "someTablesOwner"] as const).map((role) => ({ major, kind, role }))
  )
)

const usual = cases.filter(
  ({ major, kind, role }) =>
    (major === 18 && kind === "wasm" && role === "someTablesOwner") ||
    (major === 15 && kind === "native" && role === "superuser")
)

const fill = Effect.fnUntraced(function* ({ admin, kind, role, url }: Clusters.Target) {
  yield* Restores.fillJournal(url)
  if (kind === "superuser") yield* Clusters.query(admin, EveryKind.sql(role.name))
})

each(
  cases.filter(({ kind, major }) => kind === "wasm" || (NativePgDump.major ?? 0) >= major),
  usual,
  ({ kind, major, role }) => `a directory dump by ${role}, PostgreSQL ${major}, pg_dump ${kind}`,
  ({ kind, major, role }) => {
    it.live("holds what a plain one does, and becomes the same database", () =>
      Effect.gen(function* () {
        const target = yield* Clusters.makeTarget(major, role)
        yield* fill(target)
        const { admin, url } = target
        // A subscription keeps its database from being dropped.
        if (role === "superuser") {
          yield* Effect.addFinalizer(() => Effect.orDie(Clusters.query(admin, "DROP SUBSCRIPTION listening")))
        }
        const directory = join(yield* Restores.folder, "dumps")
        const more = role === "someTablesOwner" ? { excludeTables: ['public."NotMine"'] } : {}
        const plain = yield* dump(url, directory, { ...more, format: "plain", jobs: 1 }, kind)
        const folder = yield* Restores.unchanged(admin, dump(url, directory, more, kind))
        assert.deepStrictEqual(said(folder), said(plain))
        assert.deepStrictEqual(
          entries(yield* Effect.provide(sqlOf(folder), layer(url, directory))),
          entries(readFileSync(plain.file, "latin1"))
        )
        assert.deepStrictEqual(
          folder.manifest.files?.sql.map(({ file }) => file.replace(/\.sql.*/, "")),
          sqlParts.filter((part) => part !== "large-objects" || folder.manifest.largeObjects.count > 0)
        )
        // Of every kind there are some that only their own server can create a second time.
        if (role === "superuser") return
        const other = yield* Clusters.makeDatabase(major, { owner: target.role })
        const into = Clusters.as(other, target.role)
        yield* Restores.restore(into, folder.file)
        const [is, was] = yield* Effect.all([dump(into, directory), Effect.succeed(folder)])
        assert.deepStrictEqual(said(is).tables, said(was).tables)
        for (const { schema, name } of folder.manifest.tables) {
          const rows = `SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) AS rows FROM "${schema}"."${name}" t`
          assert.deepStrictEqual(yield* Clusters.query(into, rows), yield* Clusters.query(url, rows), name)
        }
      })
    )
  }
)

const rowsOf = ({ manifest }: WrittenDump) => Object.fromEntries(manifest.tables.map(({ name, rows }) => [name, rows]))

/** A database with two tables of a thousand rows, and a dump of it that does something when its folder is begun. */
const begun = Effect.fnUntraced(function* <E, R>(
  meanwhile: (url: DatabaseUrl.DatabaseUrl) => Effect.Effect<unknown, E, R>,
  more: Dump.DumpOptions = {}
) {
  const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
  yield* Clusters.query(
    url,
    `CREATE TABLE a AS SELECT i, 'x' || i AS t FROM generate_series(1, 1000) i; CREATE TABLE b AS TABLE a;
     CREATE SEQUENCE s; SELECT nextval('s')`
  )
  const directory = join(yield* Restores.folder, "dumps")
  const services = yield* Effect.context<R>()
  const dumped = Effect.gen(function* () {
    const session = yield* Session
    const tool = yield* chosen(180000)
    return yield* written({
      session,
      tool,
      source: {
        database: url.database,
        version: "18",
        versionNumber: 180000,
        role: url.user,
        schemas: ["public"],
        partialRows: []
      },
      options: settled({ format: "directory", jobs: 2, ...more }),
      begun: () => Effect.orDie(Effect.provideContext(Effect.asVoid(meanwhile(url)), services))
    })
  }).pipe(Effect.provide(layer(url, directory)))
  return { url, directory, dumped }
})

describe("a directory dump of a database that others use", () => {
  it.live("is of one moment: what is written meanwhile does not show", () =>
    Effect.gen(function* () {
      const { dumped, url } = yield* begun((url) =>
        Clusters.query(url, "INSERT INTO a SELECT 1; DELETE FROM b; CREATE TABLE c AS SELECT 1; SELECT nextval('s')")
      )
      assert.deepStrictEqual(rowsOf(yield* dumped), { a: 1000, b: 1000 })
      assert.deepStrictEqual(rowsOf(yield* dump(url, join(yield* Restores.folder, "dumps"))), { a: 1001, b: 0, c: 1 })
    })
  )

  it.live("fails where somebody waits to empty a table, names him and leaves nothing", () =>
    Effect.gen(function* () {
      const { directory, dumped, url } = yield* begun(
        (url) =>
          Effect.andThen(
            Effect.forkScoped(Clusters.query(url, "TRUNCATE a")),
            Restores.until(Restores.backends(url, "TRUNCATE%"), ({ length }) => length > 0, "10 seconds")
          ),
        { lockWaitTimeout: 500 }
      )
      const failure = yield* Effect.flip(dumped)
      assert.strictEqual(failure._tag, "LockTimeout")
      assert.match(`${failure.message} ${failure.detail}`, /TRUNCATE a/)
      assert.deepStrictEqual(readdirSync(directory), [])
      // Its wish is granted when the dump has let go.
      yield* Restores.until(
        Clusters.query<{ n: number }>(url, "SELECT count(*)::int AS n FROM a"),
        ([row]) => row?.n === 0,
        "10 seconds"
      )
    })
  )

  it.live("leaves neither a file nor a connection when it is interrupted", () =>
    Effect.gen(function* () {
      const { directory, dumped, url } = yield* begun(() => Effect.never)
      const fiber = yield* Effect.forkChild(dumped)
      yield* Restores.until(
        Effect.sync(() => existsSync(directory) && readdirSync(directory).length > 0),
        (there) => there,
        "10 seconds"
      )
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(readdirSync(directory), [])
      yield* Restores.until(Restores.backends(url), ({ length }) => length === 0, "10 seconds")
    })
  )
})

describe("how many connections a dump takes", () => {
  it.live("is refused for a plain dump, and none is none", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
      const directory = join(yield* Restores.folder, "dumps")
      for (const options of [{ format: "plain", jobs: 2 }, { jobs: 0 }, { jobs: 1.5 }] as const) {
        assert.strictEqual((yield* Effect.flip(dump(url, directory, options)))._tag, "JobsInvalid")
      }
      assert.strictEqual(existsSync(directory), false)
    })
  )

  it.live("is told to be smaller where the role has not so many", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
      yield* Clusters.query(admin, `ALTER ROLE ${role.name} CONNECTION LIMIT 3`)
      const directory = join(yield* Restores.folder, "dumps")
      const failure = yield* Effect.flip(dump(url, directory, { jobs: 4 }))
      assert.deepInclude(failure, { _tag: "ConnectionFailed", state: "untouched" })
      assert.match(failure.suggestion ?? "", /--jobs with a smaller number/)
      assert.strictEqual((yield* dump(url, directory, { jobs: 1 })).manifest.format, "directory")
    })
  )

  it.live("does not matter to what is in it, and the plan says what each will read", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "databaseOwner")
      yield* Clusters.query(url, "CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE r AS SELECT 'a'::regclass AS c")
      const directory = join(yield* Restores.folder, "dumps")
      const { plan } = yield* Pipeline.plan(Dump.pipeline({ format: "directory", jobs: 3 })).pipe(
        Effect.provide(layer(url, directory))
      )
      const sql = plan.tasks.flatMap(({ rows }) => rows.flatMap(({ sql = [] }) => sql))
      assert.deepStrictEqual(sql.toSorted(), [
        'COPY "public"."a" ("i") TO STDOUT (FORMAT binary)',
        'COPY "public"."r" ("c") TO STDOUT'
      ])
      const dumps = yield* Effect.forEach([1, 3], (jobs) => dump(url, directory, { jobs }))
      assert.deepStrictEqual(said(dumps[0]!), said(dumps[1]!))
    })
  )
})
