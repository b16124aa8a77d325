import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { type Contents, DumpReading } from "../../../src/dumps/DumpReading.ts"
import * as Session from "../../../src/postgres/Session.ts"
import { survey } from "../../../src/postgres/survey/Survey.ts"
import { asideObstacles } from "../../../src/verbs/restore/Aside.ts"
import { emptied, replacement } from "../../../src/verbs/restore/Replacement.ts"
import * as Clusters from "../../support/Clusters.ts"
import { object, schema, surveyOf } from "../../support/SurveyOf.ts"

const contentsOf = (sql: string): Contents => {
  const reading = new DumpReading()
  reading.push(Buffer.from(sql))
  return reading.finish()
}

const dump = `CREATE TABLE public.t (id integer);
COPY public.t (id) FROM stdin;
1
\\.
`

describe("what keeps schemas from being renamed aside", () => {
  const t = object("TABLE", "t")
  const target = surveyOf({ objects: [t] })
  const going = { objects: [t], databaseWide: [] }

  it("is nothing where the dump fills them anew", () => {
    assert.deepStrictEqual(asideObstacles(target, contentsOf(dump), going), [])
    const member = object("TABLE", "theirs", { extension: "postgis" })
    assert.deepStrictEqual(asideObstacles(surveyOf({ objects: [t, member] }), contentsOf(dump), going), [])
  })

  it("is what keeps a schema from being put back, each reason once", () => {
    const reason = { reason: "no-create-on-database", text: "no CREATE right on the database" } as const
    const schemas = ["public", "b"].map((name) => schema(name, { recreatable: [reason] }))
    assert.deepStrictEqual(asideObstacles(surveyOf({ schemas }), contentsOf(dump), going), [reason.text])
  })

  it("is what stays in them", () => {
    const [u, v] = [object("TABLE", "u"), object("VIEW", "v")]
    assert.deepStrictEqual(asideObstacles(surveyOf({ objects: [t, u] }), contentsOf(dump), going), [
      "table public.u is not replaced"
    ])
    assert.deepStrictEqual(asideObstacles(surveyOf({ objects: [t, u, v] }), contentsOf(dump), going), [
      "2 objects are not replaced, table public.u among them"
    ])
    // Without --clean: what the dump drops by itself.
    const partial = contentsOf(`DROP VIEW public.v; ${dump}`)
    const found = surveyOf({ objects: [t, v] })
    assert.deepStrictEqual(asideObstacles(found, partial, replacement(partial, found)), [
      "table public.t is not replaced"
    ])
  })

  it("is what a dump does besides filling them", () => {
    assert.deepStrictEqual(asideObstacles(target, contentsOf("COPY public.t (id) FROM stdin;\n1\n\\.\n"), going), [
      "the dump has rows for 1 table that it does not create"
    ])
    assert.deepStrictEqual(asideObstacles(target, contentsOf(`${dump}DELETE FROM other.t;`), going), [
      "the dump has statements that pg_dump does not write (DELETE)"
    ])
    assert.deepStrictEqual(
      asideObstacles(target, contentsOf(`${dump}CREATE EXTENSION citext; CREATE PUBLICATION p;`), going),
      ["the dump creates publication p, which stands in no schema", "the dump creates extension citext"]
    )
  })

  it("is what stands beside them and goes, or acts on them", () => {
    const wide = { owner: "me", droppable: true }
    const publication = { ...wide, key: "p", kind: "PUBLICATION", name: "p" }
    const found = surveyOf({
      objects: [t],
      largeObjects: [{ oid: "4711", owner: "me", droppable: true }],
      databaseWide: [publication, { ...wide, key: "e", kind: "EVENT TRIGGER", name: "watch" }],
      subscribed: [{ schema: "public", table: "t", subscription: "s", owner: "me" }],
      configTables: [
        {
          schema: "public",
          name: "spatial_ref_sys",
          owner: "me",
          extension: "postgis",
          condition: "",
          rows: "unknown",
          deletable: true
        }
      ]
    })
    const contents = contentsOf(`DROP PUBLICATION p; ${dump}CREATE PUBLICATION p;`)
    assert.deepStrictEqual(asideObstacles(found, contents, emptied(contents, found)), [
      "subscription s fills table public.t",
      "event trigger watch acts on what is not yet known to stay",
      "the dump replaces publication p of the database",
      "large objects that the dump creates are there (4711)",
      'rows of "public"."spatial_ref_sys", a table of an extension, are replaced'
    ])
  })

  it.live("is found in a real target", () =>
    Effect.gen(function* () {
      const { admin, role, url } = yield* Clusters.makeTarget(18, "databaseOwner")
      yield* Clusters.query(
        url,
        "CREATE TABLE public.t (id integer); CREATE SCHEMA app; CREATE TABLE app.u (id integer)"
      )
      const contents = contentsOf(`${dump}CREATE SCHEMA app; CREATE TABLE app.u (id integer);`)
      const obstacles = Effect.fnUntraced(function* () {
        const session = yield* Session.open(url)
        const found = yield* Effect.provideService(
          survey({ schemas: ["public", "app"] }),
          SqlClient.SqlClient,
          session.sql
        )
        return asideObstacles(found, contents, emptied(contents, found))
      })
      assert.deepStrictEqual(yield* obstacles(), [])
      yield* Clusters.query(
        admin,
        `CREATE SCHEMA other; CREATE VIEW other.seen AS SELECT * FROM app.u; CREATE TABLE app.theirs (id integer);
         CREATE PUBLICATION ours FOR TABLE public.t; CREATE EXTENSION citext SCHEMA app`
      )
      assert.deepStrictEqual(yield* obstacles(), [
        "publication ours publishes table public.t",
        "extension citext has objects in schema app",
        "view other.seen depends on column id of table app.u"
      ])
      yield* Clusters.query(
        admin,
        `REVOKE ALL ON DATABASE ${admin.database} FROM PUBLIC; ALTER SCHEMA app OWNER TO postgres`
      )
      assert.include(yield* obstacles(), "schema app belongs to postgres", role.name)
    })
  )
})
