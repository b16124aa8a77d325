/** A COMMIT that is not answered: what became of it is found out. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as Connecting from "../../src/postgres/Connecting.ts"
import * as CommitOutcome from "../../src/postgres/CommitOutcome.ts"
import { literal } from "../../src/postgres/Identifier.ts"
import * as ServerMark from "../../src/postgres/ServerMark.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Proxy from "../support/Proxy.ts"
import * as Tier from "../support/Tier.ts"

const nobody = Number.POSITIVE_INFINITY

/** COMMIT takes so long, and then does what `then` says. */
const slowCommit = (seconds: number, then = "RETURN NULL;") => `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    ${literal(`BEGIN PERFORM pg_catalog.pg_sleep(${seconds}); ${then} END`)};
  CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`

/** A session of a role that is no superuser, over a proxy, on a database with an empty table `t`. */
const over = Effect.fnUntraced(function* (route: Proxy.Route, more = "", major: Clusters.Major = 18) {
  const { admin, url } = yield* Clusters.makeTarget(major, "tableOwner")
  yield* Clusters.query(url, `CREATE TABLE t (id int); ${more}`)
  const proxy = yield* Proxy.start(url, route)
  const session = yield* Session.open(proxy.url)
  const rows = Effect.map(Clusters.query<{ id: number }>(admin, "SELECT id FROM t ORDER BY id"), (all) =>
    all.map(({ id }) => id)
  )
  let [committed, uncertain] = [0, 0]
  const insert = session.transaction(session.execute("INSERT INTO public.t VALUES (1)"), {
    committed: Effect.sync(() => void committed++),
    uncertain: Effect.sync(() => void uncertain++)
  })
  return { admin, url, proxy, session, rows, insert, committed: () => committed, uncertain: () => uncertain }
})

const within = (limit: Duration.Input) => Effect.provideService(CommitOutcome.Limit, limit)

Tier.each(
  [...Clusters.majors, ...Clusters.moreMajors],
  [Clusters.sourceMajor],
  (major) => `a COMMIT without an answer on PostgreSQL ${major}`,
  (major) => {
    it.live("is asked of a server that tells everybody which one it is", () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(major, "tableOwner")
        const read = Effect.scoped(
          Effect.flatMap(Connecting.acquire(url), (client) => ServerMark.read(Connecting.asking(client)))
        )
        const mark = yield* read
        assert.match(mark.started, /^\d{10}\.\d{6}$/)
        assert.match(mark.history?.system ?? "", /^\d{19}$/)
        assert.strictEqual(mark.history?.timeline, "00000001")
        assert.deepStrictEqual(yield* read, mark)
      })
    )

    it.live("that has reached the server is done", () =>
      Effect.gen(function* () {
        const { committed, insert, rows, session } = yield* over({ commit: "unanswered" }, "", major)
        assert.strictEqual((yield* insert).tag, "INSERT 0 1")
        assert.strictEqual(committed(), 1)
        assert.deepStrictEqual(yield* rows, [1])
        assert.strictEqual((yield* Effect.flip(session.execute("SELECT 1")))._tag, "ConnectionFailed")
      })
    )

    it.live("that has not reached the server is rolled back", () =>
      Effect.gen(function* () {
        const { committed, insert, rows, uncertain } = yield* over({ commit: "lost" }, "", major)
        const error = yield* Effect.flip(insert)
        assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back", suggestion: "Run it again." })
        assert.match(error.message, /lost during COMMIT, and the server has not committed/)
        assert.deepStrictEqual([committed(), uncertain()], [0, 0])
        assert.deepStrictEqual(yield* rows, [])
      })
    )

    it.live("that the server is still at work on is waited for", () =>
      Effect.gen(function* () {
        const { committed, insert, proxy, rows } = yield* over({ commit: "left" }, slowCommit(1), major)
        const running = yield* Effect.forkChild(insert)
        yield* proxy.cut
        assert.deepStrictEqual(yield* rows, [])
        yield* Fiber.join(running)
        assert.isAbove(proxy.opened(), 1)
        assert.strictEqual(committed(), 1)
        assert.deepStrictEqual(yield* rows, [1])
      })
    )

    it.live("that fails in the end is rolled back", () =>
      Effect.gen(function* () {
        const { insert, proxy, rows } = yield* over({ commit: "left" }, slowCommit(0.5, "RAISE 'no';"), major)
        const error = yield* Effect.flip(insert)
        assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
        assert.isAbove(proxy.opened(), 1)
        assert.deepStrictEqual(yield* rows, [])
      })
    )
  }
)

describe("a COMMIT without an answer", () => {
  it.live("is asked for until somebody answers", () =>
    Effect.gen(function* () {
      const { committed, insert } = yield* over({ commit: "unanswered", closed: 1500 })
      const [time] = yield* Effect.timed(insert)
      assert.isAtLeast(Duration.toMillis(time), 1400)
      assert.strictEqual(committed(), 1)
    })
  )

  it.live("is uncertain where nobody does, and the error says how to find out", () =>
    Effect.gen(function* () {
      const { committed, insert, rows, url } = yield* over({ commit: "unanswered", closed: nobody })
      const [time, error] = yield* Effect.timed(Effect.flip(within("3 seconds")(insert)))
      assert.isBelow(Duration.toMillis(time), 5000)
      assert.deepInclude({ ...error }, { _tag: "ConnectionFailed", state: "unknown" })
      assert.match(error.detail ?? "", /Cannot connect to the server.*\n?.*asked for 3s/)
      assert.match(error.suggestion ?? "", /pgark verify/)
      assert.strictEqual(committed(), 0)
      const sql = /SELECT .*\('\d+'\);/.exec(error.suggestion ?? "")?.[0] ?? ""
      assert.deepStrictEqual(yield* Clusters.query(url, sql), [{ pg_xact_status: "committed" }])
      assert.deepStrictEqual(yield* rows, [1])
    })
  )

  it.live("is uncertain at once where another server answers", () =>
    Effect.gen(function* () {
      const { url } = yield* Clusters.makeTarget(18, "databaseOwner")
      const other = yield* Clusters.superuser(15)
      const there = (sql: string) => Effect.orDie(Clusters.query(other, sql))
      yield* Effect.acquireRelease(
        there(`CREATE ROLE ${url.user} LOGIN PASSWORD ${literal(Redacted.value(url.password!))}`),
        () => there(`DROP ROLE ${url.user}`)
      )
      yield* Effect.acquireRelease(there(`CREATE DATABASE ${url.database}`), () =>
        there(`DROP DATABASE ${url.database} WITH (FORCE)`)
      )
      const proxy = yield* Proxy.start(url, { commit: "unanswered", instead: other })
      const session = yield* Session.open(proxy.url)
      const error = yield* Effect.flip(session.transaction(session.execute("CREATE TABLE public.t ()")))
      assert.deepInclude({ ...error }, { _tag: "ConnectionFailed", state: "unknown" })
      assert.match(error.detail ?? "", /^Another server answers/m)
    })
  )

  it.live("is uncertain at once where the login is refused", () =>
    Effect.gen(function* () {
      const { insert } = yield* over({ commit: "unanswered", instead: yield* Clusters.superuser(15) })
      const error = yield* Effect.flip(insert)
      assert.deepInclude({ ...error }, { _tag: "ConnectionFailed", state: "unknown" })
      assert.match(error.detail ?? "", /refuses the login/)
    })
  )

  it.live("needs no answer where nothing was changed", () =>
    Effect.gen(function* () {
      const { proxy, session } = yield* over({ commit: "lost", closed: nobody })
      const { tag } = yield* session.transaction(session.execute("SELECT 1"))
      assert.strictEqual(tag, "SELECT 1")
      assert.strictEqual(proxy.opened(), 0)
    })
  )

  it.live("of a transaction that a statement has broken is none", () =>
    Effect.gen(function* () {
      const { proxy, rows, session } = yield* over({ commit: "lost", closed: nobody })
      const error = yield* Effect.flip(
        session.transaction(
          Effect.andThen(
            session.execute("INSERT INTO public.t VALUES (1)"),
            Effect.ignore(session.execute("SELECT 1 / 0"))
          )
        )
      )
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", state: "rolled-back" })
      assert.strictEqual(proxy.opened(), 0)
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  it.live("is found out for a role that may not read which cluster it is", () =>
    Effect.gen(function* () {
      const { admin, url } = yield* Clusters.makeTarget(18, "tableOwner")
      yield* Clusters.query(admin, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
      const proxy = yield* Proxy.start(url, { commit: "unanswered" })
      const session = yield* Session.open(proxy.url)
      const created = session.execute("CREATE TABLE public.t ()")
      assert.strictEqual((yield* session.transaction(created)).tag, "CREATE TABLE")
    })
  )

  it.live("interrupted while it is asked for it is committed, and says so", () =>
    Effect.gen(function* () {
      const { committed, insert, proxy } = yield* over({ commit: "unanswered", closed: 800 })
      const running = yield* Effect.forkChild(insert)
      yield* proxy.cut
      yield* Fiber.interrupt(running)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(running)))
      assert.strictEqual(committed(), 1)
    })
  )

  it.live("interrupted while it is asked for it does not hide that it is uncertain", () =>
    Effect.gen(function* () {
      const { committed, insert, proxy, uncertain } = yield* over({ commit: "unanswered", closed: nobody })
      const running = yield* Effect.forkChild(within("500 millis")(insert))
      yield* proxy.cut
      yield* Fiber.interrupt(running)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(running)))
      assert.deepStrictEqual([committed(), uncertain()], [0, 1])
    })
  )

  it.live("is found out after a crash", () =>
    Effect.gen(function* () {
      const { superuser } = yield* EmbeddedServer.start({ settings: { synchronous_commit: "on" } })
      const proxy = yield* Proxy.start(superuser, { commit: "unanswered" })
      const session = yield* Session.open(proxy.url)
      const [other] = yield* Clusters.query<{ pid: number }>(
        superuser,
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
      )
      const running = yield* Effect.forkChild(session.transaction(session.execute("CREATE TABLE public.t ()")))
      yield* proxy.cut
      process.kill(other!.pid, "SIGKILL")
      assert.strictEqual((yield* Fiber.join(running)).tag, "CREATE TABLE")
      assert.deepStrictEqual(yield* Clusters.query(superuser, "SELECT * FROM public.t"), [])
    })
  )
})

describe("what is told before COMMIT", () => {
  it.live("is the transaction's number, by which others find its outcome", () =>
    Effect.gen(function* () {
      const { session, url } = yield* over({ commit: "unanswered" })
      const told: Array<CommitOutcome.Numbered> = []
      const committing = (numbered: CommitOutcome.Numbered) => Effect.sync(() => void told.push(numbered))
      const current = session.sql<{ xid: string }>`SELECT pg_current_xact_id()::text AS xid`
      const [row] = yield* session.transaction(current, { committing })
      assert.deepStrictEqual(
        told.map(({ xid }) => xid),
        [row!.xid]
      )
      const again: CommitOutcome.Numbered = JSON.parse(JSON.stringify(told[0]))
      assert.deepStrictEqual(yield* CommitOutcome.find(url, again), { _tag: "Committed" })
      const elsewhere = yield* CommitOutcome.find(yield* Clusters.superuser(15), again)
      assert.deepStrictEqual(elsewhere, { _tag: "Unknown", why: "Another server answers at this address now." })
      const { history } = again.server
      const restarted = { ...again, server: { started: "1.000000", history: history! } }
      assert.deepStrictEqual(yield* CommitOutcome.find(url, restarted), { _tag: "Committed" })
      const promoted = { ...again, server: { started: "1.000000", history: { ...history!, timeline: "00000000" } } }
      assert.deepInclude(yield* CommitOutcome.find(url, promoted), { _tag: "Unknown" })
      assert.deepInclude(yield* CommitOutcome.find(url, { ...again, server: { started: "1.000000" } }), {
        _tag: "Unknown"
      })
      // A number that the server has not come to, although it was told, went with what a crash took.
      for (const numbered of [again, restarted, promoted]) {
        const forgotten = { ...numbered, xid: String(BigInt(again.xid) + 1_000_000n) }
        assert.deepStrictEqual(yield* CommitOutcome.find(url, forgotten), { _tag: "Aborted" })
      }
    })
  )

  it.live("is nothing where nothing was changed, and of an inner transaction the outer's number", () =>
    Effect.gen(function* () {
      const session = yield* Session.open((yield* Clusters.makeTarget(18, "tableOwner")).url)
      const told: Array<string> = []
      const committing = ({ xid }: CommitOutcome.Numbered) => Effect.sync(() => void told.push(xid))
      yield* session.transaction(session.execute("SELECT 1"), { committing })
      assert.deepStrictEqual(told, [])
      yield* session.transaction(session.transaction(session.execute("CREATE TABLE public.t ()"), { committing }), {
        committing
      })
      assert.strictEqual(told.length, 2)
      assert.strictEqual(new Set(told).size, 1)
    })
  )

  it.live("and fails, rolls back", () =>
    Effect.gen(function* () {
      const { rows, session } = yield* over({ commit: "lost" })
      const insert = session.execute("INSERT INTO public.t VALUES (1)")
      const error = yield* Effect.flip(
        session.transaction(insert, { committing: () => Effect.fail("disk full" as const) })
      )
      assert.strictEqual(error, "disk full")
      assert.deepStrictEqual(yield* rows, [])
      assert.strictEqual(session.status(), "I")
    })
  )
})

describe("asking", () => {
  const pending: CommitOutcome.Pending = { _tag: "Pending", why: "Not yet." }

  it.effect("goes on for 30 seconds, ever more slowly, and says what stood in the way last", () =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const ask = Effect.andThen(
        Effect.map(Clock.currentTimeMillis, (now) => void times.push(now)),
        Effect.succeed(pending)
      )
      const fiber = yield* Effect.forkChild(CommitOutcome.persist(ask), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { _tag: "Unknown", why: "Not yet. It was asked for 30s." })
      const pauses = times.slice(1).map((time, index) => time - times[index]!)
      assert.isAtLeast(times.length, 8)
      assert.isAtMost(times.length, 16)
      assert.isBelow(pauses[0]!, 350)
      for (const pause of pauses) assert.isAtMost(pause, 4800)
    })
  )

  it.effect("ends with the first outcome", () =>
    Effect.gen(function* () {
      let asked = 0
      const ask = Effect.sync((): CommitOutcome.Outcome | CommitOutcome.Pending =>
        ++asked < 4 ? pending : { _tag: "Aborted" }
      )
      const fiber = yield* Effect.forkChild(CommitOutcome.persist(ask), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { _tag: "Aborted" })
      assert.strictEqual(asked, 4)
    })
  )
})

describe("the word of a server", () => {
  const before: ServerMark.ServerMark = { started: "1.000001", history: { system: "7", timeline: "00000001" } }
  const now = (history?: ServerMark.ServerMark["history"]): ServerMark.ServerMark =>
    history === undefined ? { started: "2.000000" } : { started: "2.000000", history }
  const cases: ReadonlyArray<readonly [ServerMark.ServerMark, ServerMark.ServerMark, ServerMark.Kinship, string]> = [
    [before, before, "same", "Committed Aborted Pending Unknown"],
    [{ started: "1" }, { started: "1" }, "same", "Committed Aborted Pending Unknown"],
    [before, now({ system: "7", timeline: "00000001" }), "same", "Committed Aborted Pending Unknown"],
    [before, now({ system: "7", timeline: "00000002" }), "promoted", "Unknown Aborted Pending Unknown"],
    [before, now({ system: "7" }), "standby", "Pending Pending Pending Pending"],
    [before, now({ system: "8", timeline: "00000001" }), "other", "Unknown Unknown Unknown Unknown"],
    [before, now(), "unclear", "Unknown Unknown Unknown Unknown"],
    [{ started: "1" }, now({ system: "7", timeline: "00000001" }), "unclear", "Unknown Unknown Unknown Unknown"]
  ]

  it("counts as far as its commit log is that of before", () => {
    for (const [then, at, kinship, expected] of cases) {
      assert.strictEqual(ServerMark.compare(then, at), kinship)
      const statuses = ["committed", "aborted", "in progress", null] as const
      assert.strictEqual(
        statuses.map((status) => CommitOutcome.judge(kinship, status)._tag).join(" "),
        expected,
        kinship
      )
    }
  })
})
