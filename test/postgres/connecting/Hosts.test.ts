/** Of several servers the first that will do is taken, and stays the one. All four clients reach the same. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { join } from "node:path"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import * as Connecting from "../../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import * as Hosts from "../../../src/postgres/connecting/Hosts.ts"
import { literal, quote } from "../../../src/postgres/Identifier.ts"
import * as PgClientConfig from "../../../src/postgres/PgClientConfig.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Tier from "../../support/Tier.ts"
import * as WasmPgDump from "../../support/WasmPgDump.ts"

/** A free port, on which nobody listens. */
const dead = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

interface Places {
  /** Of this server, 15, whose database takes no writes unless told; by TCP and by a socket in `sockets`. */
  readonly port: number
  readonly password: string
  readonly sockets: string
  /** Of the other one, 18, which takes writes. */
  readonly writable: number
  readonly dead: number
  /** The name of a database that both have, of a role with a password full of marks, and of a folder. */
  readonly database: string
  readonly role: string
  readonly rolePassword: string
  readonly home: string
}

class Servers extends Context.Service<Servers, Places>()("test/Servers") {
  static readonly layer = Layer.effect(
    Servers,
    Effect.gen(function* () {
      const sockets = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp("/tmp/pgark-")),
        (folder) => Effect.promise(() => rm(folder, { recursive: true }))
      )
      const { superuser } = yield* EmbeddedServer.start({
        major: 15,
        settings: { unix_socket_directories: "/tmp" }
      })
      const writable = yield* Clusters.makeDatabase(18)
      const { database } = writable
      const [role, rolePassword] = ["r@le", "p@ss:w0rd#1%"]
      yield* Clusters.query(superuser, `CREATE DATABASE ${database}`)
      yield* Clusters.query(superuser, `CREATE ROLE ${quote(role)} LOGIN PASSWORD ${literal(rolePassword)}`)
      yield* Clusters.query(
        DatabaseUrl.withDatabase(superuser, database),
        `CREATE TABLE here (id integer);
        GRANT SELECT ON here TO ${quote(role)}`
      )
      yield* Clusters.query(superuser, `ALTER DATABASE ${database} SET default_transaction_read_only = on`)
      const password = Redacted.value(superuser.password!)
      const lines = [
        `*:${superuser.port}:*:postgres:${password}`,
        `*:*:*:${role}:${rolePassword.replaceAll(":", "\\:")}`,
        `127.0.0.1:${writable.port}:*:postgres:${Redacted.value(writable.password!)}`
      ]
      const service = [`[here]`, `host=127.0.0.1`, `port=${superuser.port}`, `user=${role}`, `dbname=${database}`]
      yield* Effect.promise(async () => {
        await writeFile(join(sockets, ".pgpass"), lines.join("\n"), { mode: 0o600 })
        await writeFile(join(sockets, ".pg_service.conf"), service.join("\n"))
      })
      return {
        port: superuser.port,
        password,
        sockets: "/tmp",
        writable: writable.port,
        dead: yield* dead,
        database,
        role,
        rolePassword,
        home: sockets
      }
    }).pipe(Effect.orDie)
  )
}

const parse = (text: string, around: DatabaseUrl.Surroundings) =>
  Effect.orDie(DatabaseUrl.parse(Redacted.make(text), around))

/** As a string of the table would be, for the server that is there. */
interface Written {
  readonly by: string
  readonly text: (places: Places) => string
  readonly env?: (places: Places) => Readonly<Record<string, string>>
}

const encoded = encodeURIComponent

const strings: ReadonlyArray<Written> = [
  {
    by: "Prisma",
    text: ({ database, port, role, rolePassword }) =>
      `postgresql://${encoded(role)}:${encoded(rolePassword)}@127.0.0.1:${port}/${database}?schema=public&connection_limit=5`
  },
  {
    by: "node-postgres, the password as it is",
    text: ({ database, port, role, rolePassword }) =>
      `postgres://${role}:${rolePassword.replace("%", "%25")}@127.0.0.1:${port}/${database}?ssl=false`
  },
  {
    by: "JDBC",
    text: ({ database, port, role, rolePassword }) =>
      `jdbc:postgresql://127.0.0.1:${port}/${database}?user=${encoded(role)}&password=${encoded(rolePassword)}` +
      "&currentSchema=public&ApplicationName=books"
  },
  {
    by: "SQLAlchemy",
    text: ({ database, password, port }) => `postgresql+psycopg2://postgres:${password}@127.0.0.1:${port}/${database}`
  },
  {
    by: "libpq, keywords",
    text: ({ database, port, role, rolePassword }) =>
      `host=127.0.0.1 port=${port} dbname=${database} user='${role}' password = '${rolePassword}'`
  },
  {
    by: "libpq, a socket by its folder",
    text: ({ database, password, port, sockets }) =>
      `postgresql:///${database}?host=${sockets}&port=${port}&user=postgres&password=${password}`
  },
  {
    by: "libpq, a socket as the host",
    text: ({ database, password, port, sockets }) =>
      `postgresql://postgres:${password}@${encoded(sockets)}:${port}/${database}`
  },
  {
    by: "Prisma, a socket",
    text: ({ database, password, port, sockets }) =>
      `postgresql://postgres:${password}@localhost:${port}/${database}?host=${sockets}`
  },
  {
    by: "node-postgres, a socket",
    text: ({ database, password, port, sockets }) =>
      `socket://postgres:${password}@${sockets}?db=${database}&port=${port}`
  },
  {
    by: "the environment, with options",
    text: () => "postgresql://",
    env: ({ database, password, port }) => ({
      PGHOST: "127.0.0.1",
      PGPORT: String(port),
      PGDATABASE: database,
      PGUSER: "postgres",
      PGPASSWORD: password,
      PGOPTIONS: "-c extra_float_digits=0"
    })
  },
  { by: "a service, with a password file", text: () => "service=here" },
  {
    by: "several hosts, the first not there",
    text: ({ database, dead, port }) => `postgresql://postgres@127.0.0.1:${dead},127.0.0.1:${port}/${database}`
  },
  {
    by: "hostaddr",
    text: ({ database, password, port }) =>
      `postgresql://postgres:${password}@db.example.invalid:${port}/${database}?hostaddr=127.0.0.1`
  }
]

layer(Servers.layer, { timeout: "60 seconds", excludeTestServices: true })((it) => {
  describe("several servers", () => {
    /** Opened as postgres, each server's password from the password file. */
    const opened = (servers: (places: Places) => ReadonlyArray<number>, query: string) =>
      Effect.gen(function* () {
        const places = yield* Servers
        const list = servers(places).map((port) => `127.0.0.1:${port}`)
        const url = yield* parse(`postgresql://postgres@${list}/${places.database}?sslmode=disable&${query}`, {
          home: places.home
        })
        return yield* Session.open(url)
      })
    const ports = ({ dead, port, writable }: Places) => [dead, port, writable]

    it.effect("are tried in their order, and the one that answers stays the one", () =>
      Effect.gen(function* () {
        const { port } = yield* Servers
        const session = yield* opened(ports, "")
        assert.deepInclude(session.url, { host: "127.0.0.1", port, others: [] })
        const rows = yield* session.sql`SELECT inet_server_port() AS port`
        assert.deepStrictEqual(rows, [{ port }])
      })
    )

    for (const [attributes, wanted] of [
      ["any", "port"],
      ["read-only", "port"],
      ["read-write", "writable"],
      ["primary", "port"],
      ["prefer-standby", "port"]
    ] as const) {
      it.effect(`with target_session_attrs=${attributes}`, () =>
        Effect.gen(function* () {
          const places = yield* Servers
          const { url } = yield* opened(ports, `target_session_attrs=${attributes}`)
          assert.strictEqual(url.port, places[wanted])
          // What has been found is not asked for again: the server may change meanwhile, and stays the one.
          assert.isFalse(url.parameters.has("target_session_attrs"))
        })
      )
    }

    it.effect("none of which will do are told one by one", () =>
      Effect.gen(function* () {
        const { dead, port, writable } = yield* Servers
        const error = yield* Effect.flip(opened(ports, "target_session_attrs=standby"))
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.match(error.message, /target_session_attrs=standby/)
        const [first, second, third] = (error.detail ?? "").split("\n")
        assert.include(first, `127.0.0.1:${dead}: `)
        assert.strictEqual(second, `127.0.0.1:${port}: is no standby`)
        assert.strictEqual(third, `127.0.0.1:${writable}: is no standby`)
        const alone = yield* Effect.flip(opened(({ port }) => [port], "target_session_attrs=read-write"))
        assert.strictEqual(alone.detail, `127.0.0.1:${port}: accepts no writes`)
        const nobody = yield* Effect.flip(opened(({ dead }) => [dead, dead], ""))
        assert.match(nobody.message, /any server of the database URL/)
        assert.strictEqual(nobody.detail?.split("\n").length, 2)
      })
    )

    it.effect("are tried no further where one refuses the login", () =>
      Effect.gen(function* () {
        const { database, dead, port, writable } = yield* Servers
        const servers = [dead, port, writable].map((port) => `127.0.0.1:${port}`).join(",")
        const url = yield* parse(`postgresql://postgres:wrong@${servers}/${database}?sslmode=disable`, {})
        const error = yield* Effect.flip(Session.open(url))
        assert.strictEqual(error._tag, "AuthenticationFailed")
        assert.include(error.message, String(port))
        assert.notInclude(error.detail, String(writable))
        assert.include(error.detail, `127.0.0.1:${dead}: `)
      })
    )

    it.effect("are taken by chance with load_balance_hosts=random", () =>
      Effect.gen(function* () {
        const { port, writable } = yield* Servers
        const seen = new Set<number>()
        // Always the same one of two for forty times is less likely than one in a hundred thousand million.
        for (let i = 0; i < 40 && seen.size < 2; i++) {
          const both = Effect.scoped(opened(({ port, writable }) => [port, writable], "load_balance_hosts=random"))
          seen.add((yield* both).url.port)
        }
        assert.deepStrictEqual([...seen].toSorted(), [port, writable].toSorted())
      })
    )
  })

  describe("what a connection leads to", () => {
    it.effect("of a host's addresses the one that has answered stays, until the name is asked for again", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { database, password, port } = yield* Servers
          const url = yield* parse(`postgresql://postgres:${password}@localhost:${port}/${database}`, {})
          const session = yield* Session.open(url)
          assert.strictEqual(session.url.host, "localhost")
          assert.include(["127.0.0.1", "::1"], session.url.hostaddr)
          assert.strictEqual(DatabaseUrl.toLibpqEnvironment(session.url)["PGHOSTADDR"], session.url.hostaddr)
          assert.include((yield* WasmPgDump.dump(session.url, "--schema-only")).toString(), "CREATE TABLE public.here")
          const config = yield* PgClientConfig.make(url)
          assert.strictEqual(config.host, "localhost")

          // The server is gone from its address: nothing else by its name is taken for it, unless it is asked for.
          const gone = { ...session.url, hostaddr: "127.0.0.9" }
          assert.strictEqual((yield* Effect.flip(Connecting.acquire(gone)))._tag, "ConnectionFailed")
          const moved = Connecting.urlOf(yield* Connecting.acquire(Hosts.orMoved(gone)))
          assert.strictEqual(moved?.hostaddr, session.url.hostaddr)

          for (const text of [
            `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`,
            `postgresql://postgres:${password}@/${database}?host=/tmp&port=${port}`,
            `postgresql://postgres:${password}@db.example.invalid:${port}/${database}?hostaddr=127.0.0.1`
          ]) {
            const given = yield* parse(text, {})
            const reached = Connecting.urlOf(yield* Connecting.acquire(given))
            assert.deepStrictEqual([reached?.host, reached?.hostaddr], [given.host, given.hostaddr])
            assert.strictEqual(Hosts.orMoved(given), given)
          }
        })
      )
    )

    it.effect("sql-pg gets nothing for what it cannot do, where it would drop it", () =>
      Effect.gen(function* () {
        const { database, password, port } = yield* Servers
        for (const words of [
          "channel_binding=require",
          "require_auth=scram-sha-256",
          "sslnegotiation=direct&sslmode=require"
        ]) {
          const text = `postgresql://postgres:${password}@127.0.0.1:${port}/${database}?${words}`
          const error = yield* Effect.flip(PgClientConfig.make(text))
          assert.strictEqual(error._tag, "DatabaseUrlInvalid")
          assert.include(error.message, words.split("=")[0]!)
        }
        const same = `postgresql://postgres:${password}@127.0.0.1:${port}/${database}?channel_binding=prefer&require_auth=`
        assert.strictEqual((yield* PgClientConfig.make(same)).port, port)
      })
    )

    it.effect("a socket's owner that is to be looked at is refused, not passed over", () =>
      Effect.gen(function* () {
        const { database, password, port } = yield* Servers
        const text = `postgresql://postgres:${password}@/${database}?host=/tmp&port=${port}&requirepeer=nobody`
        const error = yield* Effect.flip(Effect.scoped(Session.open(yield* parse(text, {}))))
        assert.include(error.message, "requirepeer")
      })
    )
  })

  NativePgDump.suite("one connection string", 15, () => {
    const usual = strings.filter(({ by }) => /socket as|service|several/.test(by))

    Tier.each(
      strings,
      usual,
      ({ by }) => `by ${by}`,
      ({ env, text }) => {
        it.effect("leads pg_dump, native and WebAssembly, pg and sql-pg to one place", () =>
          Effect.gen(function* () {
            const places = yield* Servers
            const url = yield* parse(text(places), { home: places.home, env: env?.(places) ?? {} })
            const options = url.parameters.get("options") === undefined ? "1" : "0"
            const who = { database: places.database, login: url.user, float: options, listens: String(places.port) }
            const ask = (sql: SqlClient.SqlClient) => sql`
              SELECT current_database()::text AS database, session_user::text AS login,
                     current_setting('extra_float_digits') AS float, current_setting('port') AS listens`

            const session = yield* Session.open(url)
            assert.deepStrictEqual(yield* ask(session.sql), [who])

            const config = yield* PgClientConfig.make(url)
            const app = Effect.flatMap(SqlClient.SqlClient, ask)
            assert.deepStrictEqual(yield* Effect.provide(app, PgClient.layer(config)), [who])

            // libpq goes through several servers by itself; pgark gives it the one that it has found.
            for (const one of [url, session.url]) {
              assert.include((yield* NativePgDump.dump(one, "--schema-only")).toString(), "CREATE TABLE public.here")
            }
            assert.include((yield* WasmPgDump.dump(url, "--schema-only")).toString(), "CREATE TABLE public.here")
          })
        )
      }
    )
  })
})
