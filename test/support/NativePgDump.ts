/** The `pg_dump` on PATH: tests that need it say so, and are skipped where it is missing or too old. */
import { execFile, spawnSync } from "node:child_process"
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"

const version = /\d+/.exec(spawnSync("pg_dump", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[0]

/** Its major version; none where it is missing. */
export const major: number | undefined = version === undefined ? undefined : Number(version)

/** `describe` for tests that need one for servers of this major. Where it is lacking, the title says so. */
export const suite = (title: string, serverMajor: number, body: () => void): void => {
  const lacking =
    major === undefined
      ? "pg_dump is not on PATH"
      : major < serverMajor
        ? `pg_dump on PATH is of version ${major}, older than ${serverMajor}`
        : undefined
  describe.skipIf(lacking !== undefined)(lacking === undefined ? title : `${title} (skipped: ${lacking})`, body)
}

/** What pg_dump itself writes, without pgark. */
export const dump = (url: DatabaseUrl.DatabaseUrl, ...args: ReadonlyArray<string>): Effect.Effect<Buffer> =>
  Effect.callback<Buffer>((resume) => {
    const settings = Object.entries(DatabaseUrl.toLibpqEnvironment(url)).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
    const env = { ...process.env, ...Object.fromEntries(settings) }
    const child = execFile(
      "pg_dump",
      ["--no-password", ...args],
      { env, encoding: "buffer", maxBuffer: 1 << 28 },
      (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.die(error))
    )
    return Effect.sync(() => void child.kill())
  })

/** A dump's text without the lines that differ from one run to the next: who made it, and the key of `\restrict`. */
export const comparable = (dump: Buffer): string =>
  dump
    .toString("latin1")
    .split("\n")
    .filter((line) => !/^(\\(un)?restrict |-- Dumped (from|by) )/.test(line))
    .join("\n")
