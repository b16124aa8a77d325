import { assert, describe, it } from "@effect/vitest"
import { objectKey } from "../../../src/postgres/ObjectName.ts"
import { choose, lost } from "../../../src/verbs/clean/Ladder.ts"
import { object, schema, surveyOf } from "../../support/SurveyOf.ts"

const table = object("TABLE", "t")
const foreign = object("TABLE", "theirs", { owner: "other", droppable: false })

describe("the ladder", () => {
  it("has no rung where nothing is there, or only what extensions own", () => {
    assert.deepStrictEqual(choose(surveyOf()), { beside: [], rungs: [], outside: [], blockers: [] })
    const member = object("TABLE", "spatial_ref_sys", { extension: "postgis", droppable: false, owner: "other" })
    assert.deepStrictEqual(choose(surveyOf({ objects: [member] })), {
      beside: [],
      rungs: [],
      outside: [],
      blockers: []
    })
  })

  it("drops the schema where it can be put back, and its content otherwise", () => {
    const { rungs, blockers } = choose(surveyOf({ objects: [table] }))
    assert.deepStrictEqual(blockers, [])
    assert.deepStrictEqual(
      rungs.map(({ rung, statements }) => ({
        rung,
        statements: statements.map(({ sql, destroys }) => [sql, destroys])
      })),
      [
        {
          rung: 1,
          statements: [
            ["DROP TABLE public.t", true],
            [`DROP SCHEMA "public"`, true],
            [`CREATE SCHEMA "public" AUTHORIZATION "other"`, false]
          ]
        },
        { rung: 2, statements: [["DROP TABLE public.t", true]] }
      ]
    )
    assert.strictEqual(rungs[0]?.why, `this role can put "public" back with owner, rights and comment`)
    assert.strictEqual(rungs[1]?.why, "dropping the schema was denied")
  })

  it("keeps every schema where one of them cannot be put back, and says why", () => {
    const obstacles = [
      { reason: "not-owner", text: "schema b belongs to other" },
      { reason: "no-create-on-database", text: "no CREATE right on the database" }
    ] as const
    const { rungs } = choose(
      surveyOf({ objects: [table], schemas: [schema("public"), schema("b", { recreatable: obstacles })] })
    )
    assert.deepStrictEqual(
      rungs.map(({ rung, why }) => ({ rung, why })),
      [{ rung: 2, why: "schema b belongs to other; no CREATE right on the database" }]
    )
  })

  it("drops several schemas in one statement, and passes over those that are not there", () => {
    const { rungs } = choose(
      surveyOf({ objects: [table], schemas: [schema("public"), { name: "new", exists: false }, schema("b")] })
    )
    assert.deepStrictEqual(
      rungs[0]?.statements.map(({ sql }) => sql),
      [
        "DROP TABLE public.t",
        `DROP SCHEMA "public", "b"`,
        `CREATE SCHEMA "public" AUTHORIZATION "other"`,
        `CREATE SCHEMA "b" AUTHORIZATION "other"`
      ]
    )
  })

  it("tells what goes in numbers and names", () => {
    const kinds = ["TABLE", "INDEX", "POLICY", "STATISTICS", "OPERATOR CLASS"]
    const objects = kinds.flatMap((kind, n) => Array.from({ length: 9 - n }, (_, i) => object(kind, `${n}_${i}`)))
    const words = choose(surveyOf({ objects })).rungs[1]?.statements.map(({ what }) => what) ?? []
    assert.include(words, `drop 9 tables: ${[0, 1, 2, 3, 4, 5].map((i) => `public.0_${i}`).join(", ")}, … and 3 more`)
    for (const start of ["drop 8 indexes: ", "drop 7 policies: ", "drop 6 statistics: ", "drop 1 operator class: "]) {
      assert.isTrue(
        words.some((what) => what.startsWith(start)),
        start
      )
    }
    assert.strictEqual(choose(surveyOf({ objects: [table] })).rungs[1]?.statements[0]?.what, "drop 1 table: public.t")
  })

  it("leaves what this role may not drop, and names it", () => {
    const schemas = [schema("public", { recreatable: [{ reason: "not-owner", text: "not mine" }] })]
    const { rungs } = choose(surveyOf({ objects: [table, foreign], schemas }))
    assert.deepStrictEqual(rungs[0]?.stays, ["table public.theirs (of other)"])
    assert.deepStrictEqual(
      rungs[0]?.statements.map(({ sql }) => sql),
      ["DROP TABLE public.t"]
    )
  })
})

describe("in the way of the ladder", () => {
  const blockers = (...args: Parameters<typeof choose>) => {
    const ladder = choose(...args)
    assert.deepStrictEqual(ladder.rungs, [])
    return ladder.blockers
  }

  it("is what depends on the schemas from outside", () => {
    const outside = [
      {
        key: "1259:1",
        kind: "VIEW",
        identity: "r.v",
        description: "view r.v",
        owner: "boss",
        droppable: false,
        on: "table t",
        schemas: ["public"]
      }
    ] as const
    const dependencies = [{ dependent: "1259:1", on: "t" }]
    assert.deepStrictEqual(blockers(surveyOf({ objects: [table], outside, dependencies })), [
      {
        what: "view r.v",
        owner: "boss",
        why: "it is outside of the schemas to clean and depends on table t",
        wants: "right",
        remedy: `Have "boss" drop the view r.v first, and create it again afterwards.`
      }
    ])
    // It needs what stays.
    const others = [table, { ...foreign, key: "needed" }]
    const needing = [{ dependent: "1259:1", on: "needed" }]
    assert.deepStrictEqual(choose(surveyOf({ objects: others, outside, dependencies: needing })).blockers, [])
  })

  it("is a publication of a table", () => {
    const published = [
      { schema: "public", table: "t", publication: "p", owner: "boss", owned: false, restore: "ADD IT" }
    ] as const
    const [blocker] = blockers(surveyOf({ objects: [table], published }))
    assert.deepInclude(blocker, { what: `publication "p"`, owner: "boss" })
    assert.include(blocker?.why, `"public"."t"`)
    assert.include(blocker?.remedy, "and ADD IT afterwards")
    // The dump drops the publication and creates it again.
    const replaced = [{ key: "6104:1", kind: "PUBLICATION", name: "p", owner: "me", droppable: true }]
    assert.deepStrictEqual(
      choose(surveyOf({ objects: [table], published }), { wanted: new Set(), replaced }).blockers,
      []
    )
    // The published table is another role's and stays.
    const others = { ...table, droppable: false }
    const restore = { wanted: new Set<string>(), replaced: [] }
    assert.deepStrictEqual(choose(surveyOf({ objects: [others], published }), restore).blockers, [])
  })

  it("is another role's object that needs one of this role's, not the other way round", () => {
    const objects = [table, foreign]
    const needs = (dependent: string, on: string) => surveyOf({ objects, dependencies: [{ dependent, on }] })
    assert.deepStrictEqual(blockers(needs("theirs", "t")), [
      {
        what: "table public.theirs",
        owner: "other",
        why: "this role may not drop it, and it depends on table public.t",
        wants: "right",
        remedy: `Own the schema, or the objects (GRANT "other" TO "me"), or have "other" drop them first.`
      }
    ])
    assert.deepStrictEqual(choose(needs("t", "theirs")).blockers, [])
  })

  it("is another role's object of a name that will be created, not one of another schema", () => {
    const survey = surveyOf({ objects: [table, foreign] })
    const wish = (...names: ReadonlyArray<readonly [kind: string, schema: string, name: string]>) => ({
      wanted: new Set(names.map(([kind, schema, name]) => objectKey({ kind, schema, name }))),
      replaced: []
    })
    for (const kind of ["TABLE", "VIEW", "TYPE"]) {
      assert.deepStrictEqual(
        blockers(survey, wish([kind, "public", "theirs"])).map(({ what }) => what),
        ["table public.theirs"]
      )
    }
    const elsewhere = wish(["TABLE", "b", "theirs"], ["FUNCTION", "public", "theirs"], ["TABLE", "public", "t"])
    assert.deepStrictEqual(choose(survey, elsewhere).blockers, [])
  })

  it("is a large object of another role, and rows of an extension's table that may not be deleted", () => {
    const config = {
      schema: "public",
      name: "conf",
      owner: "boss",
      extension: "ext",
      condition: "WHERE own",
      rows: true,
      deletable: true
    } as const
    const mine = { oid: "7", owner: "me", droppable: true }
    const { beside } = choose(surveyOf({ largeObjects: [mine], configTables: [config] }))
    assert.deepStrictEqual(
      beside.map(({ sql, destroys }) => [sql, destroys]),
      [
        ["SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid IN (7)", true],
        [`DELETE FROM ONLY "public"."conf" WHERE own`, true]
      ]
    )
    const found = surveyOf({
      largeObjects: [mine, { oid: "8", owner: "boss", droppable: false }],
      configTables: [{ ...config, rows: "unknown", deletable: false }]
    })
    assert.deepStrictEqual(
      blockers(found).map(({ what }) => what),
      ["large object 8", `rows of "public"."conf"`]
    )
  })

  it("is an object without an owner, as nobody's", () => {
    const cast = object("CAST", "a AS b", { owner: null, droppable: false })
    const dependencies = [{ dependent: cast.key, on: "t" }]
    assert.deepInclude(blockers(surveyOf({ objects: [table, cast], dependencies }))[0], { owner: "nobody" })
  })
})

describe("what is lost", () => {
  it("goes and is not in the dump", () => {
    const objects = [table, foreign, object("VIEW", "v"), object("FUNCTION", "v"), object("CAST", "(a AS b)")]
    const wanted = new Set([objectKey(table), objectKey({ kind: "TABLE", schema: "public", name: "v" })])
    assert.deepStrictEqual(
      lost(surveyOf({ objects }), { wanted, replaced: [] }).map(({ kind, name }) => [kind, name]),
      [["FUNCTION", "v"]]
    )
  })
})
