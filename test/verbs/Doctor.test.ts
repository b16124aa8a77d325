/** What doctor finds, held against servers and roles of every kind, and against what the verbs themselves plan. */
import { readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { DumpStore } from "../../src/dumps/DumpStore.ts"
import * as Pipeline from "../../src/pipeline/Pipeline.ts"
import { ConnectionFailed } from "../../src/postgres/DatabaseError.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { quote } from "../../src/postgres/Identifier.ts"
import { objectKey } from "../../src/postgres/ObjectName.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as TargetLock from "../../src/postgres/TargetLock.ts"
import * as Surroundings from "../../src/postgres/url/Surroundings.ts"
import * as Clean from "../../src/verbs/Clean.ts"
import * as Doctor from "../../src/verbs/Doctor.ts"
import * as Restore from "../../src/verbs/Restore.ts"
import { about } from "../../src/verbs/doctor/Check.ts"
import { imagine } from "../../src/verbs/doctor/Imagined.ts"
import * as Visit from "../../src/verbs/doctor/Visit.ts"
import { createEntries } from "../../src/verbs/restore/LockNeeds.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Proxy from "../support/Proxy.ts"
import { dump, fillJournal, folder, restoreLayer, restoreOptions, unchanged } from "../support/Restores.ts"
import { prepare, SmallServer } from "../support/SmallServer.ts"
import * as Tier from "../support/Tier.ts"

const major = Clusters.sourceMajor

/** The report, which never has the password in it and is what its schema says. */
const doctor = Effect.fnUntraced(function* (
  url: DatabaseUrl.DatabaseUrl,
  options: Partial<Omit<Doctor.DoctorOptions, "url">> = {}
) {
  const directory = join(yield* folder, "dumps")
  const report = yield* Doctor.doctor({ url: Effect.succeed(url), directory, ...options }).pipe(
    Effect.provide(NodeServices.layer)
  )
  const text = JSON.stringify(yield* Schema.encodeEffect(Doctor.Report)(report))
  if (url.password !== undefined) assert.notInclude(text, Redacted.value(url.password))
  assert.deepStrictEqual(yield* Schema.decodeEffect(Schema.fromJsonString(Doctor.Report))(text), report)
  return report
})

const found = ({ checks }: Doctor.Report, id: string) => {
  const check = checks.find((one) => one.id === id)
  if (check === undefined) throw new Error(`no ${id} among ${checks.map((one) => one.id).join(", ")}`)
  return check
}

const problems = ({ checks }: Doctor.Report) => checks.filter(({ level }) => level === "problem").map(({ id }) => id)

describe("a healthy target", () => {
  const rungs = { superuser: 1, databaseOwner: 1, schemaOwner: 2, tableOwner: 2 } as const
  const kinds = ["superuser", "databaseOwner", "schemaOwner", "tableOwner"] as const

  for (const kind of Tier.ofRun(kinds, ["databaseOwner", "tableOwner"])) {
    it.live(`of a ${kind}: no problem, nothing changed, and the rung that clean plans`, () =>
      Effect.gen(function* () {
        const { admin, url } = yield* Clusters.makeTarget(major, kind)
        yield* fillJournal(url)
        const report = yield* unchanged(admin, doctor(url))
        assert.deepStrictEqual(problems(report), [])
        assert.deepStrictEqual(report.can, { dump: true, restore: true })
        assert.strictEqual(report.summary, "pgark can dump and restore here.")
        const { plan } = yield* Pipeline.plan(Clean.pipeline({ schemas: ["public"] })).pipe(
          Effect.provide(Session.layer(url))
        )
        const why = /"the schema is (dropped|kept)[^":]*: ([^"]*?)[;"]/.exec(
          JSON.stringify(plan).replaceAll('\\"', "'")
        )
        assert.strictEqual(why?.[1], rungs[kind] === 1 ? "dropped" : "kept")
        const said = found(report, "restore.clean").found.replaceAll('"', "'")
        assert.match(said, rungs[kind] === 1 ? /^drops the schema and puts it back/ : /^keeps the schema/)
        assert.include(said, why?.[2] ?? "no reason")
      })
    )
  }
})

/** What a role may meet besides what it is itself. */
const surroundings: Record<string, string> = {
  nothing: "SELECT 1",
  "a publication of another role": "CREATE PUBLICATION p FOR ALL TABLES",
  "its tables in a publication of another role": `CREATE PUBLICATION p FOR TABLE public."User"`,
  "a view elsewhere": `CREATE SCHEMA other; CREATE VIEW other.v AS SELECT * FROM public."User"`,
  "a large object of another role": "SELECT lo_from_bytea(4711, 'x')",
  "an extension": "CREATE EXTENSION citext SCHEMA public"
}

Tier.long("what restore --clean plans", () => {
  for (const kind of Clusters.roleKinds) {
    it.live(`is what doctor says of it, of a ${kind}`, () =>
      Effect.forEach(Object.entries(surroundings), ([title, sql]) =>
        Effect.gen(function* () {
          const { admin, url } = yield* Clusters.makeTarget(major, kind)
          yield* fillJournal(url)
          yield* Clusters.query(admin, sql)
          const { file } = yield* dump(admin, yield* folder)
          const planned = yield* Effect.result(
            Pipeline.plan(Restore.pipeline({ ...restoreOptions, clean: true, backupFirst: true, file })).pipe(
              Effect.provide(restoreLayer(url, dirname(file)))
            )
          )
          const report = yield* unchanged(admin, doctor(url))
          assert.strictEqual(report.can.restore, planned._tag === "Success", `${title}: ${report.summary}`)
        }).pipe(Effect.scoped)
      )
    )
  }
})

describe("the dump that is imagined", () => {
  it.live("creates what the real one does", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      const directory = yield* folder
      const stored = yield* dump(url, directory)
      const { contents: real } = yield* Effect.flatMap(DumpStore, (store) => store.prove(stored)).pipe(
        Effect.provide(DumpStore.layer(directory).pipe(Layer.provide(NodeServices.layer)))
      )
      const { contents } = yield* imagine(["public"], true).pipe(Effect.provide(Session.layer(url)))
      const kinds = new Set(["TABLE", "VIEW", "TYPE", "FUNCTION", "SEQUENCE"])
      const names = (all: typeof real.creates) =>
        all
          .filter(({ kind }) => kinds.has(kind))
          .map(objectKey)
          .toSorted()
      assert.deepStrictEqual(names(contents.creates), names(real.creates))
      assert.deepStrictEqual(contents.largeObjectIds, real.largeObjectIds)
      // Schemas and roles are counted by the name, and which of them a dump names is not imagined.
      assert.closeTo(createEntries(contents), createEntries(real), 10)
    })
  )
})

describe("rights", () => {
  it.live("a role that may neither read nor create is told both, and what mends it does", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      const role = yield* Clusters.makeRole(major)
      const reader = Clusters.as(admin, role)
      const report = yield* unchanged(admin, doctor(reader))
      assert.deepStrictEqual(problems(report), ["dump.reading", "restore.clean", "restore.restore", "restore.ladder"])
      assert.deepStrictEqual(report.can, { dump: false, restore: false })
      assert.match(found(report, "restore.restore").mend ?? "", /GRANT USAGE, CREATE ON SCHEMA "public"/)
      // All of them, not only those that a page shows.
      assert.isAbove(found(report, "restore.ladder").detail?.length ?? 0, 20)
      yield* Clusters.query(admin, (found(report, "dump.reading").grants ?? []).map(({ sql }) => sql).join("\n"))
      const mended = yield* doctor(reader)
      assert.strictEqual(found(mended, "dump.reading").level, "ok")
      assert.deepStrictEqual(mended.can, { dump: true, restore: false })
      assert.include(mended.summary, "pgark can dump here, and not restore.")
    })
  )

  it.live("roles of the app: one that is not there, one that may not connect, one that can be granted its rights", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* fillJournal(url)
      const [closed, app] = [yield* Clusters.makeRole(major), yield* Clusters.makeRole(major)]
      const database = quote(admin.database)
      yield* Clusters.query(
        admin,
        `REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC;
         GRANT CONNECT ON DATABASE ${database} TO ${app.name}, ${quote(url.user)}`
      )
      const report = yield* doctor(url, { grantTo: ["nobody_here", closed.name, app.name] })
      assert.match(found(report, "restore.role.nobody_here").mend ?? "", /CREATE ROLE "nobody_here"/)
      assert.match(found(report, `restore.role.${closed.name}`).mend ?? "", /GRANT CONNECT ON DATABASE/)
      assert.match(found(report, `restore.role.${app.name}`).found, /may log in, lacks rights on \d+ objects/)
      // The app's roles stop neither a dump nor a restore.
      assert.deepStrictEqual(report.can, { dump: true, restore: true })
      assert.strictEqual(report.problems, 2)
      // A schema that is not there keeps nothing else from being told.
      const { checks } = yield* doctor(url, { grantTo: ["nobody_here"], schemas: ["nowhere"] })
      const scopes = checks.filter(({ id, level }) => id === "dump.scope" && level === "problem")
      assert.deepStrictEqual(
        scopes.map((one) => one.found),
        [`There is no schema "nowhere" in ${admin.database}.`]
      )
      for (const id of ["restore.role.nobody_here", "restore.sessions", "dump.tool"]) found({ ...report, checks }, id)
    })
  )
})

/** A server that says that it is of another version. */
const disguised = (url: DatabaseUrl.DatabaseUrl, words: ReadonlyArray<readonly [is: string, says: string]>) =>
  Proxy.start(url, {
    commit: "answered",
    rewrite: (message) =>
      Buffer.from(
        words.reduce((text, [is, says]) => text.replaceAll(is, says), message.toString("latin1")),
        "latin1"
      )
  })

describe("a server", () => {
  it.live("older than supported", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(15, "tableOwner")
      const { url: old } = yield* disguised(url, [
        ["1500", "1200"],
        ["15.", "12."]
      ])
      const report = yield* doctor(old)
      const { found: text, level, mend } = found(report, "server.version")
      assert.strictEqual(level, "problem")
      assert.match(text, /^PostgreSQL 12\.\d+ is older than what pgark works with \(13 to 18\)$/)
      assert.match(mend ?? "", /Upgrade the server/)
      assert.deepStrictEqual(report.can, { dump: false, restore: false })
    })
  )

  it.live("newer than supported", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(18, "tableOwner")
      const { url: next } = yield* disguised(url, [
        ["1800", "1900"],
        ["18.", "19."]
      ])
      const report = yield* doctor(next, { pgDump: "wasm" })
      assert.strictEqual(found(report, "server.version").level, "note")
      assert.match(found(report, "dump.tool").found, /The server is PostgreSQL 19, but the newest pg_dump here is 18/)
      assert.deepStrictEqual(problems(report), ["dump.tool"])
      assert.deepStrictEqual(report.can, { dump: false, restore: false })
    })
  )

  it.live("whose clock is not ours", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const clock = yield* Clock.Clock
      const late: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now - 7_200_000)
      })
      const report = yield* Effect.provideService(doctor(url), Clock.Clock, late)
      const { found: text, level } = found(report, "connection.clock")
      assert.strictEqual(level, "note")
      assert.match(text, /^the server's is 2h ahead of this machine's; time zone UTC$/)
      assert.deepStrictEqual(problems(report), [])
    })
  )

  it.live("that is not there, refuses the password, has no such database; and no URL at all", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const cases: ReadonlyArray<readonly [url: DatabaseUrl.DatabaseUrl, found: RegExp]> = [
        [{ ...url, port: 1 }, /^Cannot connect to the server/],
        [{ ...url, password: Redacted.make("not-the-password") }, /refuses the login/],
        [DatabaseUrl.withDatabase(url, "nothing_here"), /^There is no database "nothing_here"/]
      ]
      for (const [wrong, text] of cases) {
        const report = yield* doctor(wrong)
        assert.deepStrictEqual(problems(report), ["connection.server"])
        assert.match(found(report, "connection.server").found, text)
        assert.match(found(report, "connection.server").mend ?? "", /^.{20,}/)
        assert.strictEqual(found(report, "machine.node").level, "ok")
        assert.strictEqual(found(report, "dump.folder").level, "ok")
      }
      const directory = yield* folder
      const report = yield* Doctor.doctor({
        url: DatabaseUrl.parse(Redacted.make("mysql://u:not-to-be-seen@h/d")),
        directory
      }).pipe(Effect.provide(NodeServices.layer))
      assert.deepStrictEqual(problems(report), ["url.url"])
      assert.notInclude(JSON.stringify(report), "not-to-be-seen")
    })
  )
})

describe("a connection string", () => {
  it.live("is told as it was read: parameters, where the password was, several servers", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const file = join(yield* folder, "passwords")
      writeFileSync(file, `*:${url.port}:*:${url.user}:${Redacted.value(url.password!)}\n`, { mode: 0o600 })
      const text =
        `postgres://${url.user}@127.0.0.1:1,127.0.0.1:${url.port}/${url.database}` +
        "?schema=app&connection_limit=5&pgbouncer=true&ssl=false&connect_timeout=5"
      const around = { ...Surroundings.here(), env: { PGPASSFILE: file, PGAPPNAME: "shop" } }
      const report = yield* doctor(yield* DatabaseUrl.parse(Redacted.make(text), around))
      assert.deepStrictEqual(problems(report), [])
      assert.match(
        found(report, "url.hosts").found,
        /^127\.0\.0\.1:1, 127\.0\.0\.1:\d+: the first that answers and is any$/
      )
      assert.include(found(report, "url.password").found, file)
      const { found: parameters } = found(report, "url.parameters")
      assert.match(parameters, /^kept schema \(the default schema of grant and clean, .*connect_timeout, /)
      assert.include(parameters, "application_name (PGAPPNAME)")
      assert.include(parameters, "ssl made sslmode=disable")
      assert.include(parameters, "dropped connection_limit, pgbouncer (")
    })
  )
})

describe("others at work", () => {
  it.live("another pgark, and a session that holds locks", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Clusters.query(url, "CREATE TABLE public.t (id integer)")
      const report = yield* Effect.gen(function* () {
        const session = yield* Session
        assert.strictEqual((yield* TargetLock.take(session))._tag, "Held")
        return yield* session.transaction(
          Effect.andThen(session.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"), doctor(admin))
        )
      }).pipe(Effect.provide(Session.layer(url, { application: "pgark restore" })), Effect.scoped)
      assert.deepStrictEqual(problems(report), ["restore.pgark"])
      assert.match(found(report, "restore.pgark").detail?.[0] ?? "", /application "pgark restore"/)
      assert.match(found(report, "restore.sessions").found, /1 session holds locks on what a restore replaces/)
      // Told while it was there, and not waited for.
      assert.match(found(report, "restore.size").found, /not known: other sessions have some of them locked/)
      assert.deepStrictEqual(report.can, { dump: true, restore: false })
    })
  )

  it.live("what killed runs have left in the folder", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      const directory = yield* folder
      const name = "db_dump_2026-01-02T03-04-05-678Z.sql.partial"
      writeFileSync(join(directory, name), "half")
      const report = yield* doctor(url, { directory })
      assert.strictEqual(found(report, "dump.unfinished").level, "note")
      assert.deepStrictEqual(found(report, "dump.unfinished").detail, [`${join(directory, name)}, 4 B`])
      assert.deepStrictEqual(readdirSync(directory), [name])
    })
  )

  Tier.long("a server whose lock table is too small for one transaction", () => {
    it.live("is told the way that a restore takes", () =>
      Effect.gen(function* () {
        const { url } = yield* prepare("aside")
        const report = yield* doctor(url)
        assert.strictEqual(found(report, "restore.way").level, "note")
        assert.match(found(report, "restore.way").found, /^in several transactions, the old schemas set aside/)
      }).pipe(Effect.scoped, Effect.provide(SmallServer.layer))
    )
  })
})

describe("a visit", () => {
  const what = about("server", "version", "version")

  it.effect("waits for no question without end", () =>
    Effect.gen(function* () {
      const visit = Visit.make()
      const asking = yield* Effect.forkChild(visit.ask(what, Effect.never, { stops: ["dump"] }), {
        startImmediately: true
      })
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(yield* Fiber.join(asking))
      assert.deepStrictEqual(visit.checks, [
        what.problem("no answer within 10s", {
          stops: ["dump"],
          mend: "Try again when the server or the machine has less to do."
        })
      ])
      assert.strictEqual(yield* visit.ask(what, Effect.succeed(1)), 1)
    })
  )

  it.effect("asks nothing more over a connection that was lost", () =>
    Effect.gen(function* () {
      const visit = Visit.make()
      assert.isUndefined(yield* visit.ask(what, Effect.fail(new ConnectionFailed({ message: "It is gone." }))))
      assert.isUndefined(yield* visit.ask(what, Effect.die(new Error("asked"))))
      assert.deepStrictEqual(
        visit.checks.map(({ found }) => found),
        ["It is gone."]
      )
    })
  )
})
