import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { AuthenticationError, ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import type { DatabaseError } from "../../src/postgres/DatabaseError.ts"
import { Session } from "../../src/postgres/Session.ts"
import { fromSqlError, sqlstateOf, toDatabaseError } from "../../src/postgres/Sqlstate.ts"
import * as Clusters from "../support/Clusters.ts"

const refusal = (code: string, more: object = {}) =>
  Object.assign(new Error(`text of ${code}`), { code, severity: "ERROR", ...more })

const table: ReadonlyArray<readonly [DatabaseError["_tag"], ReadonlyArray<string>]> = [
  ["PermissionDenied", ["42501"]],
  ["ConnectionFailed", ["08000", "08006", "57P01", "57P02", "57P03", "57P05", "53300"]],
  ["AuthenticationFailed", ["28000", "28P01"]],
  ["DatabaseMissing", ["3D000"]],
  ["LockTimeout", ["55P03", "57014", "40P01"]],
  ["ReadOnlyTarget", ["25006"]],
  ["ObjectConflict", ["42P07", "42P06", "42710", "42723", "42P04", "2BP01"]],
  ["StatementFailed", ["42601", "23505", "53200", "25P02", "XX000"]]
]

describe("toDatabaseError", () => {
  for (const [tag, codes] of table) {
    it(`makes ${codes.join(", ")} a ${tag}`, () => {
      for (const code of codes) {
        const error = toDatabaseError(refusal(code))
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.sqlstate, code)
      }
    })
  }

  const confidential = [
    "CREATE SUBSCRIPTION s CONNECTION 'host=x password=secret' PUBLICATION p",
    "-- it's a comment\n/* and 'another' */ ALTER SUBSCRIPTION s CONNECTION 'password=secret'",
    "CREATE USER MAPPING FOR app SERVER far OPTIONS (\n  password 'secret',\n  \"user\" 'u'\n)",
    "create server far foreign data wrapper w options (token $t$secret$t$)",
    "ALTER  ROLE app PASSWORD 'secret'"
  ]
  for (const statement of confidential) {
    it(`shows no password of ${statement.split("'", 1)[0]?.trim()}`, () => {
      const shown = toDatabaseError(refusal("42601"), { statement }).statement ?? ""
      assert.notInclude(shown, "secret")
      assert.match(shown, /^(-- it|CREATE (SUBSCRIPTION|USER MAPPING)|create server|ALTER {2}ROLE).*not shown/s)
    })
  }

  it("shows other statements with their texts, up to 500 characters", () => {
    const statement = `CREATE VIEW v AS SELECT 'user' AS a -- ${"x".repeat(1000)}`
    assert.strictEqual(toDatabaseError(refusal("42601"), { statement }).statement, `${statement.slice(0, 500)}…`)
  })

  it("goes by the SQLSTATE, whatever the message says", () => {
    const error = toDatabaseError(Object.assign(refusal("23505"), { message: "permission denied for table x (42501)" }))
    assert.strictEqual(error._tag, "StatementFailed")
  })

  it("takes an error that no server sent for a lost connection", () => {
    const error = toDatabaseError(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }))
    assert.strictEqual(error._tag, "ConnectionFailed")
    assert.isUndefined(error.sqlstate)
    // A code of Node that looks like a SQLSTATE has no severity.
    assert.isUndefined(sqlstateOf(Object.assign(new Error("broken pipe"), { code: "EPIPE" })))
  })

  it("has something to say for an error without a message, as Node's AggregateError is", () => {
    assert.strictEqual(
      toDatabaseError(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })).message,
      "ECONNREFUSED"
    )
  })

  it("keeps detail, context, hint and place, and cuts the statement", () => {
    const error = toDatabaseError(refusal("22P02", { detail: "d", where: "COPY t, line 3", hint: "h" }), {
      statement: `  ${"x".repeat(600)}`,
      file: "a.sql",
      line: 12
    })
    assert.deepInclude(
      { ...error },
      { detail: "d\nCOPY t, line 3", suggestion: "h", statement: `${"x".repeat(500)}…`, file: "a.sql", line: 12 }
    )
  })
})

describe("a connection that is gone", () => {
  it("is told in plain words where the driver's are its own", () => {
    const said = "Client has encountered a connection error and is not queryable"
    const error = toDatabaseError(new Error(said))
    assert.strictEqual(error.message, "The connection to the server was lost.")
    assert.deepInclude({ ...error }, { _tag: "ConnectionFailed", detail: said })
    assert.match(error.suggestion ?? "", /^Try again when the server answers/)
  })
})

describe("fromSqlError", () => {
  it("looks at what the driver threw", () => {
    const cause = refusal("42501")
    assert.strictEqual(fromSqlError(new SqlError({ reason: new UnknownError({ cause }) }))._tag, "PermissionDenied")
    const lost = new ConnectionError({ cause: new Error("Connection terminated") })
    assert.strictEqual(fromSqlError(new SqlError({ reason: lost }))._tag, "ConnectionFailed")
    const login = new AuthenticationError({ cause: refusal("28P01") })
    assert.strictEqual(fromSqlError(new SqlError({ reason: login }))._tag, "AuthenticationFailed")
  })

  for (const major of [15, 18] as const) {
    it.live(`maps what a query of a session failed with on PostgreSQL ${major}`, () =>
      Effect.gen(function* () {
        const url = yield* Clusters.superuser(major)
        const error = yield* Effect.gen(function* () {
          const { sql } = yield* Session
          return yield* sql`SELECT 1 / ${0}::int4`
        }).pipe(Effect.provide(Session.layer(url)), Effect.flip)
        if (error._tag !== "SqlError") return assert.fail(error._tag)
        assert.deepInclude({ ...fromSqlError(error) }, { _tag: "StatementFailed", sqlstate: "22012" })
      })
    )
  }
})
