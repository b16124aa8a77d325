import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Manifest, decode, encode } from "../../src/dumps/Manifest.ts"
import { manifestOf, resealed } from "../support/Manifests.ts"
import { manifestContents, prove, read } from "../../src/dumps/Proof.ts"
import { long } from "../support/Tier.ts"

const file = "shop.sql"
const whole = readFileSync(new URL("fixtures/shop.sql", import.meta.url))
const text = whole.toString("utf8")

const manifest = manifestOf("shop", manifestContents(read([whole])))

const judge = (bytes: Uint8Array | string, against?: Manifest, acceptUnproven = false) =>
  prove(read([typeof bytes === "string" ? Buffer.from(bytes) : bytes]), against, { file, acceptUnproven })

const refused = (bytes: Uint8Array | string, against?: Manifest, acceptUnproven = false) =>
  Effect.flip(judge(bytes, against, acceptUnproven))

describe("the contents of a dump", () => {
  it("are read from its own stream", () => {
    const contents = read([whole])
    assert.deepStrictEqual(
      contents.tables.map(({ schema, name, rows }) => [schema, name, rows]),
      [
        ["Sales Dept", "Order; Items", 2],
        ["public", "User", 7],
        ["public", "_prisma_migrations", 4],
        ["public", "empty_one", 0]
      ]
    )
    assert.deepStrictEqual(contents.sequences, [{ schema: "public", name: "User_id_seq", value: "7", called: true }])
    assert.sameMembers([...contents.schemas], ["public", "Sales Dept"])
    assert.sameMembers([...contents.roles], ["postgres", "app", "grantor1", "Odd Role"])
    assert.deepStrictEqual(contents.checks, { foreignKeys: 1, indexes: 1, uniqueConstraints: 1, primaryKeys: 3 })
    assert.deepStrictEqual(contents.prismaMigrations, { applied: 1, failed: ["002_bad"], unfinished: ["003_running"] })
    assert.strictEqual(contents.largeObjects.count, 1)
    assert.strictEqual(contents.encoding, "UTF8")
    assert.strictEqual(contents.objects["TABLE"], 4)
    assert.strictEqual(contents.sql.length, whole.length)
  })

  it("are the same in chunks of one byte", () =>
    assert.deepStrictEqual(read(Array.from(whole, (byte) => Uint8Array.of(byte))), read([whole])))
})

describe("proof", () => {
  it.effect("passes a whole dump, with and without its manifest", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* judge(whole)).against, "structure")
      assert.strictEqual((yield* judge(whole, manifest)).against, "manifest")
    })
  )

  /** Where the dump ends in all but white space. */
  const end = text.trimEnd().length

  const refusedCutAt = Effect.fnUntraced(function* (cut: number) {
    const part = whole.subarray(0, cut)
    if (cut % 10 === 0 || cut >= end)
      assert.strictEqual((yield* refused(part, manifest))._tag, "DumpDamaged", `with manifest, at ${cut}`)
    if (cut < end) assert.strictEqual((yield* refused(part))._tag, "DumpDamaged", `at ${cut}`)
  })
  const cuts = Array.from(whole, (_, cut) => cut)

  it.effect("never passes a dump that was cut, around the end of a line, behind the last or anywhere near", () =>
    Effect.forEach(
      cuts.filter((cut) => cut % 7 === 0 || cut > end - 200 || whole.subarray(cut - 1, cut + 2).includes("\n")),
      refusedCutAt,
      { discard: true }
    )
  )

  long("at every byte", () => {
    it.effect("never passes a dump that was cut, wherever", () => Effect.forEach(cuts, refusedCutAt, { discard: true }))
  })

  it.effect("without the line that pg_dump 15.14 and later end with, too", () =>
    Effect.gen(function* () {
      const older = text.replace(/^\\(un)?restrict .*\n/gm, "")
      yield* judge(older)
      const end = older.trimEnd().length
      for (let cut = end - 200; cut < end; cut++) {
        assert.strictEqual((yield* refused(older.slice(0, cut)))._tag, "DumpDamaged", `at ${cut}`)
      }
    })
  )

  it.effect("finds a changed byte, a zero byte, a lost row", () =>
    Effect.gen(function* () {
      const changed = Buffer.from(text.replace("it''s", "it''S"))
      assert.include((yield* refused(changed, manifest)).message, "SHA-256")
      const zeroed = Buffer.from(whole)
      zeroed.fill(0, text.indexOf("$$x"), text.indexOf("$$x") + 3)
      assert.include((yield* refused(zeroed)).message, "zero byte")
      const lost = text.replace("1\t1\t$$x\n", "") + " ".repeat("1\t1\t$$x\n".length)
      const error = yield* refused(lost, manifest)
      assert.strictEqual(error.detail, "Sales Dept.Order; Items: 1 rows of 2")
    })
  )

  it.effect("accepts a missing trailer only when asked, and a cut never", () =>
    Effect.gen(function* () {
      const foreign = "CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n\\.\n"
      const unended = yield* refused(foreign)
      assert.strictEqual(unended._tag, "DumpDamaged")
      assert.include(unended.suggestion, "--accept-unproven")
      yield* judge(foreign, undefined, true)
      assert.strictEqual((yield* refused(foreign.slice(0, -3), undefined, true))._tag, "DumpDamaged")
      const other = yield* refused(foreign, manifest, true)
      assert.strictEqual(other._tag, "DumpDamaged")
      assert.notInclude(other.suggestion, "--accept-unproven")
    })
  )

  it.effect("tells the roles of a whole server from a dump that was cut", () =>
    Effect.gen(function* () {
      const roles =
        "CREATE ROLE app;\nALTER ROLE app WITH LOGIN;\n--\n-- PostgreSQL database cluster dump complete\n--\n\n"
      for (const accepted of [false, true]) {
        const error = yield* refused(roles, undefined, accepted)
        assert.strictEqual(error._tag, "DumpUnsafe")
        assert.match(error.suggestion ?? "", /dump each of its databases/)
      }
    })
  )

  it.effect("says what is not proven of a dump under row-level security", () =>
    Effect.gen(function* () {
      const partial = text.replace("SET row_security = off;", "SET row_security = on;")
      const { contents, unproven } = yield* judge(partial)
      assert.isTrue(contents.rowSecurity)
      assert.isTrue(unproven.some((what) => what.includes("--enable-row-security")))
      assert.isFalse((yield* judge(whole)).unproven.some((what) => what.includes("--enable-row-security")))
    })
  )

  it.effect("never takes the end of a whole dump for that of a cut one before it", () =>
    Effect.gen(function* () {
      const cut = text.slice(0, text.indexOf("\n-- Name:", text.length >> 1))
      const { message, line } = yield* refused(`${cut}\n${text}`)
      assert.include(message, "a second dump begins before the first has ended")
      assert.strictEqual(line, cut.split("\n").length + 5)
    })
  )

  it.effect("wants the trailer at the end: not of the first of two dumps", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* refused(text + text.slice(0, text.indexOf("COPY"))))._tag, "DumpDamaged")
      assert.strictEqual((yield* refused(`${text}select 1;\n`))._tag, "DumpDamaged")
    })
  )

  it.effect("names the place of what is unsafe", () =>
    Effect.gen(function* () {
      const error = yield* refused(text.replace("SET row_security = off;", "COMMIT;"))
      assert.strictEqual(error._tag, "DumpUnsafe")
      assert.strictEqual(
        error._tag === "DumpUnsafe" ? error.line : 0,
        text.slice(0, text.indexOf("SET row_sec")).split("\n").length
      )
    })
  )
})

const message = (json: string) => Effect.map(Effect.flip(decode(json, file)), (error) => error.message)

describe("manifest", () => {
  it.effect("comes back as it was written", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode(yield* encode(manifest), file), manifest)
    })
  )

  it.effect("says what is wrong with one that cannot be used", () =>
    Effect.gen(function* () {
      const json = yield* encode(manifest)
      assert.include(yield* message(json.slice(0, -3)), "no JSON")
      assert.include(yield* message(json.replace('"version": 2', '"version": 3')), "has version 3")
      assert.include(yield* message(json.replace('"version": 2', '"version": 1')), "has version 1")
      assert.include(yield* message(json.replace('"sha256": "', '"sha256": "x')), "was changed after it was written")
      assert.include(yield* message(resealed(json.replace('"sha256": "', '"sha256": "x'))), "not one that pgark wrote")
      const { digest: _, ...bare } = JSON.parse(json) as Record<string, unknown>
      assert.include(yield* message(JSON.stringify(bare)), "was changed after it was written")
      assert.deepStrictEqual(yield* decode(resealed(json), file), manifest)
      assert.include(yield* message("[]"), "not one that pgark wrote")
    })
  )
})
