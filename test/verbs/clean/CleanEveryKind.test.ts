import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { DatabaseUrl } from "../../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../../src/postgres/Session.ts"
import { survey } from "../../../src/postgres/survey/Survey.ts"
import * as Clean from "../../../src/verbs/Clean.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as EveryKind from "../../support/EveryKind.ts"
import { unchanged } from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

const left = (url: DatabaseUrl) =>
  Effect.map(survey({ schemas: ["kinds"] }).pipe(Effect.provide(Session.layer(url))), ({ objects }) => objects)

/** A database with a subscription cannot be dropped. */
const unsubscribe = "DROP SUBSCRIPTION listening"

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))(
  "clean of every kind of object on PostgreSQL %i",
  (major) => {
    it.live("leaves nothing, as a superuser", () =>
      Effect.gen(function* () {
        const { name } = yield* Clusters.makeRole(major)
        const admin = yield* Clusters.makeDatabase(major)
        yield* Clusters.query(admin, `${EveryKind.sql(name)}; ${unsubscribe}`)
        // Publications of single tables, and event triggers, are the database's: clean by itself has them in its way.
        const clean = Clean.clean({ schemas: ["kinds"] }).pipe(Effect.provide(Session.layer(admin)))
        const blocked = yield* unchanged(admin, Effect.flip(clean))
        if (blocked._tag !== "CleanBlocked") return assert.fail(blocked.message)
        assert.deepStrictEqual(
          blocked.blockers.map(({ what }) => what),
          ["event trigger watched", ...Array.from({ length: 3 }, () => `publication "parts"`)]
        )
        yield* Clusters.query(admin, "DROP EVENT TRIGGER watched; DROP PUBLICATION parts")
        assert.isAbove((yield* left(admin)).length, 40)
        const report = yield* clean
        assert.deepStrictEqual(report.stays, [])
        assert.deepStrictEqual(yield* left(admin), [])
      })
    )

    it.live(
      "leaves what others and extensions own, and says so, as the owner of all the rest and not of the schema",
      () =>
        Effect.gen(function* () {
          const { name } = yield* Clusters.makeRole(major)
          const other = yield* Clusters.makeRole(major)
          const owner = yield* Clusters.makeRole(major, { attributes: "SUPERUSER" })
          const admin = yield* Clusters.makeDatabase(major)
          const url = Clusters.as(admin, owner)
          yield* Clusters.query(url, `${EveryKind.sql(name)}; ${unsubscribe}`)
          yield* Clusters.query(
            admin,
            `ALTER ROLE ${owner.name} NOSUPERUSER; DROP PUBLICATION parts; ALTER SCHEMA kinds OWNER TO ${other.name};
         GRANT USAGE, CREATE ON SCHEMA kinds TO ${owner.name};
         CREATE EXTENSION citext SCHEMA kinds; CREATE TABLE kinds.theirs (id int);
         ALTER TABLE kinds.theirs OWNER TO ${other.name}`
          )
          const report = yield* Clean.clean({ schemas: ["kinds"], cascadeOutside: true }).pipe(
            Effect.provide(Session.layer(url))
          )
          assert.strictEqual(report.rung, 2)
          // Nobody owns a text search parser or template: they are the schema's.
          assert.deepStrictEqual(report.stays, [
            `table kinds.theirs (of ${other.name})`,
            "text search parser kinds.parser (of nobody)",
            "text search template kinds.template (of nobody)"
          ])
          assert.deepStrictEqual(report.outside, [`event trigger watched (of ${owner.name})`])
          const objects = yield* left(admin)
          assert.deepStrictEqual(
            objects.flatMap(({ extension, identity }) => (extension === null ? [identity] : [])),
            ["kinds.theirs", "kinds.parser", "kinds.template"]
          )
          assert.isTrue(objects.some(({ extension }) => extension === "citext"))
        })
    )
  }
)
