import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { SqlError } from "effect/sql/SqlError"
import { Client, Connection } from "pg"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../src/postgres/Session.ts"
import { fromSqlError } from "../../src/postgres/Sqlstate.ts"
import * as Clusters from "../support/Clusters.ts"
import { ofRun } from "../support/Tier.ts"

const bytes = (text: string, encoding: BufferEncoding = "utf8") => Buffer.from(text, encoding)

const backendOf = Effect.fnUntraced(function* ({ sql }: Session.SessionService) {
  const [row] = yield* sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`
  return row!.pid
})

/** Backends of the database besides the one that asks, with the number of locks that each holds on tables. */
const backends = (admin: DatabaseUrl.DatabaseUrl) =>
  Clusters.query<{ pid: number; query: string }>(
    admin,
    `SELECT pid, query FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`
  )

const until = <A, E>(what: string, ask: Effect.Effect<A, E>, holds: (answer: A) => boolean) =>
  ask.pipe(
    Effect.repeat({ until: holds, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({
      duration: "2 seconds",
      orElse: () => Effect.die(new Error(`not within 2 seconds: ${what}`))
    })
  )

for (const major of ofRun([15, 18] as const, [18])) {
  const fresh = Effect.fnUntraced(function* () {
    const admin = yield* Clusters.makeDatabase(major)
    yield* Clusters.query(admin, "CREATE TABLE t (id int PRIMARY KEY, name text)")
    const session = yield* Session.open(admin)
    return { admin, session }
  })
  const rowsOf = (admin: DatabaseUrl.DatabaseUrl) => Clusters.query(admin, "SELECT * FROM t ORDER BY id")

  describe(`a session on PostgreSQL ${major}`, () => {
    it.live("is not ended by a role's limit for sessions that are idle", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        const role = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, `ALTER ROLE ${role.name} SET idle_session_timeout = '100ms'`)
        const { execute } = yield* Session.open(Clusters.as(admin, role))
        yield* Effect.sleep("400 millis")
        assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
      })
    )

    it.live("that was lost between two queries says what the server said of it", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const pid = yield* backendOf(session)
        yield* Clusters.query(admin, "SELECT pg_terminate_backend($1)", [pid])
        yield* until("gone", backends(admin), (others) => others.length === 0)
        yield* Effect.sleep("100 millis")
        const errors = [
          yield* Effect.flip(session.execute("SELECT 1")),
          fromSqlError(yield* Effect.flip(session.sql`SELECT 1`))
        ]
        for (const error of errors) {
          assert.deepInclude(error, { _tag: "ConnectionFailed", sqlstate: "57P01" })
          assert.match(error.message, /^terminating connection/)
        }
      })
    )

    it.live("states its own settings, whatever the role's are", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        const role = yield* Clusters.makeRole(major)
        yield* Clusters.query(
          admin,
          `ALTER ROLE ${role.name} SET statement_timeout = '5ms'; ALTER ROLE ${role.name} SET lock_timeout = '5ms'`
        )
        const { sql } = yield* Session.open(Clusters.as(admin, role))
        const rows = yield* sql<{ name: string; setting: string }>`
          SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'row_security',
            'search_path', 'client_encoding', 'client_connection_check_interval', 'transaction_timeout') ORDER BY name`
        assert.deepStrictEqual(
          rows.map(({ name, setting }) => `${name}=${setting}`),
          [
            "client_connection_check_interval=500",
            "client_encoding=UTF8",
            "lock_timeout=0",
            "row_security=off",
            "search_path=pg_catalog",
            "statement_timeout=0",
            ...(major >= 17 ? ["transaction_timeout=0"] : [])
          ]
        )
      })
    )

    it.live("sends a dump's own bytes", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        yield* session.execute("SET client_encoding = 'LATIN1'")
        const { tag } = yield* session.execute(bytes("INSERT INTO public.t VALUES (1, 'Zürich ÿ')", "latin1"))
        assert.strictEqual(tag, "INSERT 0 1")
        yield* session.copyIn(bytes("COPY public.t FROM STDIN"), {}, (write) => write(bytes("2\tGrüße\n", "latin1")))
        assert.deepStrictEqual(yield* rowsOf(admin), [
          { id: 1, name: "Zürich ÿ" },
          { id: 2, name: "Grüße" }
        ])
      })
    )

    it.live("gives the tag of the last statement and the warnings with their SQLSTATE", () =>
      Effect.gen(function* () {
        const { session } = yield* fresh()
        const answer = yield* session.execute(
          "SELECT 1; DO $$ BEGIN RAISE WARNING USING ERRCODE = '01007', MESSAGE = 'nothing'; END $$; DROP TABLE public.t"
        )
        assert.deepStrictEqual(answer, { tag: "DROP TABLE", notices: [{ sqlstate: "01007", message: "nothing" }] })
        assert.deepStrictEqual(yield* session.execute(""), { tag: "", notices: [] })
      })
    )

    it.live("a refused statement is an error with its place, and the next one runs", () =>
      Effect.gen(function* () {
        const { session } = yield* fresh()
        const error = yield* Effect.flip(session.execute("SELECT nonsense", { file: "a.sql", line: 7 }))
        assert.deepInclude(
          { ...error },
          { _tag: "StatementFailed", sqlstate: "42703", statement: "SELECT nonsense", file: "a.sql", line: 7 }
        )
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
      })
    )
  })

  describe(`COPY on PostgreSQL ${major}`, () => {
    it.live("takes megabytes and gives the server's count", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const chunk = (start: number) =>
          bytes(Array.from({ length: 1000 }, (_, i) => `${start + i}\t${"x".repeat(90)}\n`).join(""))
        const rows = yield* session.copyIn(bytes("COPY public.t (id, name) FROM STDIN"), {}, (write) =>
          Effect.forEach(
            Array.from({ length: 80 }, (_, i) => i * 1000),
            (start) => write(chunk(start)),
            { discard: true }
          )
        )
        assert.strictEqual(rows, 80_000)
        const [sum] = yield* Clusters.query(admin, "SELECT count(*)::int, sum(length(name))::int FROM t")
        assert.deepStrictEqual(sum, { count: 80_000, sum: 80_000 * 90 })
      })
    )

    it.live("waits for a server that is slow", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        yield* Clusters.query(
          admin,
          `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_catalog.pg_sleep(0.02); RETURN new; END';
           CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()`
        )
        let sent = 0
        const name = "x".repeat(400_000)
        const copy = yield* Effect.forkChild(
          session.copyIn(bytes("COPY public.t FROM STDIN"), {}, (write) =>
            Effect.forEach(
              Array.from({ length: 100 }, (_, id) => id),
              (id) =>
                Effect.andThen(
                  write(bytes(`${id}\t${name}\n`)),
                  Effect.sync(() => ++sent)
                ),
              { discard: true }
            )
          )
        )
        yield* Effect.sleep("400 millis")
        // 40 MB in all; what is under way then is the sockets' buffers and the 20 rows or so that the server took.
        assert.isBelow(sent, 70)
        assert.isAbove(sent, 0)
        assert.strictEqual(yield* Fiber.join(copy), 100)
      })
    )

    it.live("tells what is wrong with the data, in the middle of it, and goes on afterwards", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        let written = 0
        const copy = session.copyIn(bytes("COPY public.t FROM STDIN"), { file: "a.sql", line: 3 }, (write) =>
          Effect.forEach(
            Array.from({ length: 100_000 }, (_, i) => i),
            (i) =>
              Effect.andThen(
                write(bytes(i === 10 ? "no number\tx\n" : `${i}\t${"x".repeat(500)}\n`)),
                Effect.sync(() => ++written)
              ),
            { discard: true }
          )
        )
        const error = yield* Effect.flip(copy)
        assert.deepInclude({ ...error }, { _tag: "StatementFailed", sqlstate: "22P02", file: "a.sql", line: 3 })
        assert.include(error.detail, "line 11")
        assert.isBelow(written, 100_000)
        assert.deepStrictEqual(yield* rowsOf(admin), [])
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
      })
    )

    it.live("a body that fails takes the data back and is the error", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const error = yield* session
          .copyIn(bytes("COPY public.t FROM STDIN"), {}, (write) =>
            Effect.andThen(write(bytes("1\tone\n")), Effect.fail("the file ended early" as const))
          )
          .pipe(Effect.flip)
        assert.strictEqual(error, "the file ended early")
        assert.deepStrictEqual(yield* rowsOf(admin), [])
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
      })
    )

    it.live("interrupted in the middle it leaves nothing, and the session works", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const copy = yield* Effect.forkChild(
          session.copyIn(bytes("COPY public.t FROM STDIN"), {}, (write) =>
            Effect.andThen(write(bytes("1\tone\n")), Effect.never)
          )
        )
        yield* until("COPY runs", backends(admin), (all) => all.some(({ query }) => query.startsWith("COPY")))
        yield* Fiber.interrupt(copy)
        assert.deepStrictEqual(yield* rowsOf(admin), [])
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
      })
    )

    it.live("is refused where nobody feeds it, and where the statement is no COPY", () =>
      Effect.gen(function* () {
        const { session } = yield* fresh()
        const unfed = yield* Effect.flip(session.execute("COPY public.t FROM STDIN"))
        assert.strictEqual(unfed._tag, "StatementFailed")
        assert.strictEqual(unfed.message, "This COPY wants data, and none follows it.")
        const noCopy = yield* Effect.flip(session.copyIn(bytes("SELECT 1"), {}, (write) => write(bytes("1\n"))))
        assert.strictEqual(noCopy._tag, "StatementFailed")
        const wrong = yield* Effect.flip(
          session.copyIn(bytes("COPY public.nowhere FROM STDIN"), {}, (write) => write(bytes("1\n")))
        )
        assert.deepInclude({ ...wrong }, { _tag: "StatementFailed", sqlstate: "42P01" })
        assert.strictEqual((yield* session.execute("COPY public.t TO STDOUT")).tag, "COPY 0")
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
      })
    )
  })

  describe(`a transaction on PostgreSQL ${major}`, () => {
    it.live("commits what succeeded, through both ways in", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const { sql } = session
        const result = yield* session.transaction(
          Effect.gen(function* () {
            yield* session.execute("INSERT INTO public.t VALUES (1)")
            yield* sql`INSERT INTO public.t VALUES (${2})`
            assert.strictEqual(session.status(), "T")
            assert.deepStrictEqual(yield* rowsOf(admin), [])
            return "done"
          })
        )
        assert.strictEqual(result, "done")
        assert.strictEqual(session.status(), "I")
        assert.strictEqual((yield* rowsOf(admin)).length, 2)
      })
    )

    it.live("rolls back what failed, and the failure is what comes out", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const insert = session.execute("INSERT INTO public.t VALUES (1)")
        assert.strictEqual(yield* Effect.flip(session.transaction(Effect.andThen(insert, Effect.fail("no")))), "no")
        const died = yield* Effect.exit(session.transaction(Effect.andThen(insert, Effect.die("defect"))))
        assert.isTrue(Exit.hasDies(died))
        const refused = yield* Effect.flip(session.transaction(Effect.andThen(insert, insert)))
        assert.deepInclude({ ...refused }, { _tag: "StatementFailed", sqlstate: "23505" })
        assert.strictEqual(session.status(), "I")
        assert.deepStrictEqual(yield* rowsOf(admin), [])
      })
    )

    it.live("that the server did not commit is a failure", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const swallowed = Effect.andThen(
          session.execute("INSERT INTO public.t VALUES (1)"),
          Effect.ignore(session.execute("SELECT nonsense"))
        )
        const error = yield* Effect.flip(session.transaction(swallowed))
        assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
        yield* Clusters.query(admin, "CREATE TABLE c (id int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        const deferred = yield* Effect.flip(session.transaction(session.execute("INSERT INTO public.c VALUES (9)")))
        assert.deepInclude({ ...deferred }, { _tag: "StatementFailed", sqlstate: "23503" })
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
        assert.strictEqual(session.status(), "I")
        assert.deepStrictEqual(yield* rowsOf(admin), [])
      })
    )

    const sleeps: ReadonlyArray<
      readonly [string, (session: Session.SessionService) => Effect.Effect<unknown, DatabaseError | SqlError>]
    > = [
      ["execute", (session) => session.execute("SELECT pg_sleep(60)")],
      ["sql", (session) => session.sql`SELECT pg_sleep(60)`]
    ]
    for (const [name, sleep] of sleeps) {
      it.live(`interrupted in a long statement of ${name} leaves no backend and no lock within 2 seconds`, () =>
        Effect.gen(function* () {
          const admin = yield* Clusters.makeDatabase(major)
          yield* Clusters.query(admin, "CREATE TABLE t (id int)")
          const fiber = yield* Effect.forkChild(
            Effect.scoped(
              Effect.gen(function* () {
                const session = yield* Session.open(admin)
                yield* session.transaction(
                  Effect.andThen(session.execute("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE"), sleep(session))
                )
              })
            )
          )
          yield* until("the statement runs", backends(admin), (all) =>
            all.some(({ query }) => query.includes("pg_sleep"))
          )
          const begun = Date.now()
          yield* Fiber.interrupt(fiber)
          yield* until("the backend is gone", backends(admin), (all) => all.length === 0)
          yield* Clusters.query(admin, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT; SELECT 1")
          assert.isBelow(Date.now() - begun, 2000)
        })
      )
    }

    it.live("interrupted in a long statement it is rolled back, and the session works", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const fiber = yield* Effect.forkChild(
          session.transaction(session.execute("INSERT INTO public.t VALUES (1); SELECT pg_sleep(60)"))
        )
        yield* until("the statement runs", backends(admin), (all) =>
          all.some(({ query }) => query.includes("pg_sleep"))
        )
        const exit = yield* Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.strictEqual(session.status(), "I")
        assert.strictEqual((yield* session.execute("SELECT 1")).tag, "SELECT 1")
        assert.deepStrictEqual(yield* rowsOf(admin), [])
      })
    )

    it.live("interrupted during COMMIT it is committed, and says so", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        yield* Clusters.query(
          admin,
          `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION wait()`
        )
        const told: Array<string> = []
        const tell = (what: string) => Effect.sync(() => void told.push(what))
        const running = yield* Effect.forkChild(
          session.transaction(session.execute("INSERT INTO public.t VALUES (1)"), {
            begun: tell("begun"),
            committed: tell("committed")
          })
        )
        yield* until("it commits", backends(admin), (all) => all.some(({ query }) => query === "COMMIT"))
        assert.deepStrictEqual(told, ["begun"])
        yield* Fiber.interrupt(running)
        assert.deepStrictEqual(told, ["begun", "committed"])
        assert.deepStrictEqual(yield* rowsOf(admin), [{ id: 1, name: null }])
        const failed = yield* Effect.exit(session.transaction(Effect.fail("no"), { committed: tell("again") }))
        assert.isTrue(Exit.isFailure(failed))
        assert.deepStrictEqual(told, ["begun", "committed"])
      })
    )

    it.live("a savepoint takes back its own part only", () =>
      Effect.gen(function* () {
        const { admin, session } = yield* fresh()
        const insert = (id: number) => session.execute(`INSERT INTO public.t VALUES (${id})`)
        yield* session.transaction(
          Effect.gen(function* () {
            yield* insert(1)
            const refused = yield* Effect.flip(session.savepoint('my "point"', Effect.andThen(insert(2), insert(1))))
            assert.deepInclude({ ...refused }, { _tag: "StatementFailed", sqlstate: "23505" })
            assert.strictEqual(session.status(), "T")
            yield* session.savepoint("a", Effect.andThen(insert(3), session.savepoint("a", insert(4))))
          })
        )
        assert.deepStrictEqual(
          (yield* rowsOf(admin)).map(({ id }) => id),
          [1, 3, 4]
        )
      })
    )

    it.live("whose connection is killed fails with ConnectionFailed, wherever it was", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, "CREATE TABLE t (id int)")
        const kill = (pid: number) => Clusters.query(admin, "SELECT pg_terminate_backend($1)", [pid])
        const bodies = {
          "between two statements": (session: Session.SessionService, pid: number) =>
            Effect.gen(function* () {
              yield* session.execute("INSERT INTO public.t VALUES (1)")
              yield* kill(pid)
              yield* session.execute("INSERT INTO public.t VALUES (2)")
            }),
          "in a statement": (session: Session.SessionService, pid: number) =>
            Effect.all([session.execute("SELECT pg_sleep(30)"), Effect.delay(kill(pid), "100 millis")], {
              concurrency: 2,
              discard: true
            }),
          "in a query": (session: Session.SessionService, pid: number) =>
            Effect.all(
              [Effect.mapError(session.sql`SELECT pg_sleep(30)`, fromSqlError), Effect.delay(kill(pid), "100 millis")],
              { concurrency: 2, discard: true }
            ),
          "in a savepoint": (session: Session.SessionService, pid: number) =>
            session.savepoint("a", Effect.andThen(kill(pid), session.execute("SELECT 1"))),
          "in a COPY": (session: Session.SessionService, pid: number) =>
            session.copyIn(bytes("COPY public.t FROM STDIN"), {}, (write) =>
              Effect.andThen(
                kill(pid),
                Effect.forEach(
                  Array.from({ length: 100 }, () => bytes("1\n".repeat(100_000))),
                  write,
                  { discard: true }
                )
              )
            ),
          "just before COMMIT": (_: Session.SessionService, pid: number) => kill(pid)
        }
        for (const [where, body] of Object.entries(bodies)) {
          const exit = yield* Effect.exit(
            Effect.scoped(
              Effect.gen(function* () {
                const session = yield* Session.open(admin)
                const pid = yield* backendOf(session)
                yield* session.transaction(body(session, pid))
              })
            )
          )
          if (!Exit.isFailure(exit)) return assert.fail(`${where}: it succeeded`)
          assert.deepStrictEqual(
            exit.cause.reasons.map((reason) =>
              Cause.isFailReason(reason) ? reason.error._tag : String(Cause.squash(exit.cause))
            ),
            ["ConnectionFailed"],
            where
          )
          const [count] = yield* Clusters.query(admin, "SELECT count(*)::int FROM t")
          assert.deepStrictEqual(count, { count: 0 }, where)
        }
      })
    )
  })

  describe(`connecting to PostgreSQL ${major}`, () => {
    const refusal = (url: DatabaseUrl.DatabaseUrl) => Effect.flip(Effect.scoped(Session.open(url)))

    it.live("names what stands in the way, without the password", () =>
      Effect.gen(function* () {
        const url = yield* Clusters.superuser(major)
        const password = yield* refusal({ ...url, password: Redacted.make("s3cret") })
        assert.deepInclude({ ...password }, { _tag: "AuthenticationFailed", sqlstate: "28P01", state: "untouched" })
        assert.notInclude(JSON.stringify(password), "s3cret")
        const database = yield* refusal(DatabaseUrl.withDatabase(url, "nowhere"))
        assert.deepInclude({ ...database }, { _tag: "DatabaseMissing", sqlstate: "3D000", state: "untouched" })
        assert.include(database.message, `"nowhere"`)
        const tls = yield* refusal({ ...url, sslMode: "require" })
        assert.strictEqual(tls._tag, "ConnectionFailed")
      })
    )

    it.live("sslmode prefer falls back to a server without TLS", () =>
      Effect.gen(function* () {
        const url = yield* Clusters.superuser(major)
        const { sql } = yield* Session.open({ ...url, sslMode: "prefer" })
        const [row] = yield* sql`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
        assert.deepStrictEqual(row, { ssl: false })
      })
    )

    it.live("leaves no connection behind when the scope closes", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major)
        yield* Effect.scoped(Session.open(admin))
        yield* until("the backend is gone", backends(admin), (all) => all.length === 0)
      })
    )
  })
}

describe("connecting", () => {
  it.live("a port that nobody listens on is ConnectionFailed", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.superuser(18)
      const port = yield* Effect.callback<number>((resume) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
          const address = server.address()
          server.close(() => resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0)))
        })
      })
      const error = yield* Effect.flip(Effect.scoped(Session.open({ ...url, port })))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.include(error.message, `127.0.0.1:${port}`)
      assert.include(error.detail, "ECONNREFUSED")
    })
  )

  it.live("a server that does not answer is ConnectionFailed after connect_timeout, and can be interrupted", () =>
    Effect.gen(function* () {
      const port = yield* Effect.acquireRelease(
        Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
          const sockets = new Set<{ destroy: () => void }>()
          const server = createServer((socket) => void sockets.add(socket)).listen(0, "127.0.0.1", () => {
            const address = server.address()
            const close = () => {
              for (const socket of sockets) socket.destroy()
              server.close()
            }
            resume(Effect.succeed({ port: typeof address === "object" ? (address?.port ?? 0) : 0, close }))
          })
        }),
        ({ close }) => Effect.sync(close)
      )
      const url = yield* Clusters.superuser(18)
      const silent = { ...url, port: port.port, parameters: new Map([["connect_timeout", "1"]]) }
      const error = yield* Effect.flip(Effect.scoped(Session.open(silent)))
      assert.strictEqual(error._tag, "ConnectionFailed")
      const forever = { ...silent, parameters: new Map([["connect_timeout", "60"]]) }
      const stopped = yield* Effect.timeoutOption(Effect.scoped(Session.open(forever)), "200 millis")
      assert.strictEqual(stopped._tag, "None")
    })
  )
})

describe("what pgark relies on in pg without its types", () => {
  it.live("is there", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.superuser(18)
      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const opened = new Client(Connecting.toPgConfig(url, false))
          await opened.connect()
          return opened
        }),
        (opened) => Effect.promise(() => opened.end())
      )
      const members = client as unknown as Record<string, unknown>
      const [row] = (yield* Effect.promise(() => client.query("SELECT pg_backend_pid() AS pid"))).rows
      assert.strictEqual(members["processID"], row.pid)
      assert.isNumber(members["secretKey"])
      assert.isFalse(members["ssl"])
      assert.strictEqual(client.host, "127.0.0.1")
      assert.strictEqual(client.port, url.port)
      assert.strictEqual(client.getTransactionStatus(), "I")
      assert.isFunction(client.connection.stream.destroy)
      for (const method of ["cancel", "connect", "requestSsl", "on"]) {
        assert.isFunction(Connection.prototype[method as keyof Connection], method)
      }
    })
  )
})
