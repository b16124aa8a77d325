import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"

const parse = (text: string, env: Record<string, string> = {}) => DatabaseUrl.parse(Redacted.make(text), { env })
const failure = (text: string) => Effect.flip(parse(text))

const Text = Schema.Union([
  Schema.NonEmptyString,
  Schema.Literals(["p@ss:w/rd", "%41", "a?b#c", " ", "50%", "ü🚲", "[x]", "user\\", "a&b=c", "+", ".", ".."])
]).check(Schema.makeFilter((text) => text.isWellFormed() && !text.includes("\0")))

const Port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65535 }))
const Host = Schema.Literals(["localhost", "db.example.org", "127.0.0.1", "::1", "fe80::1%eth0", "/var/run/postgresql"])

const bare = <A extends DatabaseUrl.Address>({ password, ...address }: A) => ({
  ...address,
  password: password === undefined ? undefined : Redacted.value(password)
})

/** What a URL holds, but for the record of how it came to that. */
const fields = (url: DatabaseUrl.DatabaseUrl) => {
  const fields = { ...bare(url), others: url.others.map(bare), parameters: Object.fromEntries(url.parameters) }
  return { ...fields, record: undefined }
}

describe("round trip", () => {
  const server = {
    host: Host,
    port: Port,
    hostaddr: Schema.Union([Schema.Literals(["10.0.0.1", "::1"]), Schema.Undefined])
  }
  const Server = Schema.Struct(server)

  it.effect.prop(
    "toUri and parse agree on any user, password, database, servers and parameters",
    {
      user: Text,
      password: Schema.Union([Text, Schema.Undefined]),
      database: Text,
      servers: Schema.NonEmptyArray(Server),
      name: Text
    },
    ({ user, password, database, servers, name }) =>
      Effect.gen(function* () {
        const known = {
          password: password === undefined ? undefined : Redacted.make(password),
          passwordFrom: password === undefined ? undefined : "the database URL"
        }
        const [first, ...others] = servers.map((one) => ({ ...one, ...known }))
        const url: DatabaseUrl.DatabaseUrl = {
          ...first!,
          others,
          user,
          database,
          schema: undefined,
          sslMode: "require",
          parameters: new Map([
            ["application_name", name],
            ["sslmode", "require"]
          ]),
          record: []
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
      assert.deepStrictEqual(
        url.record.map(({ fate, from, name }) => `${name} in ${from}: ${fate}`),
        [
          "schema in the database URL: kept",
          "pgbouncer in the database URL: dropped",
          "connection_limit in the database URL: dropped",
          "sslmode in the database URL: kept",
          "sslrootcert in the database URL: kept",
          "connect_timeout in the database URL: kept",
          "uselibpqcompat in the database URL: dropped"
        ]
      )
      assert.deepStrictEqual(
        [...url.parameters],
        [
          ["connect_timeout", "5"],
          ["sslmode", "verify-full"],
          ["sslrootcert", "/ca.pem"]
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

  it.effect("a comma in a password is no second host", () =>
    Effect.gen(function* () {
      const url = yield* parse("postgresql://u:a,b@h/d")
      assert.deepInclude(fields(url), { host: "h", password: "a,b", others: [] })
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
  const shown = (error: Error) => JSON.stringify(error) + String(error) + (error.stack ?? "")

  const cases: ReadonlyArray<readonly [text: string, says: RegExp]> = [
    ["", /empty/],
    ["localhost/db", /no scheme/],
    ["postgres:s3cret@h/d", /no scheme/],
    ["s3cret://u@h/d", /begins with another scheme/],
    ["postgresql://u:s3cret@h/d?connect_timeout=s3cret", /^connect_timeout in the database URL is not a number/],
    ["postgresql://u:s3cret@h/d?target_session_attrs=s3cret", /^target_session_attrs .* does not know/],
    ["postgresql://u:s3cret@h/d?require_auth=s3cret", /^require_auth .* does not know/],
    ["postgresql://u@h/d?require_auth=!passwrd", /^require_auth .* does not know/],
    ["postgresql://u@h/d?require_auth=md5,!none", /^require_auth .* does not know/],
    ["postgresql://u@h/d?sslcertmode=prefer", /^sslcertmode .* does not know/],
    ["postgresql://u@h/d?gssencmode=sometimes", /^gssencmode .* does not know/],
    ["postgresql://u@h/d?sslnegotiation=sometimes", /^sslnegotiation .* does not know/],
    ["postgresql://u@h/d?ssl_min_protocol_version=SSLv3", /^ssl_min_protocol_version .* does not know/],
    ["postgresql://u@h/?dbname=postgres://u:s3cret@h/d", /is a connection string itself/],
    ["host=h user=u dbname='host=h password=s3cret'", /is a connection string itself/],
    ["mysql://u:s3cret@h/d", /begins with "mysql:"/],
    ["jdbc:mysql://u:s3cret@h/d", /begins with "mysql:"/],
    ["cockroachdb://u:s3cret@h/d", /begins with "cockroachdb:"/],
    ["prisma://accelerate.example.com/?api_key=s3cret", /service of Prisma's/],
    ["prisma+postgres://accelerate.example.com/?api_key=s3cret", /service of Prisma's/],
    ["postgresql://u:s3cret@h:70000/d", /port must be 1 to 65535/],
    ["postgresql://u:s3cret@h:s3cret/d", /^Host and port .* cannot be read/],
    ["postgresql://u:s3cret@h/d?port=0", /port must be 1 to 65535/],
    ["postgresql://u:s3cret@h/d?port=s3cret", /port must be 1 to 65535/],
    ["postgresql://u:s3cret@a,b,c:5433/d?port=1,2", /not as many ports/],
    ["postgresql://u:s3cret@a,b/d?hostaddr=10.0.0.1", /not as many addresses/],
    ["postgresql://u:s3cret@a/d?hostaddr=s3cret", /no IP address/],
    ["postgresql://u:s3cret@::1:5432/d", /^Host and port .* cannot be read/],
    ["postgresql://u:s3cret@h/d?sslmode=s3cret", /^sslmode .* does not know/],
    ["postgresql://u:s3cret@h/d?ssl=s3cret", /^ssl .* not understood/],
    ["postgresql://u:s3cret@h/d?sslmode=require&sslrootcert=system", /sslrootcert=system does not go with/],
    ["postgresql://u:s3cret@h/d?schema=a?sslmode=require", /two "\?"/],
    ["postgresql://u:s3cret%zz@h/d", /"%"/],
    ["postgresql://u:s3cret%00@h/d", /"%"/],
    ["postgresql://u:s3cret/with@h:x/d", /cannot be read/],
    ["postgresql://u:s3cret@a/b@h/d", /more than one way/],
    ["postgresql://u:1234/s3cret@h/d", /more than one way/],
    ["postgresql://:s3cret@h/d", /names no user/],
    ["host=h password='s3cret", /cannot be read/],
    ["host=h s3cret", /cannot be read/],
    ["Host=h;Username=u;Password=s3cret", /\.NET/],
    ["service=s3cret", /service .* is in no service file/]
  ]
  for (const [text, says] of cases) {
    it.effect(`of "${text}"`, () =>
      Effect.gen(function* () {
        const error = yield* failure(text)
        assert.strictEqual(error._tag, "DatabaseUrlInvalid")
        assert.match(error.message, says)
        assert.notInclude(shown(error), "s3cret")
      })
    )
  }

  const secret = "s3cretPassw0rd"
  const whole = [
    `postgresql://user:${secret}@db.example.org:5432/app?schema=public&sslmode=require`,
    `jdbc:postgresql://db.example.org/app?user=u&password=${secret}&ssl=true`,
    `host=db.example.org password='${secret}' dbname=app sslmode=require`,
    `socket://user:${secret}@/tmp?db=app`
  ]
  const Place = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 90 }))
  const Bit = Schema.Union([
    Schema.String,
    Schema.Literals(["@", "/", "?", "&", "=", ":", "%", "#", "'", ",", "[", " "])
  ])

  it.effect.prop(
    "never show the password, however mutilated the URL is",
    { text: Schema.Literals(whole), cuts: Schema.Array(Schema.Struct({ at: Place, length: Place, bit: Bit })) },
    ({ cuts, text }) =>
      Effect.gen(function* () {
        const torn = cuts.reduce((left, { at, bit, length }) => {
          const place = at % (left.length + 1)
          return left.slice(0, place) + bit + left.slice(place + (length % 12))
        }, text)
        const result = yield* Effect.result(parse(torn))
        // Parts of the password that are long enough to be told from other words.
        const parts = Array.from({ length: secret.length - 5 }, (_, i) => secret.slice(i, i + 6))
        const told = Result.isFailure(result) ? shown(result.failure) : JSON.stringify(result.success.record)
        for (const part of parts.filter((part) => torn.includes(part))) assert.notInclude(told, part, torn)
      })
  )

  it.effect("a piece of the password that looks like a parameter is not repeated, nor taken for a host's port", () =>
    Effect.gen(function* () {
      const { record } = yield* parse(
        `jdbc:postgresql://h/d?user=u&password=a&${secret}&${secret}2=1&x=2&sslmode=require`
      )
      assert.deepStrictEqual(
        record.map(({ fate, name }) => `${name}: ${fate}`),
        [...Array<string>(3).fill("(a name that is not known): dropped"), "sslmode: kept"]
      )
      for (const torn of ["postgresql://user:1234?a=b@db.example.org/app", "postgresql://user:1234?a&b=c@h:5/app"]) {
        assert.match((yield* failure(torn)).message, /more than one way/)
      }
      const url = yield* parse(
        "postgresql://db.example.org:5433/app?user=me@corp&password=p@ss&application_name=me@corp"
      )
      assert.strictEqual(DatabaseUrl.describe(url), "me@corp@db.example.org:5433/app")
    })
  )

  it.effect("text that is no URL at all is refused as such", () =>
    Effect.gen(function* () {
      for (const text of ['"'.repeat(50_000), "host=h\0 dbname=d user=u", "?@".repeat(10_000), "=".repeat(10_000)]) {
        assert.strictEqual((yield* failure(text))._tag, "DatabaseUrlInvalid")
      }
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
    DatabaseUrl.fromConfig(flag, {}).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))))

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
