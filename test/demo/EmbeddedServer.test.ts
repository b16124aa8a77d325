import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs"
import { chmod, cp, mkdtemp, rm } from "node:fs/promises"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as PostgresBinaries from "../../src/demo/PostgresBinaries.ts"
import { query } from "../support/Clusters.ts"
import { ofRun } from "../support/Tier.ts"

const isRoot = process.getuid?.() === 0

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const answers = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = createConnection(port, "127.0.0.1")
    socket.once("error", () => resume(Effect.succeed(false)))
    socket.once("connect", () => {
      // A connection that never says hello would hold up the server's shutdown.
      socket.destroy()
      resume(Effect.succeed(true))
    })
  })

/** A folder for this file's servers alone, so that what they leave can be told from what others have running. */
let folder: string
const tmpdirBefore = process.env["TMPDIR"]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pgark-test-"))
  // As the system's own: every account may use it, each its own entries.
  await chmod(folder, 0o1777)
  process.env["TMPDIR"] = folder
})

afterAll(async () => {
  if (tmpdirBefore === undefined) delete process.env["TMPDIR"]
  else process.env["TMPDIR"] = tmpdirBefore
  await rm(folder, { recursive: true })
})

/** Command lines of processes that work in the folder; looked for on Linux only. */
const processes = () =>
  (existsSync("/proc/self/cmdline") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [])
    .map((pid) => commandLine(pid).replaceAll("\0", " "))
    .filter((line) => line.includes(folder))

const commandLine = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8")
  } catch {
    // Ended since the folder was read.
    return ""
  }
}

const assertNothingLeft = () => {
  assert.deepStrictEqual(readdirSync(folder), [])
  assert.deepStrictEqual(processes(), [])
}

const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.delay("50 millis"),
    Effect.repeat({ until: (holds) => holds, times: 400 }),
    Effect.map((holds) => assert.isTrue(holds))
  )

describe("EmbeddedServer", () => {
  it.live("knows what is installed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* EmbeddedServer.available, [...EmbeddedServer.majors])
    })
  )

  it.live.each(ofRun(EmbeddedServer.majors, [15, 18]))(
    "starts PostgreSQL %i, and nothing is left when the scope closes",
    (major) =>
      Effect.gen(function* () {
        const server = yield* Effect.scoped(
          Effect.gen(function* () {
            const server = yield* EmbeddedServer.start({ major, settings: { work_mem: "7MB", "app.path": "C:\\it's" } })
            const rows = yield* query(
              server.superuser,
              `SELECT current_setting('server_version') AS version, current_setting('work_mem') AS memory,
               current_setting('app.path') AS path, current_setting('server_encoding') AS encoding,
               current_setting('fsync') AS fsync, current_setting('autovacuum') AS autovacuum,
               current_setting('password_encryption') AS passwords`
            )
            assert.deepStrictEqual(rows, [
              {
                version: server.version,
                memory: "7MB",
                path: "C:\\it's",
                encoding: "UTF8",
                fsync: "off",
                autovacuum: "on",
                passwords: "scram-sha-256"
              }
            ])
            assert.strictEqual(Math.floor(Number.parseFloat(server.version)), major)
            assert.strictEqual(statSync(server.directory).mode & 0o777, 0o700)
            assert.isTrue(isAlive(server.pid))
            assert.isTrue(yield* answers(server.port))
            if (isRoot) assert.isAbove(statSync(`/proc/${server.pid}`).uid, 0)
            return server
          })
        )
        assert.isFalse(isAlive(server.pid))
        assertNothingLeft()
        assert.isFalse(yield* answers(server.port))
      })
  )

  it.live("refuses a wrong password, and any login without one", () =>
    Effect.gen(function* () {
      const { superuser } = yield* EmbeddedServer.start()
      const wrong = yield* Effect.flip(query({ ...superuser, password: Redacted.make("wrong") }, "SELECT 1"))
      assert.strictEqual(wrong._tag, "AuthenticationFailed")
      const none = yield* Effect.flip(query({ ...superuser, password: undefined }, "SELECT 1"))
      assert.include(none.message, "password")
    })
  )

  it.live("fails with the end of the server's log when a setting is refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(EmbeddedServer.start({ settings: { max_connections: "none" } })))
      assert.strictEqual(error._tag, "EmbeddedServerFailed")
      assert.include(error.detail, "max_connections")
      assertNothingLeft()
    })
  )

  it.live.each(ofRun([0, 60, 200, 500, 800], [0, 60, 500]))(
    "leaves nothing when interrupted %i ms after the start",
    (delay) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(EmbeddedServer.start(), Effect.never)))
        yield* Effect.sleep(delay)
        yield* Fiber.interrupt(fiber)
        assertNothingLeft()
      })
  )

  describe.skipIf(process.platform === "win32")("without a chance to close its scope", () => {
    it.live.each(ofRun(["SIGKILL", "SIGTERM"] as const, ["SIGKILL"]))("ends with its process, dead by %s", (signal) =>
      Effect.gen(function* () {
        const script = `
          import * as Effect from "effect/Effect"
          import * as EmbeddedServer from ${JSON.stringify(new URL("../../src/demo/EmbeddedServer.ts", import.meta.url).href)}
          const program = Effect.flatMap(EmbeddedServer.start(), ({ pid }) => {
            process.stdout.write(String(pid))
            return Effect.never
          })
          Effect.runFork(Effect.scoped(program))`
        const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
          stdio: ["ignore", "pipe", "inherit"]
        })
        const pid = Number(yield* Effect.promise(() => once(child.stdout, "data")))
        assert.isTrue(isAlive(pid))
        child.kill(signal)
        yield* eventually(() => !isAlive(pid) && readdirSync(folder).length === 0 && processes().length === 0)
      })
    )
  })

  it.live("runs from a copy when its packages came without links, or the account cannot reach them", () =>
    Effect.gen(function* () {
      const scratch = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(folder, "copy-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true }))
      )
      const installed = yield* PostgresBinaries.locate(18)
      const native = join(scratch, "installed", "native")
      yield* Effect.promise(async () => {
        await chmod(scratch, 0o755)
        await cp(installed, native, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() })
        if (isRoot) await chmod(join(scratch, "installed"), 0o700)
      })
      const account = isRoot ? { uid: 65_534, gid: 65_534 } : undefined
      const binaries = yield* PostgresBinaries.prepare(native, scratch, account)
      assert.strictEqual(binaries.directory, join(scratch, "native"))
      assert.match(binaries.version, /^18\.\d+$/)
      assert.deepStrictEqual(
        readdirSync(join(binaries.directory, "lib")).sort(),
        readdirSync(join(installed, "lib")).sort()
      )
    })
  )
})
