/** The bundled program on a terminal of its own, as `script` of util-linux makes one. */
import { spawn, spawnSync } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { main } from "./Bundle.ts"
import type { Options } from "./Pgark.ts"

/** Whether this machine has that `script`; those of other systems take other arguments. */
export const available =
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true

/** A run on a terminal. */
export interface OnTerminal {
  /** All that the terminal was sent: stdout, stderr, and what was typed. */
  readonly screen: () => string
  /** Types it; `\u0003` is Ctrl-C, `\u0004` Ctrl-D. */
  readonly type: (keys: string) => void
  /** The exit code; 128 and the signal's number where one ended it. */
  readonly ended: Effect.Effect<number | null>
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Starts `node dist/main.js …`, with what is typed coming from the test. It is ended with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  options: Pick<Options, "cwd" | "env"> & { readonly columns?: number; readonly stdout?: string }
): Effect.Effect<OnTerminal, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const { HOME, PATH, TMPDIR } = process.env
        const words = [process.execPath, main, ...args].map(quoted).join(" ")
        const to = options.stdout === undefined ? "" : ` > ${quoted(options.stdout)}`
        const child = spawn(
          "script",
          ["-qefc", `stty cols ${options.columns ?? 80} rows 50; exec ${words}${to}`, "/dev/null"],
          {
            cwd: options.cwd,
            env: { HOME, PATH, TMPDIR, TERM: "xterm", NODE_COMPILE_CACHE: join(tmpdir(), "compiled"), ...options.env },
            stdio: ["pipe", "pipe", "inherit"]
          }
        )
        let screen = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => (screen += text))
        const ended = new Promise<number | null>((resolve, reject) => {
          child.once("error", reject)
          child.once("close", (code) => resolve(code))
        })
        return { child, ended, screen: () => screen }
      }),
      ({ child, ended }) =>
        Effect.promise(() => {
          if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM")
          return ended
        })
    ),
    ({ child, ended, screen }) => ({
      screen,
      type: (keys: string) => void child.stdin.write(keys),
      ended: Effect.promise(() => ended)
    })
  )
