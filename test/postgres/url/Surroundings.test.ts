/** What a connection string does not say comes from where libpq takes it, in libpq's order. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"

/** A home with these files, readable for their owner alone. */
const home = (files: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "pgark-home-"))
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 })
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

const parse = (text: string, around: DatabaseUrl.Surroundings = {}) =>
  DatabaseUrl.parse(Redacted.make(text), { user: "me", ...around })

const passwordOf = ({ password }: DatabaseUrl.Address) =>
  password === undefined ? undefined : Redacted.value(password)

describe("the environment", () => {
  const env = {
    PGHOST: "e1,e2",
    PGHOSTADDR: "10.0.0.1,10.0.0.2",
    PGPORT: "1,2",
    PGUSER: "eu",
    PGPASSWORD: "ep",
    PGDATABASE: "ed",
    PGSSLMODE: "require",
    PGSSLROOTCERT: "/ca.pem",
    PGOPTIONS: "-c geqo=off",
    PGAPPNAME: "app",
    PGCONNECT_TIMEOUT: "3",
    PGTARGETSESSIONATTRS: "primary",
    PGLOADBALANCEHOSTS: "random",
    PGCHANNELBINDING: "disable"
  }

  it.effect("gives what the string does not say", () =>
    Effect.gen(function* () {
      const url = yield* parse("postgresql://", { env })
      assert.strictEqual(DatabaseUrl.describe(url), "eu@e1:1,e2:2/ed")
      assert.deepStrictEqual(
        [url, ...url.others].map(({ hostaddr }) => hostaddr),
        ["10.0.0.1", "10.0.0.2"]
      )
      assert.deepStrictEqual([url.passwordFrom, passwordOf(url)], ["PGPASSWORD", "ep"])
      assert.strictEqual(url.sslMode, "require")
      const native = DatabaseUrl.toLibpqEnvironment(url)
      for (const [name, value] of Object.entries(env)) {
        const got = native[name]
        assert.strictEqual(Redacted.isRedacted(got) ? Redacted.value(got) : got, name === "PGAPPNAME" ? "pgark" : value)
      }
      assert.deepInclude(
        url.record.map(({ fate, from, name }) => [name, from, fate]),
        ["options", "PGOPTIONS", "kept"]
      )
    })
  )

  it.effect("is second to the string, and one that is empty is none", () =>
    Effect.gen(function* () {
      const { PGHOSTADDR: _, ...names } = env
      const url = yield* parse("postgresql://u:p@h:9/d?sslmode=prefer&connect_timeout=7", { env: names })
      assert.deepInclude(url, { host: "h", port: 9, user: "u", database: "d", sslMode: "prefer", others: [] })
      assert.deepStrictEqual([url.passwordFrom, passwordOf(url)], ["the database URL", "p"])
      assert.strictEqual(url.parameters.get("connect_timeout"), "7")
      const bare = yield* parse("postgresql://", { env: { PGHOST: "", PGUSER: "", PGPORT: "", PGSSLMODE: "" } })
      assert.deepInclude(bare, { host: "localhost", port: 5432, user: "me", database: "me", sslMode: "prefer" })
    })
  )

  it.effect("with nonsense in it is refused by its name", () =>
    Effect.gen(function* () {
      for (const [name, value] of [
        ["PGSSLMODE", "no-verify"],
        ["PGPORT", "x"],
        ["PGCONNECT_TIMEOUT", "soon"],
        ["PGTARGETSESSIONATTRS", "master"],
        ["PGHOSTADDR", "example.org"]
      ] as const) {
        const error = yield* Effect.flip(parse("postgresql://h/d", { env: { [name]: value } }))
        assert.include(error.message, name)
        assert.notInclude(error.message, value)
      }
    })
  )

  it.effect("is enough without a URL, where it says which database", () =>
    Effect.gen(function* () {
      const configured = (env: Record<string, string>) =>
        DatabaseUrl.configured(Option.none(), { env, user: "me" }).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
          Effect.map(Option.map(DatabaseUrl.describe)),
          Effect.map(Option.getOrUndefined)
        )
      assert.strictEqual(yield* configured({ PGHOST: "h" }), "me@h:5432/me")
      assert.strictEqual(yield* configured({ PGDATABASE: "d" }), "me@localhost:5432/d")
      assert.isUndefined(yield* configured({ PGUSER: "u", PGPASSWORD: "p" }))
    })
  )

  it.effect("and a server of this machine: its socket, where there is one", () =>
    Effect.gen(function* () {
      const folder = yield* home({ ".s.PGSQL.5433": "" })
      const host = (port: number) =>
        Effect.map(parse(`postgresql://:${port}/d`, { sockets: ["/nowhere", folder] }), (url) => url.host)
      assert.strictEqual(yield* host(5433), folder)
      assert.strictEqual(yield* host(5434), "localhost")
    })
  )
})

describe("a service", () => {
  const files = {
    ".pg_service.conf": `# mine
[other]
host=other
[shop]
host=s1,s2
port=1,2
user = spaced
dbname=shop
password=sp=x
sslmode=require
host=ignored

[behind]
host=behind
`
  }

  it.effect("stands between the string and the environment", () =>
    Effect.gen(function* () {
      const folder = yield* home({
        ...files,
        ".pg_service.conf": files[".pg_service.conf"].replace("user = ", "user=")
      })
      const env = { PGSERVICE: "shop", PGUSER: "eu", PGCONNECT_TIMEOUT: "3" }
      for (const [text, around] of [
        ["postgresql://h/d?service=shop", { home: folder, env: { PGCONNECT_TIMEOUT: "3" } }],
        ["host=h dbname=d", { home: folder, env }],
        ["postgresql://h/d", { env: { ...env, PGSERVICEFILE: join(folder, ".pg_service.conf") } }]
      ] as const) {
        const url = yield* Effect.flip(parse(text, around))
        // One host of the string, two ports of the service: libpq does not think of them as a pair either.
        assert.match(url.message, /not as many ports/)
      }
      const url = yield* parse("service=shop dbname=d", { home: folder, env })
      assert.strictEqual(DatabaseUrl.describe(url), "spaced@s1:1,s2:2/d")
      assert.deepInclude(url, { sslMode: "require", passwordFrom: `the service in ${folder}/.pg_service.conf` })
      assert.strictEqual(passwordOf(url), "sp=x")
      assert.strictEqual(url.parameters.get("connect_timeout"), "3")
    })
  )

  it.effect("of the machine is found where the user has none of that name", () =>
    Effect.gen(function* () {
      const [own, machine] = [
        yield* home({ ".pg_service.conf": "[a]\nhost=a\n" }),
        yield* home({ "pg_service.conf": "[b]\nhost=b\n" })
      ]
      const env = { PGSYSCONFDIR: machine, PGSERVICE: "b" }
      assert.strictEqual((yield* parse("postgresql://", { env, home: own })).host, "b")
    })
  )

  it.effect("that is in no file, or that cannot be read, is an error that names the file", () =>
    Effect.gen(function* () {
      const folder = yield* home({ ...files, ".pg_service.conf": "[a]\nhost\n[b]\nhots=x\n[c]\nservice=a\n" })
      const error = (service: string) =>
        Effect.flip(parse(`service=${service}`, { home: folder, env: { PGSYSCONFDIR: "/nowhere" } }))
      assert.match((yield* error("z")).message, /in no service file/)
      assert.include((yield* error("z")).suggestion, join(folder, ".pg_service.conf"))
      assert.match((yield* error("a")).message, /^Line 2 of .* cannot be read/)
      assert.match((yield* error("b")).message, /libpq does not know/)
      assert.match((yield* error("c")).message, /^Line 6 of/)
    })
  )
})

describe("the password file", () => {
  const lines = [
    "#h:5432:d:u:commented",
    "h:5433:*:*:of the port",
    "h:*:d:u:of h",
    "h2:*:*:u:a\\:b\\\\c:not this",
    "::1:5432:d:u:torn at its colons",
    "\\:\\:1:*:*:*:of the address",
    "localhost:*:*:*:of the socket",
    "/srv/pg:*:*:*:of that folder",
    "empty:*:*:*:",
    "*:*:*:nobody:",
    "*:*:*:other:of anywhere"
  ].join("\n")

  it.effect("is searched by host, port, database and user, the first line counts", () =>
    Effect.gen(function* () {
      const folder = yield* home({ ".pgpass": lines })
      const found = (text: string) => Effect.map(parse(text, { home: folder }), passwordOf)
      assert.strictEqual(yield* found("postgresql://u@h/d"), "of h")
      assert.strictEqual(yield* found("postgresql://u@h:5433/d"), "of the port")
      assert.strictEqual(yield* found("postgresql://u@h/d2"), undefined)
      assert.strictEqual(yield* found("postgresql://u@h2/any"), "a:b\\c")
      assert.strictEqual(yield* found("postgresql://u@[::1]/d"), "of the address")
      assert.strictEqual(yield* found("postgresql://u@/d?host=/var/run/postgresql"), "of the socket")
      assert.strictEqual(yield* found("postgresql://u@/d?host=/tmp"), "of the socket")
      assert.strictEqual(yield* found("postgresql://u@/d?host=/srv/pg"), "of that folder")
      assert.strictEqual(yield* found("postgresql://other@empty/d"), undefined)
      assert.strictEqual(yield* found("postgresql://other@h9/d"), "of anywhere")
      assert.strictEqual(yield* found("postgresql://u:p@h/d"), "p")
    })
  )

  it.effect("gives each of several servers its own, and says where it stood", () =>
    Effect.gen(function* () {
      const folder = yield* home({ ".pgpass": lines })
      const url = yield* parse("postgresql://u@h,h2:5433/d", { home: folder })
      assert.deepStrictEqual([url, ...url.others].map(passwordOf), ["of h", "a:b\\c"])
      assert.strictEqual(url.passwordFrom, `${folder}/.pgpass, line 3`)
    })
  )

  it.effect("may be named by the string, a service or PGPASSFILE", () =>
    Effect.gen(function* () {
      const folder = yield* home({ mine: "*:*:*:*:mine", ".pgpass": "*:*:*:*:home" })
      const mine = join(folder, "mine")
      for (const [text, env] of [
        [`postgresql://u@h/d?passfile=${mine}`, {}],
        ["postgresql://u@h/d", { PGPASSFILE: mine }]
      ] as const) {
        assert.strictEqual(passwordOf(yield* parse(text, { env, home: folder })), "mine")
      }
      assert.strictEqual(passwordOf(yield* parse("postgresql://u@h/d", { home: folder })), "home")
    })
  )

  it.effect("that others may read, or that is none, is passed over", () =>
    Effect.gen(function* () {
      const folder = yield* home({ ".pgpass": "*:*:*:*:secret" })
      yield* Effect.promise(() => chmod(join(folder, ".pgpass"), 0o640))
      const open = yield* parse("postgresql://u@h/d", { home: folder })
      assert.isUndefined(open.password)
      assert.match(open.passwordFrom ?? "", /may be read by others: chmod 600/)
      yield* Effect.promise(() => mkdir(join(folder, "folder")))
      const strange = yield* parse(`postgresql://u@h/d?passfile=${folder}/folder`)
      assert.match(strange.passwordFrom ?? "", /not a plain file/)
      const none = yield* parse("postgresql://u@h/d", { home: join(folder, "nowhere") })
      assert.deepStrictEqual([none.password, none.passwordFrom], [undefined, undefined])
    })
  )
})
