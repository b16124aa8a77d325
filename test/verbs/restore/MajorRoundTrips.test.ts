/** The sample database from one major of PostgreSQL to another, verified, dumped there again, and taken back. */
import { readFileSync } from "node:fs"
import { dirname } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { snapshot } from "../../support/Snapshot.ts"
import { each } from "../../support/Tier.ts"
import * as Undoing from "../../support/Undoing.ts"

/** What pg_dump writes otherwise for another server, of one and the same database. */
const versionsOwn: ReadonlyArray<readonly [why: string, text: RegExp]> = [
  ["the key is another one each time", /^\\(un)?restrict .*\n/gm],
  ["the server's version", /^-- Dumped from database version .*\n/gm],
  [
    // https://www.postgresql.org/docs/release/15.0/: "Change the owner of the public schema to pg_database_owner"
    "a database's own schema public is another's from 15 on, and pg_dump says where it is otherwise",
    /^-- \*not\* dropping schema, since initdb creates it\n[^]*?^ALTER SCHEMA public OWNER TO \w+;\n\n/gm
  ],
  [
    // The same notes: "Remove PUBLIC creation permission on the public schema"
    "and so are its rights",
    /^-- Name: SCHEMA public; Type: ACL; .*\n--\n\n(?:(?:REVOKE|GRANT) .*\n)+\n\n--\n/gm
  ]
]

const comparable = (file: string) =>
  versionsOwn.reduce((text, [, own]) => text.replaceAll(own, ""), readFileSync(file, "utf8"))

/** The same by its manifest: rows, bytes and checksums of tables, sequences, and what tables are made of. */
const contents = (file: string) => {
  const { catalog, checks, largeObjects, prismaMigrations, sequences, tables } = JSON.parse(
    readFileSync(`${file}.manifest.json`, "utf8")
  )
  return { parts: catalog.parts, states: catalog.states, checks, largeObjects, prismaMigrations, sequences, tables }
}

const trips: ReadonlyArray<readonly [Clusters.Major, Clusters.Major]> = [
  [15, 18],
  [18, 15],
  [13, 18],
  [18, 13],
  [16, 13],
  [13, 16]
]

each(
  trips,
  [trips[0]!],
  ([from, to]) => `the sample database from PostgreSQL ${from} to ${to}`,
  ([from, to]) => {
    it.live(`arrives whole, is dumped there as it was, and is taken back`, () =>
      Effect.gen(function* () {
        const source = yield* Clusters.makeDatabase(from)
        yield* Restores.fillJournal(source)
        const { file } = yield* Restores.dump(source, yield* Restores.folder, { checksums: true })

        const target = yield* Clusters.makeDatabase(to)
        yield* Clusters.query(target, `CREATE TABLE public."Day" (id int); INSERT INTO public."Day" VALUES (1), (2)`)
        const before = yield* snapshot(target)
        const report = yield* Restores.restore(target, file, { clean: true, backupFirst: true })
        assert.deepStrictEqual(report.verify?.findings, [])
        assert.strictEqual(report.verify?.checksums, report.tables)
        assert.deepStrictEqual([report.adapted, report.differences], [[], []])

        const again = yield* Restores.dump(target, yield* Restores.folder, { checksums: true })
        assert.strictEqual(comparable(again.file), comparable(file))
        assert.deepStrictEqual(contents(again.file), contents(file))

        yield* Undoing.undo(target, dirname(file))
        yield* Restores.same(yield* snapshot(target), before)
      })
    )
  }
)
