/** Databases held against real dumps: every kind of object, states, extensions, content. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import type * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as Verify from "../../../src/verbs/Verify.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import * as Restores from "../../support/Restores.ts"
import { isLong } from "../../support/Tier.ts"

/** What `pgark verify FILE` finds, in lines. */
const found = (url: DatabaseUrl.DatabaseUrl, file: string) =>
  Effect.gen(function* () {
    const store = yield* DumpStore
    const expected = yield* store.prove(yield* store.find(file))
    const { findings } = yield* Verify.check({ expected, schemas: expected.schemas })
    return findings.map(
      ({ check, object, expected, found, severity }) => `${severity}: ${check}: ${object}: ${expected} / ${found}`
    )
  }).pipe(Effect.provide([Session.layer(url), DumpStore.layer("unused")]), Effect.provide(NodeServices.layer))

/** A dump of every kind, with checksums, and a database that it was restored into. */
const restored = Effect.fnUntraced(function* (major: Clusters.Major) {
  const role = yield* Clusters.makeRole(major)
  const source = yield* Clusters.makeDatabase(major)
  yield* Clusters.query(source, EveryKind.sql(role.name))
  // A server drops no database with a subscription, and pg_dump writes no handler of pg_catalog for a language.
  yield* Clusters.query(source, "DROP SUBSCRIPTION listening")
  yield* Clusters.query(source, "DROP LANGUAGE plmine")
  const { file, manifest } = yield* Restores.dump(source, yield* Restores.folder, { checksums: true })
  const target = yield* Clusters.makeDatabase(major)
  yield* Restores.restore(target, file)
  return { file, manifest, source, target }
})

/** Of the source itself: what is worth a word in every copy of it. */
const asInSource = [
  'warning: states: constraint "later" on "kinds"."refers": valid / not valid, as in the source',
  'warning: states: materialized view "kinds"."empty_one": populated / not populated, as in the source'
]

/** What somebody did to the restored database, and what is found of it. */
const changes: ReadonlyArray<readonly [title: string, sql: string, finds: ReadonlyArray<string>]> = [
  ["a view less", "DROP VIEW kinds.circle", ["finding: objects: VIEW in kinds, public: 2 / 1"]],
  ["a policy less", "DROP POLICY mine ON kinds.parent", ["finding: objects: POLICY in kinds, public: 1 / 0"]],
  [
    "an overloaded function more",
    "CREATE FUNCTION kinds.twice(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ["finding: objects: FUNCTION in kinds, public: 9 / 10"]
  ],
  [
    "a trigger at work that was not",
    "ALTER TABLE kinds.parent ENABLE TRIGGER noted",
    ['finding: states: trigger "noted" on "kinds"."parent": disabled / enabled, or it is not there']
  ],
  [
    "a rule that is not at work",
    "CREATE RULE no AS ON INSERT TO kinds.fleeting DO INSTEAD NOTHING; ALTER TABLE kinds.fleeting DISABLE RULE no",
    ['finding: states: rule "no" on "kinds"."fleeting": enabled / disabled']
  ],
  [
    "a materialized view without rows",
    "REFRESH MATERIALIZED VIEW kinds.frozen WITH NO DATA",
    ['finding: states: materialized view "kinds"."frozen": populated / not populated']
  ],
  [
    "a table whose policies no longer count",
    "ALTER TABLE kinds.parent DISABLE ROW LEVEL SECURITY",
    ['finding: states: table "kinds"."parent": row security, forced / no row security, or it is not there']
  ],
  [
    "a table whose policies spare its owner",
    "ALTER TABLE kinds.parent ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ['finding: states: table "kinds"."parent": row security, forced / row security']
  ],
  [
    "a CHECK, a default and a NOT NULL less, and a column more",
    `ALTER TABLE kinds.parent DROP CONSTRAINT even, ALTER mood DROP DEFAULT, ALTER mood DROP NOT NULL;
     ALTER TABLE kinds.refers ADD COLUMN more int`,
    [
      'finding: table parts: "kinds"."refers": 3 columns / 4 columns',
      'finding: table parts: "kinds"."parent": 2 NOT NULL, 2 defaults, 1 CHECK constraints / 1 NOT NULL, 1 defaults, 0 CHECK constraints'
    ]
  ],
  [
    "a constraint that was checked meanwhile",
    "ALTER TABLE kinds.refers VALIDATE CONSTRAINT later",
    ['finding: states: constraint "later" on "kinds"."refers": not valid / valid, or it is not there']
  ]
]

for (const major of [18] as const) {
  describe(`a database held against its dump on PostgreSQL ${major}`, () => {
    it.live("is equal in every kind of object, and every difference is named", () =>
      Effect.gen(function* () {
        const { file, manifest, target } = yield* restored(major)
        assert.deepInclude(manifest?.catalog, { snapshot: "shared", encoding: "UTF8" })
        assert.deepStrictEqual(manifest?.catalog.extensions, [{ name: "plpgsql", version: "1.0" }])
        const same = yield* found(target, file)
        assert.sameMembers(same, [...asInSource])
        for (const [title, sql, finds] of changes) {
          yield* Clusters.query(target, `BEGIN; ${sql}; COMMIT`)
          const now = yield* found(target, file)
          assert.includeMembers(now, [...finds], title)
          // The last dump has all of the changes.
          if (!isLong(process.env) && title !== changes.at(-1)?.[0]) continue
          const { file: fresh } = yield* Restores.dump(target, yield* Restores.folder)
          assert.isEmpty(
            (yield* found(target, fresh)).filter((one) => one.startsWith("finding")),
            title
          )
        }
      })
    )

    it.live("is compared in its content where the dump has checksums", () =>
      Effect.gen(function* () {
        const { file, manifest, target } = yield* restored(major)
        assert.isTrue(manifest?.tables.every(({ checksum }) => /^\d+:-?\d+$/.test(checksum ?? "")))
        // Other bytes on disk, in another order, are the same rows.
        yield* Clusters.query(target, "CLUSTER kinds.parent; SET datestyle = 'German'; SET extra_float_digits = -5")
        assert.sameMembers(yield* found(target, file), [...asInSource])
        yield* Clusters.query(target, "DROP PUBLICATION parts, schemas; UPDATE kinds.parted SET id = 7 WHERE id = 1")
        const [first, ...others] = (yield* found(target, file)).filter((one) => one.startsWith("finding"))
        assert.match(first ?? "", /^finding: content: "kinds"."parted_1": checksum 1:-?\d+ \/ 1:-?\d+$/)
        assert.isEmpty(others)
      })
    )
  })
}
