/** A real PgBouncer in front of a server; tests that need one say so, and are skipped where none is installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chmodSync, writeFileSync } from "node:fs"
import { createServer, connect as dial } from "node:net"
import { join } from "node:path"
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { DatabaseUrl } from "../../src/postgres/DatabaseUrl.ts"
import * as Restores from "./Restores.ts"

// Debian has it where root's programs are.
const path = `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin`

const isInstalled = spawnSync("pgbouncer", ["--version"], { env: { PATH: path } }).status === 0

/** `describe` for them. */
export const suite = (title: string, body: () => void): void => {
  describe.skipIf(!isInstalled)(isInstalled ? title : `${title} (skipped: pgbouncer is not installed)`, body)
}

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const answers = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = dial(port, "127.0.0.1")
    const end = (is: boolean) => () => {
      socket.destroy()
      resume(Effect.succeed(is))
    }
    socket.once("connect", end(true)).once("error", end(false))
  })

/** How {@link start} may be varied: its settings, as pgbouncer.ini has them. */
export interface Settings {
  readonly pool_mode: "session" | "transaction" | "statement"
  readonly default_pool_size?: number
  readonly listen_port?: number
  /** 1: an idle backend is taken in turn, else the one that was used last. */
  readonly server_round_robin?: 0 | 1
}

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`

/** The same database and login through a PgBouncer, which ends with the scope. */
export const start = Effect.fn("PgBouncer.start")(function* (
  url: DatabaseUrl,
  settings: Settings
): Effect.fn.Return<DatabaseUrl, never, Scope.Scope> {
  const directory = yield* Restores.folder
  const port = settings.listen_port ?? (yield* freePort)
  const password = url.password === undefined ? "" : Redacted.value(url.password)
  const [ini, users] = ["pgbouncer.ini", "users.txt"].map((name) => join(directory, name))
  const lines = {
    listen_addr: "127.0.0.1",
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: users,
    ...settings,
    listen_port: port
  }
  writeFileSync(users!, `${quoted(url.user)} ${quoted(password)}\n`)
  writeFileSync(
    ini!,
    `[databases]\n* = host=${url.host} port=${url.port}\n[pgbouncer]\n` +
      Object.entries(lines)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join("")
  )
  // It refuses to be root, and then reads these as somebody else.
  const root = process.getuid?.() === 0
  for (const file of [ini!, users!]) chmodSync(file, root ? 0o644 : 0o600)
  chmodSync(directory, root ? 0o755 : 0o700)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("pgbouncer", [...(root ? ["-u", "nobody"] : []), ini!], {
        env: { PATH: path },
        stdio: ["ignore", "ignore", "pipe"]
      })
    ),
    ended
  )
  let said = ""
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text))
  const up = Effect.suspend(() =>
    child.exitCode === null ? answers(port) : Effect.die(new Error(`pgbouncer did not start: ${said}`))
  )
  yield* Effect.repeat(up, { until: (is) => is, schedule: Schedule.spaced("20 millis") })
  return { ...url, host: "127.0.0.1", port, sslMode: "disable" }
})

const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
