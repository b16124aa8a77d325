/** What a restore does before anything goes: it saves that, or stops. */
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"
import { exitCodeOf } from "../../../src/cli/ExitCode.ts"
import { RunEvents } from "../../../src/pipeline/RunEvent.ts"
import * as Task from "../../../src/pipeline/Task.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import * as Undoing from "../../support/Undoing.ts"

const major = Clusters.sourceMajor

/** The schema's owner may drop what others own, and may read none of it. */
const owned = Effect.gen(function* () {
  const other = yield* Clusters.makeRole(major)
  const { admin, role, url } = yield* Clusters.makeTarget(major, "schemaOwner")
  yield* Clusters.query(
    admin,
    `GRANT CREATE ON SCHEMA public TO ${other.name}; SET ROLE ${other.name};
     CREATE TABLE public.theirs (id serial); INSERT INTO public.theirs DEFAULT VALUES;
     CREATE TABLE public.hidden (id int); INSERT INTO public.hidden VALUES (1), (2);
     ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.hidden TO ${role.name}`
  )
  const file = yield* Restores.script("CREATE TABLE public.mine AS SELECT 1 AS one;")
  return { admin, file, other, role, url }
})

describe("what a role may drop and not read", () => {
  it.live("stops the restore, and the GRANT that is named lets it through", () =>
    Effect.gen(function* () {
      const { admin, file, role, url } = yield* owned
      const restore = Undoing.restore(url, file, { clean: true })
      const error = yield* Restores.unchanged(admin, Effect.flip(restore))
      if (error._tag !== "PermissionDenied") return assert.fail(error.message)
      assert.strictEqual(exitCodeOf(error), 5)
      assert.strictEqual(error.state, "untouched")
      assert.include(error.message, "What will go cannot be saved first.")
      assert.include(error.suggestion, "--no-backup-first")
      // Flags of other commands are of no use here.
      assert.notMatch(error.suggestion, /--exclude|--allow-partial/)
      assert.strictEqual(error.detail, "public.theirs\npublic.theirs_id_seq\npublic.hidden (policies)")
      assert.isNotEmpty(error.grants)
      yield* Clusters.query(
        admin,
        `${(error.grants ?? []).map(({ sql }) => sql).join("\n")}; ALTER TABLE public.hidden DISABLE ROW LEVEL SECURITY`
      )
      assert.deepStrictEqual(Undoing.kept(dirname(file)), [])
      const { backup } = yield* restore
      assert.isTrue(existsSync(backup ?? ""))
      yield* Undoing.undo(url, dirname(file))
      assert.deepStrictEqual(
        yield* Clusters.query(admin, "SELECT (SELECT count(*)::int FROM hidden) AS n, id FROM theirs"),
        [{ n: 2, id: 1 }]
      )
      assert.strictEqual(role.name, url.user)
    })
  )

  it.live("is named where it may not be locked, and all else is locked", () =>
    Effect.gen(function* () {
      const { admin, file, role, url } = yield* owned
      yield* Clusters.query(
        admin,
        `DROP TABLE public.hidden; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role.name}`
      )
      yield* Clusters.query(admin, `GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role.name}`)
      const own = yield* Clusters.query<{ oid: number }>(
        url,
        "CREATE TABLE public.a AS SELECT 1; CREATE TABLE public.z AS SELECT 1; SELECT 'a'::regclass::oid UNION SELECT 'z'::regclass::oid"
      )
      const notes: Array<string> = []
      const locked = Task.make("locked", {
        title: "Look at the locks",
        session: "target",
        plan: () =>
          Effect.succeed({
            value: undefined,
            rows: [],
            run: () =>
              Effect.flatMap(
                SqlClient.SqlClient,
                (sql) => sql<{ oid: number }>`
                  select relation as oid from pg_locks where pid = pg_backend_pid() and mode = 'ExclusiveLock'
                  and locktype = 'relation' order by 1`
              )
          })
      })
      const { tasks } = yield* Restore.restore({
        ...Restores.restoreOptions,
        file,
        clean: true,
        backupFirst: true,
        tasks: [locked]
      }).pipe(
        Effect.provide(Restores.restoreLayer(url, dirname(file))),
        Effect.provideService(RunEvents, (event) =>
          Effect.sync(() => void (event._tag === "TaskNote" && notes.push(event.note)))
        )
      )
      assert.lengthOf(own, 2)
      assert.deepStrictEqual(tasks.locked, own)
      assert.match(notes.join("\n"), /^1 table could not be locked for want of .* public\.theirs\. What others write/m)
    })
  )

  it.live("goes for good with --no-backup-first", () =>
    Effect.gen(function* () {
      const { file, url } = yield* owned
      const { backup } = yield* Restores.restore(url, file, { clean: true, backupFirst: false })
      assert.isUndefined(backup)
      const error = yield* Effect.flip(Undoing.undo(url, dirname(file)))
      assert.strictEqual(exitCodeOf(error), 4)
      assert.include(error.message, "--no-backup-first")
    })
  )
})

describe("a role that may have one connection", () => {
  it.live("is told that saving takes a second one", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(major, "databaseOwner")
      yield* Clusters.query(url, "CREATE SCHEMA own; CREATE TABLE own.t AS SELECT 1 AS id")
      yield* Clusters.query(admin, `ALTER ROLE ${role.name} CONNECTION LIMIT 1`)
      const file = yield* Restores.script("DROP TABLE own.t;\nCREATE TABLE own.t (id int);")
      const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.restore(url, file)))
      assert.strictEqual(exitCodeOf(error), 6)
      assert.include(error.suggestion, "or restore without a way back: --no-backup-first.")
      assert.isUndefined((yield* Undoing.restore(url, file, { backupFirst: false })).backup)
    })
  )
})

describe("another session that waits for a table that goes", () => {
  it.live("does not keep the safety dump waiting for ever", () =>
    Effect.gen(function* () {
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(admin, "CREATE TABLE public.t AS SELECT 1 AS id")
      const file = yield* Restores.script("DROP TABLE IF EXISTS public.t;\nCREATE TABLE public.t (id int);")
      const waiting = (like: string) =>
        Restores.until(Restores.backends(admin, like), (pids) => pids.length > 0, "20 seconds")
      const error = yield* Restores.unchanged(
        admin,
        Effect.gen(function* () {
          // A writer lets the restore wait, an ALTER waits behind it, and pg_dump would behind that.
          const writer = yield* Session.open(admin)
          yield* writer.execute("BEGIN; LOCK TABLE public.t IN ROW EXCLUSIVE MODE")
          const restoring = yield* Effect.forkChild(
            Effect.flip(Undoing.restore(admin, file, { lockTimeout: "3 seconds" }))
          )
          yield* waiting("LOCK TABLE %EXCLUSIVE MODE")
          const altering = yield* Effect.forkChild(Clusters.query(admin, "ALTER TABLE public.t ALTER id TYPE int"))
          yield* waiting("ALTER TABLE%")
          yield* writer.execute("COMMIT")
          const error = yield* Fiber.join(restoring)
          yield* Fiber.join(altering)
          return error
        })
      )
      if (error._tag !== "LockTimeout") return assert.fail(error.message)
      assert.strictEqual(exitCodeOf(error), 6)
      assert.match(error.message, /^Process \d+ of "postgres" waits for a table that goes/)
      assert.include(error.detail, "ALTER TABLE public.t")
      assert.deepStrictEqual(Undoing.kept(dirname(file)), [])
    })
  )
})

const mount = (size: string) =>
  Effect.acquireRelease(
    Effect.map(Restores.folder, (directory) => {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", directory])
      return directory
    }),
    (directory) => Effect.sync(() => execFileSync("umount", ["-l", directory]))
  )

const mounts = spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0
const tight = mounts ? describe : describe.skip

tight(`a folder without room${mounts ? "" : " (skipped: this account may not mount one)"}`, () => {
  const prepare = Effect.fnUntraced(function* (rows: string) {
    const admin = yield* Clusters.makeDatabase(major)
    yield* Clusters.query(admin, `CREATE TABLE public.t AS ${rows}`)
    const directory = yield* mount("2m")
    const file = join(directory, "script.sql")
    copyFileSync(yield* Restores.script("CREATE TABLE public.u (id int);"), file)
    return { admin, directory, file }
  })

  it.live("is seen before anything is done", () =>
    Effect.gen(function* () {
      const { admin, directory, file } = yield* prepare("SELECT repeat('x', 1000) FROM generate_series(1, 5000) i")
      const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.restore(admin, file, { clean: true })))
      assert.strictEqual(exitCodeOf(error), 9)
      assert.match(error.message, /has 2 MB left, and what will go takes about [5-7] MB: it cannot be saved first/)
      assert.include(error.suggestion, "--no-backup-first")
      assert.deepStrictEqual(Undoing.kept(directory), [])
    })
  )

  it.live("that fills while what goes is saved leaves everything as it was", () =>
    Effect.gen(function* () {
      // Compressed on the server, as long as it is, and not in the dump.
      const { admin, directory, file } = yield* prepare("SELECT repeat('x', 1000000) FROM generate_series(1, 5) i")
      const error = yield* Restores.unchanged(admin, Effect.flip(Undoing.restore(admin, file, { clean: true })))
      assert.strictEqual(exitCodeOf(error), 9)
      assert.deepStrictEqual(Undoing.kept(directory), [])
    })
  )
})
