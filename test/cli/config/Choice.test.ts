/** Which database is meant: every combination of what flags, environment and file can say, against one list of who wins. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type Asked, choose, permitted, type Use } from "../../../src/cli/config/Choice.ts"
import type { Loaded } from "../../../src/cli/config/ConfigFile.ts"
import type { Configuration } from "../../../src/cli/config/Configuration.ts"

const loaded = (configuration: Configuration): Loaded => ({ file: "pgark.config.json", configuration })

const url = "postgresql://h/d"

/** Files, the database that each means by itself, and why; and the one that DATABASE_URL is in it. */
const files: Readonly<
  Record<
    string,
    { readonly file: Loaded | undefined; readonly own?: readonly [string, string]; readonly main?: string }
  >
> = {
  none: { file: undefined },
  empty: { file: loaded({ dir: "dumps" }) },
  one: { file: loaded({ databases: { a: { url } } }), own: ["a", "only"] },
  two: { file: loaded({ databases: { a: { url }, b: { urlFrom: "B_URL" } } }) },
  chosen: {
    file: loaded({ database: "b", databases: { a: { url }, b: { urlFrom: "B_URL" } } }),
    own: ["b", "default"]
  },
  main: {
    file: loaded({ database: "b", databases: { a: { urlFrom: "DATABASE_URL" }, b: { urlFrom: "B_URL" } } }),
    own: ["b", "default"],
    main: "a"
  }
}

const asked: ReadonlyArray<Asked> = [true, false].flatMap((url) =>
  [undefined, "a", "x", "constructor"].flatMap((name) =>
    [undefined, "b", "x"].flatMap((variable) =>
      [true, false].map((databaseUrl) => ({ url, name, variable, databaseUrl }))
    )
  )
)

/** The outcome as one line: who decided and the name, or what is wrong. */
const outcome = (asked: Asked, file: Loaded | undefined): string =>
  Result.match(choose(asked, file), {
    onFailure: ({ message }) => message,
    onSuccess: ({ named, why }) => `${why} ${named?.name ?? "-"}`
  })

describe("the choice", () => {
  for (const [label, { file, main, own }] of Object.entries(files)) {
    it(`flag before environment before file, with the file "${label}"`, () => {
      const names = Object.keys(file?.configuration.databases ?? {})
      for (const ask of asked) {
        const called = (name: string, by: string) =>
          names.includes(name)
            ? `${by} ${name}`
            : file === undefined
              ? `${by} names the database ${name}, and there is no configuration in this folder.`
              : `There is no database ${name} in pgark.config.json (${by}).`
        const ranks: ReadonlyArray<string | false> = [
          ask.url && ask.name !== undefined && "--database-url and --database both name a database.",
          ask.url && "--database-url -",
          ask.name !== undefined && called(ask.name, "--database"),
          ask.variable !== undefined && called(ask.variable, "PGARK_DATABASE"),
          ask.databaseUrl && `DATABASE_URL ${main ?? "-"}`,
          own !== undefined && `${own[1]} ${own[0]}`,
          "libpq -"
        ]
        assert.strictEqual(
          outcome(ask, file),
          ranks.find((rank) => rank !== false),
          JSON.stringify(ask)
        )
      }
    })
  }

  it("tells which default it passed over, and a name that was meant", () => {
    const { file } = files["chosen"]!
    const nothing: Asked = { url: false, name: undefined, variable: undefined, databaseUrl: false }
    const passed = (ask: Partial<Asked>) => Result.getOrThrow(choose({ ...nothing, ...ask }, file)).passedOver
    assert.strictEqual(passed({ databaseUrl: true }), "b")
    assert.strictEqual(passed({ name: "a" }), "b")
    assert.strictEqual(passed({ name: "b" }), undefined)
    assert.strictEqual(passed({}), undefined)
    const staging = loaded({ databases: { staging: { url }, production: { url } } })
    const mistyped = choose({ ...nothing, name: "stagin" }, staging)
    assert.isTrue(Result.isFailure(mistyped))
    if (Result.isFailure(mistyped)) {
      assert.strictEqual(mistyped.failure.suggestion, "Did you mean staging? It names staging, production.")
    }
  })
})

describe("what a command may do to it", () => {
  const refused = (ask: Partial<Asked>, file: Loaded | undefined, use: Use): string | undefined => {
    const nothing: Asked = { url: false, name: undefined, variable: undefined, databaseUrl: false }
    const choice = Result.getOrThrow(choose({ ...nothing, ...ask }, file))
    return Result.match(permitted(choice, use, file), {
      onFailure: ({ message }) => message,
      onSuccess: () => undefined
    })
  }

  it("of several databases the one to be changed must be named", () => {
    const { file } = files["main"]!
    const several = "pgark.config.json names several databases, and which of them is to be changed is not said."
    for (const use of ["grants", "replaces"] as const) {
      for (const ask of [{}, { databaseUrl: true }]) assert.strictEqual(refused(ask, file, use), several)
      for (const ask of [{ name: "a" }, { variable: "b" }, { url: true }]) {
        assert.isUndefined(refused(ask, file, use))
      }
      assert.isUndefined(refused({}, files["one"]!.file, use))
      assert.isUndefined(refused({ databaseUrl: true }, undefined, use))
    }
    assert.isUndefined(refused({}, file, "reads"))
  })

  it("a protected one is not replaced, whichever way it was chosen", () => {
    const file = loaded({ databases: { production: { urlFrom: "DATABASE_URL", protected: true } } })
    for (const ask of [{}, { databaseUrl: true }, { name: "production" }, { variable: "production" }]) {
      assert.match(refused(ask, file, "replaces") ?? "", /^The database production is protected/)
      assert.isUndefined(refused(ask, file, "grants"))
      assert.isUndefined(refused(ask, file, "reads"))
    }
    assert.isUndefined(refused({ url: true }, file, "replaces"))
  })
})
