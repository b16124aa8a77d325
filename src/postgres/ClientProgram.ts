/** PostgreSQL's client programs of this machine: where they are, and how they are run. */
import { homedir } from "node:os"
import { join } from "node:path"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

/** A program that runs. */
export interface ClientProgram {
  /** Its file, as it is started; its bare name where PATH leads to it. */
  readonly name: string
  /** As it calls itself, for example `15.18`. */
  readonly version: string
  readonly major: number
}

/** It ended with an exit code that is not 0. */
export interface Ended {
  readonly _tag: "Ended"
  readonly exitCode: number
  /** The last lines that it wrote to stderr. */
  readonly lines: ReadonlyArray<string>
}

/** Lines of stderr that an error shows. */
export const shownLines = 12

/** Folders whose entries, one for each version installed, hold programs in the folder that is named second. */
const installations: ReadonlyArray<readonly [parent: string, names: RegExp, programs: string]> = [
  ["/usr/lib/postgresql", /./, "bin"],
  ["/opt/homebrew/opt", /^(postgresql(@\d+)?|libpq)$/, "bin"],
  ["/usr/local/opt", /^(postgresql(@\d+)?|libpq)$/, "bin"],
  ["/Applications/Postgres.app/Contents/Versions", /./, "bin"],
  [join(homedir(), "Applications/Postgres.app/Contents/Versions"), /./, "bin"]
]

/** What it calls itself; none where it is not there or does not run. */
const inspect = Effect.fnUntraced(function* (file: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const text = yield* Effect.option(spawner.string(ChildProcess.make(file, ["--version"], { stdin: "ignore" })))
  const version = /(\d+)(?:\.\d+)?\S*/.exec(Option.getOrElse(text, () => ""))
  return version === null
    ? Option.none<ClientProgram>()
    : Option.some<ClientProgram>({ name: file, version: version[0], major: Number(version[1]) })
})

/** Files beside PATH that may be this program. */
const installed = Effect.fnUntraced(function* (program: string) {
  const fs = yield* FileSystem.FileSystem
  const files = yield* Effect.forEach(installations, ([parent, names, programs]) =>
    fs.readDirectory(parent).pipe(
      // Most of these folders belong to other systems than this one.
      Effect.orElseSucceed((): ReadonlyArray<string> => []),
      Effect.map((entries) => entries.filter((name) => names.test(name)).toSorted()),
      Effect.map((entries) => entries.map((entry) => join(parent, entry, programs, program)))
    )
  )
  return files.flat()
})

/** Every program of that name that runs, the one on PATH first. */
export const find = Effect.fn("ClientProgram.find")(function* (
  program: "pg_dump" | "pg_restore"
): Effect.fn.Return<
  ReadonlyArray<ClientProgram>,
  never,
  ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem
> {
  const files = [program, ...(yield* installed(program))]
  return Arr.getSomes(yield* Effect.forEach(files, inspect, { concurrency: 4 }))
})

/**
 * The lowest major that is new enough, because newer ones write what older servers do not know; of several the first.
 * Where all are too old, the newest. None where there is none.
 */
export const mostFitting = <A extends { readonly major: number }>(
  programs: ReadonlyArray<A>,
  major: number
): A | undefined => {
  const ascending = programs.toSorted((a, b) => a.major - b.major)
  return ascending.find((program) => program.major >= major) ?? ascending.at(-1)
}

/** How a program is run. */
export interface RunOptions {
  readonly args: ReadonlyArray<string>
  /** Put over the caller's own environment; undefined takes a variable out of it. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Gets each line of stderr. */
  readonly onLine?: (line: string) => Effect.Effect<void>
}

/** What it writes to stdout. Fails at its end unless the exit code is 0. Interrupting it ends the program. */
export const run = (
  program: string,
  { args, env = {}, onLine = () => Effect.void }: RunOptions
): Stream.Stream<Uint8Array, PlatformError.PlatformError | Ended, ChildProcessSpawner.ChildProcessSpawner> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const handle = yield* spawner.spawn(
        ChildProcess.make(program, args, {
          // LC_ALL: the lines that an error shows are then in English. What goes to stdout does not depend on it.
          env: { ...env, LC_ALL: "C" },
          extendEnv: true,
          stdin: "ignore",
          killSignal: "SIGTERM",
          forceKillAfter: "5 seconds"
        })
      )
      const stderr = yield* handle.stderr.pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.tap(onLine),
        Stream.takeRight(shownLines),
        Stream.runCollect,
        Effect.forkScoped
      )
      const ended = Effect.gen(function* () {
        const exitCode = yield* handle.exitCode
        const lines = yield* Fiber.join(stderr)
        if (exitCode !== 0) return yield* Effect.fail<Ended>({ _tag: "Ended", exitCode, lines })
      })
      return Stream.concat(handle.stdout, Stream.fromEffectDrain(ended))
    })
  )
