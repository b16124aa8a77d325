/**
 * A child process that ends with its Scope, and that may run as another account.
 *
 * Effect's `ChildProcess` has no `uid` and `gid`, and PostgreSQL refuses to run as root; hence `node:child_process`.
 */
import { spawn as nodeSpawn, type StdioOptions } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** An account of the operating system, by number. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** What {@link spawn} needs to know. */
export interface SpawnOptions {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Working folder; the account must be able to enter it. */
  readonly cwd: string
  /** Another account to run as. Only root may ask for one. */
  readonly account: Account | undefined
  /** Descriptor of an open file that takes stdout and stderr. */
  readonly output: number
  /** With "pipe" the child reads end of file when this process ends, in whatever way. */
  readonly stdin: "ignore" | "pipe"
  /** How it is told to end, step by step, and how many milliseconds each step waits. */
  readonly stop: ReadonlyArray<readonly [signal: NodeJS.Signals, patience: number]>
}

/** A child that is running, or was. */
export interface OwnedProcess {
  readonly pid: number
  /** Waits for the end. Gives the exit code, or the name of the signal. */
  readonly exit: Effect.Effect<number | NodeJS.Signals>
}

/** No PG… variable and no secret of this process reaches a child. */
export const childEnvironment: NodeJS.ProcessEnv = {
  LC_ALL: "C",
  ...Object.fromEntries(
    ["PATH", "TMPDIR", "TEMP", "SystemRoot"].flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    })
  )
}

/**
 * Starts a child in a process group of its own, so that Ctrl-C reaches only this process, which then stops the child
 * in order. When the scope closes the child goes through {@link SpawnOptions.stop}, and the release returns when it is
 * gone. SIGKILL goes to the whole group; every other signal to the child alone, which ends its own children better: a
 * SIGTERM that hits initdb's helper would leave its shared memory behind.
 *
 * @throws the error of `node:child_process` (for example ENOENT, EACCES) in the error channel.
 */
export const spawn = (options: SpawnOptions): Effect.Effect<OwnedProcess, NodeJS.ErrnoException, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof nodeSpawn>, NodeJS.ErrnoException>((resume) => {
        const stdio: StdioOptions = [options.stdin, options.output, options.output]
        const child = nodeSpawn(options.command, options.args, {
          cwd: options.cwd,
          env: childEnvironment,
          detached: process.platform !== "win32",
          windowsHide: true,
          stdio,
          ...options.account
        })
        child.on("error", (error) => resume(Effect.fail(error)))
        child.once("spawn", () => resume(Effect.succeed(child)))
      }),
      (child) =>
        Effect.gen(function* () {
          for (const [signal, patience] of options.stop) {
            if (!isRunning(child)) return
            if (signal === "SIGKILL") killGroup(child)
            else child.kill(signal)
            yield* Effect.timeoutOption(exitOf(child), patience)
          }
        })
    ),
    (child) => ({ pid: child.pid ?? 0, exit: exitOf(child) })
  )

type Child = ReturnType<typeof nodeSpawn>

const isRunning = (child: Child) => child.exitCode === null && child.signalCode === null

const exitOf = (child: Child) =>
  Effect.callback<number | NodeJS.Signals>((resume) => {
    const ended = () => resume(Effect.succeed(child.exitCode ?? child.signalCode ?? 0))
    if (!isRunning(child)) return ended()
    child.once("exit", ended)
    return Effect.sync(() => child.off("exit", ended))
  })

const killGroup = (child: Child) => {
  if (process.platform === "win32" || child.pid === undefined) {
    child.kill("SIGKILL")
    return
  }
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch (error) {
    // Gone between the look and the signal: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}
