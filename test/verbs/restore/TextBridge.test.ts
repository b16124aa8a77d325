/** Encodings and locales of a dump and its target: what is said before anything is dropped, and what becomes of it. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../src/cli/ExitCode.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Restores from "../../support/Restores.ts"
import { long } from "../../support/Tier.ts"

const major = Clusters.sourceMajor

/** Names, comments, labels, expressions and data that are no ASCII, and all of them LATIN1. */
const german = `
  CREATE TYPE public."Größe" AS ENUM ('größer', 'kleiner');
  CREATE TABLE public."Maße" (id int PRIMARY KEY, "Fläche" public."Größe", note text DEFAULT 'für ½'::text);
  COMMENT ON COLUMN public."Maße"."Fläche" IS 'in m², ''ungefähr''';
  CREATE VIEW public."Übersicht" AS SELECT 'ähnlich'::text AS wie, "Fläche" FROM public."Maße";
  CREATE FUNCTION public."zähle"() RETURNS text LANGUAGE sql AS $ö$ SELECT 'ß'::text $ö$;
  INSERT INTO public."Maße" VALUES (1, 'größer', E'Zeile\\nÀÉîõü\\tÿ'), (2, NULL, DEFAULT)`

/** The dump in characters, without what names the server, the run and the encoding. */
const characters = (file: string, encoding: BufferEncoding) =>
  readFileSync(file)
    .toString(encoding)
    .replaceAll(/^(?:\\(un)?restrict .*|-- Dumped from .*|SET client_encoding = .*)\n/gm, "")

const differences = (report: {
  readonly differences: ReadonlyArray<{ readonly what: string; readonly why: string }>
}) => report.differences.map(({ what }) => what)

const sqlAscii = { encoding: "SQL_ASCII", locale: "LC_COLLATE 'C' LC_CTYPE 'C'" }

describe("a dump in LATIN1", () => {
  it.live("becomes UTF8, and its dump the same characters", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeDatabase(major, { encoding: "LATIN1" })
      yield* Clusters.query(source, german)
      const { file } = yield* Restores.dump(source, yield* Restores.folder)
      assert.include(readFileSync(file, "latin1"), "SET client_encoding = 'LATIN1'")
      const target = yield* Clusters.makeDatabase(major)
      const report = yield* Restores.restore(target, file)
      assert.deepStrictEqual(differences(report), ["the dump's text is in LATIN1, the target's in UTF8"])
      assert.deepStrictEqual(report.verify?.findings, [])
      const again = yield* Restores.dump(target, yield* Restores.folder)
      assert.strictEqual(characters(again.file, "utf8"), characters(file, "latin1"))

      // And back, where everything fits.
      const back = yield* Clusters.makeDatabase(major, { encoding: "LATIN1" })
      const { differences: found } = yield* Restores.restore(back, again.file)
      assert.match(found[0]?.why ?? "", /a character that LATIN1 lacks is refused, and with it the restore/)
      const third = yield* Restores.dump(back, yield* Restores.folder)
      assert.strictEqual(characters(third.file, "latin1"), characters(file, "latin1"))

      yield* Clusters.query(target, `INSERT INTO public."Maße" VALUES (3, NULL, '5 €')`)
      const more = yield* Restores.dump(target, yield* Restores.folder)
      const error = yield* Restores.unchanged(back, Effect.flip(Restores.restore(back, more.file, { clean: true })))
      assert.deepInclude(error, { _tag: "RestoreFailed", state: "rolled-back", sqlstate: "22P05" })
      assert.strictEqual(exitCodeOf(error), 7)
      assert.include(error.suggestion, "characters that the target's encoding lacks")
    })
  )
})

long("a dump in LATIN1 of another's making", () => {
  it.live("by pg_dump --encoding is the same", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(source, german)
      const whole = yield* Restores.foreignDump(source)
      const file = yield* Restores.foreignDump(source, "--encoding=LATIN1")
      assert.strictEqual(characters(file, "latin1"), characters(whole, "utf8"))
      const target = yield* Clusters.makeDatabase(major)
      yield* Restores.restore(target, file)
      assert.strictEqual(characters(yield* Restores.foreignDump(target), "utf8"), characters(whole, "utf8"))
    })
  )
})

describe("an encoding", () => {
  it.live("that the server cannot convert, or does not know, is refused before anything is dropped", () =>
    Effect.gen(function* () {
      const target = yield* Clusters.makeDatabase(major, { encoding: "LATIN1" })
      yield* Clusters.query(target, "CREATE TABLE public.t AS SELECT 1 AS a")
      for (const [encoding, why] of [
        ["EUC_KR", "cannot convert into the target's LATIN1"],
        ["KLINGON", "the server does not know"]
      ] as const) {
        const file = yield* Restores.script(`SET client_encoding = '${encoding}';\nCREATE TABLE public.t (a int);`)
        const error = yield* Restores.unchanged(target, Effect.flip(Restores.restore(target, file, { clean: true })))
        assert.deepInclude(error, { _tag: "TargetUnfit", state: "untouched" })
        assert.strictEqual(exitCodeOf(error), 2)
        assert.include(error.message, why)
      }
    })
  )
})

long("SQL_ASCII, and the encodings of what is ASCII", () => {
  it.live("are not worth a word", () =>
    Effect.gen(function* () {
      const file = yield* Restores.script("SET client_encoding = 'UTF8';\nCREATE TABLE public.t (a int);")
      for (const encoding of ["LATIN1", "SQL_ASCII"]) {
        const target = yield* Clusters.makeDatabase(major, { ...sqlAscii, encoding })
        assert.deepStrictEqual(differences(yield* Restores.restore(target, file)), [])
      }
    })
  )

  it.live("is taken for the target's where its bytes are that, and refused where they are not", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeDatabase(major, sqlAscii)
      yield* Clusters.query(source, "CREATE TABLE public.t (a text); INSERT INTO public.t VALUES ('größer')")
      const { file } = yield* Restores.dump(source, yield* Restores.folder)
      const target = yield* Clusters.makeDatabase(major)
      const report = yield* Restores.restore(target, file)
      assert.deepStrictEqual(report.differences, [
        {
          what: "the dump's text is in SQL_ASCII, the target's in UTF8",
          why: "its bytes are valid UTF-8, and are taken for that"
        }
      ])
      assert.deepStrictEqual(yield* Clusters.query(target, "SELECT a, length(a) AS n FROM public.t"), [
        { a: "größer", n: 6 }
      ])

      yield* Clusters.query(source, `INSERT INTO public.t VALUES (E'gr\\xF6\\xDFer')`)
      const broken = yield* Restores.dump(source, yield* Restores.folder)
      const error = yield* Restores.unchanged(
        target,
        Effect.flip(Restores.restore(target, broken.file, { clean: true }))
      )
      assert.deepInclude(error, { _tag: "TargetUnfit", state: "untouched" })
      assert.include(error.message, "bytes that are no text in the target's encoding UTF8")
      const raw = yield* Clusters.makeDatabase(major, sqlAscii)
      assert.deepStrictEqual(differences(yield* Restores.restore(raw, broken.file)), [])
      assert.deepStrictEqual(differences(yield* Restores.restore(raw, yield* asUtf8(file), { clean: true })), [
        "the dump's text is in UTF8, the target's in SQL_ASCII"
      ])
    })
  )
})

/** The same dump, by its own words in UTF8, without a manifest. */
const asUtf8 = Effect.fnUntraced(function* (file: string) {
  const path = join(yield* Restores.folder, "utf8.sql")
  writeFileSync(path, readFileSync(file, "utf8").replace("client_encoding = 'SQL_ASCII'", "client_encoding = 'UTF8'"))
  return path
})

describe("a locale", () => {
  it.live("that is another is told, with the tables whose partitions depend on it", () =>
    Effect.gen(function* () {
      const source = yield* Clusters.makeDatabase(major)
      yield* Clusters.query(
        source,
        `CREATE TABLE public.names (a text) PARTITION BY RANGE (a);
         CREATE TABLE public.upper PARTITION OF public.names FOR VALUES FROM ('A') TO ('a');
         INSERT INTO public.names VALUES ('Anna')`
      )
      const { file } = yield* Restores.dump(source, yield* Restores.folder)
      const same = yield* Clusters.makeDatabase(major)
      assert.deepStrictEqual(differences(yield* Restores.restore(same, file)), [])
      const target = yield* Clusters.makeDatabase(major, { locale: "LOCALE_PROVIDER icu ICU_LOCALE 'und'" })
      yield* Clusters.query(target, "CREATE TABLE public.names AS SELECT 1 AS a")
      // There 'a' is less than 'A', so that the bounds are the wrong way round.
      const error = yield* Restores.unchanged(target, Effect.flip(Restores.restore(target, file, { clean: true })))
      assert.deepInclude(error, { _tag: "RestoreFailed", state: "rolled-back", sqlstate: "42P17" })

      yield* Clusters.query(source, "DROP TABLE public.upper; DELETE FROM public.names")
      const other = yield* Restores.dump(source, yield* Restores.folder)
      const report = yield* Restores.restore(target, other.file, { clean: true })
      assert.deepStrictEqual(differences(report), [
        "the target orders text by und (icu), the source by C (libc)",
        "the target tells letters by und (icu), the source by C (libc)"
      ])
      assert.include(report.differences[0]?.why, `the partitions by ranges of text of "public"."names"`)

      // It has the order of codes, too.
      const builtin = yield* Clusters.makeDatabase(major, {
        locale: "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
      })
      assert.deepStrictEqual(differences(yield* Restores.restore(builtin, file)), [
        "the target tells letters by C.UTF-8 (builtin), the source by C (libc)"
      ])
    })
  )
})
