/** Poolers are noticed by their hosts and ports, and by what connections through them see of each other. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Pooler from "../../src/postgres/Pooler.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Balancer from "../support/Balancer.ts"
import * as Clusters from "../support/Clusters.ts"
import { long } from "../support/Tier.ts"
import * as PgBouncer from "../support/PgBouncer.ts"
import * as Proxy from "../support/Proxy.ts"

/** Host, port and user as they stand in a URL; the pooler's name, mode and the server behind it. */
const known: ReadonlyArray<readonly [authority: string, ...found: ReadonlyArray<string | undefined>]> = [
  [
    "app@ep-cool-bird-123456-pooler.eu-central-1.aws.neon.tech",
    "Neon's pooler",
    "transaction",
    "ep-cool-bird-123456.eu-central-1.aws.neon.tech:5432"
  ],
  ["app@ep-cool-bird-123456.eu-central-1.aws.neon.tech"],
  [
    "postgres.abcdefghij@aws-0-eu-central-1.pooler.supabase.com:6543",
    "Supabase's pooler (Supavisor)",
    "transaction",
    "db.abcdefghij.supabase.co:5432"
  ],
  [
    "postgres.abcdefghij@aws-0-eu-central-1.pooler.supabase.com:5432",
    "Supabase's pooler (Supavisor)",
    "session",
    "db.abcdefghij.supabase.co:5432"
  ],
  ["postgres@db.abcdefghij.supabase.co:6543", "PgBouncer", "transaction", "db.abcdefghij.supabase.co:5432"],
  ["postgres@db.abcdefghij.supabase.co:5432"],
  [
    "doadmin@db-postgresql-fra1-1-do-user-1-0.b.db.ondigitalocean.com:25061",
    "PgBouncer",
    "unknown",
    "db-postgresql-fra1-1-do-user-1-0.b.db.ondigitalocean.com:25060"
  ],
  ["doadmin@db-postgresql-fra1-1-do-user-1-0.b.db.ondigitalocean.com:25060"],
  ["app@example.postgres.database.azure.com:6432", "PgBouncer", "unknown", "example.postgres.database.azure.com:5432"],
  ["app@example.proxy-abcdef123456.eu-central-1.rds.amazonaws.com", "Amazon RDS Proxy", "transaction", undefined],
  ["app@example.abcdef123456.eu-central-1.rds.amazonaws.com"],
  ["app@db.example.com:6432", "a pooler", "unknown", undefined],
  ["app@db.example.com:5432"]
]

describe("by host and port", () => {
  it.effect("those of providers are known, with the server behind them", () =>
    Effect.gen(function* () {
      for (const [authority, name, mode, direct] of known) {
        const url = yield* DatabaseUrl.parse(Redacted.make(`postgresql://${authority}/app`), {})
        const found = Pooler.guess(url)
        assert.deepStrictEqual(
          [found?.name, found?.mode, found?.direct],
          [name, mode, direct] as Array<string | undefined>,
          authority
        )
      }
    })
  )
})

const settings = (url: DatabaseUrl.DatabaseUrl) =>
  Effect.map(Clusters.query<{ search_path: string }>(url, "SHOW search_path"), ([row]) => row?.search_path)

/** As proxies do it that keep a table of their own for requests to cancel. */
const renumber = (message: Buffer): Buffer => {
  if (message[0] !== "K".charCodeAt(0)) return message
  const renumbered = Buffer.from(message)
  renumbered.writeInt32BE(message.readInt32BE(5) + 1_000_000, 5)
  return renumbered
}

describe("a proxy that gives each client a backend of its own", () => {
  it.live("is no pooler, whatever process it names, also while others connect", () =>
    Effect.gen(function* () {
      const direct = yield* Clusters.makeDatabase(18)
      const { url } = yield* Proxy.start(direct, { commit: "answered", rewrite: renumber })
      const found = yield* Effect.all([Pooler.detect(url), Pooler.detect(url), Pooler.detect(url)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(found, [undefined, undefined, undefined])
      assert.isUndefined((yield* Session.open(url)).pooler)
    })
  )
})

PgBouncer.suite("behind a real PgBouncer", () => {
  const crowds = [
    { pool_mode: "transaction" },
    { pool_mode: "transaction", server_round_robin: 1 },
    { pool_mode: "statement" },
    { pool_mode: "session" }
  ] as const
  const crowd = (settings: (typeof crowds)[number], rounds: number) =>
    it.live("clients that look at the same time do not hide it from each other", () =>
      Effect.gen(function* () {
        const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), settings)
        const mode = settings.pool_mode === "session" ? "session" : "transaction"
        for (let round = 0; round < rounds; round++) {
          const clients = 2 + (round % 3)
          const found = yield* Effect.all(
            Array.from({ length: clients }, () => Pooler.detect(url)),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            found.map((pooler) => pooler?.mode),
            Array.from({ length: clients }, () => mode)
          )
        }
      })
    )
  describe("transaction mode", () => crowd(crowds[0], 3))
  it.live("two of them that one address stands for do not hide each other", () =>
    Effect.gen(function* () {
      const direct = yield* Clusters.makeDatabase(18)
      const both = [
        yield* PgBouncer.start(direct, { pool_mode: "transaction" }),
        yield* PgBouncer.start(direct, { pool_mode: "transaction" })
      ]
      const url = yield* Balancer.start(both)
      assert.strictEqual((yield* Pooler.detect(url))?.mode, "transaction")
    })
  )
  for (const settings of crowds) long(JSON.stringify(settings), () => crowd(settings, 15))

  it.live("a server that answers by itself is none, whatever its port", () =>
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(18)
      assert.isUndefined(yield* Pooler.detect(url))
      const { backend, pooler } = yield* Session.open(url)
      assert.isAbove(backend, 0)
      assert.isUndefined(pooler)
    })
  )

  it.live("transaction mode is told, refused, and nothing is left in its backends", () =>
    Effect.gen(function* () {
      const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), { pool_mode: "transaction" })
      const before = yield* settings(url)
      assert.deepStrictEqual(yield* Pooler.detect(url), {
        evidence: "process",
        name: "a pooler",
        mode: "transaction"
      })
      for (const allowPooler of [false, true]) {
        const error = yield* Effect.flip(Session.open(url, { allowPooler }))
        assert.strictEqual(error._tag, "PoolerInBetween")
        assert.match(error.message, /in transaction mode/)
      }
      assert.strictEqual(yield* settings(url), before)
    })
  )

  it.live("session mode is told, and let through where it is allowed", () =>
    Effect.gen(function* () {
      const direct = yield* Clusters.makeDatabase(18)
      const url = yield* PgBouncer.start(direct, { pool_mode: "session" })
      assert.deepStrictEqual(yield* Pooler.detect(url), { evidence: "process", name: "a pooler", mode: "session" })
      const error = yield* Effect.flip(Session.open(url))
      assert.strictEqual(error._tag, "PoolerInBetween")
      assert.match(error.suggestion ?? "", /--allow-pooler/)
      const { backend, execute, pooler } = yield* Session.open(url, { allowPooler: true })
      assert.strictEqual(pooler?.mode, "session")
      // What is asked of pg_locks and pg_stat_activity is asked of the server's own process.
      const [row] = yield* Clusters.query(direct, `SELECT datname FROM pg_stat_activity WHERE pid = ${backend}`)
      assert.deepStrictEqual(row, { datname: direct.database })
      assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
    })
  )

  for (const pool_mode of ["session", "transaction"] as const) {
    it.live(`a pool of one in ${pool_mode} mode is told in bounded time`, () =>
      Effect.gen(function* () {
        const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), { pool_mode, default_pool_size: 1 })
        const found = yield* Effect.timeout(Pooler.detect(url), "8 seconds")
        assert.strictEqual(found?.mode, pool_mode)
        assert.strictEqual(found?.full, pool_mode === "session" ? true : undefined)
        const error = yield* Effect.flip(Session.open(url, { allowPooler: true }))
        assert.strictEqual(error._tag, "PoolerInBetween")
      })
    )
  }

  long("whichever backend it takes", () => {
    const modes = [
      ["transaction", { pool_mode: "transaction", server_round_robin: 1 }],
      ["transaction", { pool_mode: "statement" }],
      ["session", { pool_mode: "session", server_round_robin: 1 }]
    ] as const
    it.live.each(modes)("%s: %o", ([mode, how]) =>
      Effect.gen(function* () {
        const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), how)
        // Backends that others have left, and one that somebody has in use.
        yield* Effect.all(
          Array.from({ length: 4 }, () => Clusters.query(url, "SELECT pg_sleep(0.2)")),
          { concurrency: "unbounded" }
        )
        yield* Effect.forkScoped(Clusters.query(url, "SELECT pg_sleep(20)"))
        assert.strictEqual((yield* Pooler.detect(url))?.mode, mode)
      })
    )
  })

  it.live("one that has no backend left is not waited for longer than for a connection", () =>
    Effect.gen(function* () {
      const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), {
        pool_mode: "session",
        default_pool_size: 1
      })
      yield* Effect.forkScoped(Clusters.query(url, "SELECT pg_sleep(20)"))
      yield* Effect.sleep("300 millis")
      const error = yield* Effect.flip(Session.open(Connecting.withTimeout(url, 1), { allowPooler: true }))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.match(error.suggestion ?? "", /backends are all in use/)
    }).pipe(Effect.timeout("8 seconds"))
  )

  it.live("options that it refuses are named as what is in the way", () =>
    Effect.gen(function* () {
      const url = yield* PgBouncer.start(yield* Clusters.makeDatabase(18), { pool_mode: "session" })
      const parameters = new Map([["options", "-c statement_timeout=1000"]])
      const error = yield* Effect.flip(Session.open({ ...url, parameters }, { allowPooler: true }))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.match(error.detail ?? "", /options/)
      assert.match(error.suggestion ?? "", /take options out/)
    })
  )
})
