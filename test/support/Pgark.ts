/**
 * The bundled program as a child process, as a user starts it. Of every run that ends by itself it is made sure that
 * with `--json` stdout is one document as it is published, and of every run that it has told no password and left none
 * in a file.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { main } from "./Bundle.ts"
import * as Printed from "./Printed.ts"
import * as Secrets from "./Secrets.ts"

/** How it ended and what it said. */
export interface Ended {
  /** Exit code; none where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
}

export interface Options {
  /** Working directory. */
  readonly cwd: string
  /** Besides PATH, HOME, TMPDIR and a cache of Node's that saves a third of the start nothing else is in the environment. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Account of the operating system; only root may choose one. */
  readonly uid?: number
  /** The Node that runs it; that of the tests unless told. */
  readonly node?: string
  /** Folders besides the working directory that it writes to. */
  readonly folders?: ReadonlyArray<string>
}

/** Fails where the run has said or left what it must not. */
const checked = async (args: ReadonlyArray<string>, options: Options, ended: Ended, since: number): Promise<Ended> => {
  const problem = ended.code !== null && Printed.prints(args) ? Printed.problem(args, ended.stdout) : undefined
  if (problem !== undefined) throw new Error(`${problem}\n${ended.stderr}`)
  const { cwd, env, folders = [] } = options
  const given = { args, cwd, ...(env === undefined ? {} : { env }) }
  const leaks = await Secrets.leaks(Secrets.passwordsOf(given), ended, [cwd, ...folders], since)
  if (leaks.length > 0) throw new Error(`pgark ${args[0] ?? ""} has told a password: ${leaks.join(", ")}`)
  return ended
}

/** A run that is under way. */
export interface Running {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly output: { readonly stdout: string; readonly stderr: string }
  readonly ended: Effect.Effect<Ended>
}

/** Starts `node dist/main.js …`. It is killed where it outlives the scope. */
export const start = (args: ReadonlyArray<string>, options: Options): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const begun = performance.now()
        const since = Date.now()
        const { HOME, PATH, TMPDIR } = process.env
        const child = spawn(options.node ?? process.execPath, [main, ...args], {
          cwd: options.cwd,
          env: { HOME, PATH, TMPDIR, NODE_COMPILE_CACHE: join(tmpdir(), "compiled"), ...options.env },
          stdio: ["ignore", "pipe", "pipe"],
          ...(options.uid === undefined ? {} : { uid: options.uid })
        })
        const output = { stdout: "", stderr: "" }
        for (const name of ["stdout", "stderr"] as const) {
          child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text))
        }
        const ended = new Promise<Ended>((resolve, reject) => {
          child.once("error", reject)
          child.once("close", (code) => resolve({ code, ...output, milliseconds: performance.now() - begun }))
        }).then((ended) => checked(args, options, ended, since))
        // It is told where the run is waited for, or when its scope closes.
        ended.catch(() => {})
        return { child, output, ended }
      }),
      ({ child, ended }) =>
        Effect.promise(() => {
          if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
          return ended
        })
    ),
    ({ child, ended, output }) => ({ child, output, ended: Effect.promise(() => ended) })
  )

/** Runs it to its end. */
export const run = (args: ReadonlyArray<string>, options: Options): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, options), ({ ended }) => ended))

/** The URL as a user writes it, password and all. */
export const uri = (url: DatabaseUrl.DatabaseUrl): string => Redacted.value(DatabaseUrl.toUri(url))
