/** Connecting is tried again where that may help, and only there. */
import { createServer, connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { mayConnectSoon, reads } from "../../src/postgres/Retrying.ts"
import * as Session from "../../src/postgres/Session.ts"
import * as Clusters from "../support/Clusters.ts"

/** A way to the server that begins to answer after that time; `calls` counts who came through. */
const comingUp = Effect.fnUntraced(function* (url: DatabaseUrl, milliseconds: number) {
  let calls = 0
  const server = createServer((socket) => {
    calls++
    const upstream = connect(url.port, url.host)
    socket.pipe(upstream)
    upstream.pipe(socket)
    for (const end of [socket, upstream]) end.on("error", () => [socket, upstream].forEach((one) => one.destroy()))
  })
  const listen = (port: number) =>
    Effect.callback<number>((resume) => {
      server.listen(port, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
  const close = Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
  })
  const port = yield* listen(0)
  if (milliseconds > 0) {
    yield* close
    yield* Effect.forkScoped(Effect.delay(listen(port), milliseconds))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  return { url: { ...url, host: "127.0.0.1", port }, calls: () => calls }
})

describe("connecting", () => {
  it.live("waits for a server that comes up in a moment", () =>
    Effect.gen(function* () {
      const { url } = yield* comingUp(yield* Clusters.makeDatabase(18), 400)
      const { execute } = yield* Session.open(url)
      assert.strictEqual((yield* execute("SELECT 1")).tag, "SELECT 1")
    })
  )

  it.live("asks once where the login is refused, or there is no such database", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* comingUp(yield* Clusters.makeDatabase(18), 0)
      const plain = { ...url, sslMode: "disable" as const }
      const refused = yield* Effect.flip(Session.open({ ...plain, password: Redacted.make("wrong") }))
      assert.strictEqual(refused._tag, "AuthenticationFailed")
      assert.strictEqual(calls(), 1)
      const missing = yield* Effect.flip(Session.open({ ...plain, database: "no such database" }))
      assert.strictEqual(missing._tag, "DatabaseMissing")
      assert.strictEqual(calls(), 2)
    })
  )

  it("may help where nobody answers yet, and not where the answer is no", () => {
    const network = (code: string) => Object.assign(new Error(code), { code })
    const server = (code: string) => Object.assign(new Error(code), { code, severity: "FATAL" })
    for (const code of ["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN"]) assert.isTrue(mayConnectSoon(network(code)), code)
    for (const code of ["57P03", "53300"]) assert.isTrue(mayConnectSoon(server(code)), code)
    for (const code of ["ENOTFOUND", "EACCES"]) assert.isFalse(mayConnectSoon(network(code)), code)
    for (const code of ["28P01", "3D000", "42501"]) assert.isFalse(mayConnectSoon(server(code)), code)
    assert.isFalse(mayConnectSoon(new Error("timeout expired")))
  })

  it("of questions only those are asked again that met others at work", () => {
    for (const sqlstate of ["40P01", "40001", "XX000"]) assert.isTrue(reads.while({ _tag: "", sqlstate }), sqlstate)
    for (const sqlstate of ["42501", "57014", "25P02"]) assert.isFalse(reads.while({ _tag: "", sqlstate }), sqlstate)
    assert.isFalse(reads.while({ _tag: "ConnectionFailed" }))
  })
})
