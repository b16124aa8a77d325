import { PassThrough } from "node:stream"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { Connection } from "pg"
import type * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import { CopyOutQuery } from "../../../src/postgres/copy/CopyOutQuery.ts"
import * as RowWalker from "../../../src/postgres/copy/RowWalker.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Chance from "../../support/Chance.ts"
import * as Clusters from "../../support/Clusters.ts"

const message = (type: string, body: Uint8Array) => {
  const head = Buffer.alloc(5)
  head.write(type, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const ready = message("Z", Buffer.from("I"))

/** A query whose answer is these bytes, and what the driver gets of them. */
const answered = (bytes: Uint8Array, cut: () => number) => {
  const stream = new PassThrough()
  const driver: Array<Buffer> = []
  stream.on("data", (piece: Buffer) => driver.push(Buffer.from(piece)))
  const query = new CopyOutQuery(Buffer.from("COPY"))
  const written: Array<Buffer> = []
  const connection = { stream: Object.assign(stream, { write: (piece: Buffer) => written.push(piece) }) }
  query.submit(connection as unknown as Connection)
  const held = query.holds
  const data: Array<Buffer> = []
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + cut())
    // As a socket does: each read is a buffer of its own.
    stream.emit("data", Buffer.from(bytes.subarray(at, next)))
    for (let chunk = query.next(); chunk !== undefined; chunk = query.next()) data.push(chunk)
    at = next
  }
  query.handleReadyForQuery()
  const rest = query.next()
  if (rest !== undefined) data.push(rest)
  return { data: Buffer.concat(data), driver: Buffer.concat(driver), held, holds: query.holds }
}

describe("what comes of a COPY", () => {
  it("is data for its taker, and all other messages are the driver's, wherever it is cut", () => {
    const random = Chance.from(11)
    const rows = Array.from({ length: 300 }, (_, row) => Buffer.alloc(Math.floor(random() ** 6 * 3000), row))
    const others = [message("H", Buffer.alloc(5)), message("N", Buffer.from("a notice")), message("c", Buffer.alloc(0))]
    const [begin, notice, done] = others as [Buffer, Buffer, Buffer]
    const bytes = Buffer.concat([
      begin,
      ...rows.flatMap((row, index) => [message("d", row), ...(index % 70 === 3 ? [notice] : [])]),
      done,
      message("C", Buffer.from("COPY 300\0")),
      ready,
      // Nobody asked for it, and it is the driver's.
      notice
    ])
    const driver = Buffer.concat([
      begin,
      ...rows.flatMap((_, index) => (index % 70 === 3 ? [notice] : [])),
      done,
      message("C", Buffer.from("COPY 300\0")),
      ready,
      notice
    ])
    for (const cut of [() => 1, () => 4, () => 7, () => 65_536, () => 1 + Math.floor(random() * 900)]) {
      const got = answered(bytes, cut)
      assert.isTrue(got.data.equals(Buffer.concat(rows)))
      assert.isTrue(got.driver.equals(driver))
      assert.deepStrictEqual([got.held, got.holds], [true, false])
    }
  })

  it("is not read on where it is not PostgreSQL's protocol", () => {
    const stream = new PassThrough()
    const query = new CopyOutQuery(Buffer.from("COPY"))
    query.submit({ stream } as unknown as Connection)
    stream.on("error", () => {})
    stream.emit("data", Buffer.from("\x15\x03\x03\0\x02\x02\x16"))
    assert.match(String(stream.errored), /not its protocol/)
  })
})

class Fixture extends Context.Service<Fixture, { readonly url: DatabaseUrl.DatabaseUrl }>()("test/CopyOut/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function* () {
      const url = yield* Clusters.makeDatabase(Clusters.sourceMajor)
      yield* Clusters.query(
        url,
        `CREATE TABLE public.t (id bigint, name text, more bytea);
         INSERT INTO public.t SELECT g, CASE g % 5 WHEN 0 THEN NULL ELSE repeat(chr(9 + g % 100), g % 60) END,
           decode(repeat('00ff5c', g % 7), 'hex') FROM generate_series(1, 12000) g;
         INSERT INTO public.t VALUES (0, repeat('wide ', 400000), '')`
      )
      return { url }
    })
  )
}

/** The backend has nothing to do, and nothing open. */
const idle = (session: Session.SessionService) =>
  Effect.gen(function* () {
    const [row] = yield* Clusters.query<{ state: string }>(
      session.url,
      "SELECT state FROM pg_stat_activity WHERE pid = $1",
      [session.backend]
    )
    return row?.state
  }).pipe(
    Effect.repeat({ until: (state) => state === "idle", schedule: Schedule.spaced("20 millis") }),
    Effect.timeout("2 seconds")
  )

const endless = "COPY (SELECT generate_series(1, 2000000000), repeat('x', 100)) TO STDOUT"

layer(Fixture.layer, { excludeTestServices: true })("COPY … TO STDOUT", (it) => {
  it.effect("gives the bytes that the server writes into a file", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const session = yield* Session.open(url)
      for (const form of ["text", "binary"] as const) {
        const chunks: Array<Uint8Array> = []
        const copy = `COPY (SELECT * FROM public.t ORDER BY id)`
        const copied = yield* session.copyOut(`${copy} TO STDOUT (FORMAT ${form})`, (chunk) =>
          // Good until this returns.
          Effect.sync(() => void chunks.push(Uint8Array.from(chunk)))
        )
        yield* session.execute(
          `DO $$ BEGIN EXECUTE format('${copy} TO %L (FORMAT ${form})', current_setting('data_directory') || '/t.${form}');
           END $$`
        )
        const [file] = yield* session.sql<{ bytes: Uint8Array }>`
          SELECT pg_read_binary_file(${`t.${form}`}) AS bytes`
        const data = Buffer.concat(chunks)
        assert.isTrue(data.equals(file!.bytes))
        assert.deepStrictEqual(copied, { rows: 12_001, bytes: data.length })
        assert.isTrue(chunks.slice(0, -1).every(({ length }) => length >= 256 * 1024 && length < 512 * 1024))
        const walker = RowWalker.make(form, 3)
        for (const chunk of chunks) walker.push(chunk)
        assert.deepStrictEqual([walker.finish(), walker.rows], [undefined, 12_001])
      }
    })
  )

  it.effect("goes into another table as it comes", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const [from, to] = [yield* Session.open(url), yield* Session.open(url)]
      yield* to.execute("CREATE TABLE public.copy (LIKE public.t)")
      const into = Buffer.from("COPY public.copy FROM STDIN (FORMAT binary)")
      const rows = yield* to.copyIn(into, {}, (write) =>
        Effect.asVoid(from.copyOut("COPY public.t TO STDOUT (FORMAT binary)", write))
      )
      assert.strictEqual(rows, 12_001)
      const [difference] = yield* from.sql`
        SELECT count(*)::int4 AS rows FROM (TABLE public.t EXCEPT ALL TABLE public.copy) missing`
      assert.deepStrictEqual(difference, { rows: 0 })
    })
  )

  it.effect("that fails in the middle is the server's error, and the next statement runs", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const session = yield* Session.open(url)
      let bytes = 0
      const failing = "COPY (SELECT 1 / (20000 - g), repeat('x', 20) FROM generate_series(1, 30000) g) TO STDOUT"
      const error = yield* Effect.flip(
        session.copyOut(failing, (chunk) => Effect.sync(() => void (bytes += chunk.length)))
      )
      assert.deepInclude({ ...error }, { _tag: "StatementFailed", sqlstate: "22012", statement: failing })
      assert.isAbove(bytes, 256 * 1024)
      for (const sql of ["SELECT 1", "COPY public.t FROM STDIN", "COPY public.missing TO STDOUT"]) {
        const error = yield* Effect.flip(session.copyOut(sql, () => Effect.void))
        assert.strictEqual("_tag" in error && error._tag, "StatementFailed", sql)
      }
      // Without a pause in between: the driver has its socket back.
      const { rows } = yield* session.copyOut("COPY (SELECT) TO STDOUT", () => Effect.void)
      assert.strictEqual(rows, 1)
      const answer = yield* session.sql`SELECT 1 AS one`
      assert.deepStrictEqual(answer, [{ one: 1 }])
      yield* Effect.flip(session.transaction(session.copyOut(failing, () => Effect.void)))
      assert.strictEqual(session.status(), "I")
    })
  )

  it.effect("is given up by whoever takes it, and by whoever interrupts, and the server with it", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const session = yield* Session.open(url)
      let chunks = 0
      const error = yield* Effect.flip(
        session.copyOut(endless, () => (++chunks === 3 ? Effect.fail("enough" as const) : Effect.void))
      )
      assert.deepStrictEqual([error, chunks], ["enough", 3])
      yield* idle(session)
      for (const take of [() => Effect.void, () => Effect.never]) {
        const fiber = yield* Effect.forkChild(session.copyOut(endless, take), { startImmediately: true })
        yield* Effect.sleep("150 millis")
        yield* Fiber.interrupt(fiber)
        yield* idle(session)
        const answer = yield* session.sql`SELECT 1 AS one`
        assert.deepStrictEqual(answer, [{ one: 1 }])
      }
    })
  )

  it.effect("waits for a slow taker instead of gathering what comes", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const session = yield* Session.open(url)
      yield* Effect.flip(
        session.copyOut(endless, () =>
          Effect.gen(function* () {
            yield* Effect.sleep("300 millis")
            const before = process.memoryUsage().arrayBuffers
            yield* Effect.sleep("500 millis")
            // It is a matter of hundreds of megabytes where nobody stops it.
            assert.isBelow(process.memoryUsage().arrayBuffers - before, 4_000_000)
            return yield* Effect.fail("seen" as const)
          })
        )
      )
      yield* idle(session)
    })
  )

  it.effect("ends with the connection", () =>
    Effect.gen(function* () {
      const { url } = yield* Fixture
      const session = yield* Session.open(url)
      const lost = yield* Effect.flip(
        session.copyOut(endless, () =>
          Effect.ignore(Clusters.query(url, "SELECT pg_terminate_backend($1)", [session.backend]))
        )
      )
      assert.strictEqual("_tag" in lost && lost._tag, "ConnectionFailed")
      const next = yield* Effect.flip(session.copyOut("COPY public.t TO STDOUT", () => Effect.void))
      assert.strictEqual("_tag" in next && next._tag, "ConnectionFailed")
    })
  )
})
