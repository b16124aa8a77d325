/** What statements of pg_dump are to the graph. */
import { assert, describe, it } from "@effect/vitest"
import { utf8 } from "../../../../src/postgres/script/Encoding.ts"
import { shapeOf } from "../../../../src/verbs/restore/parallel/Shapes.ts"

const shape = (sql: string) => shapeOf(Buffer.from(sql), utf8)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")

describe("a statement of post-data", () => {
  it("is an index, and calls functions or not", () => {
    const table = { schema: "public", name: "t" }
    const index = (sql: string) => shape(`CREATE UNIQUE INDEX i ON public.t USING ${sql}`)
    assert.deepStrictEqual(index("btree (a)"), { _tag: "Index", table, name: "i", calls: false })
    const calling = { _tag: "Index", table, name: "i", calls: true } as const
    assert.deepStrictEqual(index("btree (public.twice(a))"), calling)
    assert.deepStrictEqual(index(`btree (a) WHERE ("S"."F" (a) > 1)`), calling)
    assert.deepStrictEqual(index("btree (a OPERATOR(public.===) b)"), calling)
    assert.deepStrictEqual(index("gin (name public.gin_trgm_ops)"), { ...calling, calls: false })
    // Of a table of partitions it needs those of all partitions.
    assert.isUndefined(shape("CREATE INDEX i ON ONLY public.t USING btree (a)"))
  })

  it("is a key, which an index and a constraint make as well", () => {
    const key = shape(
      `ALTER TABLE ONLY public."É ""1"""\n    ADD CONSTRAINT "k (x)" UNIQUE NULLS NOT DISTINCT ("a ) b", c) INCLUDE (d) WITH (fillfactor='70') DEFERRABLE INITIALLY DEFERRED`
    )
    if (key?._tag !== "Key" || key.split === undefined) return assert.fail("no key")
    assert.deepStrictEqual(key.table, { schema: "public", name: 'É "1"' })
    assert.strictEqual(key.name, "k (x)")
    assert.deepStrictEqual(key.split.map(text), [
      `CREATE UNIQUE INDEX "k (x)" ON public."É ""1""" ("a ) b", c) INCLUDE (d) NULLS NOT DISTINCT WITH (fillfactor='70')`,
      `ALTER TABLE ONLY public."É ""1""" ADD CONSTRAINT "k (x)" UNIQUE USING INDEX "k (x)" DEFERRABLE INITIALLY DEFERRED`
    ])
    for (const definition of ["PRIMARY KEY (id, at WITHOUT OVERLAPS)", "EXCLUDE USING gist (room WITH =)"]) {
      const whole = shape(`ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k ${definition}`)
      assert.isTrue(whole?._tag === "Key" && whole.split === undefined, definition)
    }
  })

  it("is a foreign key, checked by itself, or not at all", () => {
    const sql = `ALTER TABLE ONLY a.child\n    ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES b."P"(id) ON DELETE CASCADE`
    const key = shape(sql)
    if (key?._tag !== "ForeignKey") return assert.fail("no foreign key")
    assert.deepStrictEqual(
      [key.table, key.references],
      [
        { schema: "a", name: "child" },
        { schema: "b", name: "P" }
      ]
    )
    assert.deepStrictEqual(key.split.map(text), [`${sql} NOT VALID`, "ALTER TABLE ONLY a.child VALIDATE CONSTRAINT f"])
    assert.isFalse(key.unchecked)
    for (const end of [" NOT VALID", " NOT ENFORCED"]) {
      const left = shape(sql + end)
      assert.isTrue(left?._tag === "ForeignKey" && left.unchecked)
    }
  })

  it("belongs to an index, or to nothing that the graph knows", () => {
    const named = { _tag: "OfIndex", schema: "public", name: "i" } as const
    for (const sql of [
      "ALTER TABLE public.t CLUSTER ON i",
      "ALTER TABLE ONLY public.t REPLICA IDENTITY USING INDEX i",
      "ALTER INDEX public.i ALTER COLUMN 1 SET STATISTICS 7",
      "COMMENT ON INDEX public.i IS 'x'"
    ]) {
      assert.deepStrictEqual(shape(sql), named, sql)
    }
    const table = { schema: "public", name: "t" }
    assert.deepStrictEqual(shape("COMMENT ON CONSTRAINT i ON public.t IS 'x'"), {
      _tag: "OfConstraint",
      table,
      name: "i"
    })
    for (const sql of [
      "ALTER INDEX public.p ATTACH PARTITION public.i",
      "ALTER TABLE public.t\n    ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
      "ALTER TABLE ONLY public.t REPLICA IDENTITY FULL",
      "REFRESH MATERIALIZED VIEW public.m"
    ]) {
      assert.isUndefined(shape(sql), sql)
    }
  })
})
