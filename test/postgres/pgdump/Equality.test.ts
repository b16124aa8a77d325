/**
 * The dumps of both ways to pg_dump are the same text. Where the program of this machine is older than 18, what later
 * versions write differently is listed here, each difference by its name.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import type { PgDumpOptions } from "../../../src/postgres/PgDump.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import * as Restores from "../../support/Restores.ts"
import * as Tier from "../../support/Tier.ts"

interface Difference {
  readonly name: string
  /** Since this major it is written in the new way. */
  readonly since: number
  /** Takes the difference out of a dump of either kind. */
  readonly level: (sql: string) => string
}

const aboutLargeObjects =
  /^--\n-- (?:Data for )?Name: (?:[^\n]*; Type: BLOB|BLOBS;|LARGE OBJECT|BLOB METADATA)[\s\S]*?(?=^--\n-- |(?![\s\S]))/gm

const differences: ReadonlyArray<Difference> = [
  {
    name: "the header sets transaction_timeout",
    since: 17,
    level: (sql) => sql.replace("SET transaction_timeout = 0;\n", "")
  },
  {
    name: "the owner of a view or sequence is set by ALTER VIEW or SEQUENCE",
    since: 16,
    level: (sql) =>
      sql.replace(/^ALTER (?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|FOREIGN TABLE) (.* OWNER TO .*;)$/gm, "ALTER … $1")
  },
  {
    name: "options of a foreign table's column are set with ONLY",
    since: 16,
    level: (sql) => sql.replaceAll("ALTER FOREIGN TABLE ONLY ", "ALTER FOREIGN TABLE ")
  },
  {
    name: "default privileges have one space before TO and FROM",
    since: 16,
    level: (sql) => sql.replace(/^(ALTER DEFAULT PRIVILEGES .*?) {2}(TO|FROM) /gm, "$1 $2 ")
  },
  {
    name: "a subscription names what 16 has other defaults for",
    since: 16,
    level: (sql) => sql.replace(/^(CREATE SUBSCRIPTION .*), streaming = off, run_as_owner = true\);$/gm, "$1);")
  },
  {
    name: "large objects come in groups, structure next to data",
    since: 17,
    level: (sql) => {
      const unlink = /^SELECT pg_catalog\.lo_unlink\(.*\n\n?/gm
      const entries = [...(sql.match(unlink) ?? []), ...(sql.match(aboutLargeObjects) ?? [])].join("\n")
      const statements = entries.split("\n").filter((line) => line !== "" && !/^(--|BEGIN|COMMIT)/.test(line))
      const others = sql
        .replace(unlink, "")
        .replace(aboutLargeObjects, "")
        .replace(/\n{2,}/g, "\n")
      return `${others}${statements.toSorted().join("\n")}`
    }
  }
]

const level = (sql: Buffer, since: number): string =>
  differences
    .filter((difference) => difference.since > since)
    .reduce((text, difference) => difference.level(text), NativePgDump.comparable(sql))

const native = NativePgDump.major ?? 0
/** The newest server here that the program of this machine can read. */
const major = Clusters.majors.findLast((candidate) => candidate <= native) ?? 15

/** Fails at the first line that differs; a diff of megabytes would take minutes. */
const assertSame = (wasm: string, expected: string) => {
  if (wasm === expected) return
  const [ours, theirs] = [wasm.split("\n"), expected.split("\n")]
  const at = ours.findIndex((line, index) => line !== theirs[index])
  assert.deepStrictEqual(
    ours.slice(at, at + 5).map((line) => line.slice(0, 300)),
    theirs.slice(at, at + 5).map((line) => line.slice(0, 300)),
    `line ${at + 1}`
  )
  assert.fail("the programs' dumps differ in length")
}

const same = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl, options: Partial<PgDumpOptions> = {}) {
  const wasm = yield* dump("wasm", major, url, options)
  assertSame(level(wasm, native), level(yield* dump("native", major, url, options), native))
  return wasm
})

/** Names, comments and enum labels with letters beyond ASCII, sent as the bytes of the encoding. */
const letters = (encoding: string) => `
  SET client_encoding = 'LATIN1';
  CREATE TYPE "Gemüt" AS ENUM ('früh', 'spät');
  CREATE TABLE "Straße" ("größe" "Gemüt", "né" text DEFAULT 'à la ${encoding}');
  COMMENT ON TABLE "Straße" IS 'Ünder the ÿ';
  INSERT INTO "Straße" VALUES ('spät', 'naïve'), ('früh', E'\\\\ \\t ß');
  CREATE FUNCTION "übung"() RETURNS text LANGUAGE sql AS 'SELECT ''ö''::text';
  SELECT lo_from_bytea(77, 'ä');`

NativePgDump.suite(`pg_dump as WebAssembly writes what that of this machine writes, server ${major}`, major, () => {
  it.live("of the sample database: all, its structure, without the rows of some tables", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(url)
      yield* same(url)
      yield* same(url, { schemaOnly: true })
      yield* same(url, { excludeTableData: [`public."*Log"`, `public."Day"`] })
      yield* same(url, { excludeTables: [`public."Day"*`] })
      yield* same(url, { schemas: ["public"] })
    })
  )

  it.live("of objects of every kind", () =>
    Effect.gen(function* () {
      const role = yield* Clusters.makeRole(major)
      const url = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(url, EveryKind.sql(role.name))
      // A database with a subscription cannot be dropped.
      yield* Effect.addFinalizer(() => Effect.orDie(Clusters.query(url, "DROP SUBSCRIPTION listening")))
      const sql = (yield* same(url)).toString()
      const absent = EveryKind.kinds.filter((kind) => !new RegExp(`^-- Name: .*; Type: ${kind}; `, "m").test(sql))
      assert.deepStrictEqual(absent, [])
    })
  )

  for (const encoding of Tier.ofRun(["LATIN1", "SQL_ASCII", "UTF8"], ["LATIN1"])) {
    it.live(`of letters beyond ASCII in a database of encoding ${encoding}`, () =>
      Effect.gen(function* () {
        const url = yield* Clusters.makeDatabase(major, { encoding })
        // One function, so that the text arrives in the encoding that it names.
        yield* Clusters.query(url, letters(encoding))
        const sql = yield* same(url)
        assert.include(sql.toString(), `SET client_encoding = '${encoding}';`)
        yield* same(url, { excludeTableData: [`public."Straße"`] })
      })
    )
  }

  Tier.long("in the long run,", () => {
    it.live("of a field of 64 MB", () =>
      Effect.gen(function* () {
        const url = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(url, `CREATE TABLE large AS SELECT repeat(md5('x'), 2 * 1024 * 1024) AS field`)
        assert.isAbove((yield* same(url)).length, 64 * 1024 * 1024)
      })
    )
  })

  it.live("of a large object of 8 MB among 50", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(
        url,
        `SELECT lo_from_bytea(5, decode(repeat(md5('y'), 512 * 1024), 'hex'));
         SELECT lo_from_bytea(i::oid, decode(md5(i::text), 'hex')) FROM generate_series(6, 54) i`
      )
      assert.isAbove((yield* same(url)).length, 16 * 1024 * 1024)
    })
  )

  Tier.long("of many tables", () =>
    it.live("of 1,500 tables", () =>
      Effect.gen(function* () {
        const url = yield* Clusters.makeDatabase(major)
        for (let from = 0; from < 1500; from += 250) {
          yield* Clusters.query(
            url,
            `DO $$ BEGIN FOR i IN ${from + 1}..${from + 250} LOOP
             EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, name text UNIQUE)', i);
           END LOOP; END $$`
          )
        }
        assert.lengthOf((yield* same(url)).toString().match(/^CREATE TABLE /gm) ?? [], 1500)
      })
    )
  )
})
