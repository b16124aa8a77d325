import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { SectionSplit } from "../../../src/dumps/directory/SectionSplit.ts"

const head = `--
-- PostgreSQL database dump
--

-- Dumped from database version 18.4

SET statement_timeout = 0;
SET client_encoding = 'LATIN1';
SELECT pg_catalog.set_config('search_path', '', false);`

const before = `

DROP INDEX IF EXISTS a.i;
DROP FUNCTION IF EXISTS a.f();
--
-- Name: f(); Type: FUNCTION; Schema: a; Owner: me
--

CREATE FUNCTION a.f() RETURNS void
    LANGUAGE sql
    AS $$
--
-- Name: i; Type: INDEX; Schema: a; Owner: me
--
\\restrict no
;$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: t; Type: TABLE; Schema: a; Owner: me
--

CREATE TABLE a.t (
    "\xe4;
\\unrestrict x
" integer
);


--
-- Name: t; Type: COMMENT; Schema: a; Owner: me
--

COMMENT ON TABLE a.t IS 'one
--
-- PostgreSQL database dump complete
--
';


SET default_tablespace = fast;`

const after = `

--
-- Name: i; Type: INDEX; Schema: a; Owner: me; Tablespace: fast
--

CREATE INDEX i ON a.t USING btree (a);


--
-- Name: INDEX i; Type: COMMENT; Schema: a; Owner: me
--

COMMENT ON INDEX a.i IS 'i';


--
-- Name: TABLE t; Type: ACL; Schema: a; Owner: me
--

GRANT SELECT ON TABLE a.t TO you;`

const closing = `


--
-- PostgreSQL database dump complete
--

`

const restricted = (text: string) =>
  `${text.replace("\n-- Dumped", "\n\\restrict KeY0\n\n-- Dumped")}\\unrestrict KeY0\n\n`

/** The halves of a dump that comes in chunks of these lengths, over and over. */
const split = (dump: string, lengths: ReadonlyArray<number> = [dump.length]) => {
  const bytes = Buffer.from(dump, "latin1")
  const splitter = new SectionSplit()
  const halves = { "pre-data": "", "post-data": "" }
  const keep = (pieces: ReturnType<SectionSplit["end"]>) => {
    for (const { bytes, part } of pieces) halves[part] += Buffer.from(bytes).toString("latin1")
  }
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const next = at + lengths[n % lengths.length]!
    keep(splitter.push(new Uint8Array(bytes.subarray(at, next))))
    at = next
  }
  keep(splitter.end())
  return halves
}

const whole = {
  "pre-data": `${head}${before}${closing}`,
  "post-data": `${head}

SET default_tablespace = fast;

SET default_table_access_method = heap;${after}${closing}`
}

describe("SectionSplit", () => {
  it("cuts before the first object that needs rows, and makes each half a script by itself", () => {
    assert.deepStrictEqual(split(restricted(`${head}${before}${after}${closing}`)), whole)
  })

  it.prop(
    "cuts there wherever the chunks end",
    [Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 300 })))],
    ([lengths]) => {
      assert.deepStrictEqual(split(restricted(`${head}${before}${after}${closing}`), lengths), whole)
    }
  )

  it("gives a second half without objects where none needs rows, and a first one where all do", () => {
    assert.deepStrictEqual(split(restricted(`${head}${closing}`)), {
      "pre-data": `${head}${closing}`,
      "post-data": `${head}${closing}`
    })
    assert.deepStrictEqual(split(restricted(`${head}${after}${closing}`)), {
      "pre-data": `${head}${closing}`,
      "post-data": `${head}${after}${closing}`
    })
  })

  it("leaves pg_dump's closing lines off where pg_dump has not come to them", () => {
    const cut = split(`${head}${before}${after}`)
    assert.strictEqual(cut["post-data"].endsWith(after), true)
    assert.strictEqual(cut["post-data"].includes("dump complete"), false)
  })
})
