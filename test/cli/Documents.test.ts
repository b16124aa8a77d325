/**
 * What the commands print with `--json`: a success, a failure, a plan and a line that cannot be understood, of each of
 * them. That stdout is one document as it is published every run of every test is held to; see `Pgark.ts`.
 */
import { readdirSync, readFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cli } from "../../src/cli/Cli.ts"
import * as Documents from "../../src/cli/documents/Documents.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Printed from "../support/Printed.ts"
import { fillJournal, folder } from "../support/Restores.ts"
import { isLong } from "../support/Tier.ts"

interface Case {
  /** What it is asked for, in an order in which each finds what it needs. */
  readonly done: ReadonlyArray<string>
  /** Keys of what it then prints, besides how long it took. */
  readonly keys: ReadonlyArray<string>
  /** Whether it can be run dry. */
  readonly plans?: true
  /** What it cannot do, where that is not to do without a database. */
  readonly fails?: ReadonlyArray<string>
}

const report = ["can", "checks", "database", "pgark", "problems", "summary", "at"]

/** `demo` has a server of its own, and a test file of its own. */
const cases: Partial<Record<Printed.Command, (app: string) => Case>> = {
  dump: () => ({
    done: [],
    keys: ["file", "bytes", "format", "compression", "unpacked", "tables", "rows", "sha256", "tool"],
    plans: true
  }),
  list: () => ({ done: [], keys: ["directory", "dumps", "unfinished"], fails: ["--dir", "nowhere"] }),
  inspect: () => ({
    done: [],
    keys: (
      "file proof at format compression bytes unpacked rows tables sequences largeObjects schemas roles objects encoding " +
      "extensions prismaMigrations unusualStatements manifest"
    ).split(" "),
    fails: ["nothing-of-that-name"]
  }),
  grant: (app) => ({ done: [app], keys: ["grant"], plans: true }),
  verify: () => ({ done: [], keys: ["file", "verify"] }),
  restore: () => ({ done: ["--clean", "--yes"], keys: ["restore"], plans: true }),
  undo: () => ({ done: ["--yes"], keys: ["undo"], plans: true }),
  doctor: () => ({ done: [], keys: report }),
  help: () => ({ done: ["dump"], keys: ["help"], fails: ["nothing"] }),
  completion: () => ({ done: ["bash"], keys: ["shell", "script"], fails: ["nothing"] }),
  clean: () => ({ done: ["--yes"], keys: ["complete", "clean"], plans: true })
}

/** A URL that nobody can use: the failure comes at once. */
const unusable = "mysql://me@localhost/db"

const keysOf = ({ stdout }: Pgark.Ended) => Object.keys(JSON.parse(stdout) as object).sort()

const timed = new Set(["milliseconds", "tasks"])

describe("a document", () => {
  it.live(
    "is printed by every command, whatever becomes of it",
    () =>
      Effect.gen(function* () {
        const { url } = yield* Clusters.makeTarget(Clusters.sourceMajor, "tableOwner")
        yield* fillJournal(url)
        const { name: app } = yield* Clusters.makeRole(Clusters.sourceMajor)
        const cwd = yield* folder
        const run = (args: ReadonlyArray<string>, env: Record<string, string> = { DATABASE_URL: Pgark.uri(url) }) =>
          Pgark.run([...args, "--json"], { cwd, env })
        // In the usual run the document of each of these is another test's, and held to the published one as well.
        const others = new Set(isLong(process.env) ? [] : ["restore", "undo", "doctor", "clean"])
        for (const [command, make] of Object.entries(cases).filter(([command]) => !others.has(command))) {
          const { done, fails, keys, plans } = make(app)
          const [ended, planned, failed, misunderstood] = yield* Effect.all(
            [
              run([command, ...done]),
              // The others take what they share from other tests: of the usual run, and of all commands of the long one.
              ...(isLong(process.env)
                ? [
                    plans === undefined ? Effect.undefined : run([command, ...done, "--dry-run"]),
                    command === "doctor"
                      ? Effect.undefined
                      : run([command, ...(fails ?? done)], { DATABASE_URL: unusable }),
                    run([command, "--no-such-flag"])
                  ]
                : [])
            ],
            { concurrency: 1 }
          )
          const own = keysOf(ended!).filter((key) => !timed.has(key))
          assert.deepStrictEqual([command, own], [command, keys.toSorted()])
          // What doctor finds is what it was asked for.
          assert.include(command === "doctor" ? [0, 3] : [0], ended!.code, command)
          if (planned !== undefined) assert.includeMembers(keysOf(planned), ["database", "plan"])
          for (const problem of [failed, misunderstood]) {
            if (problem === undefined) continue
            assert.isAbove(problem.code ?? 0, 0, command)
            assert.deepStrictEqual(keysOf(problem), ["error"], command)
          }
        }
        const unknown = yield* run(["dmup"])
        assert.deepStrictEqual([unknown.code, keysOf(unknown)], [2, ["error"]])
      }),
    240_000
  )

  it("is published for every command that prints one", () => {
    const commands = cli.subcommands.flatMap(({ commands }) => commands.map(({ name }) => name))
    const published = new Set(readdirSync(resolve("docs/json")).map((file) => basename(file, ".json")))
    assert.deepStrictEqual(
      commands.filter((name) => !published.has(name) || !Object.hasOwn(Documents, name)),
      []
    )
    assert.includeMembers(commands, [...Object.keys(cases), "demo"])
  })

  it("has a description for every field", () => {
    let seen = 0
    const bare = (value: unknown, path: string): ReadonlyArray<string> => {
      if (typeof value !== "object" || value === null) return []
      return Object.entries(value).flatMap(([key, field]) => {
        if (key !== "properties") return bare(field, path)
        return Object.entries(field as Record<string, { readonly description?: string }>).flatMap(([name, one]) => {
          seen++
          return [...(one.description === undefined ? [`${path}.${name}`] : []), ...bare(one, `${path}.${name}`)]
        })
      })
    }
    const pages = readdirSync(resolve("docs/json"))
    const found = pages.flatMap((page) => bare(JSON.parse(readFileSync(join("docs/json", page), "utf8")), page))
    assert.deepStrictEqual(found, [])
    assert.isAbove(seen, 500)
  })
})

describe("the check of every run", () => {
  it("tells what is no document, what is more than one, and what is another than the published one", () => {
    const failed = { error: { exitCode: 2, code: "UsageError", message: "No." } }
    const json = JSON.stringify(failed)
    assert.isUndefined(Printed.problem(["dump", "--json"], json))
    assert.isUndefined(Printed.problem(["dmup", "--json"], json))
    const wrong = [
      "",
      "done",
      `${json}\n${json}`,
      JSON.stringify({ ...failed, more: 1 }),
      JSON.stringify({ error: { ...failed.error, code: "NoSuchCode" } }),
      JSON.stringify({ error: { ...failed.error, secret: "x" } }),
      JSON.stringify({ directory: "dumps", dumps: [], unfinished: [] })
    ]
    for (const stdout of wrong) assert.isString(Printed.problem(["dump", "--json"], stdout), stdout)
    assert.isUndefined(Printed.problem(["--quiet", "list"], wrong.at(-1)!))
    assert.isFalse(Printed.prints(["dump"]))
  })
})
