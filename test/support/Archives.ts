/** The sample database as pg_dump's archives, and programs that stand in for pg_restore. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Clusters from "./Clusters.ts"
import * as NativePgDump from "./NativePgDump.ts"
import * as Restores from "./Restores.ts"

/** pg_dump 15 is the one that is likely to be there. */
export const major = 15

/** How pg_dump was asked for each archive, by the name of its file or folder. */
const options = {
  custom: ["-Fc"],
  "custom-0": ["-Fc", "-Z0"],
  "custom-inserts": ["-Fc", "--inserts"],
  "custom-create": ["-Fc", "--create"],
  tar: ["-Ft"],
  "tar-inserts": ["-Ft", "--inserts"],
  directory: ["-Fd"],
  "directory-0": ["-Fd", "-Z0"],
  "directory-inserts": ["-Fd", "--inserts"]
} as const
export type Name = keyof typeof options
export const names = Object.keys(options) as ReadonlyArray<Name>

export interface Made {
  /** The database they were made of; the role owns its tables. */
  readonly source: Clusters.Target
  readonly file: (name: Name) => string
}

/** One of each, made when the first test wants them. */
export class Archives extends Context.Service<Archives, Made>()("test/Archives") {
  static readonly layer: Layer.Layer<Archives> = Layer.effect(
    Archives,
    Effect.gen(function* () {
      const source = yield* Clusters.makeTarget(major, "tableOwner")
      yield* Restores.fillJournal(source.url)
      const folder = yield* Restores.folder
      const file = (name: Name) => join(folder, name)
      for (const name of names) yield* NativePgDump.dump(source.url, ...options[name], `--file=${file(name)}`)
      return { source, file }
    }).pipe(Effect.orDie)
  )
}

/**
 * Puts a folder before PATH, for as long as the scope is open, in which pg_restore is this script of the shell. It is of
 * that version.
 */
export const pgRestoreIs = Effect.fnUntraced(function* (script: string, version = "99.1") {
  const folder = join(yield* Restores.folder, "bin")
  mkdirSync(folder)
  const program = join(folder, "pg_restore")
  writeFileSync(
    program,
    `#!/bin/sh\n[ "$1" = --version ] && echo "pg_restore (PostgreSQL) ${version}" && exit\n${script}\n`
  )
  chmodSync(program, 0o755)
  yield* pathIs(`${folder}${delimiter}${process.env["PATH"] ?? ""}`)
  return folder
})

/** Has PATH be this, for as long as the scope is open. */
export const pathIs = (path: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env["PATH"]
      process.env["PATH"] = path
      return before
    }),
    (before) =>
      Effect.sync(() => {
        process.env["PATH"] = before
      })
  )
