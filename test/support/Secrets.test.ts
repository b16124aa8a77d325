/** That the search for passwords, by which every run of the tests is judged, finds one. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { folder } from "./Restores.ts"
import * as Secrets from "./Secrets.ts"

const nothing = { stdout: "", stderr: "" }

/** With what a URL has to encode. */
const password = "f4lcon/peregrin@nest"
const encoded = encodeURIComponent(password)

describe("the search for passwords", () => {
  it.live("knows them from wherever a run is given one", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const known = (given: Partial<Secrets.Given>) =>
        Secrets.passwordsOf({ args: [], cwd, env: { HOME: cwd }, ...given })
      const cases: ReadonlyArray<Partial<Secrets.Given>> = [
        { args: ["--database-url", `postgresql://me:${encoded}@host/db`] },
        { args: [`--database-url=postgresql://host/db?user=me&password=${encoded}`] },
        { env: { HOME: cwd, DATABASE_URL: `postgres://me:${encoded}@a,b/db` } },
        { env: { HOME: cwd, PGPASSWORD: password } }
      ]
      for (const given of cases) assert.includeMembers([...known(given)], [password, encoded])
      assert.deepStrictEqual(known({}), [])
      writeFileSync(join(cwd, ".env"), `DATABASE_URL="postgresql://me:${encoded}@host/db"\n`)
      assert.include(known({}), password)
      writeFileSync(join(cwd, ".env"), "")
      writeFileSync(join(cwd, ".pgpass"), `host:5432:*:me:${password}\n`)
      assert.include(known({}), password)
    })
  )

  it.live("finds them in what a run has said and written, packed or not, and nowhere else", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const found = (said = nothing, since = 0) =>
        Effect.promise(() => Secrets.leaks([password, encoded], said, [cwd], since))
      assert.deepStrictEqual(yield* found(), [])
      assert.deepStrictEqual(yield* found({ stdout: `a ${encoded} b`, stderr: `${password}.` }), ["stdout", "stderr"])
      const at = (name: string) => join(cwd, name)
      writeFileSync(at("innocent.sql"), "SELECT 1")
      writeFileSync(at(".env"), password)
      assert.deepStrictEqual(yield* found(), [])
      // Across the border of what is read at once.
      writeFileSync(at("long.sql"), `${" ".repeat(65_536 - 5)}${password}`)
      writeFileSync(at("packed.sql.gz"), gzipSync(`x ${password}`))
      assert.deepStrictEqual((yield* found()).toSorted(), [at("long.sql"), at("packed.sql.gz")])
      assert.deepStrictEqual(yield* found(nothing, Date.now() + 60_000), [])
    })
  )
})
