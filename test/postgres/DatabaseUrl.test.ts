import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"

const parse = (text: string, env: Record<string, string> = {}) => DatabaseUrl.parse(Redacted.make(text), env)
const failure = (text: string) => Effect.flip(parse(text))

const Text = Schema.Union([
  Schema.NonEmptyString,
  Schema.Literals(["p@ss:w/rd", "%41", "a?b#c", " ", "50%", "ü🚲", "[x]", "user\\", "a&b=c", "+", ".", ".."])
]).check(Schema.makeFilter((text) => text.isWellFormed() && !text.includes("\0")))

/** A path of "." or ".." names a place relative to the URL, even percent-encoded: the WHATWG reading takes it away. */
const Database = Text.check(Schema.makeFilter((text) => text !== "." && text !== ".."))
const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65535 }))
const Host = Schema.Literals(["localhost", "db.example.org", "127.0.0.1", "::1", "/var/run/postgresql"])

const fields = (url: DatabaseUrl.DatabaseUrl) => ({
  ...url,
  password: url.password === undefined ? undefined : Redacted.value(url.password),
  parameters: [...url.parameters]
})

describe("round trip", () => {
  it.effect.prop(
    "toUri and parse agree on any user, password, database, host and port",
    {
      user: Text,
      password: Schema.Union([Text, Schema.Undefined]),
      database: Database,
      host: Host,
      port: Port,
      name: Text
    },
    ({ user, password, database, host, port, name }) =>
      Effect.gen(function* () {
        const url: DatabaseUrl.DatabaseUrl = {
          host,
          port,
          user,
          password: password === undefined ? undefined : Redacted.make(password),
          database,
          schema: undefined,
          sslMode: "require",
          parameters: new Map([
            ["sslmode", "require"],
            ["application_name", name]
          ]),
          dropped: []
        }
        const read = yield* DatabaseUrl.parse(DatabaseUrl.toUri(url), {})
        assert.deepStrictEqual(fields(read), fields(url))
      })
  )
})

describe("parameters", () => {
  it.effect("those of ORMs and poolers are dropped and listed, those of libpq kept", () =>
    Effect.gen(function* () {
      const url = yield* parse(
        "postgres://u:p@h:6543/d?schema=app&pgbouncer=true&connection_limit=1&sslmode=verify-full&sslrootcert=/ca.pem" +
          "&connect_timeout=5&uselibpqcompat=true"
      )
      assert.strictEqual(url.schema, "app")
      assert.deepStrictEqual(url.dropped, ["pgbouncer", "connection_limit", "uselibpqcompat"])
      assert.deepStrictEqual(
        [...url.parameters],
        [
          ["sslmode", "verify-full"],
          ["sslrootcert", "/ca.pem"],
          ["connect_timeout", "5"]
        ]
      )
      assert.notMatch(Redacted.value(DatabaseUrl.toUri(url)), /schema|pgbouncer|limit|compat/)
      assert.deepInclude(DatabaseUrl.toLibpqEnvironment(url), {
        PGHOST: "h",
        PGPORT: "6543",
        PGSSLMODE: "verify-full",
        PGSSLROOTCERT: "/ca.pem",
        PGCONNECT_TIMEOUT: "5"
      })
    })
  )

  it.effect("host, port, user, password and dbname may stand in the query, as libpq has it", () =>
    Effect.gen(function* () {
      const url = yield* parse("postgresql:///?host=/tmp/sockets&port=5433&user=u&password=p%20w&dbname=d")
      assert.deepInclude(fields(url), { host: "/tmp/sockets", port: 5433, user: "u", password: "p w", database: "d" })
    })
  )

  it.effect("a comma in a password is no second host, and any server will do", () =>
    Effect.gen(function* () {
      const url = yield* parse("postgresql://u:a,b@h/d?target_session_attrs=any&connect_timeout=5")
      assert.deepInclude(fields(url), { host: "h", password: "a,b" })
    })
  )

  it.effect("what is missing comes from the environment, then from libpq's defaults", () =>
    Effect.gen(function* () {
      const env = {
        PGHOST: "e",
        PGPORT: "1234",
        PGUSER: "eu",
        PGPASSWORD: "ep",
        PGDATABASE: "ed",
        PGSSLMODE: "require"
      }
      assert.deepInclude(fields(yield* parse("postgresql://", env)), {
        host: "e",
        port: 1234,
        user: "eu",
        password: "ep",
        database: "ed",
        sslMode: "require"
      })
      assert.deepInclude(fields(yield* parse("postgresql://u@/")), {
        host: "localhost",
        port: 5432,
        user: "u",
        password: undefined,
        database: "u",
        sslMode: "prefer"
      })
    })
  )
})

describe("refusals", () => {
  const cases: ReadonlyArray<readonly [text: string, says: RegExp]> = [
    ["", /empty/],
    ["localhost/db", /no scheme/],
    ["postgresql://u:s3cret@a,b:5433/d", /^Several hosts/],
    ["postgresql://u:s3cret@a:1,b:2/d", /^Several hosts/],
    ["postgresql:///d?user=u&host=a,b", /^Several hosts/],
    ["postgresql://u:s3cret@h/d?connect_timeout=abc", /^connect_timeout=abc .* not a number/],
    ["postgresql://u:s3cret@h/d?target_session_attrs=read-write", /^target_session_attrs=read-write .* not supported/],
    ["mysql://u:s3cret@h/d", /begins with "mysql:"/],
    ["postgresql://u:s3cret@h:70000/d", /cannot be read/],
    ["postgresql://u:s3cret@h/d?port=0", /port must be 1 to 65535/],
    ["postgresql://u:s3cret@h/d?sslmode=no-verify", /sslmode=no-verify/],
    ["postgresql://u:s3cret@h/d?sslmode=require&sslrootcert=system", /sslrootcert=system does not go with/],
    ["postgresql://u:s3cret%zz@h/d", /"%"/],
    ["postgresql://u:s3cret/with@h:x/d", /cannot be read/],
    ["postgresql://:s3cret@h/d", /names no user/]
  ]
  for (const [text, says] of cases) {
    it.effect(`of "${text}"`, () =>
      Effect.gen(function* () {
        const error = yield* failure(text)
        assert.strictEqual(error._tag, "DatabaseUrlInvalid")
        assert.match(error.message, says)
        assert.notInclude(JSON.stringify(error) + String(error) + (error.stack ?? ""), "s3cret")
      })
    )
  }

  it.effect.prop("never show the password, however broken the URL is", { rest: Schema.String }, ({ rest }) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(parse(`postgresql://user:s3cretPassw0rd${rest}`))
      assert.notInclude(JSON.stringify(exit).split('"database"')[0]!, "s3cretPassw0rd")
    })
  )

  it.effect("a password shows in no form of the parsed URL", () =>
    Effect.gen(function* () {
      const url = yield* parse("postgresql://u:s3cret@h/d")
      for (const text of [
        JSON.stringify(url),
        String(url.password),
        DatabaseUrl.describe(url),
        `${DatabaseUrl.toUri(url)}`
      ]) {
        assert.notInclude(text, "s3cret")
      }
      assert.strictEqual(DatabaseUrl.describe(url), "u@h:5432/d")
    })
  )
})

describe("fromConfig", () => {
  const configured = (env: Record<string, string>, flag: Option.Option<Redacted.Redacted> = Option.none()) =>
    DatabaseUrl.fromConfig(flag).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

  it.effect("the flag goes before DATABASE_URL", () =>
    Effect.gen(function* () {
      const env = { DATABASE_URL: "postgresql://u@h/env" }
      assert.strictEqual((yield* configured(env)).database, "env")
      const flag = Option.some(Redacted.make("postgresql://u@h/flag"))
      assert.strictEqual((yield* configured(env, flag)).database, "flag")
      assert.match((yield* Effect.flip(configured({}))).suggestion!, /--database-url/)
    })
  )
})

describe("files for TLS", () => {
  const configured = (query: string) =>
    DatabaseUrl.fromConfig(Option.some(Redacted.make(`postgresql://u@h/d?${query}`))).pipe(
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
    )

  it.effect("that cannot be read are named, where TLS is wanted at all", () =>
    Effect.gen(function* () {
      for (const parameter of ["sslrootcert", "sslcert", "sslkey"]) {
        for (const mode of ["prefer", "require", "verify-full"]) {
          const error = yield* Effect.flip(configured(`sslmode=${mode}&${parameter}=/no/such.pem`))
          assert.strictEqual(error._tag, "DatabaseUrlInvalid")
          assert.match(error.message, new RegExp(`/no/such\\.pem, which ${parameter} `))
        }
        yield* configured(`sslmode=disable&${parameter}=/no/such.pem`)
        yield* configured(`${parameter}=package.json`)
      }
      assert.strictEqual((yield* configured("sslrootcert=system")).sslMode, "verify-full")
    })
  )
})

describe("toPgConfig", () => {
  it.effect("gives sslmode libpq's meaning", () =>
    Effect.gen(function* () {
      const ssl = (mode: string, encrypted = true) =>
        Effect.map(parse(`postgresql://u@h/d?sslmode=${mode}`), (url) => Connecting.toPgConfig(url, encrypted).ssl)
      assert.strictEqual(yield* ssl("disable", false), false)
      for (const [mode, checksChain, checksHost] of [
        ["allow", false, false],
        ["prefer", false, false],
        ["require", false, false],
        ["allow&sslrootcert=package.json", false, false],
        ["prefer&sslrootcert=package.json", false, false],
        // For the sake of old libpq: a root certificate makes it verify-ca.
        ["require&sslrootcert=package.json", true, false],
        ["verify-ca&sslrootcert=package.json", true, false],
        ["verify-full&sslrootcert=package.json", true, true],
        ["verify-full&sslrootcert=system", true, true],
        ["verify-ca", true, false],
        ["verify-full", true, true]
      ] as const) {
        const options = yield* ssl(mode)
        if (typeof options !== "object") return assert.fail(`${mode} does not encrypt`)
        assert.strictEqual(options.rejectUnauthorized, checksChain)
        // Node checks the host unless it is told not to.
        assert.strictEqual(options.checkServerIdentity === undefined, checksHost)
        assert.strictEqual(options.ca === undefined, !mode.includes("package.json"))
      }
    })
  )
})
