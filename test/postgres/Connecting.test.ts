/** What comes of connecting where no server answers as it should, and how long that takes. */
import { spawn } from "node:child_process"
import { existsSync, openSync, statSync } from "node:fs"
import { createServer as createWebServer } from "node:http"
import { connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as PostgresBinaries from "../../src/demo/PostgresBinaries.ts"
import * as Connecting from "../../src/postgres/Connecting.ts"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import { connecting } from "../../src/postgres/Retrying.ts"
import * as NativePgDump from "../support/NativePgDump.ts"
import * as Pgark from "../support/Pgark.ts"
import { dump } from "../support/PgDumpImplementations.ts"
import { folder, until } from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

/** A server of anything on a port of its own. */
const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )

/** Accepts whoever comes, and does that with him. */
const accepting = (greet: (socket: Socket) => void = () => undefined) =>
  listening(
    createServer((socket) => {
      socket.on("error", () => socket.destroy())
      greet(socket)
    })
  )

/** A port whose queue of those who wait to be accepted is full: the next one hears nothing, as behind a firewall. */
const clogged = Effect.gen(function* () {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [
        "-e",
        `const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
          require("node:fs").writeSync(1, String(server.address().port))
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        })`
      ])
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const port = yield* Effect.callback<number>((resume) => {
    child.stdout.once("data", (text) => resume(Effect.succeed(Number(text))))
  })
  for (let i = 0; i < 4; i++) {
    yield* Effect.acquireRelease(
      Effect.sync(() => connect(port, "127.0.0.1").on("error", () => undefined)),
      (socket) => Effect.sync(() => socket.destroy())
    )
  }
  yield* Effect.sleep("100 millis")
  return port
})

const url = (host: string, port: number, seconds: number, sslMode: DatabaseUrl["sslMode"] = "prefer"): DatabaseUrl => ({
  host,
  port,
  user: "app",
  password: undefined,
  database: "app",
  schema: undefined,
  sslMode,
  parameters: new Map([["connect_timeout", String(seconds)]]),
  hostaddr: undefined,
  passwordFrom: undefined,
  others: [],
  record: []
})

/** The error, which has to come within that time. */
const refused = (where: DatabaseUrl, limit: Duration.Input) =>
  Effect.gen(function* () {
    const error = yield* Connecting.acquire(where).pipe(Effect.scoped, Effect.flip, Effect.timeout(limit))
    assert.strictEqual(error._tag, "ConnectionFailed")
    assert.strictEqual(error.state, "untouched")
    return `${error.message} ${error.detail ?? ""} ${error.suggestion ?? ""}`
  })

describe("where no PostgreSQL answers", () => {
  /** One message of a login: the method that is wanted, and what belongs to it. */
  const login = (method: number, text = "") => {
    const message = Buffer.alloc(9 + Buffer.byteLength(text))
    message.write("R")
    message.writeInt32BE(message.length - 1, 1)
    message.writeInt32BE(method, 5)
    message.write(text, 9)
    return message
  }

  const failing = (port: number, parameters: Readonly<Record<string, string>> = {}) => {
    const where = url("127.0.0.1", port, 5, "disable")
    const more = new Map([...where.parameters, ...Object.entries(parameters)])
    return Effect.flip(Effect.scoped(Connecting.acquire({ ...where, parameters: more })))
  }

  it.live("a login that the driver does not know is a failure, not the end of the process", () =>
    Effect.gen(function* () {
      const gssapi = yield* accepting((socket) => socket.once("data", () => socket.write(login(7))))
      const error = yield* failing(gssapi)
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.match("suggestion" in error ? (error.suggestion ?? "") : "", /wants a login by GSSAPI/)
    })
  )

  it.live("a server that stops in the middle of the login that require_auth wants is not believed", () =>
    Effect.gen(function* () {
      const impostor = yield* accepting((socket) => {
        socket.once("data", () => {
          socket.write(login(10, "SCRAM-SHA-256\0\0"))
          socket.once("data", () => socket.write(Buffer.concat([login(0), Buffer.from("Z\0\0\0\x05I")])))
        })
      })
      const error = yield* failing(impostor, { require_auth: "scram-sha-256" })
      assert.strictEqual(error._tag, "AuthenticationFailed")
      assert.match("detail" in error ? (error.detail ?? "") : "", /without having finished/)
    })
  )

  it.live("a listener that says nothing, and nobody at all, are told apart, in the time that was given", () =>
    Effect.gen(function* () {
      const silent = yield* accepting()
      const full = yield* clogged
      const [said, nobody] = yield* Effect.all(
        [refused(url("127.0.0.1", silent, 1), "2 seconds"), refused(url("127.0.0.1", full, 1), "2 seconds")],
        { concurrency: 2 }
      )
      assert.match(said, /no answer within 1 second\. Somebody listens there and says nothing/)
      // Other systems than Linux tell the client that it waits in vain.
      if (process.platform === "linux")
        assert.match(nobody, /no answer within 1 second\. Nobody is there, or a firewall/)
      const { code, milliseconds, stderr } = yield* Pgark.run(["clean", "--yes", "--connect-timeout", "1"], {
        cwd: yield* folder,
        env: { DATABASE_URL: `postgresql://app@127.0.0.1:${silent}/app?connect_timeout=60`, PGCONNECT_TIMEOUT: "60" }
      })
      assert.strictEqual(code, 6)
      assert.include(stderr, "no answer within 1 second")
      assert.isBelow(milliseconds, 5000)
    })
  )

  it.live("a host that is not known, and a port where nobody listens, are named as what they are", () =>
    Effect.gen(function* () {
      const port = yield* Effect.scoped(accepting())
      const [name, nobody] = yield* Effect.all(
        [refused(url("no-such-host.invalid", 5432, 5), "6 seconds"), refused(url("127.0.0.1", port, 10), "4 seconds")],
        { concurrency: 2 }
      )
      assert.match(name, /no-such-host\.invalid.*DNS/)
      assert.match(nobody, /ECONNREFUSED.*Nobody listens there/)
    })
  )

  const strangers = [
    ["a web server", /A web server answers there/, () => listening(createWebServer())],
    [
      "SSH",
      /does not speak PostgreSQL's protocol/,
      () => accepting((socket) => void socket.write("SSH-2.0-OpenSSH_9.2\r\n"))
    ],
    // A TLS server's alert: what it was sent is no ClientHello.
    [
      "TLS from the first byte on",
      /speaks TLS from the first byte on.*sslnegotiation=direct/,
      () => accepting((socket) => socket.once("data", () => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70]))))
    ]
  ] as const
  it.live.each(strangers)("%s is told at once, encrypted or not", ([, words, start]) =>
    Effect.gen(function* () {
      const port = yield* start()
      for (const sslMode of ["disable", "prefer", "require"] as const) {
        assert.match(yield* refused(url("127.0.0.1", port, 30, sslMode), "2 seconds"), words, sslMode)
      }
    })
  )

  NativePgDump.suite("by pg_dump itself", 15, () => {
    long("the same time", () => {
      it.live("holds for it", () =>
        Effect.gen(function* () {
          const silent = yield* accepting()
          const error = yield* dump("native", 15, url("127.0.0.1", silent, 2)).pipe(
            Effect.flip,
            Effect.timeout("5 seconds")
          )
          assert.match(error.detail ?? "", /timeout expired/)
        })
      )
    })
  })
})

const server = (code: string) => Object.assign(new Error(code), { code, severity: "FATAL" })
const network = (code: string) => Object.assign(new Error(code), { code })

/** When attempts are made that fail like this, in seconds since the first. */
const attempts = (failure: (seconds: number) => Error | undefined) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    const begun = yield* Clock.currentTimeMillis
    const work = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const seconds = (now - begun) / 1000
      times.push(seconds)
      const error = failure(seconds)
      return error === undefined ? Effect.void : Effect.fail(error)
    })
    const fiber = yield* work.pipe(
      Effect.retry(connecting<Error>((error) => error)),
      Effect.exit,
      Effect.forkChild({ startImmediately: true })
    )
    yield* TestClock.adjust("1 minute")
    const exit = yield* Fiber.join(fiber)
    return { times, succeeded: exit._tag === "Success" }
  })

describe("attempts", () => {
  it.effect("go on while a server starts, at growing and uneven intervals, also through its being away", () =>
    Effect.gen(function* () {
      const { succeeded, times } = yield* attempts((seconds) =>
        seconds < 4
          ? server("57P03")
          : seconds < 8
            ? network("ECONNREFUSED")
            : seconds < 20
              ? server("57P03")
              : undefined
      )
      assert.isTrue(succeeded)
      const pauses = times.slice(1).map((time, index) => time - times[index]!)
      const bounds = [0.25, 0.5, ...pauses.slice(2).map(() => 1)]
      for (const [index, pause] of pauses.entries()) {
        assert.isAtLeast(pause, bounds[index]! * 0.8 - 0.001)
        assert.isAtMost(pause, bounds[index]! * 1.2 + 0.001)
      }
      assert.isAbove(new Set(pauses.map((pause) => Math.round(pause * 1000))).size, 3)
    })
  )

  it.effect("end within two seconds or so where nobody has been heard of", () =>
    Effect.gen(function* () {
      for (const failure of [network("ECONNREFUSED"), network("ECONNRESET"), server("53300")]) {
        // The pauses are by chance.
        for (let round = 0; round < 50; round++) {
          const { succeeded, times } = yield* attempts(() => failure)
          assert.isFalse(succeeded)
          assert.isAtLeast(times.length, 4)
          assert.isBelow(times.at(-1)!, 2.2)
        }
      }
    })
  )

  it.effect("are not repeated where the answer is no", () =>
    Effect.gen(function* () {
      for (const failure of [server("28P01"), server("28000"), server("3D000"), network("ENOTFOUND")]) {
        assert.deepStrictEqual((yield* attempts(() => failure)).times, [0])
      }
    })
  )
})

long("a server that is restarted", () => {
  it.live("is waited for while it shuts down, is away, and starts", () =>
    Effect.gen(function* () {
      const { directory, pid, superuser } = yield* EmbeddedServer.start()
      const ask = (where: DatabaseUrl) =>
        Effect.scoped(Effect.flatMap(Connecting.acquire(where), (client) => Connecting.asking(client)("SELECT 1")))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Connecting.acquire(superuser)
          // A smart shutdown waits for this client, and lets nobody else in.
          process.kill(pid, "SIGTERM")
          yield* Effect.sleep("200 millis")
          const waiting = yield* Effect.forkDetach(ask(superuser))
          yield* Effect.sleep("2500 millis")
          assert.isUndefined(waiting.pollUnsafe())
          return waiting
        })
      ).pipe(
        Effect.tap(() =>
          Effect.gen(function* () {
            yield* until(
              Effect.sync(() => [existsSync(join(directory, "data", "postmaster.pid"))]),
              ([is]) => is === false,
              "10 seconds"
            )
            const { gid, uid } = statSync(directory)
            const native = existsSync(join(directory, "native"))
              ? join(directory, "native")
              : yield* PostgresBinaries.locate(18)
            const log = openSync(join(directory, "server.log"), "a")
            yield* Effect.acquireRelease(
              Effect.sync(() =>
                spawn(
                  PostgresBinaries.program(native, "postgres"),
                  ["-D", join(directory, "data"), "-p", String(superuser.port)],
                  { cwd: directory, stdio: ["ignore", log, log], ...(process.getuid?.() === 0 ? { uid, gid } : {}) }
                )
              ),
              (child) =>
                Effect.callback<void>((resume) => {
                  child.once("exit", () => resume(Effect.void))
                  child.kill("SIGQUIT")
                })
            )
          })
        ),
        Effect.flatMap(Fiber.join)
      )
    })
  )
})
