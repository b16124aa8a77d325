/** What `--log-level debug` tells, and what it keeps to itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { tracer } from "../../../src/cli/output/DebugLog.ts"
import { textOf, traced } from "../../../src/postgres/SqlSpan.ts"
import * as Clusters from "../../support/Clusters.ts"
import * as Pgark from "../../support/Pgark.ts"
import { fillJournal, folder } from "../../support/Restores.ts"

const told = <A, E>(work: Effect.Effect<A, E>, begins = false) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    yield* Effect.exit(
      Effect.withTracer(
        work,
        tracer((line) => lines.push(line), begins)
      )
    )
    return lines
  })

const outer = Effect.fn("Outer.work")(() => Effect.withSpan(traced("SELECT\n  1")(Effect.void), "inner"))

describe("a statement in a log", () => {
  it("has neither what may be a password nor rows of data", () => {
    const secret = "f4lcon"
    const statements = [
      `CREATE SUBSCRIPTION s CONNECTION 'host=h password=${secret}' PUBLICATION p`,
      `ALTER ROLE app WITH LOGIN PASSWORD '${secret}'`,
      `CREATE USER MAPPING FOR me SERVER s OPTIONS (user 'a', password $$${secret}$$)`,
      `-- Name: s\n--\n\nCREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host '${secret}')`,
      `INSERT INTO public.users (id, name) VALUES (1, '${secret}')`,
      `INSERT INTO public.users\n  VALUES\n (1, '${secret}')`,
      `/* a */ insert /* b */ into public.users(id)values(1, '${secret}')`,
      `DO $$ BEGIN EXECUTE 'ALTER ROLE app PASSWORD ''${secret}'''; END $$`,
      `DO $$ BEGIN ALTER ROLE app PASSWORD 'it''s ${secret}'; END $$`,
      `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'host=h password=${secret} port=1' $$`,
      `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'postgresql://a:%40${secret}@h/d' $$`,
      `${"-".repeat(470)}\nSET app.password = '${secret}${"x".repeat(1000)}'`,
      `SELECT pg_catalog.lowrite(0, '\\x${secret}')`
    ]
    for (const statement of statements) {
      assert.notInclude(textOf(statement), secret)
      assert.isAbove(textOf(statement).length, 10)
    }
    assert.strictEqual(textOf("INSERT INTO a SELECT 'x'"), "INSERT INTO a SELECT 'x'")
    const table = `CREATE TABLE users (password text DEFAULT '' NOT NULL, note text DEFAULT 'x' CHECK (password <> 'y'))`
    assert.strictEqual(textOf(table), table)
    assert.strictEqual(textOf("SELECT 1"), "SELECT 1")
  })
})

describe("a debug log", () => {
  it.effect("has a line for every span and statement, when it has ended", () =>
    Effect.gen(function* () {
      const lines = yield* told(outer())
      assert.lengthOf(lines, 3)
      const times = String.raw`^debug +\d+\.\d{3} s +\d+\.\d ms +`
      assert.match(lines[0]!, new RegExp(`${times}sql +SELECT 1$`))
      assert.match(lines[1]!, new RegExp(`${times}span +inner$`))
      assert.match(lines[2]!, new RegExp(`${times}span +Outer\\.work$`))
    })
  )

  it.effect("says what has failed, and as a trace what has begun", () =>
    Effect.gen(function* () {
      const failing = Effect.withSpan(Effect.fail("no"), "failing")
      assert.match((yield* told(failing)).join("\n"), /span {2}failing {2}\(failed\)$/)
      assert.match((yield* told(failing, true)).join("\n"), /^trace .* span {2}failing …\ndebug .*\(failed\)$/)
    })
  )

  it.live("stands on stderr, beside the document on stdout, and only where it is asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
      yield* fillJournal(url)
      const options = { cwd: yield* folder, env: { DATABASE_URL: Pgark.uri(url) } }
      const { code, stderr } = yield* Pgark.run(["dump", "--json", "--log-level", "debug"], options)
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /^debug .* span +Session\.open$/m)
      assert.match(stderr, /^debug .* sql +BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY$/m)
      // The text of the sample's first table is data.
      assert.notInclude(stderr, "@example")
      const quiet = yield* Pgark.run(["dump"], options)
      assert.notMatch(quiet.stderr, /^(debug|trace) /m)
    })
  )
})
