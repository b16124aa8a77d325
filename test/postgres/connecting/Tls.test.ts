/** TLS comes to the same end by all that connect: pg_dump itself, the one that comes with pgark, `pg` and sql-pg. */
import { chmodSync, chownSync, copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { type PeerCertificate, TLSSocket } from "node:tls"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import * as Connecting from "../../../src/postgres/Connecting.ts"
import type { DatabaseUrl, SslMode } from "../../../src/postgres/DatabaseUrl.ts"
import * as TlsOptions from "../../../src/postgres/connecting/Tls.ts"
import * as Certificates from "../../support/Certificates.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Pgark from "../../support/Pgark.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import { folder, until } from "../../support/Restores.ts"
import { long } from "../../support/Tier.ts"

const roles = ["anyhow", "tls", "plain", "card", "clear", "trusted"] as const
type Role = (typeof roles)[number]

/** Which role gets in how. */
const hba = `
host all postgres all scram-sha-256
host all anyhow all scram-sha-256
hostssl all tls all scram-sha-256
hostnossl all plain all scram-sha-256
hostssl all card all cert
host all clear all password
host all trusted all trust
`

type ServerKind = "signed" | "self-signed" | "without TLS"

interface Fixture {
  readonly superuser: DatabaseUrl
  /** Where the certificates are. */
  readonly directory: string
  readonly home: string
  readonly becomes: (kind: ServerKind) => Effect.Effect<void>
}

/** A server of the major of Debian's pg_dump, with a home directory of its own. */
class Server extends Context.Service<Server, Fixture>()("test/TlsServer") {
  static readonly layer = Layer.effect(
    Server,
    Effect.gen(function* () {
      const { directory: own, superuser } = yield* EmbeddedServer.start({ major: 15 })
      const [directory, home] = [yield* folder, yield* folder]
      const before = process.env["HOME"]
      yield* Effect.acquireRelease(
        Effect.sync(() => void (process.env["HOME"] = home)),
        () => Effect.sync(() => void (process.env["HOME"] = before))
      )
      Certificates.make(directory)
      const { gid, uid } = statSync(own)
      for (const name of ["server.crt", "server.key", "self.crt", "self.key", "own.crt"]) {
        const file = join(own, "data", name)
        copyFileSync(join(directory, name), file)
        chmodSync(file, 0o600)
        chownSync(file, uid, gid)
      }
      writeFileSync(join(own, "data", "pg_hba.conf"), hba)
      const password = Redacted.value(superuser.password!)
      for (const role of roles) yield* Clusters.query(superuser, `CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
      let now: ServerKind | undefined
      const becomes = Effect.fnUntraced(function* (kind: ServerKind) {
        if (kind === now) return
        const name = kind === "self-signed" ? "self" : "server"
        for (const [setting, value] of Object.entries({
          ssl: kind === "without TLS" ? "off" : "on",
          ssl_cert_file: `${name}.crt`,
          ssl_key_file: `${name}.key`,
          ssl_ca_file: "own.crt"
        })) {
          yield* Clusters.query(superuser, `ALTER SYSTEM SET ${setting} = '${value}'`)
        }
        yield* Clusters.query(superuser, "SELECT pg_reload_conf()")
        const shown = "SELECT current_setting('ssl') || current_setting('ssl_cert_file') AS now"
        const wanted = `${kind === "without TLS" ? "off" : "on"}${name}.crt`
        yield* until(Clusters.query(superuser, shown), ([row]) => row?.["now"] === wanted, "5 seconds")
        now = kind
      }, Effect.orDie)
      yield* becomes("signed")
      return { superuser, directory, home, becomes }
    })
  ).pipe(Layer.orDie)
}

/** How one connects. */
interface How {
  readonly sslMode: SslMode
  readonly role?: Role
  /** The right one unless told. */
  readonly host?: "localhost" | "127.0.0.1"
  /** Names of files in the folder of the certificates, or values. */
  readonly parameters?: Readonly<Record<string, string>>
}

const urlOf = (
  { directory, superuser }: Fixture,
  { host = "localhost", parameters = {}, role = "anyhow", sslMode }: How
) => ({
  ...superuser,
  user: role,
  host,
  sslMode,
  parameters: new Map([
    ["sslmode", sslMode],
    ...Object.entries(parameters).map(
      ([name, value]) => [name, /\.\w{3}$/.test(value) ? join(directory, value) : value] as const
    )
  ])
})

/** Whether it is encrypted, or what kept it from coming about. */
const byPg = (url: DatabaseUrl) =>
  Effect.scoped(
    Effect.map(Connecting.acquire(url), ({ connection }) => (connection.stream instanceof TLSSocket ? "TLS" : "plain"))
  )

const bySqlPg = (url: DatabaseUrl, encrypted: boolean) =>
  Effect.gen(function* () {
    const { ssl } = yield* Effect.try({
      try: () => Connecting.toPgConfig(url, encrypted),
      catch: (cause) => String(cause)
    })
    const sql = PgClient.layer({
      host: url.host,
      port: url.port,
      username: url.user,
      password: url.password!,
      database: url.database,
      ssl: ssl ?? false
    })
    return yield* Effect.gen(function* () {
      const [row] = yield* (yield* SqlClient.SqlClient)<{ ssl: boolean }>`
        SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
      return row?.ssl === true ? "TLS" : "plain"
    }).pipe(Effect.provide(sql))
  })

/** How each of the four ends: encrypted, plain, or refused. Of pg_dump only whether it is let in can be seen. */
const outcomes = Effect.fnUntraced(function* (how: How) {
  const url = urlOf(yield* Server, how)
  const or = <E>(effect: Effect.Effect<string, E>) => Effect.orElseSucceed(effect, () => "refused")
  const pg = yield* or(byPg(url))
  const sqlPg = yield* or(bySqlPg(url, pg !== "plain" && how.sslMode !== "disable"))
  const dumped = (kind: "native" | "wasm") =>
    or(Effect.as(dump(kind, 15, url, { schemaOnly: true }), pg === "refused" ? "let in" : pg))
  const wasm = yield* dumped("wasm")
  const native = NativePgDump.major === undefined ? pg : yield* dumped("native")
  return { pg, sqlPg, wasm, native }
})

const all = (outcome: string) => ({ pg: outcome, sqlPg: outcome, wasm: outcome, native: outcome })

/** What libpq's manual says comes of it. */
const expected = (kind: ServerKind, sslMode: SslMode, ca: string | undefined, host: string): string => {
  const trusted = kind === "signed" && ca === "own.crt"
  const encrypted = kind === "without TLS" ? "refused" : "TLS"
  switch (sslMode) {
    case "disable":
    case "allow":
      return "plain"
    case "prefer":
      return encrypted === "TLS" && (ca === undefined || trusted) ? "TLS" : "plain"
    case "require":
      return ca === undefined || trusted ? encrypted : "refused"
    case "verify-ca":
      return trusted ? encrypted : "refused"
    case "verify-full":
      return trusted && host === "localhost" ? encrypted : "refused"
  }
}

Certificates.suite("TLS", () => {
  layer(Server.layer, { excludeTestServices: true })("against a server", (it) => {
    const usual: ReadonlyArray<readonly [ServerKind, How, string]> = [
      ["signed", { sslMode: "verify-full", parameters: { sslrootcert: "own.crt" } }, "TLS"],
      ["signed", { sslMode: "verify-full", parameters: { sslrootcert: "own.crt" }, host: "127.0.0.1" }, "refused"],
      ["signed", { sslMode: "verify-ca", parameters: { sslrootcert: "other.crt" } }, "refused"],
      ["signed", { sslMode: "require", role: "card" }, "refused"],
      ["signed", { sslMode: "require", role: "card", parameters: { sslcert: "card.crt", sslkey: "card.key" } }, "TLS"],
      ["self-signed", { sslMode: "require" }, "TLS"]
    ]
    it.effect.each(usual)("%s: %o: %s", ([kind, how, outcome]) =>
      Effect.gen(function* () {
        yield* (yield* Server).becomes(kind)
        assert.deepStrictEqual(yield* outcomes(how), all(outcome))
      })
    )

    it.effect("a wrong host ends a command with 6, a missing authority with 2, before anything is touched", () =>
      Effect.gen(function* () {
        const server = yield* Server
        yield* server.becomes("signed")
        const run = (how: How) =>
          Effect.flatMap(folder, (cwd) =>
            Pgark.run(["dump"], { cwd, env: { HOME: server.home, DATABASE_URL: Pgark.uri(urlOf(server, how)) } })
          )
        const wrong = yield* run({ sslMode: "verify-full", host: "127.0.0.1", parameters: { sslrootcert: "own.crt" } })
        assert.strictEqual(wrong.code, 6, wrong.stderr)
        assert.match(
          wrong.stderr.replaceAll(/\s+/g, " "),
          /Use the host name that the server's certificate was made for/
        )
        const missing = yield* run({ sslMode: "verify-full" })
        assert.strictEqual(missing.code, 2, missing.stderr)
        assert.match(missing.stderr, /sslrootcert=system/)
      })
    )

    it.effect("a login that channel_binding or require_auth forbids gets no password", () =>
      Effect.gen(function* () {
        const server = yield* Server
        yield* server.becomes("signed")
        const binds = { channel_binding: "require" }
        const cases: ReadonlyArray<readonly [Role, Readonly<Record<string, string>>, string]> = [
          ["anyhow", binds, "TLS"],
          ["clear", binds, "refused"],
          ["trusted", binds, "refused"],
          ["anyhow", { require_auth: "scram-sha-256" }, "TLS"],
          ["clear", { require_auth: "scram-sha-256,md5" }, "refused"],
          ["clear", { require_auth: "!password" }, "refused"],
          ["clear", { require_auth: "!none" }, "TLS"],
          ["trusted", { require_auth: "!none" }, "refused"],
          ["trusted", {}, "TLS"]
        ]
        for (const [role, parameters, outcome] of cases) {
          const connected = byPg(urlOf(server, { sslMode: "require", role, parameters }))
          const ended = yield* Effect.catch(connected, ({ _tag }) => {
            assert.strictEqual(_tag, "AuthenticationFailed")
            return Effect.succeed("refused")
          })
          assert.strictEqual(ended, outcome, `${role} ${JSON.stringify(parameters)}`)
        }
      })
    )

    it.effect("what is looked at is libpq's, with and without an authority of one's own", () =>
      Effect.gen(function* () {
        const server = yield* Server
        for (const [sslMode, sslrootcert, checksChain, checksHost] of [
          ["allow", undefined, false, false],
          ["prefer", undefined, false, false],
          ["require", undefined, false, false],
          // For the sake of old libpq: a root certificate makes it verify-ca, whether it is asked for or not.
          ["prefer", "own.crt", true, false],
          ["require", "own.crt", true, false],
          ["verify-ca", "own.crt", true, false],
          ["verify-full", "own.crt", true, true],
          ["verify-full", "system", true, true]
        ] as const) {
          const parameters: Readonly<Record<string, string>> = sslrootcert === undefined ? {} : { sslrootcert }
          const { ca, checkServerIdentity, rejectUnauthorized } = TlsOptions.options(
            urlOf(server, { sslMode, parameters })
          )
          const error = checkServerIdentity?.("elsewhere.example", { subject: { CN: "here" } } as PeerCertificate)
          assert.deepStrictEqual([rejectUnauthorized, error !== undefined], [checksChain, checksHost], sslMode)
          if (sslrootcert === undefined) assert.isUndefined(ca)
        }
      })
    )

    it.effect("files that cannot be used are named, where TLS is wanted at all", () =>
      Effect.gen(function* () {
        const server = yield* Server
        for (const parameter of ["sslrootcert", "sslcert"]) {
          for (const sslMode of ["prefer", "require", "verify-ca"] as const) {
            const parameters = { sslrootcert: "own.crt", [parameter]: "none.crt" }
            const error = yield* Effect.flip(TlsOptions.check(urlOf(server, { sslMode, parameters })))
            assert.match(error.message, new RegExp(`none\\.crt, which ${parameter} `))
          }
          yield* TlsOptions.check(urlOf(server, { sslMode: "disable", parameters: { [parameter]: "none.crt" } }))
        }
        const noKey = urlOf(server, { sslMode: "require", parameters: { sslcert: "card.crt", sslkey: "none.key" } })
        assert.match((yield* Effect.flip(TlsOptions.check(noKey))).message, /none\.key, which sslkey /)
        const noText = urlOf(server, { sslMode: "require", parameters: { sslrootcert: "package.json" } })
        assert.match((yield* Effect.flip(TlsOptions.check(noText))).message, /holds no certificate/)
        const parameters = { ssl_min_protocol_version: "TLSv1.3", ssl_max_protocol_version: "TLSv1.2" }
        const noVersion = urlOf(server, { sslMode: "prefer", parameters })
        assert.match((yield* Effect.flip(TlsOptions.check(noVersion))).message, /no version of TLS is left/)
      })
    )

    long("the whole matrix", () => {
      const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const
      for (const kind of ["signed", "self-signed", "without TLS"] as const) {
        it.effect(
          `${kind}: every sslmode, with the right authority, a wrong one and none, the right host and a wrong one`,
          () =>
            Effect.gen(function* () {
              yield* (yield* Server).becomes(kind)
              for (const sslMode of modes) {
                for (const sslrootcert of ["own.crt", "other.crt", undefined]) {
                  for (const host of ["localhost", "127.0.0.1"] as const) {
                    const parameters: Readonly<Record<string, string>> =
                      sslrootcert === undefined ? {} : { sslrootcert }
                    assert.deepStrictEqual(
                      yield* outcomes({ sslMode, host, parameters }),
                      all(expected(kind, sslMode, sslrootcert, host)),
                      `${sslMode} ${sslrootcert} ${host}`
                    )
                  }
                }
              }
            }),
          120_000
        )
      }

      it.effect(
        "roles that want TLS, or none, or a client certificate; certificates that are no longer good",
        () =>
          Effect.gen(function* () {
            const { becomes, directory } = yield* Server
            yield* becomes("signed")
            copyFileSync(join(directory, "card.key"), join(directory, "open.key"))
            chmodSync(join(directory, "open.key"), 0o644)
            const card = (sslcert: string, sslkey: string, more = {}): How => ({
              sslMode: "require",
              role: "card",
              parameters: { sslcert, sslkey, ...more }
            })
            const trusting = { sslMode: "verify-full", parameters: { sslrootcert: "own.crt" } } as const
            const cases: ReadonlyArray<readonly [How, string]> = [
              [{ sslMode: "disable", role: "tls" }, "refused"],
              [{ sslMode: "allow", role: "tls" }, "TLS"],
              [{ sslMode: "prefer", role: "tls" }, "TLS"],
              [{ sslMode: "prefer", role: "plain" }, "plain"],
              [{ sslMode: "require", role: "plain" }, "refused"],
              // It falls back to none, as the certificate is not to be trusted.
              [{ sslMode: "prefer", role: "tls", parameters: { sslrootcert: "other.crt" } }, "refused"],
              [card("card.crt", "card.key"), "TLS"],
              [card("foreign.crt", "foreign.key"), "refused"],
              [card("card.crt", "foreign.key"), "refused"],
              [card("card.crt", "open.key"), "refused"],
              [{ ...trusting, parameters: { ...trusting.parameters, sslcrl: "good.crl" } }, "TLS"],
              [{ ...trusting, parameters: { ...trusting.parameters, sslcrl: "own.crl" } }, "refused"],
              [{ sslMode: "require", parameters: { ssl_max_protocol_version: "TLSv1.2" } }, "TLS"]
            ]
            for (const [how, outcome] of cases) {
              assert.deepStrictEqual(yield* outcomes(how), all(outcome), JSON.stringify(how))
            }
          }),
        120_000
      )

      it.effect("the files in ~/.postgresql are read where none are named", () =>
        Effect.gen(function* () {
          const { becomes, directory, home } = yield* Server
          yield* becomes("signed")
          const own = join(home, ".postgresql")
          yield* Effect.acquireUseRelease(
            Effect.sync(() => mkdirSync(own)),
            () =>
              Effect.gen(function* () {
                const put = (from: string, to: string) => copyFileSync(join(directory, from), join(own, to))
                put("card.crt", "postgresql.crt")
                put("card.key", "postgresql.key")
                assert.deepStrictEqual(yield* outcomes({ sslMode: "require", role: "card" }), all("TLS"))
                // With a root.crt there require looks at the certificate, as verify-ca does.
                put("other.crt", "root.crt")
                assert.deepStrictEqual(yield* outcomes({ sslMode: "require" }), all("refused"))
                put("own.crt", "root.crt")
                assert.deepStrictEqual(yield* outcomes({ sslMode: "verify-full" }), all("TLS"))
                put("own.crl", "root.crl")
                assert.deepStrictEqual(yield* outcomes({ sslMode: "require" }), all("refused"))
              }),
            () => Effect.sync(() => rmSync(own, { recursive: true }))
          )
        })
      )

      it.effect("a key's password, and the system's authorities, as libpq of later versions has them", () =>
        Effect.gen(function* () {
          const server = yield* Server
          yield* server.becomes("signed")
          const locked = { sslcert: "locked.crt", sslkey: "locked.key" }
          const locking = (sslpassword: string): How => ({
            sslMode: "require",
            role: "card",
            parameters: { ...locked, sslpassword }
          })
          assert.deepStrictEqual(yield* outcomes(locking(Certificates.keyPassword)), all("TLS"))
          assert.deepStrictEqual(yield* outcomes(locking("wrong")), all("refused"))
          const error = yield* Effect.flip(TlsOptions.check(urlOf(server, locking("wrong"))))
          assert.strictEqual(error._tag, "DatabaseUrlInvalid")
          assert.notInclude(JSON.stringify(error), "wrong")
          const system = urlOf(server, { sslMode: "verify-full", parameters: { sslrootcert: "system" } })
          assert.strictEqual((yield* Effect.flip(byPg(system)))._tag, "ConnectionFailed")
          yield* Effect.acquireUseRelease(
            Effect.sync(() => void (process.env["SSL_CERT_FILE"] = join(server.directory, "own.crt"))),
            () => Effect.map(byPg(system), (ended) => assert.strictEqual(ended, "TLS")),
            () => Effect.sync(() => void delete process.env["SSL_CERT_FILE"])
          )
        })
      )
    })
  })

  it.effect.each([
    { gssencmode: "require" },
    { sslcertmode: "require" },
    { sslcrldir: "/etc/crl" },
    { sslsni: "0" },
    { requirepeer: "postgres" },
    { sslnegotiation: "direct" }
  ])("%o, which is not done as libpq does it, is refused", (parameters) =>
    Effect.gen(function* () {
      const url = {
        host: "localhost",
        port: 5432,
        user: "app",
        password: undefined,
        database: "app",
        schema: undefined,
        sslMode: "prefer",
        parameters: new Map(Object.entries(parameters)),
        hostaddr: undefined,
        passwordFrom: undefined,
        others: [],
        record: []
      } as const
      const error = yield* Effect.flip(TlsOptions.check(url))
      assert.strictEqual(error._tag, "DatabaseUrlInvalid")
      assert.include(error.message, Object.keys(parameters)[0]!)
      assert.isAbove(error.suggestion?.length ?? 0, 10)
    })
  )
})
