/** What a configuration may say, and how it is told what is wrong with one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { decode, json } from "../../../src/cli/config/Decoding.ts"
import { nearest } from "../../../src/cli/config/Nearest.ts"

const wrong = (raw: unknown) =>
  Effect.map(Effect.flip(decode(raw, "pgark.config.json")), ({ detail = "" }) => detail.split("\n"))

describe("a configuration", () => {
  it.effect("may say all of this, and nothing", () =>
    Effect.gen(function* () {
      const full = {
        $schema: "./node_modules/pgark/docs/json/config.json",
        database: "staging",
        databases: {
          staging: {
            urlFrom: "STAGING_DATABASE_URL",
            schemas: ["app"],
            excludeTables: ["app.log*"],
            excludeTableData: [],
            grant: { to: ["web"], profile: "readwrite", forRoles: ["migrator"] }
          },
          "prod-eu.1": { url: "postgresql://me@db.example.com/app?sslmode=verify-full", protected: true }
        },
        dir: "backups",
        compress: "zstd:9"
      }
      assert.deepStrictEqual<unknown>(yield* decode(full, "f"), full)
      assert.deepStrictEqual(yield* decode({}, "f"), {})
    })
  )

  it.effect("tells everything that is wrong with it at once, each with its place and what is expected", () =>
    Effect.gen(function* () {
      const raw = {
        databse: "x",
        dir: "",
        compress: "gzip:12",
        database: "stagin",
        databases: {
          "a b": { url: "postgresql://h/d" },
          staging: { urlFrom: "A URL", schemas: ["pg_catalog", 3], excludeTable: [], grant: { profile: "al" } },
          production: { url: "postgresql://h/d", urlFrom: "P" },
          neither: {},
          again: { urlFrom: "A URL" }
        }
      }
      assert.deepStrictEqual((yield* wrong(raw)).toSorted(), [
        "compress: expected none, gzip, gzip:1 to gzip:9, zstd, zstd:1 to zstd:19",
        "database: there is no stagin in databases; did you mean staging?",
        "databases.again.urlFrom: expected the name of a variable",
        "databases.again.urlFrom: is that of staging already; of which would its settings be?",
        "databases.neither: expected one of url and urlFrom, and it has neither",
        "databases.production: expected one of url and urlFrom, and it has both",
        "databases.staging.excludeTable: unknown key; did you mean excludeTables?",
        'databases.staging.grant.profile: expected "all" | "readwrite" | "readonly"',
        "databases.staging.grant.to: missing, and must be there",
        "databases.staging.schemas[0]: expected a schema of the app, not one of the server",
        "databases.staging.schemas[1]: expected string",
        "databases.staging.urlFrom: expected the name of a variable",
        'databases["a b"]: expected a name of letters, digits, - _ and .',
        "databse: unknown key; did you mean database?",
        "dir: expected a value with a length of at least 1"
      ])
      assert.deepStrictEqual(yield* wrong([]), ["expected object"])
      assert.deepStrictEqual(yield* wrong({ database: "x" }), ["database: names one, and there are no databases"])
    })
  )

  it.effect("holds no password, in whatever form, and never repeats one", () =>
    Effect.gen(function* () {
      for (const url of [
        "postgresql://me:hush-hush@h/d",
        "postgres://:hush-hush@h/d",
        "postgresql://h/d?user=me&password=hush-hush",
        "jdbc:postgresql://h/d?user=me&password=hush-hush",
        "host=h password=hush-hush dbname=d",
        "postgresql://me:hush-hush@@[h/d",
        "postgresql://h/d?sslpassword=hush-hush"
      ]) {
        const error = yield* Effect.flip(decode({ databases: { a: { url } } }, "f"))
        assert.match(error.detail ?? "", /^databases\.a\.url: expected a URL without a password: .*urlFrom/, url)
        assert.notInclude(JSON.stringify(error), "hush")
      }
      for (const url of [
        "postgresql://me@h:5432,i:5433/d?application_name=a@b",
        "host=h dbname=d",
        "postgresql:///d"
      ]) {
        yield* decode({ databases: { a: { url } } }, "f")
      }
      const error = yield* Effect.flip(json('{\n  "url": "postgresql://me:hush-hush@h/d",\n}', "f"))
      assert.match(error.message, /^f is not JSON/)
      assert.notInclude(JSON.stringify(error), "hush")
    })
  )
})

describe("a name that was meant", () => {
  it("is the most similar one, where one is similar", () => {
    const known = ["staging", "production", "dir", "excludeTables", "excludeTableData"]
    for (const [written, meant] of [
      ["stagin", "staging"],
      ["satging", "staging"],
      ["prod", "production"],
      ["exclude-tables", "excludeTables"],
      ["ExcludeTableDate", "excludeTableData"],
      ["dri", "dir"],
      ["compress", undefined],
      ["d", undefined]
    ] as const) {
      assert.strictEqual(nearest(written, known), meant, written)
    }
  })
})
