import { assert, describe, it } from "@effect/vitest"
import { readdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { type ExitCode, exitCodeOf, exitCodes, meanings, type PgarkError } from "../../src/cli/ExitCode.ts"
import { PermissionDenied, problemFields } from "../../src/postgres/DatabaseError.ts"

const src = resolve(import.meta.dirname, "../../src")

/** Tags of the errors that modules of these folders export, found at run time by the fields that every error has. */
const exportedTags = async () => {
  const folders = ["pipeline", "postgres", "dumps", "verbs", "demo", "cli"]
  const files = folders.flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(src, folder, file))
  )
  const modules = await Promise.all(files.map((file) => import(file) as Promise<Record<string, unknown>>))
  const tags = modules
    .flatMap((module) => Object.values(module))
    .flatMap((value) =>
      typeof value === "function" &&
      value.prototype instanceof Error &&
      "fields" in value &&
      Object.keys(problemFields).every((field) => Object.hasOwn(value.fields as object, field))
        ? [value.name]
        : []
    )
  return [...new Set(tags)].sort()
}

describe("exit codes", () => {
  it("are told for every error that a module exports, and for no other", async () => {
    const tags = await exportedTags()
    assert.includeMembers(tags, [
      "ConnectionFailed",
      "DatabaseUrlInvalid",
      "DumpDamaged",
      "PgDumpFailed",
      "ToolMissing"
    ])
    assert.deepStrictEqual(Object.keys(exitCodes).sort(), tags)
  })

  it("each have a meaning in the help, in order, once", () => {
    const codes = meanings.map(([code]) => code)
    assert.deepStrictEqual(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130, 143])
    assert.includeMembers(codes, Object.values(exitCodes))
  })

  it("state comes first: a target that is not as it was is 8, whatever the cause", () => {
    const expected: Record<string, (own: ExitCode) => ExitCode> = {
      untouched: (own) => own,
      "rolled-back": (own) => own,
      changed: () => 8,
      unknown: () => 8
    }
    for (const [tag, own] of Object.entries(exitCodes)) {
      assert.strictEqual(exitCodeOf({ _tag: tag } as PgarkError), own)
      for (const [state, code] of Object.entries(expected)) {
        assert.strictEqual(exitCodeOf({ _tag: tag, state } as PgarkError), code(own), `${tag} ${state}`)
      }
    }
    assert.strictEqual(exitCodeOf(new PermissionDenied({ message: "no", state: "unknown" })), 8)
  })
})
