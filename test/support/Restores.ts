/** Dumps and restores in folders of their own, and databases that are alike. */
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as JournalDatabase from "../../src/demo/JournalDatabase.ts"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { PgDump, type PgDumpOptions } from "../../src/postgres/PgDump.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Dump from "../../src/verbs/Dump.ts"
import * as Restore from "../../src/verbs/Restore.ts"
import * as Clusters from "./Clusters.ts"
import { snapshot } from "./Snapshot.ts"
import * as WasmPgDump from "./WasmPgDump.ts"

/** A folder that goes with the scope. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "pgark-test-" })
).pipe(Effect.orDie, Effect.provide(NodeServices.layer))

export const dumpOptions: PgDumpOptions = {
  schemas: [],
  excludeTables: [],
  excludeTableData: []
}

/** What `pgark dump` needs. */
export const dumpLayer = (url: DatabaseUrl.DatabaseUrl, directory: string) =>
  Layer.mergeAll(Session.layer(url), DumpStore.layer(directory), PgDump.layer("wasm")).pipe(
    Layer.provideMerge(NodeServices.layer)
  )

/** `pgark dump`. */
export const dump = (url: DatabaseUrl.DatabaseUrl, directory: string, more: Dump.DumpOptions = {}) =>
  Dump.dump({ ...dumpOptions, ...more }).pipe(Effect.provide(dumpLayer(url, directory)))

export const restoreOptions = {
  clean: false,
  owner: "auto",
  verify: true,
  analyze: false,
  acceptUnproven: false,
  allowPartialRows: false,
  // What saves first has tests of its own; here it would only take time.
  backupFirst: false
} satisfies Restore.RestoreOptions

/** What `pgark restore` needs. */
export const restoreLayer = (url: DatabaseUrl.DatabaseUrl, directory: string) =>
  Layer.mergeAll(Session.layer(url), DumpStore.layer(directory), PgDump.layer("wasm")).pipe(
    Layer.provide(NodeServices.layer)
  )

/** `pgark restore FILE`. */
export const restore = (url: DatabaseUrl.DatabaseUrl, file: string, more: Partial<Restore.RestoreOptions> = {}) =>
  Restore.restore({ ...restoreOptions, file, ...more }).pipe(Effect.provide(restoreLayer(url, dirname(file))))

/** `pgark restore` of the newest dump. */
export const restoreNewest = (url: DatabaseUrl.DatabaseUrl, directory: string) =>
  Restore.restore(restoreOptions).pipe(Effect.provide(restoreLayer(url, directory)))

/** Creates the sample database as the URL's role. Small: 3 users, 200 events, 20 days. */
export const fillJournal = (url: DatabaseUrl.DatabaseUrl) =>
  JournalDatabase.create({ events: 200 }).pipe(Effect.provide(Session.layer(url)))

/** Another database that is what the target's is now, for the same role. */
export const twin = Effect.fn("Restores.twin")(function* (
  target: Clusters.Target
): Effect.fn.Return<Clusters.Target, never, Scope.Scope> {
  const { admin, kind, role } = target
  const server = DatabaseUrl.withDatabase(admin, "postgres")
  const name = `${admin.database}_twin`
  const owner = kind === "databaseOwner" ? `OWNER ${quote(role.name)}` : ""
  yield* Effect.acquireRelease(
    Effect.orDie(Clusters.query(server, `CREATE DATABASE ${name} TEMPLATE ${admin.database} ${owner}`)),
    () => Effect.orDie(Clusters.query(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  )
  return {
    ...target,
    url: DatabaseUrl.withDatabase(target.url, name),
    admin: DatabaseUrl.withDatabase(admin, name)
  }
})

export interface Journal {
  /** The role that owns the sample's tables. */
  readonly owner: Clusters.Role
  /** Superuser's URL of the database that was dumped. */
  readonly source: DatabaseUrl.DatabaseUrl
  readonly file: string
  /** Writes the dump as edited, without a manifest, and gives its path. Dies where the edit changes nothing. */
  readonly edited: (edit: (text: string) => string) => string
}

/** One dump of the sample database, made by a role that may only create in schema public. */
export class JournalDump extends Context.Service<JournalDump, Journal>()("test/JournalDump") {
  static readonly layer: Layer.Layer<JournalDump> = Layer.effect(
    JournalDump,
    Effect.gen(function* () {
      const { url, admin, role } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* fillJournal(url)
      const directory = yield* folder
      const { file } = yield* dump(url, directory)
      const text = readFileSync(file, "utf8")
      let edits = 0
      const edited: Journal["edited"] = (edit) => {
        const changed = edit(text)
        if (changed === text) throw new Error("the edit of the dump changes nothing")
        const path = join(directory, `edited-${++edits}.sql`)
        writeFileSync(path, changed)
        return path
      }
      return { owner: role, source: admin, file, edited }
    }).pipe(Effect.orDie)
  )
}

/** A dump that pgark has not made: by pg_dump itself, with any options. Gives its path. */
export const foreignDump = Effect.fnUntraced(function* (
  url: DatabaseUrl.DatabaseUrl,
  ...options: ReadonlyArray<string>
) {
  const file = join(yield* folder, "foreign.sql")
  writeFileSync(file, yield* WasmPgDump.dump(url, ...options))
  return file
})

/** A dump by hand, with pg_dump's closing lines or without. Gives its path. */
export const script = Effect.fnUntraced(function* (sql: string, closed = true) {
  const file = join(yield* folder, "script.sql")
  writeFileSync(file, closed ? `${sql}\n\n--\n-- PostgreSQL database dump complete\n--\n\n` : sql)
  return file
})

/** Puts SQL behind a dump's last statement. */
export const withLast =
  (sql: string) =>
  (text: string): string =>
    text.replace(/^--\n-- PostgreSQL database dump complete$/m, (end) => `${sql}\n\n${end}`)

/** Fails the test unless two snapshots of a database are the same, and says where they differ. */
export const same = (is: string, was: string, what = "The database has changed"): Effect.Effect<void> => {
  const [before, after] = [new Set(was.split("\n")), new Set(is.split("\n"))]
  const changes = [...before].filter((line) => !after.has(line)).map((line) => `- ${line}`)
  const additions = [...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`)
  return is === was ? Effect.void : Effect.die(new Error(`${what}:\n${[...changes, ...additions].join("\n")}`))
}

/** Fails the test unless the superuser sees the same database after `body` as before. */
export const unchanged = Effect.fnUntraced(function* <A, E, R>(
  admin: DatabaseUrl.DatabaseUrl,
  body: Effect.Effect<A, E, R>
) {
  const before = yield* snapshot(admin)
  const given = yield* body
  yield* same(yield* snapshot(admin), before)
  return given
})

/** Backends at work in a database, less the one that asks. */
export const backends = Effect.fnUntraced(function* (admin: DatabaseUrl.DatabaseUrl, like = "%") {
  const rows = yield* Clusters.query<{ pid: number }>(
    DatabaseUrl.withDatabase(admin, "postgres"),
    `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE $2 AND backend_type = 'client backend'`,
    [admin.database, like]
  )
  return rows.map(({ pid }) => pid)
})

/** Asks every 20 ms until it is so. */
export const until = <A, E, R>(
  ask: Effect.Effect<A, E, R>,
  holds: (answer: A) => boolean,
  limit: `${number} seconds`
): Effect.Effect<A, E, R> =>
  ask.pipe(
    Effect.repeat({ until: (answer) => Effect.delay(Effect.succeed(holds(answer)), "20 millis") }),
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.die(new Error(`It did not become so within ${limit}.`))
    })
  )
