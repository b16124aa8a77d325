/** The file of grants, as psql and a reader of single lines take it. */
import { randomBytes } from "node:crypto"
import { spawn, spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as GrantFile from "../../src/postgres/GrantFile.ts"
import type { Options } from "../../src/postgres/Grants.ts"
import { quote, quoteInLine } from "../../src/postgres/Identifier.ts"
import * as Rights from "../../src/postgres/Rights.ts"
import { Session } from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Restores from "../support/Restores.ts"
import { isLong, ofRun } from "../support/Tier.ts"

const hasPsql = spawnSync("psql", ["--version"]).status === 0

/** What a name can be besides plain. */
const nasty = [
  `"`,
  `'`,
  `\\`,
  `\\000A`,
  "\n",
  "\r\n",
  "a\nb\\c",
  "$pgark$",
  "$1",
  ":name",
  ":'name'",
  "; --",
  "*/",
  "%I",
  " ",
  "Zürich 🚲",
  "\u2028"
]
const Name = Schema.Union([Schema.String, Schema.Literals(nasty)]).check(
  Schema.makeFilter((text) => !text.includes("\0") && text.isWellFormed() && Buffer.byteLength(text) <= 40)
)

/** A role and a schema with a table, a function and a type in it that nobody but their owner may use. */
const prepare = Effect.fnUntraced(function* (admin: DatabaseUrl.DatabaseUrl, suffixes: readonly [string, string]) {
  const [role, schema] = suffixes.map((suffix) => `test_${randomBytes(4).toString("hex")}${suffix}`) as [string, string]
  yield* Effect.acquireRelease(
    Clusters.query(
      admin,
      `CREATE ROLE ${quote(role)}; CREATE SCHEMA ${quote(schema)};
       CREATE TABLE ${quote(schema)}."T""x" (id serial);
       CREATE FUNCTION ${quote(schema)}."f'x"(text, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
       REVOKE ALL ON FUNCTION ${quote(schema)}."f'x"(text, int) FROM PUBLIC;
       CREATE TYPE ${quote(schema)}.mood AS ENUM ('good'); REVOKE ALL ON TYPE ${quote(schema)}.mood FROM PUBLIC`
    ),
    () =>
      Effect.orDie(
        Clusters.query(
          admin,
          `DROP SCHEMA ${quote(schema)} CASCADE; DROP OWNED BY ${quote(role)}; DROP ROLE ${quote(role)}`
        )
      )
  )
  return { roles: [role], schemas: [schema], profile: "all" } as const satisfies Options
})

const lines = (file: string) => file.split("\n").filter((line) => line !== "" && !line.startsWith("--"))

const missing = (admin: DatabaseUrl.DatabaseUrl, options: Options) =>
  Effect.map(Rights.rights(options), ({ missing }) => missing.map(({ object }) => object)).pipe(
    Effect.provide(Session.layer(admin))
  )

/** As a user runs it, whose locale says nothing of UTF-8. */
const psql = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, text: string) {
  const file = join(yield* Restores.folder, "grants.sql")
  writeFileSync(file, text)
  const settings = Object.entries(DatabaseUrl.toLibpqEnvironment(url)).map(([name, value]) => [
    name,
    Redacted.isRedacted(value) ? Redacted.value(value) : value
  ])
  return yield* Effect.callback<string>((resume) => {
    const child = spawn("psql", ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", file], {
      env: { PATH: process.env["PATH"], LC_ALL: "C", ...Object.fromEntries(settings) }
    })
    let said = ""
    child.stderr.on("data", (chunk) => (said += chunk))
    child.on("close", (code) => resume(Effect.succeed(code === 0 ? said : `exit ${code}: ${said}`)))
    return Effect.sync(() => void child.kill())
  })
})

describe("a name in one line", () => {
  it("is written with escapes only where it has a line break", () => {
    assert.strictEqual(quoteInLine('a\\"b'), '"a\\""b"')
    assert.strictEqual(quoteInLine('a\n\r\\"b'), 'U&"a\\000A\\000D\\\\""b"')
  })
})

for (const major of ofRun([15, 18] as const, [18])) {
  describe(`a file of grants on PostgreSQL ${major}`, () => {
    it.live.prop(
      "gives all rights statement by statement, whatever the names are",
      { role: Name, schema: Name },
      ({ role, schema }) =>
        Effect.gen(function* () {
          const admin = yield* Clusters.superuser(major)
          const options = yield* prepare(admin, [role, schema])
          assert.isAtLeast((yield* missing(admin, options)).length, 4)
          const file = GrantFile.sqlFile(options, undefined)
          for (const line of lines(file)) assert.match(line, /^(GRANT|ALTER DEFAULT PRIVILEGES|DO|SET) .*;$/su)
          const query = file.split("\n").find((line) => line.startsWith("-- SELECT "))
          yield* Effect.gen(function* () {
            const { execute, sql } = yield* Session
            for (const line of lines(file)) yield* execute(line)
            const shown = yield* sql.unsafe<{ table_name: string }>(query!.slice(3))
            assert.deepStrictEqual([...new Set(shown.map(({ table_name }) => table_name))], ['T"x'])
          }).pipe(Effect.provide(Session.layer(admin)))
          assert.deepStrictEqual(yield* missing(admin, options), [])
        }).pipe(Effect.scoped),
      { timeout: 120_000, arbitrary: { runs: isLong(process.env) ? 15 : 8 } }
    )

    it.live.skipIf(!hasPsql)(
      "gives the same through psql, to all of them at once, and as the owner of the database",
      () =>
        Effect.gen(function* () {
          const { admin, url } = yield* Clusters.makeTarget(major, "databaseOwner")
          const prepared = yield* Effect.forEach(nasty, (name) => prepare(admin, [name, name]))
          const all = {
            roles: prepared.flatMap(({ roles }) => roles),
            schemas: prepared.flatMap(({ schemas }) => schemas),
            profile: "all"
          } as const
          assert.strictEqual(yield* psql(admin, GrantFile.sqlFile(all, admin.database)), "")
          assert.deepStrictEqual(yield* missing(admin, all), [])
          const app = yield* Clusters.makeRole(major)
          yield* Clusters.query(url, "CREATE TABLE public.t (id serial)")
          const options = { roles: [app.name], schemas: ["public"], profile: "all", forRoles: [url.user] } as const
          assert.strictEqual(yield* psql(url, GrantFile.sqlFile(options, url.database)), "")
          assert.deepStrictEqual(yield* missing(admin, options), [])
        })
    )

    it.live.skipIf(!hasPsql)("is read as UTF-8, whatever the database's encoding is", () =>
      Effect.gen(function* () {
        const admin = yield* Clusters.makeDatabase(major, { encoding: "LATIN1" })
        const schema = "Zürich"
        const { name } = yield* Clusters.makeRole(major)
        yield* Clusters.query(admin, `CREATE SCHEMA ${quote(schema)}; CREATE TABLE ${quote(schema)}.t ()`)
        const options = { roles: [name], schemas: [schema], profile: "readonly" } as const
        assert.strictEqual(yield* psql(admin, GrantFile.sqlFile(options, admin.database)), "")
        assert.deepStrictEqual(yield* missing(admin, options), [])
      })
    )
  })
}
