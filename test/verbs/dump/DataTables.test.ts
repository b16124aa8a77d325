import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import type { PgDumpOptions } from "../../../src/postgres/PgDump.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as DataTables from "../../../src/verbs/dump/DataTables.ts"
import * as Clusters from "../../support/Clusters.ts"
import { each } from "../../support/Tier.ts"

const everything: PgDumpOptions = { schemas: [], excludeTables: [], excludeTableData: [] }

const within = <A, E>(url: DatabaseUrl.DatabaseUrl, body: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(body, Session.Session.layer(url))

/** Types whose values go in binary form, with the values that are hardest to get right. */
const binary: Record<string, ReadonlyArray<string>> = {
  bool: ["true", "false"],
  bytea: ["''", "'\\x00ff5c0a'"],
  name: ["'Ünïcode'"],
  int8: ["-9223372036854775808", "9223372036854775807"],
  int2: ["-32768", "32767"],
  int4: ["-2147483648", "2147483647"],
  text: ["''", "E'\\\\N'", "E'tab\\there\\nand \\\\.\\n'", "'🐘'"],
  json: [`'{"a": [1, null, "ü"],  "a": 2}'`],
  jsonb: [`'{"a": [1e400, null, "ü\\u0001"], "b": {}}'`, "'null'"],
  point: ["'(NaN,-Infinity)'"],
  lseg: ["'((1,2),(3,4e300))'"],
  path: ["'((1,2),(3,4))'", "'[(1,2),(3,4)]'"],
  box: ["'((1,2),(3,4))'"],
  polygon: ["'((1,2),(3,4),(5,6))'"],
  line: ["'{1,-1,0.1}'"],
  circle: ["'<(1,2),0>'"],
  cidr: ["'10/8'", "'::/0'"],
  inet: ["'10.1.2.3/8'", "'fe80::1'"],
  macaddr: ["'08:00:2b:01:02:03'"],
  macaddr8: ["'08:00:2b:01:02:03:04:05'"],
  float4: ["'NaN'", "'-Infinity'", "'1e-45'", "'-0'"],
  float8: ["'NaN'", "'Infinity'", "5e-324", "0.1::float8 + 0.2::float8"],
  money: ["'-92233720368547758.08'"],
  "character(5)": ["'ab'"],
  "character varying(7)": ["'abc   '", "''"],
  date: ["'infinity'", "'0044-03-15 BC'", "'5874897-12-31'"],
  "time(3)": ["'24:00'", "'00:00:00.001'"],
  timestamp: ["'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"],
  timestamptz: ["'infinity'", "'0001-01-01 00:00:00+15:59 BC'"],
  timetz: ["'23:59:59.999999-15:59'"],
  "bit(3)": ["B'101'"],
  "bit varying": ["B''", "B'1011011101'"],
  numeric: ["'NaN'", "1e-16383", "repeat('9', 1000)::numeric || '.00'", "'-0.000'"],
  "numeric(10,-2)": ["12345"],
  uuid: ["'ffffffff-0000-4000-8000-000000000001'"],
  pg_lsn: ["'FFFFFFFF/FFFFFFFF'"],
  tsvector: [`'''a b'':1A,16383 c:2B'`, "''"],
  int4range: ["'empty'", "'[1,5)'", "'(,)'"],
  numrange: ["'(1.50,]'"],
  tstzrange: ["'[-infinity,2020-01-01 00:00+00]'"],
  "int4[]": ["'{}'", "'{1,NULL,-3}'", "'[-2:0][5:6]={{1,2},{3,4},{5,6}}'"],
  "text[]": [`'{"a,b",NULL,"NULL",""}'`],
  "numeric[]": ["'{NaN,1.10}'"],
  "int8range[]": [`'{empty,"[1,2)"}'`],
  int4multirange: ["'{}'", "'{[1,3),[7,9)}'"],
  mood: ["'glad'", "'très ''triste'''"],
  short: ["'abc'"],
  numbers: ["'{1,2}'"],
  span: ["'[0.1,0.3)'", "'empty'"],
  spans: ["'{[0.1,0.3)}'"]
}

const own = `
  CREATE TYPE public.mood AS ENUM ('glad', 'très ''triste''');
  CREATE DOMAIN public.short AS varchar(5) CHECK (VALUE <> '');
  CREATE DOMAIN public.numbers AS int4[];
  CREATE TYPE public.span AS RANGE (subtype = float8, multirange_type_name = spans);
  CREATE TYPE public.pair AS (a int, b text)`

/** Types whose binary form holds OIDs, or is known to nobody. */
const textual = [
  "regclass",
  "regtype",
  "oid",
  "aclitem",
  "xid8",
  "xml",
  // The server does not read what it writes: an empty one is "malformed" to it.
  "tsquery",
  // Infinity is a finite one to a server before 17.
  "interval",
  `"char"`,
  "int2vector",
  "oidvector",
  "public.pair",
  "public.mood[]",
  "public.short[]",
  "public.span[]",
  "public.pair[]",
  "regclass[]",
  "aclitem[]",
  "public.citext",
  "public.citext[]"
]

const typeName = (type: string) => (/^(mood|short|numbers|spans?)$/.test(type) ? `public.${type}` : type)
const tableOf = (index: number) => `public.t${index}`
const kinds = Object.entries(binary)

/** A table for each type, with these values of it and NULL where rows are wanted. */
const create = (rows: boolean) =>
  kinds
    .map(([type, values], index) => {
      const insert = [...values, "NULL"].map((value) => `((${value})::${typeName(type)})`).join(", ")
      return (
        `CREATE TABLE ${tableOf(index)} (v ${typeName(type)}, g int GENERATED ALWAYS AS (1) STORED);` +
        (rows ? `INSERT INTO ${tableOf(index)} (v) VALUES ${insert};` : "")
      )
    })
    .join("\n")

each(
  [18, 15] as const,
  [18],
  (major) => `binary COPY on PostgreSQL ${major}`,
  (major) => {
    it.live("of every type that is copied so is the same in another database", () =>
      Effect.gen(function* () {
        const [from, to] = [yield* Clusters.makeDatabase(major), yield* Clusters.makeDatabase(major)]
        yield* Clusters.query(from, `${own}; ${create(true)}`)
        // Whatever OIDs there are in the values would be others here.
        yield* Clusters.query(to, `CREATE TYPE public.other AS ENUM ('a'); ${own}; ${create(false)}`)
        const source = yield* Session.open(from)
        const target = yield* Session.open(to)
        const tables = yield* within(from, DataTables.read(everything, from.database))
        assert.strictEqual(tables.length, kinds.length)
        for (const [index, [type]] of kinds.entries()) {
          const table = tables.find(({ name }) => name === `t${index}`)!
          assert.deepStrictEqual([table.form, table.columns, table.parts.length], ["binary", ["v"], 1], type)
          yield* target.copyIn(Buffer.from(`COPY ${tableOf(index)} (v) FROM STDIN (FORMAT binary)`), {}, (write) =>
            Effect.asVoid(source.copyOut(table.parts[0]!.sql, write))
          )
          const text = (session: Session.SessionService) =>
            session.sql`SELECT ${session.sql.literal(`v::text FROM ${tableOf(index)}`)}`
          assert.deepStrictEqual(yield* text(target), yield* text(source), type)
        }
      })
    )
  }
)

describe("the tables of a dump", () => {
  it.live("have their rows as text where binary values hold what means something here alone", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(
        url,
        `${own}; CREATE EXTENSION citext SCHEMA public;
        ${textual.map((type, index) => `CREATE TABLE public.t${index} (id int, v ${type})`).join(";")};
        CREATE TABLE public.nothing ();
        CREATE TABLE public.computed (g int GENERATED ALWAYS AS (1) STORED);
        CREATE TABLE public._prisma_migrations (id text)`
      )
      const tables = yield* within(url, DataTables.read(everything, url.database))
      assert.strictEqual(tables.length, textual.length + 3)
      for (const { form, name } of tables) {
        assert.strictEqual(form, "text", textual[Number(name.slice(1))] ?? name)
      }
      assert.deepStrictEqual(
        tables.filter(({ columns }) => columns.length === 0).map(({ parts }) => parts[0]!.sql),
        ['COPY "public"."computed" TO STDOUT', 'COPY "public"."nothing" TO STDOUT']
      )
    })
  )

  it.live("have the rows that an extension asks for once, and as text, however large its table is", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      // A page for each row.
      const large = `(id int, filler text DEFAULT repeat('x', 700)) WITH (fillfactor = 10)`
      const fill = (name: string) => `INSERT INTO public.${name} SELECT g FROM generate_series(1, 16500) g`
      yield* Clusters.query(
        url,
        `CREATE UNLOGGED TABLE public.asked ${large}; CREATE UNLOGGED TABLE public.own ${large};
        ${fill("asked")}; ${fill("own")};
        ALTER EXTENSION plpgsql ADD TABLE public.asked;
        UPDATE pg_extension SET extconfig = array['public.asked'::regclass], extcondition = array['WHERE id > 7']`
      )
      const tables = yield* within(url, DataTables.read(everything, url.database))
      const told = tables.map(({ form, name, parts }) => [name, form, parts.length])
      assert.sameDeepMembers(told, [
        ["asked", "text", 1],
        ["own", "binary", 2]
      ])
      const asked = tables.find(({ name }) => name === "asked")
      assert.strictEqual(
        asked?.parts[0]?.sql,
        `COPY (SELECT "id", "filler" FROM ONLY "public"."asked" WHERE id > 7) TO STDOUT`
      )
    })
  )
})
