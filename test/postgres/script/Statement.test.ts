import { assert, describe, it } from "@effect/vitest"
import { DumpGuard } from "../../../src/postgres/script/DumpGuard.ts"
import { decoderFor } from "../../../src/postgres/script/Encoding.ts"
import { StatementReader } from "../../../src/postgres/script/StatementReader.ts"
import { SqlScanner } from "../../../src/postgres/script/SqlScript.ts"
import { classify, insertedRows } from "../../../src/postgres/script/Statement.ts"
import type { StatementKind } from "../../../src/postgres/script/StatementKind.ts"

const kindOf = (sql: string) => classify(Buffer.from(sql))

describe("classify", () => {
  const cases: ReadonlyArray<readonly [string, StatementKind]> = [
    ["SET lock_timeout = 0", { _tag: "SetSetting", name: "lock_timeout", value: "0" }],
    [
      "/* x */ set local search_path TO a, 'b'",
      { _tag: "SetSetting", name: "search_path", value: "a, b", path: ["a", "b"] }
    ],
    [
      `SET search_path = "Sales Dept", pg_catalog`,
      { _tag: "SetSetting", name: "search_path", value: "Sales Dept, pg_catalog", path: ["Sales Dept", "pg_catalog"] }
    ],
    [
      "SELECT pg_catalog.set_config('search_path', '\"A b\", c', false)",
      { _tag: "SetSetting", name: "search_path", value: "A b, c", path: ["A b", "c"] }
    ],
    ["SET SESSION my.Setting = 'x''y'", { _tag: "SetSetting", name: "my.setting", value: "x'y" }],
    [
      "SELECT pg_catalog.set_config('search_path', '', false)",
      { _tag: "SetSetting", name: "search_path", value: "", path: [] }
    ],
    ["SET SESSION AUTHORIZATION 'Me'", { _tag: "SessionAuthorization", role: "Me" }],
    ["SET SESSION AUTHORIZATION DEFAULT", { _tag: "SessionAuthorization" }],
    ["RESET SESSION AUTHORIZATION", { _tag: "SessionAuthorization" }],
    ["SET TRANSACTION READ ONLY", { _tag: "TransactionControl", word: "SET TRANSACTION" }],
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", { _tag: "TransactionControl", word: "SET TRANSACTION" }],
    ["begin work", { _tag: "TransactionControl", word: "BEGIN" }],
    ["START TRANSACTION", { _tag: "TransactionControl", word: "START" }],
    ["-- x\nCOMMIT", { _tag: "TransactionControl", word: "COMMIT" }],
    ["COMMIT PREPARED 'x'", { _tag: "TransactionControl", word: "COMMIT PREPARED" }],
    ["end", { _tag: "TransactionControl", word: "END" }],
    ["ROLLBACK TO s", { _tag: "TransactionControl", word: "ROLLBACK" }],
    ["abort", { _tag: "TransactionControl", word: "ABORT" }],
    ["SAVEPOINT s", { _tag: "TransactionControl", word: "SAVEPOINT" }],
    ["RELEASE s", { _tag: "TransactionControl", word: "RELEASE" }],
    ["PREPARE TRANSACTION 'x'", { _tag: "TransactionControl", word: "PREPARE TRANSACTION" }],
    ["PREPARE p AS SELECT 1", { _tag: "Other", word: "prepare" }],
    ['CREATE SCHEMA IF NOT EXISTS "A b"', { _tag: "Schema", action: "create", schema: "A b", roles: [] }],
    ["CREATE SCHEMA AUTHORIZATION me", { _tag: "Schema", action: "create", schema: "me", roles: ["me"] }],
    ["CREATE SCHEMA s AUTHORIZATION me", { _tag: "Schema", action: "create", schema: "s", roles: ["me"] }],
    ["DROP SCHEMA IF EXISTS s CASCADE", { _tag: "Schema", action: "drop", schema: "s", roles: [] }],
    ["ALTER SCHEMA s OWNER TO me", { _tag: "Schema", action: "owner", schema: "s", roles: ["me"] }],
    ["COMMENT ON SCHEMA public IS 'x'", { _tag: "Schema", action: "comment", schema: "public", roles: [] }],
    ["GRANT ALL ON SCHEMA s TO PUBLIC, app", { _tag: "Schema", action: "grant", schema: "s", roles: ["app"] }],
    ["REVOKE USAGE ON SCHEMA s FROM PUBLIC", { _tag: "Schema", action: "revoke", schema: "s", roles: [] }],
    ["CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA s", { _tag: "Extension", action: "create", name: "pg_trgm" }],
    ["COMMENT ON EXTENSION \"uuid-ossp\" IS ''", { _tag: "Extension", action: "comment", name: "uuid-ossp" }],
    [
      'ALTER FUNCTION s.f(a integer, b text) OWNER TO "O\'x"',
      {
        _tag: "OwnerTo",
        kind: "FUNCTION",
        schema: "s",
        name: "f",
        owner: "O'x"
      }
    ],
    ["ALTER LARGE OBJECT 42 OWNER TO me", { _tag: "OwnerTo", kind: "LARGE OBJECT", name: "42", owner: "me" }],
    ["ALTER TABLE ONLY s.t OWNER TO me", { _tag: "OwnerTo", kind: "TABLE", schema: "s", name: "t", owner: "me" }],
    ["DROP MATERIALIZED VIEW s.m", { _tag: "Drop", kind: "MATERIALIZED VIEW", schema: "s", name: "m" }],
    ["DROP TABLE IF EXISTS s.m", { _tag: "Drop", kind: "TABLE", schema: "s", name: "m", guarded: true }],
    ["DROP OPERATOR s.<-> (s.a, s.b)", { _tag: "Drop", kind: "OPERATOR", schema: "s", name: "<->" }],
    ["CREATE OPERATOR +++ (FUNCTION = f)", { _tag: "Create", kind: "OPERATOR", name: "+++" }],
    ["DROP CAST IF EXISTS (s.a AS text)", { _tag: "Drop", kind: "CAST", guarded: true }],
    ["CREATE CAST (s.a AS text) WITHOUT FUNCTION", { _tag: "Create", kind: "CAST" }],
    ["CREATE USER MAPPING FOR me SERVER far", { _tag: "Create", kind: "USER MAPPING", name: "me on far" }],
    [
      "DROP USER MAPPING IF EXISTS FOR PUBLIC SERVER far",
      { _tag: "Drop", kind: "USER MAPPING", name: "public on far", guarded: true }
    ],
    [
      "CREATE FUNCTION s.f(text) RETURNS int\n    LANGUAGE c STRICT\n    AS 'lib', 'f'",
      { _tag: "Create", kind: "FUNCTION", schema: "s", name: "f", native: true }
    ],
    ["ALTER PUBLICATION p ADD TABLE ONLY s.t", { _tag: "Alter", kind: "PUBLICATION", name: "p" }],
    ["COMMENT ON EVENT TRIGGER e IS 'x'", { _tag: "Comment", kind: "EVENT TRIGGER", name: "e" }],
    [
      "GRANT USAGE ON FOREIGN SERVER far TO me",
      { _tag: "Grant", action: "grant", kind: "FOREIGN SERVER", name: "far", roles: ["me"] }
    ],
    ["SECURITY LABEL FOR x ON TABLE s.t IS 'y'", { _tag: "SecurityLabel", kind: "TABLE" }],
    ["SELECT * FROM pg_catalog.pg_restore_relation_stats('version', 180000)", { _tag: "RestoreStatistics" }],
    [
      "ALTER TABLE IF EXISTS ONLY s.t DROP CONSTRAINT IF EXISTS c",
      {
        _tag: "Drop",
        kind: "CONSTRAINT",
        schema: "s",
        name: "c",
        guarded: true
      }
    ],
    ["ALTER TABLE s.t ALTER COLUMN c DROP DEFAULT", { _tag: "Drop", kind: "DEFAULT", schema: "s", name: "c" }],
    ["ALTER TABLE s.t ALTER COLUMN c SET DEFAULT 1", { _tag: "Alter", kind: "TABLE", schema: "s", name: "t" }],
    [
      "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u(b)",
      {
        _tag: "AddConstraint",
        table: { schema: "s", name: "t" },
        constraint: "foreign key"
      }
    ],
    ["SELECT pg_catalog.lo_unlink(oid) FROM pg_largeobject_metadata", { _tag: "LargeObjectUnlink" }],
    ["SELECT pg_catalog.lo_unlink('7')", { _tag: "LargeObjectUnlink", oid: "7" }],
    [
      "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '42'",
      { _tag: "LargeObjectUnlink", oid: "42" }
    ],
    ["SELECT pg_catalog.lowrite(0, '\\x00')", { _tag: "LargeObjectCall", call: "lowrite" }],
    [
      'GRANT SELECT(a),UPDATE(b) ON TABLE t TO app, "Odd Role" WITH GRANT OPTION',
      {
        _tag: "Grant",
        action: "grant",
        kind: "TABLE",
        name: "t",
        roles: ["app", "Odd Role"]
      }
    ],
    ["GRANT admin TO app", { _tag: "Grant", action: "grant", membership: true, roles: ["admin", "app"] }],
    [
      "REVOKE ALL ON FUNCTION f(a integer) FROM PUBLIC",
      { _tag: "Grant", action: "revoke", kind: "FUNCTION", name: "f", roles: [] }
    ],
    [
      `CREATE POLICY "to" ON s.t AS RESTRICTIVE FOR SELECT TO app, PUBLIC, "Odd Role" USING ((a = 'to b'))`,
      { _tag: "Create", kind: "POLICY", schema: "s", name: "to", roles: ["app", "Odd Role"] }
    ],
    [
      "GRANT UPDATE ON LARGE OBJECT 7 TO me",
      { _tag: "Grant", action: "grant", kind: "LARGE OBJECT", name: "7", roles: ["me"] }
    ],
    [
      "ALTER DEFAULT PRIVILEGES FOR ROLE o IN SCHEMA s GRANT SELECT ON TABLES TO app",
      {
        _tag: "DefaultPrivileges",
        forRole: "o",
        roles: ["app"]
      }
    ],
    [
      "ALTER DEFAULT PRIVILEGES FOR ROLE o REVOKE ALL ON TABLES FROM o",
      {
        _tag: "DefaultPrivileges",
        forRole: "o",
        roles: ["o"]
      }
    ],
    [
      'COPY public."User" (id, "a b") FROM stdin',
      {
        _tag: "CopyFrom",
        source: "stdin",
        table: { schema: "public", name: "User" },
        columns: ["id", "a b"],
        options: ""
      }
    ],
    [
      "COPY T FROM STDIN WITH (FORMAT csv)",
      {
        _tag: "CopyFrom",
        source: "stdin",
        table: { name: "t" },
        columns: [],
        options: "with ( format csv )"
      }
    ],
    [
      "COPY t FROM PROGRAM 'id'",
      { _tag: "CopyFrom", source: "program", table: { name: "t" }, columns: [], options: "" }
    ],
    ["COPY t FROM '/etc/passwd'", { _tag: "CopyFrom", source: "file", table: { name: "t" }, columns: [], options: "" }],
    ["COPY t TO '/tmp/x'", { _tag: "CopyTo" }],
    ["COPY (SELECT 1) TO PROGRAM 'id'", { _tag: "CopyTo" }],
    ["ALTER SYSTEM SET a = 1", { _tag: "AlterSystem" }],
    ["CREATE UNIQUE INDEX i ON ONLY s.t USING btree (a)", { _tag: "Create", kind: "INDEX", schema: "s", name: "i" }],
    ["CREATE RULE r AS ON INSERT TO s.v DO NOTHING", { _tag: "Create", kind: "RULE", schema: "s", name: "r" }],
    [
      "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON s.t EXECUTE FUNCTION f()",
      {
        _tag: "Create",
        kind: "TRIGGER",
        schema: "s",
        name: "g"
      }
    ],
    ["CREATE OR REPLACE FUNCTION s.begin(a integer)", { _tag: "Create", kind: "FUNCTION", schema: "s", name: "begin" }],
    ["CREATE UNLOGGED TABLE IF NOT EXISTS s.t ()", { _tag: "Create", kind: "TABLE", schema: "s", name: "t" }],
    ["CREATE DATABASE x", { _tag: "Database", action: "create" }],
    ["GRANT CONNECT ON DATABASE x TO y", { _tag: "Database", action: "grant" }],
    ["ALTER ROLE r IN DATABASE x SET enable_seqscan TO 'on'", { _tag: "Database", action: "alter" }],
    ["ALTER ROLE r SET enable_seqscan TO 'on'", { _tag: "Role", action: "alter", role: "r" }],
    ["SECURITY LABEL FOR p ON DATABASE x IS 'y'", { _tag: "Database", action: "alter" }],
    [
      "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = 'x'",
      { _tag: "Database", action: "alter" }
    ],
    ["UPDATE pg_catalog.pg_class SET relpages = 1", { _tag: "Other", word: "update" }],
    ["ALTER ROLE \"Odd\" WITH LOGIN PASSWORD 'x'", { _tag: "Role", action: "alter", role: "Odd" }],
    [
      "SELECT pg_catalog.setval('public.\"User_id_seq\"', 9223372036854775807, false)",
      {
        _tag: "SequenceValue",
        schema: "public",
        name: "User_id_seq",
        value: "9223372036854775807",
        called: false
      }
    ],
    ["SELECT pg_catalog.setval('s', -5, true)", { _tag: "SequenceValue", name: "s", value: "-5", called: true }],
    ["INSERT INTO s.t VALUES ('COMMIT')", { _tag: "InsertInto", table: { schema: "s", name: "t" } }],
    ["insert t", { _tag: "Other", word: "insert" }],
    ["constructor", { _tag: "Other", word: "constructor" }],
    ["", { _tag: "Other", word: "" }]
  ]
  for (const [sql, kind] of cases) it(sql || "nothing", () => assert.deepStrictEqual(kindOf(sql), kind))

  it("reads names in the dump's encoding", () => {
    const sql = Buffer.from('DROP TABLE "Größe"', "latin1")
    assert.deepStrictEqual(classify(sql, decoderFor("LATIN1")), { _tag: "Drop", kind: "TABLE", name: "Größe" })
    assert.strictEqual(decoderFor("WIN1251")(Uint8Array.of(0xcf)), "П")
    assert.strictEqual(decoderFor("SQL_ASCII")(Buffer.from("é")), "é")
  })
})

describe("the rows of an INSERT", () => {
  const cases: ReadonlyArray<readonly [string, number | undefined]> = [
    ["INSERT INTO t VALUES (1)", 1],
    ["INSERT INTO s.t (a, b) VALUES (1, 'x), ('), ((2), $$)$$),\n\t(ARRAY[1,2], f(3))", 3],
    ["INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1), (2) ON CONFLICT DO NOTHING", 2],
    ["INSERT INTO t DEFAULT VALUES", 1],
    ["INSERT INTO t SELECT 1", undefined],
    ["INSERT INTO t VALUES (1", undefined],
    ["DELETE FROM t", undefined]
  ]
  for (const [sql, rows] of cases) it(sql, () => assert.strictEqual(insertedRows(Buffer.from(sql)), rows))
})

describe("names without a schema", () => {
  const readAll = (...statements: ReadonlyArray<string>) => {
    const reader = new StatementReader()
    return statements.map((sql) => {
      const kind = reader.read(Buffer.from(sql))
      return "table" in kind ? kind.table?.schema : "schema" in kind ? kind.schema : undefined
    })
  }

  it("stand where the search_path says, as dumps up to 9.6 have it", () =>
    assert.deepStrictEqual(
      readAll(
        'SET search_path = "Sales Dept", pg_catalog',
        "CREATE TABLE t (id int)",
        "COPY t (id) FROM stdin",
        "SELECT pg_catalog.setval('s', 1, true)",
        "ALTER TABLE ONLY t ADD CONSTRAINT k PRIMARY KEY (id)",
        "DROP TABLE elsewhere.t",
        "CREATE PUBLICATION p",
        "SET search_path = pg_catalog, other",
        "INSERT INTO t VALUES (1)",
        "ALTER TABLE t OWNER TO me"
      ),
      [
        undefined,
        "Sales Dept",
        "Sales Dept",
        "Sales Dept",
        "Sales Dept",
        "elsewhere",
        undefined,
        undefined,
        "other",
        "other"
      ]
    ))

  it("are public's before a script has set one, and nobody's with an empty one", () =>
    assert.deepStrictEqual(
      readAll("CREATE TABLE t ()", "SELECT pg_catalog.set_config('search_path', '', false)", "CREATE TABLE t ()"),
      ["public", undefined, undefined]
    ))

  it("are read in the encoding that the script has set", () => {
    const reader = new StatementReader()
    reader.read(Buffer.from("SET client_encoding = 'LATIN1'"))
    assert.strictEqual(reader.encoding, "LATIN1")
    assert.deepInclude(reader.read(Buffer.from('DROP TABLE "Größe"', "latin1")), { name: "Größe", schema: "public" })
  })
})

const judge = (script: string) => {
  const scanner = new SqlScanner()
  const guard = new DumpGuard()
  const events = [...scanner.push(Buffer.from(script)), ...scanner.end()]
  const verdicts = events.map((event) =>
    guard.judge(event, event._tag === "Statement" || event._tag === "CopyStart" ? classify(event.bytes) : undefined)
  )
  return { verdicts: verdicts.map((verdict) => verdict._tag), open: guard.end() }
}

describe("what a dump may not do", () => {
  const unsafe = [
    "COMMIT;",
    "ROLLBACK;",
    "END;",
    "START TRANSACTION;",
    "SAVEPOINT s;",
    "SET TRANSACTION READ ONLY;",
    "/**/abort;",
    "COPY t FROM '/etc/passwd';",
    "COPY t FROM PROGRAM 'id';",
    "COPY t TO '/tmp/x';",
    "COPY t FROM stdout;",
    "CREATE ROLE evil SUPERUSER;",
    "ALTER USER me SET work_mem = 1;",
    "DROP ROLE IF EXISTS me;",
    "GRANT admin TO me;",
    "ALTER SYSTEM SET a = 1;",
    "\\! id",
    "\\i /etc/passwd",
    "\\copy t from x",
    "\\restrict a \\! id",
    '\\connect "a" \\! id',
    "\\connect host=evil",
    "\\encoding UTF8 \\! id",
    "\\gexec",
    "\\o |id"
  ]
  for (const script of unsafe) it(script, () => assert.deepStrictEqual(judge(`${script}\n`).verdicts, ["Refuse"]))

  it("passes what pg_dump writes", () =>
    assert.deepStrictEqual(
      judge(
        `\\restrict a1\n\\encoding UTF8\n\\connect -reuse-previous=on "dbname='a b'"\nselect 1;\n\\unrestrict a1\n`
      ),
      { verdicts: ["Run", "Skip", "Skip", "Run", "Run"], open: undefined }
    ))

  it("refuses a second database, and not the same once more", () => {
    assert.deepStrictEqual(judge("\\connect a\n\\connect b\n").verdicts, ["Skip", "Refuse"])
    assert.deepStrictEqual(judge("\\connect a\n\\connect a\n").verdicts, ["Skip", "Skip"])
  })

  it("drops the bracket around large objects, and only that one", () => {
    const calls =
      "SELECT pg_catalog.lo_open('1', 131072);SELECT pg_catalog.lowrite(0, '');SELECT pg_catalog.lo_close(0);"
    assert.deepStrictEqual(judge(`BEGIN;${calls}COMMIT;select 1;`).verdicts, [
      "Skip",
      "Run",
      "Run",
      "Run",
      "Skip",
      "Run"
    ])
    assert.deepStrictEqual(judge(`BEGIN;select 1;COMMIT;`).verdicts.slice(0, 2), ["Skip", "Refuse"])
    assert.include(judge(`BEGIN;${calls}ROLLBACK;`).verdicts, "Refuse")
    assert.isString(judge(`BEGIN;${calls}`).open)
  })
})
