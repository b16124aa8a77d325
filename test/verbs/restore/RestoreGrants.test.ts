/** What a restore grants where the target has objects, and a schema, of others. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import { quote } from "../../../src/postgres/Identifier.ts"
import * as Verify from "../../../src/verbs/Verify.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { ofRun } from "../../support/Tier.ts"

layer(Restores.JournalDump.layer, { excludeTestServices: true })("restore --grant-to", (it) => {
  for (const major of ofRun([15, 18] as const, [18])) {
    it.effect(`gives rights on what it brings, and tells of the rest, on PostgreSQL ${major}`, () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "someTablesOwner")
        yield* Clusters.query(
          admin,
          "CREATE FUNCTION public.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON FUNCTION public.theirs() FROM PUBLIC"
        )
        const [app, second] = [yield* Clusters.makeRole(major), yield* Clusters.makeRole(major)]
        const roles = [app.name, second.name]
        const { grant } = yield* Restores.restore(url, file, { clean: true, grantTo: roles })
        assert.deepStrictEqual(
          grant?.notGranted.map(({ kind, object, role }) => [kind, object, role]),
          roles.flatMap((role) => [
            ["table", `"public"."NotMine"`, role],
            ["function", `"public"."theirs"()`, role]
          ])
        )
        for (const role of [app, second]) {
          yield* Clusters.query(Clusters.as(admin, role), `UPDATE public."Goal" SET title = 'by the app' WHERE id = 1`)
        }
        // What was no reason to fail then is none afterwards, and what was promised is.
        const verified = yield* Effect.gen(function* () {
          const store = yield* DumpStore
          const expected = yield* store.prove(yield* store.find(file))
          const check = Verify.check({ expected, schemas: ["public"], grantTo: { roles, profile: "all" } })
          const before = yield* check
          yield* Clusters.query(url, `REVOKE DELETE ON public."Goal" FROM ${quote(second.name)}`)
          return [before, yield* check]
        }).pipe(Effect.provide(Restores.restoreLayer(url, yield* Restores.folder)))
        const rights = verified.map(({ findings }) =>
          findings.filter(({ check }) => check === "rights").map(({ severity, object }) => `${severity}: ${object}`)
        )
        const others = [`warning: table "public"."NotMine"`, `warning: function "public"."theirs"()`]
        assert.deepStrictEqual(rights, [
          [...others, ...others],
          [...others, `finding: table "public"."Goal"`, ...others]
        ])
      })
    )

    it.effect(`names the statement that the server took without effect, on PostgreSQL ${major}`, () =>
      Effect.gen(function* () {
        const { file } = yield* Restores.JournalDump
        const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
        yield* Clusters.query(admin, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        const { name } = yield* Clusters.makeRole(major)
        const error = yield* Restores.unchanged(
          admin,
          Effect.flip(Restores.restore(url, file, { clean: true, grantTo: name }))
        )
        if (error._tag !== "PermissionDenied") return assert.fail(error._tag)
        assert.strictEqual(error.statement, `GRANT USAGE ON SCHEMA "public" TO ${quote(name)}`)
        // A warning, as the server sees it (01007).
        assert.include(error.detail, `grant use of schema public: no privileges were granted for "public"`)
        assert.strictEqual(error.state, "rolled-back")
      })
    )
  }
})
