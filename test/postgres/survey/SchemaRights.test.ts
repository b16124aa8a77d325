/** Rights that changed are brought back by statements, of every kind that no dump of a schema's content has. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { quote } from "../../../src/postgres/Identifier.ts"
import { Session } from "../../../src/postgres/Session.ts"
import * as SchemaRights from "../../../src/postgres/survey/SchemaRights.ts"
import * as Clusters from "../../support/Clusters.ts"
import { ofRun } from "../../support/Tier.ts"

const changes = (major: number, [owner, app]: readonly [string, string]): ReadonlyArray<string> => [
  `GRANT USAGE, CREATE ON SCHEMA "s""1" TO ${app} WITH GRANT OPTION`,
  `REVOKE ALL ON SCHEMA "s""1" FROM CURRENT_USER, PUBLIC`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA "s""1" GRANT SELECT, INSERT ON TABLES TO ${app}`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} REVOKE ALL ON TABLES FROM ${owner}`,
  `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} GRANT USAGE ON SCHEMAS TO PUBLIC`,
  `GRANT UPDATE (id) ON "s""1".t TO ${app} WITH GRANT OPTION`,
  `GRANT SELECT, UPDATE ON "s""1".t TO ${app}; GRANT USAGE ON SEQUENCE "s""1".q TO ${app} WITH GRANT OPTION`,
  `GRANT EXECUTE ON FUNCTION "s""1".f(int, "s""1".mood) TO ${app}; GRANT EXECUTE ON PROCEDURE "s""1".p() TO ${app}`,
  `GRANT USAGE ON TYPE "s""1".mood TO ${app}; GRANT CONNECT, TEMP ON DATABASE CURRENT TO ${app}`,
  ...(major < 18 ? [] : [`ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} GRANT SELECT ON LARGE OBJECTS TO ${app}`])
]

describe.each(ofRun(Clusters.majors, [Clusters.sourceMajor]))("rights on PostgreSQL %s", (major) => {
  it.live("go back to what they were and forth again, whatever has changed", () =>
    Effect.gen(function* () {
      const [owner, app] = [yield* Clusters.makeRole(major), yield* Clusters.makeRole(major)]
      const admin = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA "s""1"; SET search_path = "s""1"; CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id int);
         CREATE SEQUENCE q; CREATE FUNCTION f(int, mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'`
      )
      const read = SchemaRights.read([`s"1`], [app.name]).pipe(Effect.provide(Session.layer(admin)))
      const turn = (before: ReadonlyArray<SchemaRights.Right>, now: ReadonlyArray<SchemaRights.Right>) =>
        SchemaRights.restore(before, now).pipe(Effect.provide(Session.layer(admin)))
      const all = changes(major, [owner.name, app.name]).map((sql) =>
        sql.replace("CURRENT TO", `${quote(admin.database)} TO`)
      )
      for (const sql of all) {
        const before = yield* read
        assert.deepStrictEqual(yield* turn(before, before), [])
        yield* Clusters.query(admin, sql)
        const after = yield* read
        const [back, forth] = [yield* turn(before, after), yield* turn(after, before)]
        assert.isNotEmpty(back, sql)
        yield* Clusters.query(admin, back.join(";"))
        assert.deepStrictEqual(yield* read, before, sql)
        yield* Clusters.query(admin, forth.join(";"))
        // The next change comes on top of this one.
        assert.deepStrictEqual(yield* read, after, sql)
      }
    })
  )
})
