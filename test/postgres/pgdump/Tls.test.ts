/** The connection of the pg_dump that comes with pgark is the driver's own, so it may be encrypted. */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Session from "../../../src/postgres/Session.ts"
import * as EmbeddedServer from "../../../src/demo/EmbeddedServer.ts"
import * as Clusters from "../../support/Clusters.ts"
import { dump } from "../../support/PgDumpImplementations.ts"
import * as Restores from "../../support/Restores.ts"

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

/** The server makes its own certificate, in its own folder. */
const certificate =
  "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout server.key -out server.crt 2>&1 " +
  "&& chmod 600 server.key"

describe.skipIf(!hasOpenssl)(`over TLS${hasOpenssl ? "" : " (skipped: openssl is not on PATH)"}`, () => {
  it.live("the dump is the same, and its end the end of its backend", () =>
    Effect.gen(function* () {
      const { superuser: plain } = yield* EmbeddedServer.start()
      yield* Clusters.query(plain, `COPY (SELECT 1) TO PROGRAM '${certificate}'`)
      yield* Clusters.query(plain, "ALTER SYSTEM SET ssl = on")
      yield* Clusters.query(plain, "SELECT pg_reload_conf()")
      yield* Restores.until(Clusters.query(plain, "SHOW ssl"), ([row]) => row?.["ssl"] === "on", "5 seconds")
      yield* Clusters.query(
        plain,
        "CREATE TABLE large AS SELECT i, repeat(md5(i::text), 30) AS t FROM generate_series(1, 30000) i"
      )
      const encrypted = { ...plain, sslMode: "require" } as const
      const withoutKey = (sql: Buffer) => sql.toString().replace(/^\\(un)?restrict .*$/gm, "")
      const text = withoutKey(yield* dump("wasm", 18, encrypted))
      assert.isTrue(text === withoutKey(yield* dump("wasm", 18, plain)))
      assert.isAbove(text.length, 28_000_000)

      const backends = Clusters.query<{ ssl: boolean }>(
        plain,
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE query LIKE 'COPY public.large%'"
      )
      const fiber = yield* Effect.forkChild(dump("wasm", 18, encrypted))
      const seen = yield* Restores.until(backends, (rows) => rows.length > 0, "10 seconds")
      assert.deepStrictEqual(seen, [{ ssl: true }])
      yield* Effect.timeout(Fiber.interrupt(fiber), "1 second")
      yield* Restores.until(backends, (rows) => rows.length === 0, "1 seconds")

      // From the first byte on, as 17 and later can do it; a statement is cancelled the same way.
      const direct = { ...encrypted, parameters: new Map([["sslnegotiation", "direct"]]) }
      const { execute } = yield* Session.open(direct)
      const sleeping = yield* Effect.forkChild(execute("SELECT pg_sleep(60)"), { startImmediately: true })
      yield* Effect.sleep("200 millis")
      yield* Effect.timeout(Fiber.interrupt(sleeping), "3 seconds")
      assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
    })
  )
})
