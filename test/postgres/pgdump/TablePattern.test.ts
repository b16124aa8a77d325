/** pg_dump is asked which tables its patterns match, and the server what they become here. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { qualified, quote } from "../../../src/postgres/Identifier.ts"
import * as TablePattern from "../../../src/postgres/pgdump/TablePattern.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Clusters from "../../support/Clusters.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import { long } from "../../support/Tier.ts"

const schemas = ["public", "Other", "seen", `qu"ote`]
const tables = ["plain", "Plain", "plain2", "plain[]", "a.b", `qu"ote`, "do$lar", "star*", "Über", "x|y"]

const patterns = [
  "plain",
  "PLAIN?",
  "*.*",
  `"O"ther.plain`,
  `"a.b"`,
  "a.b",
  `"qu""ote"."qu""ote"`,
  `"""ote`,
  "do$lar",
  `"star*"`,
  "?ber",
  "(plain|do$lar)",
  "plain[]",
  "",
  `"unclosed`,
  "pl\\ain"
]

long("a pattern", () => {
  it.live("matches what it matches for pg_dump", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(Clusters.sourceMajor, { attributes: "SUPERUSER" })
      const url = Clusters.as(yield* Clusters.makeDatabase(Clusters.sourceMajor), role)
      yield* Clusters.query(
        url,
        [
          ...schemas.slice(1).map((schema) => `CREATE SCHEMA ${quote(schema)}`),
          ...schemas.flatMap((schema) => tables.map((table) => `CREATE TABLE ${qualified(schema, table)} ()`)),
          `ALTER ROLE ${role.name} SET search_path = seen, public`
        ].join(";")
      )
      const names = (condition: (sql: SqlClient.SqlClient) => Fragment) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ readonly name: string }>`
            select format('%I.%I', nspname, relname) as name
            from pg_class c join pg_namespace n on n.oid = relnamespace
            where relkind = 'r' and ${sql.in("nspname", schemas)} and ${condition(sql)}
            order by 1`
          return rows.map(({ name }) => name)
        }).pipe(Effect.provide(Session.layer(url)))
      const all = yield* names((sql) => sql`true`)
      const options = { schemaOnly: true }
      for (const pattern of patterns) {
        const sql = (yield* dump("wasm", Clusters.sourceMajor, url, {
          ...options,
          excludeTables: [pattern]
        })).toString()
        const left = new Set(Array.from(sql.matchAll(/^CREATE TABLE (.*) \($/gm), ([, table]) => table!))
        const read = TablePattern.parse(pattern)
        if (read === undefined) return assert.fail(pattern)
        assert.deepStrictEqual(
          yield* names((sql) => TablePattern.matches(sql, read, ["pg_catalog", "seen", "public"])),
          all.filter((table) => !left.has(table)),
          pattern
        )
      }
    })
  )

  it("has at most a database, a schema and a name", () => {
    assert.deepInclude(TablePattern.parse(`"My.Base".S.t`), { database: "My.Base", schema: "^(s)$", name: "^(t)$" })
    assert.isUndefined(TablePattern.parse("a.b.c.d"))
  })
})
