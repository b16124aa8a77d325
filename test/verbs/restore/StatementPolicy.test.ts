import { assert, describe, it } from "@effect/vitest"
import { DumpGuard } from "../../../src/postgres/script/DumpGuard.ts"
import { classify } from "../../../src/postgres/script/Statement.ts"
import type { StatementKind } from "../../../src/postgres/script/StatementKind.ts"
import * as StatementPolicy from "../../../src/verbs/restore/StatementPolicy.ts"
import { object, schema, surveyOf } from "../../support/SurveyOf.ts"

const roles = [
  { name: "me", member: true, inherits: true, settable: true },
  { name: "parent", member: true, inherits: true, settable: true },
  { name: "noinherit", member: true, inherits: false, settable: true },
  { name: "unsettable", member: true, inherits: true, settable: false },
  { name: "stranger", member: false, inherits: false, settable: false }
]
const extensions = [{ name: "plpgsql", schema: "pg_catalog", version: "1.0", owner: "postgres" }]
const schemas = [schema("public"), { name: "new", exists: false } as const]
const survey = surveyOf({ roles, extensions, schemas, objects: [object("VIEW", "v")] })
const superuser = surveyOf({ ...survey, role: { name: "me", superuser: true } })

/** What is decided about each statement, in a word or the reason for skipping it. */
const decisions = (
  statements: ReadonlyArray<string>,
  more: Partial<StatementPolicy.PolicyOptions> & { readonly described?: boolean } = {}
) => {
  const decide = StatementPolicy.make({ survey, cleaned: false, owner: "auto", ...more })
  return statements.map((sql) => {
    const decision = decide(classify(Buffer.from(sql)), more.described ?? true)
    if (decision._tag === "Skip") {
      return `skip: ${decision.reason}${decision.instead === undefined ? "" : `; ${decision.instead}`}`
    }
    const unless = decision.unless === undefined ? "" : ` unless ${[...decision.unless.keys()].join()}`
    return `${decision.later === true ? "run later" : "run"}${unless}`
  })
}

const cleanedAlready = "skip: the clean step has dropped it already"
const keepsItsOwn = "skip: a schema that is there keeps its own owner, rights and comment"
const notActing = (role: string) => `skip: this role may not act as "${role}", and makes itself what that role would`
const missing = `skip: the server has no role "gone": its rights are not restored`

/** One row of the policy: statement, what is decided. */
const rows: ReadonlyArray<readonly [sql: string, decision: string]> = [
  ["SET statement_timeout = 0", "skip: limits of the session are pgark's own"],
  ["SET lock_timeout = 0", "skip: limits of the session are pgark's own"],
  ["SET idle_in_transaction_session_timeout = 0", "skip: limits of the session are pgark's own"],
  ["SET transaction_timeout = 0", "skip: limits of the session are pgark's own"],
  ["SET client_min_messages = warning", "skip: limits of the session are pgark's own"],
  ["SET work_mem = '64MB'", "run"],
  ["SELECT pg_catalog.set_config('search_path', '', false)", "run"],
  ["SET brand_new = on", "skip: the server does not know the setting brand_new"],
  ["SET my_extension.level = 3", "run"],
  ["BEGIN", "skip: large objects are restored in the same transaction as all else"],
  ["DROP SCHEMA IF EXISTS public", keepsItsOwn],
  ["CREATE SCHEMA public", keepsItsOwn],
  ["ALTER SCHEMA public OWNER TO stranger", keepsItsOwn],
  ["COMMENT ON SCHEMA public IS 'x'", keepsItsOwn],
  ["GRANT ALL ON SCHEMA public TO PUBLIC", keepsItsOwn],
  ["REVOKE USAGE ON SCHEMA public FROM PUBLIC", keepsItsOwn],
  ["CREATE SCHEMA new", "run"],
  ["COMMENT ON SCHEMA new IS 'x'", "run"],
  ["ALTER SCHEMA new OWNER TO me", "run"],
  [
    "ALTER SCHEMA new OWNER TO stranger",
    `skip: this role may not SET ROLE to "stranger": its objects are now this role's`
  ],
  ["GRANT USAGE ON SCHEMA new TO parent", "run"],
  ["GRANT USAGE ON SCHEMA new TO gone", missing],
  ["CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog", "skip: the extension is installed already"],
  ["COMMENT ON EXTENSION plpgsql IS 'x'", "skip: the extension is installed already"],
  ["DROP EXTENSION IF EXISTS plpgsql", "skip: extensions are never dropped"],
  ["CREATE EXTENSION IF NOT EXISTS hstore", "run"],
  ["ALTER DATABASE app SET work_mem = '1MB'", "skip: what concerns the database itself is left as it is"],
  ["ALTER TABLE public.t OWNER TO me", "run"],
  ["ALTER TABLE public.t OWNER TO parent", "run unless 42501,0A000"],
  ["ALTER TABLE public.t OWNER TO noinherit", "run later unless 42501,0A000"],
  [
    "ALTER TABLE public.t OWNER TO unsettable",
    `skip: this role may not SET ROLE to "unsettable": its objects are now this role's`
  ],
  ["ALTER TABLE public.t OWNER TO gone", `skip: the server has no role "gone": its objects are now this role's`],
  ["DROP TABLE IF EXISTS public.t", "run"],
  ["DROP TABLE public.t", "run unless 42704,42883,42P01,3F000"],
  ["DROP TABLE IF EXISTS other.t", `skip: nothing of schema "other" is in the dump: what is there stays`],
  ["DROP INDEX IF EXISTS public.i", "run unless 42704,42883,42P01,3F000,42703,42P16,2BP01"],
  [
    "ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c",
    "run unless 42704,42883,42P01,3F000,42703,42P16,2BP01"
  ],
  ["CREATE TABLE public.t (id int)", "run"],
  ["CREATE OR REPLACE VIEW public.v AS SELECT NULL::int AS id", "run"],
  ["ALTER TABLE ONLY public.t ADD CONSTRAINT c PRIMARY KEY (id)", "run"],
  ["GRANT SELECT ON TABLE public.not_of_the_dump TO parent", "run unless 42501"],
  ["REVOKE ALL ON FUNCTION pg_catalog.pg_ls_dir(text) FROM PUBLIC", "run unless 42501,42883,42P01,42704"],
  ["GRANT UPDATE ON LARGE OBJECT 16400 TO parent", "run"],
  ["GRANT SELECT ON TABLE public.t TO gone", missing],
  ["ALTER DEFAULT PRIVILEGES FOR ROLE parent IN SCHEMA public GRANT SELECT ON TABLES TO me", "run"],
  [
    "ALTER DEFAULT PRIVILEGES FOR ROLE stranger GRANT SELECT ON TABLES TO me",
    `skip: default privileges of "stranger" are not this role's to change`
  ],
  ["ALTER DEFAULT PRIVILEGES FOR ROLE parent GRANT SELECT ON TABLES TO gone", missing],
  ["ALTER TABLE ONLY public.t ALTER COLUMN a SET COMPRESSION lz4", "run unless 0A000"],
  ["COPY public.t (id) FROM stdin", "run"],
  ["SELECT pg_catalog.setval('public.s', 4, true)", "run"],
  ["SELECT pg_catalog.lo_create('16400')", "run"],
  ["SELECT pg_catalog.lo_unlink('16400')", "run unless 42704,42883,42P01,3F000"],
  ["CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "run"],
  ["INSERT INTO public.t VALUES (1)", "run"],
  ["REFRESH MATERIALIZED VIEW public.m", "run"],
  ["SET default_tablespace = fast", "run unless 22023,42704"],
  ["SET default_table_access_method = columnar", "run unless 22023,42704"],
  ["SET SESSION AUTHORIZATION stranger", notActing("stranger")],
  ["ALTER TABLE ONLY public.t ALTER COLUMN id SET DEFAULT 1", "run"],
  ["ALTER TABLE ONLY public.t ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES public.u(id)", "run"],
  ["ALTER TABLE ONLY public.t ADD CONSTRAINT c CHECK ((id > 0))", "run"],
  ["CREATE UNIQUE INDEX i ON public.t USING btree (id)", "run"],
  ["CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()", "run"],
  ["CREATE POLICY p ON public.t USING (true)", "run"],
  ["CREATE RULE r AS ON INSERT TO public.t DO NOTHING", "run"],
  ["CREATE STATISTICS public.s ON a, b FROM public.t", "run"],
  ["CREATE TYPE public.mood AS ENUM ('a')", "run"],
  ["CREATE DOMAIN public.d AS integer", "run"],
  ["CREATE SEQUENCE public.s", "run"],
  ["CREATE FOREIGN TABLE public.far (a integer) SERVER s", "run"],
  ["CREATE FUNCTION public.f() RETURNS int LANGUAGE c AS 'lib', 'f'", "run unless 42501,42704,58P01,22023"],
  ["COMMENT ON TABLE public.t IS 'x'", "run"],
  ["COMMENT ON EVENT TRIGGER e IS 'x'", "run unless 42501,42704,42883"],
  ["SECURITY LABEL FOR x ON TABLE public.t IS 'y'", "run unless 42501,42704,58P01,22023"],
  ["GRANT USAGE ON FOREIGN SERVER s TO parent", "run unless 42501,42704,42883"],
  ["SELECT * FROM pg_catalog.pg_restore_relation_stats('version', '180000'::integer)", "run unless 42883,42501"],
  ...[
    "CREATE PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f()",
    "CREATE TRUSTED LANGUAGE pl",
    "CREATE CAST (a AS b) WITHOUT FUNCTION",
    "CREATE OPERATOR CLASS public.c FOR TYPE int4 USING btree AS STORAGE int4",
    "CREATE OPERATOR FAMILY public.c USING btree",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "CREATE USER MAPPING FOR me SERVER s",
    "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION f(internal))",
    "CREATE ACCESS METHOD m TYPE TABLE HANDLER h",
    "CREATE TEXT SEARCH PARSER public.p (START = a, GETTOKEN = b, END = c, LEXTYPES = d)",
    "CREATE TEXT SEARCH TEMPLATE public.t (LEXIZE = l)"
  ].map((sql) => [sql, "run unless 42501,42704,42883"] as const)
]

/** Refused when the dump is proven, so that the table never sees it. */
const refused: ReadonlyArray<string> = [
  "COMMIT",
  "ROLLBACK",
  "SAVEPOINT x",
  "PREPARE TRANSACTION 'x'",
  "ALTER SYSTEM SET work_mem = '1MB'",
  "CREATE ROLE evil",
  "GRANT parent TO me",
  "COPY public.t TO '/tmp/x'",
  "COPY public.t TO STDOUT",
  "COPY public.t FROM '/tmp/x'",
  "COPY public.t FROM PROGRAM 'id'"
]

/** Every kind there is, as the compiler knows them. */
const everyKind: Record<StatementKind["_tag"], true> = {
  AddConstraint: true,
  Alter: true,
  AlterSystem: true,
  Comment: true,
  CopyFrom: true,
  CopyTo: true,
  Create: true,
  Database: true,
  DefaultPrivileges: true,
  Drop: true,
  Extension: true,
  Grant: true,
  InsertInto: true,
  LargeObjectCall: true,
  LargeObjectUnlink: true,
  Other: true,
  OwnerTo: true,
  RestoreStatistics: true,
  Role: true,
  Schema: true,
  SecurityLabel: true,
  SequenceValue: true,
  SessionAuthorization: true,
  SetSetting: true,
  TransactionControl: true
}

/** Rows, keys and what would be missed: whatever is skipped, these never are. */
const keeps = new Set<StatementKind["_tag"]>([
  "AddConstraint",
  "CopyFrom",
  "InsertInto",
  "LargeObjectCall",
  "SequenceValue"
])

describe("the policy for a dump's statements", () => {
  for (const [sql, decision] of rows) {
    it(sql, () => assert.deepStrictEqual(decisions([sql]), [decision]))
  }

  for (const sql of refused) {
    it(`${sql} is refused`, () => {
      const event = { _tag: "Statement" as const, bytes: Buffer.from(sql), line: 1, offset: 0 }
      assert.strictEqual(new DumpGuard().judge(event, classify(event.bytes))._tag, "Refuse")
    })
  }

  it("has a row for every kind of statement", () => {
    const walked = new Set([...rows.map(([sql]) => sql), ...refused].map((sql) => classify(Buffer.from(sql))._tag))
    assert.deepStrictEqual([...walked].sort(), Object.keys(everyKind).sort() as Array<StatementKind["_tag"]>)
  })

  it("runs rows, values and constraints whatever the options, and lets no refusal of the server pass", () => {
    const statements = rows.map(([sql]) => sql).filter((sql) => keeps.has(classify(Buffer.from(sql))._tag))
    assert.isAbove(statements.length, 6)
    for (const cleaned of [false, true]) {
      for (const owner of StatementPolicy.ownerModes) {
        for (const described of [false, true]) {
          const found = new Set(decisions(statements, { cleaned, owner, described }))
          assert.deepStrictEqual([...found], ["run"])
        }
      }
    }
  })

  it("gives objects to any role of the server as superuser", () => {
    const statements = ["stranger", "noinherit", "gone"].map((role) => `ALTER TABLE public.t OWNER TO ${role}`)
    assert.deepStrictEqual(decisions(statements, { survey: superuser }), [
      "run",
      "run",
      `skip: the server has no role "gone": its objects are now this role's`
    ])
  })

  it("keeps or skips every owner when it is told to", () => {
    const statements = ["me", "parent", "noinherit", "gone"].map((role) => `ALTER TABLE public.t OWNER TO ${role}`)
    assert.deepStrictEqual(decisions(statements, { owner: "keep" }), ["run", "run", "run later", "run later"])
    const skipped = "skip: owners are not restored (--owner skip)"
    assert.deepStrictEqual(decisions(statements, { owner: "skip" }), [skipped, skipped, skipped, skipped])
  })

  it("drops nothing after a clean but what the dump itself has created", () => {
    const statements = [
      "DROP TABLE IF EXISTS public.t",
      "CREATE TABLE public.t (id int)",
      "DROP TABLE public.t",
      "DROP TABLE public.u",
      "ALTER TABLE public.t DROP CONSTRAINT c"
    ]
    assert.deepStrictEqual(decisions(statements, { cleaned: true }), [
      cleanedAlready,
      "run",
      "run unless 42704,42883,42P01,3F000",
      cleanedAlready,
      cleanedAlready
    ])
  })

  it("hollows out a view before its DROP only where it is there", () => {
    const statements = [
      "CREATE OR REPLACE VIEW public.v AS\nSELECT\n    NULL::integer AS id",
      "CREATE OR REPLACE VIEW public.w AS\nSELECT\n    NULL::public.mood AS mood",
      "DROP VIEW IF EXISTS public.v"
    ]
    assert.deepStrictEqual(decisions(statements, { described: false }), [
      "run unless 42P16",
      "skip: a view that is not there is not prepared for its DROP",
      "run"
    ])
    assert.deepStrictEqual(decisions(statements, { described: false, cleaned: true }), [
      cleanedAlready,
      cleanedAlready,
      cleanedAlready
    ])
    // A script without object comments may well create such a view; only this shape is taken for the preparation.
    assert.deepStrictEqual(
      decisions(["CREATE OR REPLACE VIEW public.w AS SELECT 1", "CREATE VIEW public.x AS SELECT NULL::int"], {
        described: false
      }),
      ["run", "run"]
    )
  })

  it("runs rights of another grantor as that grantor, or skips them as one", () => {
    const statements = [
      "CREATE TABLE public.t (id int)",
      "SET SESSION AUTHORIZATION stranger",
      "GRANT SELECT ON TABLE public.t TO parent",
      "RESET SESSION AUTHORIZATION",
      "GRANT SELECT ON TABLE public.t TO parent"
    ]
    const skipped = (role: string) => [
      "run",
      notActing(role),
      `skip: rights granted by "${role}" are not restored`,
      notActing(role),
      "run"
    ]
    assert.deepStrictEqual(decisions(statements), skipped("stranger"))
    assert.deepStrictEqual(decisions(statements, { survey: superuser }), ["run", "run", "run", "run", "run"])
    const gone = statements.map((sql) => sql.replace("stranger", "gone"))
    assert.deepStrictEqual(decisions(gone, { survey: superuser }), skipped("gone"))
  })

  it("makes itself what another role would make, and then gives the rights on it too", () => {
    const made = [
      "CREATE TABLE public.t (id int)",
      "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
      "INSERT INTO public.t VALUES (1)",
      "ALTER TABLE ONLY public.t ADD CONSTRAINT c PRIMARY KEY (id)",
      "SELECT pg_catalog.setval('public.s', 4, true)",
      "GRANT SELECT ON TABLE public.t TO parent"
    ]
    const runs = made.map(() => "run")
    assert.deepStrictEqual(decisions(["SET SESSION AUTHORIZATION 'gone'", ...made]), [notActing("gone"), ...runs])
    // The superuser may be one role and not the other.
    assert.deepStrictEqual(
      decisions(["SET SESSION AUTHORIZATION 'gone'", "SET SESSION AUTHORIZATION 'stranger'", made[5]!], {
        survey: superuser
      }),
      [notActing("gone"), "run", "run unless 42501"]
    )
    assert.deepStrictEqual(
      decisions(["SET SESSION AUTHORIZATION 'stranger'", "SET SESSION AUTHORIZATION 'gone'", made[0]!], {
        survey: superuser
      }),
      ["run", `${notActing("gone")}; RESET SESSION AUTHORIZATION`, "run"]
    )
  })
})

describe("what stands in no schema", () => {
  const publication = (droppable: boolean) => ({ key: "6104:1", kind: "PUBLICATION", name: "p", owner: "x", droppable })
  const statements = [
    "DROP PUBLICATION IF EXISTS p",
    "CREATE PUBLICATION p WITH (publish = 'insert')",
    "ALTER PUBLICATION p OWNER TO me",
    "ALTER PUBLICATION p ADD TABLE ONLY public.t"
  ]
  const spared = "run unless 42501,42704,42883"

  it("is left out where the role may not create it, and is nothing that the target had", () =>
    assert.deepStrictEqual(decisions(statements), [
      "skip: what the dump would drop is not there",
      spared,
      spared,
      spared
    ]))

  it("must come back where the dump has dropped it", () => {
    const given = surveyOf({ ...survey, databaseWide: [publication(true)] })
    for (const cleaned of [false, true]) {
      assert.deepStrictEqual(decisions(statements, { survey: given, cleaned }), ["run", "run", spared, spared])
    }
  })

  it("stays where it is another role's, or the dump does not drop it", () => {
    const given = surveyOf({ ...survey, databaseWide: [publication(false)] })
    assert.deepStrictEqual(decisions(statements, { survey: given }).slice(0, 2), [
      `skip: publication "p" is left as it is: it is not this role's`,
      `skip: publication "p" is there already and left as it is`
    ])
  })
})

describe("what only a superuser may create", () => {
  const statements = [
    "CREATE OPERATOR CLASS public.c FOR TYPE int4 USING btree AS STORAGE int4",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE c AS 'lib', 'f'",
    "CREATE CAST (public.a AS public.b) WITHOUT FUNCTION",
    "SECURITY LABEL FOR x ON TABLE public.t IS 'y'"
  ]

  it("is left out, unless the target had it and the clean step took it", () => {
    assert.deepStrictEqual(decisions(statements), [
      "run unless 42501,42704,42883",
      "run unless 42501,42704,58P01,22023",
      "run unless 42501,42704,42883",
      "run unless 42501,42704,58P01,22023"
    ])
    const objects = [object("OPERATOR CLASS", "c"), object("FUNCTION", "f")]
    assert.deepStrictEqual(
      decisions(statements.slice(0, 2), { survey: surveyOf({ ...survey, objects }), cleaned: true }),
      ["run", "run"]
    )
  })
})
