import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { parseEntry, type ScriptEvent } from "../../../src/postgres/script/ScriptEvent.ts"
import { SqlScanner } from "../../../src/postgres/script/SqlScript.ts"

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")

/** Events as plain data; the pieces of COPY data, which may be cut anywhere (inside a character too), put together. */
const plain = (events: ReadonlyArray<ScriptEvent>): ReadonlyArray<Record<string, unknown>> => {
  const all: Array<Record<string, unknown>> = []
  let data: Array<Uint8Array> = []
  for (const event of events) {
    if (event._tag === "CopyData") {
      data.push(event.bytes)
      continue
    }
    if (data.length > 0) all.push({ _tag: "CopyData", data: text(Buffer.concat(data)) })
    data = []
    if (event._tag === "Statement" || event._tag === "CopyStart") all.push({ ...event, bytes: text(event.bytes) })
    else all.push({ ...event })
  }
  return all
}

const scan = (script: string, cuts: ReadonlyArray<number> = []) => {
  const bytes = Buffer.from(script)
  const scanner = new SqlScanner()
  const events: Array<ScriptEvent> = []
  let from = 0
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    // A copy of its own, as a socket gives it, so that a view of the wrong memory would show.
    events.push(...scanner.push(new Uint8Array(bytes.subarray(from, cut))))
    from = cut
  }
  events.push(...scanner.end())
  return plain(events)
}

const everywhere = (script: string) => scan(script, [...Buffer.from(script).keys()])

const statements = (script: string): ReadonlyArray<unknown> => {
  const events = scan(script)
  assert.deepStrictEqual(everywhere(script), events)
  return events.map((event) => event["bytes"] ?? event["_tag"])
}

describe("where statements end", () => {
  const one: ReadonlyArray<readonly [string, string]> = [
    ["doubled quotes", "select 'a;''b;'"],
    ["backslash is no escape in a plain literal", "select 'a\\'"],
    ["escape literal", "select E'a\\';b\\\\'"],
    ["escape literal with doubled quote", "select e'a'';\\';'"],
    ["escape literal going on after a line break", "select E'a'\n  'b\\';c'"],
    ["escape literal going on after a comment", "select E'a' -- x\n -- y\n'b\\';c'"],
    ["a word that ends in e is no escape prefix", "select note'a\\'"],
    ["literal with unicode escapes", "select U&'d\\0061t;\\'"],
    ["quoted name", 'select "a;""b;"'],
    ["nested comment", "select /* ; /* ; */ ; */ 1 /**/ /*/ ; */"],
    ["line comment", "select 1 -- ; '\n + 1"],
    ["comment inside an operator", "select 1 +-- ;\n 2 *//* ; */ 3"],
    ["dollar quotes", "select $$ ; ' $a$ ; $$"],
    ["dollar quotes with a tag", "select $a$ ; $$ ; $b$a$"],
    ["dollar quotes with a non-ASCII tag", "select $é_1$ ; $é$ ; $é_1$"],
    ["dollar inside a name", "select a$b$ as c$b$"],
    ["parameter", "select $1"],
    ["parentheses", "create rule r as on insert to t do instead (select 1; select ')'; select 2)"],
    ["function body", "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END"],
    ["function body in a procedure", "create or replace procedure p()\nbegin atomic insert into t values (1); end"],
    ["function that is named begin", "CREATE FUNCTION public.begin(a integer) BEGIN ATOMIC SELECT 1; END"],
    ["case as a label does not swallow the end", "create function f() begin atomic select 1 as case; end"]
  ]
  for (const [name, sql] of one) {
    it(name, () => assert.deepStrictEqual(statements(`${sql};select 0;`), [sql, "select 0"]))
  }

  it("reads begin and end elsewhere as plain words", () =>
    assert.deepStrictEqual(statements("BEGIN;\nselect 1;\nEND;"), ["BEGIN", "select 1", "END"]))

  it("lets a carriage return end a comment, as the server does", () =>
    assert.deepStrictEqual(statements("-- x\rCOMMIT;\nselect 1 -- y\r;COMMIT;"), [
      "COMMIT",
      "select 1 -- y\r",
      "COMMIT"
    ]))

  it("follows standard_conforming_strings", () =>
    assert.deepStrictEqual(
      statements(
        "SET standard_conforming_strings = off;select 'a\\';b';SET standard_conforming_strings = on;select '\\';"
      ),
      [
        "SET standard_conforming_strings = off",
        "select 'a\\';b'",
        "SET standard_conforming_strings = on",
        "select '\\'"
      ]
    ))

  it("passes over a byte order mark and empty statements", () =>
    assert.deepStrictEqual(statements("\ufeff;;\n;select 1;"), ["select 1"]))
})

describe("COPY", () => {
  it("takes hostile data as data", () => {
    const data = "1\tCOMMIT;\n2\t'$$ /* --\n\\\\.\n\\.x\n\\N\n \\.\n\\.\r\t\n--\n"
    const script = `COPY public.t (a, b) FROM stdin;\n${data}\\.\n\nselect 1;`
    const rows = data.split("\n").length - 1
    assert.deepStrictEqual(scan(script), [
      { _tag: "CopyStart", bytes: "COPY public.t (a, b) FROM stdin", line: 1, offset: 0 },
      { _tag: "CopyData", data },
      { _tag: "CopyEnd", rows, bytes: data.length, line: rows + 2 },
      { _tag: "Statement", bytes: "select 1", line: rows + 4, offset: script.length - 9 }
    ])
    assert.deepStrictEqual(everywhere(script), scan(script))
  })

  it("knows an empty table, other line ends and options", () =>
    assert.deepStrictEqual(
      statements("copy t from STDIN with (format csv);\r\n\\.\r\nCOPY t FROM stdin;\n\\.\nselect 1;"),
      ["copy t from STDIN with (format csv)", 0, "COPY t FROM stdin", 0, "select 1"]
    ))

  it("is only what comes from stdin", () => {
    const sql = [
      "copy t from 'stdin'",
      "copy t to stdout",
      "copy (select a from stdin) to stdout",
      "copy t from program 'x'"
    ]
    assert.deepStrictEqual(statements(`${sql.join(";")};`), sql)
    assert.deepStrictEqual(statements("insert into t select a from stdin;"), ["insert into t select a from stdin"])
  })

  it("refuses text behind it on its line, which psql would read as SQL", () =>
    assert.include(statements("COPY t FROM stdin; select 1;\n1\n\\.\n"), "Malformed"))
})

describe("comments and commands between statements", () => {
  it("gives psql commands with their line", () =>
    assert.deepStrictEqual(scan("\\restrict x\nselect 1;\n  \\! rm -rf /\\n\n\\connect a"), [
      { _tag: "Meta", text: "\\restrict x", line: 1 },
      { _tag: "Statement", bytes: "select 1", line: 2, offset: 12 },
      { _tag: "Meta", text: "\\! rm -rf /\\n", line: 3 },
      { _tag: "Meta", text: "\\connect a", line: 4 }
    ]))

  it("takes a trailer only as a comment of its own with the line under it", () => {
    const trailer = "-- PostgreSQL database dump complete\n--"
    assert.deepStrictEqual(scan(`select 1;\n--\n${trailer}\n\n`).at(-1), { _tag: "Trailer", line: 3 })
    for (const script of [
      `select '\n${trailer}\n';`,
      `/*\n${trailer}\n*/`,
      `select 1\n${trailer}\n;`,
      trailer.slice(0, -1)
    ]) {
      assert.notInclude(statements(script), "Trailer")
    }
  })

  it("gives each statement the header before it", () => {
    const script = `-- Name: Order; Items; Type: TABLE; Schema: Sales Dept; Owner: me\n--\ncreate table t ();\nselect 1;`
    const entry = { name: "Order; Items", type: "TABLE", schema: "Sales Dept", owner: "me" }
    assert.deepStrictEqual(
      scan(script).map((event) => event["entry"]),
      [entry, entry]
    )
    assert.deepStrictEqual(everywhere(script), scan(script))
    assert.deepStrictEqual(parseEntry("-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: "), {
      name: "BLOBS",
      type: "BLOBS"
    })
    assert.isUndefined(parseEntry("-- Dumped by pg_dump"))
  })
})

describe("the end of the input", () => {
  const cases: ReadonlyArray<readonly [string, string, number]> = [
    ["\nselect 1", "statement", 2],
    ["select 1;\nselect\n (1;", "statement", 2],
    ["select 1;\n-", "statement", 2],
    ["select 'a", "string", 1],
    ["select E'a\\", "string", 1],
    ['select "a', "string", 1],
    ["select $a$ $a", "string", 1],
    ["\n/* /* */", "comment", 2],
    ["COPY t FROM stdin;", "copy", 1],
    ["\nCOPY t FROM stdin;\n1\n\\.", "copy", 2],
    ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;", "statement", 1]
  ]
  for (const [script, what, line] of cases) {
    it(`inside ${JSON.stringify(script)}`, () => {
      assert.deepStrictEqual(scan(script).at(-1), { _tag: "Unfinished", what, line })
      assert.deepStrictEqual(everywhere(script).at(-1), { _tag: "Unfinished", what, line })
    })
  }
})

describe("generated scripts", () => {
  const hostile = Schema.Literals([
    "'",
    '"',
    "$",
    "a$b",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "E'",
    "(",
    "é",
    "\n",
    "\r",
    " ",
    "x"
  ])
  const content = Schema.Array(hostile)
  const piece = Schema.Union([
    Schema.Struct({ kind: Schema.Literals(["literal", "escape", "name", "dollar", "block", "line"]), content }),
    Schema.Struct({ kind: Schema.Literal("copy"), content: Schema.Array(content) })
  ])

  const write = (part: typeof piece.Type): { readonly sql: string; readonly data?: string } => {
    if (part.kind === "copy") {
      const rows = part.content.map((row) => `${row.join("").replace(/[\\\n\r]/g, "\\\\")}\n`)
      return { sql: "COPY t FROM stdin", data: rows.join("") }
    }
    const inside = part.content.join("")
    switch (part.kind) {
      case "literal":
        return { sql: `select '${inside.replaceAll("'", "''")}'` }
      case "escape":
        return { sql: `select E'${inside.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'` }
      case "name":
        return { sql: `select "${inside.replaceAll('"', '""')}"` }
      case "dollar":
        return { sql: `select $q$${inside}$q$` }
      case "block":
        return { sql: `select 1 /*${inside.replace(/[/*]/g, "")}*/` }
      case "line":
        return { sql: `select 1 --${inside.replace(/[\n\r]/g, "")}\n` }
    }
  }

  it.prop(
    "gives back its parts, wherever the chunks are cut",
    [Schema.Array(piece), Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))],
    ([parts, cuts]) => {
      const written = parts.map(write)
      const script = written.map(({ sql, data }) => `${sql};\n${data === undefined ? "" : `${data}\\.\n`}`).join("")
      const expected: Array<unknown> = []
      for (const { sql, data } of written) {
        expected.push(sql)
        if (data !== undefined && data !== "") expected.push(data)
        if (data !== undefined) expected.push(data.split("\n").length - 1)
      }
      const events = scan(script, cuts)
      assert.deepStrictEqual(
        events.map((event) => event["data"] ?? event["rows"] ?? event["bytes"]),
        expected
      )
      assert.deepStrictEqual(events, scan(script))
    }
  )

  it("a statement over many chunks takes time in proportion to its length", () => {
    const chunk = Buffer.alloc(64 * 1024, "x")
    const scanner = new SqlScanner()
    const started = performance.now()
    scanner.push(Buffer.from("select '"))
    for (let i = 0; i < 1600; i++) assert.deepStrictEqual(scanner.push(chunk), [])
    const [event] = scanner.push(Buffer.from("';"))
    assert.strictEqual(event?._tag === "Statement" ? event.bytes.length : 0, 1600 * chunk.length + 9)
    // Half a second here; copying all of it for each chunk would take 80 GB of copying.
    assert.isBelow(performance.now() - started, 10_000)
  })
})
