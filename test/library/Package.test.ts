/** The package as `npm pack` makes it, installed in a project of somebody else that has Effect. */
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, connect } from "node:net"
import { join, resolve } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import * as Clusters from "../support/Clusters.ts"
import * as Restores from "../support/Restores.ts"
import { long } from "../support/Tier.ts"

const root = resolve(import.meta.dirname, "../..")

interface Ended {
  readonly code: number
  /** Both outputs. */
  readonly text: string
}

/** Runs a program to its end. Besides PATH, HOME and TMPDIR nothing else is in its environment. */
const run = (
  cwd: string,
  file: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const { HOME, PATH, TMPDIR } = process.env
    const child = execFile(
      file,
      [...args],
      { cwd, env: { HOME, PATH, TMPDIR, ...env }, encoding: "utf8" },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1
        resume(Effect.succeed({ code, text: `${stdout}${stderr}` }))
      }
    )
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

const succeeds = Effect.fnUntraced(function* (...parts: Parameters<typeof run>) {
  const { code, text } = yield* run(...parts)
  assert.strictEqual(code, 0, text)
  return text
})

/** Fails to compile where a type of the library's face is `any`. */
const typeTest = `
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as pgark from "pgark"

type IsAny<T> = 0 extends 1 & T ? true : false
type Parts<T> =
  T extends (...args: infer A) => infer R ? Parts<R> | IsAny<A[number]>
  : T extends Effect.Effect<infer A, infer E, infer R> ? IsAny<A> | IsAny<E> | IsAny<R>
  : T extends Layer.Layer<infer A, infer E, infer R> ? IsAny<A> | IsAny<E> | IsAny<R>
  : false
/** Names of exports that are \`any\`, or whose success, error or requirement is. */
type Anys<M> = { [K in keyof M]: IsAny<M[K]> extends true ? K : true extends Parts<M[K]> ? K : never }[keyof M]
type Found = { [M in keyof typeof pgark]: Anys<(typeof pgark)[M]> }[keyof typeof pgark]
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

export const nothing: Same<Found, never> = true
/** The test can fail. */
export const sees: Same<
  Anys<{ a: (x: string) => Effect.Effect<string, any>; b: any; c: string; d: (x: any) => string }>,
  "a" | "b" | "d"
> = true

export const grant: Same<
  ReturnType<typeof pgark.Grant.grant>,
  Effect.Effect<
    pgark.Grant.GrantReport,
    | pgark.DatabaseError.DatabaseError
    | pgark.Pooler.PoolerInBetween
    | pgark.VerbError.RoleMissing
    | pgark.VerbError.SchemaMissing
    | pgark.VerbError.TargetBusy,
    pgark.Database.Database
  >
> = true
`

/** What is checked there: more than this repository asks of itself. */
const tsconfig = {
  compilerOptions: {
    module: "NodeNext",
    target: "ES2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"]
  },
  include: ["*.ts"]
}

interface OutsideProject {
  readonly folder: string
  /** The examples' names. */
  readonly examples: ReadonlyArray<string>
  /** What the tarball holds. */
  readonly files: ReadonlyArray<string>
}

/** A project with the packed package, the examples, and the Effect of this repository as its own. */
class Outside extends Context.Service<Outside, OutsideProject>()("test/Outside") {
  static readonly layer = Layer.effect(
    Outside,
    Effect.gen(function* () {
      const folder = yield* Restores.folder
      const packed = yield* succeeds(root, "npm", [
        "pack",
        "--json",
        "--ignore-scripts",
        "--loglevel=silent",
        `--pack-destination=${folder}`
      ])
      const [{ filename, files }] = JSON.parse(packed) as [
        { readonly filename: string; readonly files: ReadonlyArray<{ readonly path: string }> }
      ]
      writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "outside", private: true, type: "module" }))
      // Nothing but the tarball is needed: what it needs besides is what the app has.
      yield* succeeds(folder, "npm", [
        "install",
        "--offline",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        join(folder, filename)
      ])
      for (const name of ["effect", "@effect/platform-node", "@types/node"]) {
        const link = join(folder, "node_modules", name)
        mkdirSync(resolve(link, ".."), { recursive: true })
        symlinkSync(join(root, "node_modules", name), link)
      }
      const examples = readdirSync(join(root, "examples"))
      for (const name of examples) cpSync(join(folder, "node_modules/pgark/examples", name), join(folder, name))
      const page = readFileSync(join(folder, "node_modules/pgark/docs/library.md"), "utf8")
      writeFileSync(join(folder, "page.ts"), /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? "the page shows no code")
      writeFileSync(join(folder, "types.test.ts"), typeTest)
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig))
      return Outside.of({ folder, examples, files: files.map(({ path }) => path) })
    })
  )
}

const uri = (url: DatabaseUrl.DatabaseUrl) => Redacted.value(DatabaseUrl.toUri(url))

const major = Clusters.sourceMajor

/** The sample database, owned by the role that the URL names. */
const journal = Effect.gen(function* () {
  const target = yield* Clusters.makeTarget(major, "tableOwner")
  yield* Restores.fillJournal(target.url)
  return target
})

/** Runs an example, in a folder of its own for its dumps. */
const example = Effect.fnUntraced(function* (name: string, env: Readonly<Record<string, string>>, cwd?: string) {
  const { folder } = yield* Outside
  return yield* run(cwd ?? (yield* Restores.folder), process.execPath, [join(folder, `${name}.ts`)], env)
})

const dumpsIn = (folder: string) => readdirSync(join(folder, "dumps")).filter((name) => name.endsWith(".sql"))

layer(Outside.layer, { excludeTestServices: true, timeout: "2 minutes" })("the package", (it) => {
  it.effect("holds what a user needs, and no source", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* Outside
      const wanted =
        "README.md LICENSE CHANGELOG.md docs/library.md docs/json/dump.json dist/NOTICE dist/pg_dump/NOTICE"
      assert.includeMembers([...files], wanted.split(" "))
      assert.deepStrictEqual(
        files.filter((file) => /^(src|test|node_modules|dumps)\//.test(file)),
        []
      )
      const manifest = JSON.parse(readFileSync(join(folder, "node_modules/pgark/package.json"), "utf8")) as {
        readonly dependencies?: unknown
      }
      assert.isUndefined(manifest.dependencies)
      // The program brings its own Effect, the library takes the app's.
      const effects = (name: string) => /"~effect\/Effect/.test(readFileSync(join(dist, name), "utf8"))
      const dist = join(folder, "node_modules/pgark/dist")
      const modules = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))
      assert.deepStrictEqual([...new Set(modules.filter(effects).map((name) => name.split("/")[0]))], ["chunks"])
      assert.include(readFileSync(join(dist, "library/index.js"), "utf8"), 'from "effect/Effect"')
      assert.match(yield* succeeds(folder, join(folder, "node_modules/.bin/pgark"), ["--version"]), /^pgark v?\d/)
    })
  )

  it.effect("has types for the strictest of projects, none of them any, and the examples fit them", () =>
    Effect.gen(function* () {
      const { folder, files } = yield* Outside
      const declarations = files.filter((file) => file.endsWith(".d.ts"))
      assert.isAbove(declarations.length, 20)
      for (const file of declarations) {
        const text = readFileSync(join(folder, "node_modules/pgark", file), "utf8")
        assert.notMatch(text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|"any"/g, ""), /\bany\b/, file)
      }
      yield* succeeds(folder, process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder])
    })
  )

  it.effect("refreshes staging: masked before the commit, production untouched", () =>
    Effect.gen(function* () {
      const [production, staging, app] = [yield* journal, yield* journal, yield* Clusters.makeRole(major)]
      yield* Clusters.query(staging.url, `DROP VIEW public."DayOverview"`)
      const env = { PRODUCTION_URL: uri(production.url), STAGING_URL: uri(staging.url), STAGING_APP: app.name }
      const { code, text } = yield* Restores.unchanged(production.admin, example("refresh-staging", env))
      assert.strictEqual(code, 0, text)
      assert.include(text, "3 addresses are masked")
      const addresses = (url: DatabaseUrl.DatabaseUrl) =>
        Effect.map(Clusters.query<{ email: string }>(url, `SELECT email FROM public."User" ORDER BY 1`), (rows) =>
          rows.map(({ email }) => email)
        )
      assert.deepStrictEqual(yield* addresses(production.url), [
        "user0@example.org",
        "user1@example.org",
        "user2@example.org"
      ])
      // Read as the app's role: it has its rights.
      const masked = yield* addresses(Clusters.as(staging.url, app))
      assert.lengthOf(masked, 3)
      for (const email of masked) assert.match(email, /^user-[0-9a-f]{32}@staging\.invalid$/)
      assert.lengthOf(yield* Clusters.query(staging.url, `SELECT FROM public."DayOverview" LIMIT 1`), 1)
    })
  )

  long("in the long run,", () => {
    it.effect("leaves staging as it was where masking fails", () =>
      Effect.gen(function* () {
        const [production, staging, app] = [yield* journal, yield* journal, yield* Clusters.makeRole(major)]
        yield* Clusters.query(production.url, `ALTER TABLE public."User" ADD CHECK (email NOT LIKE '%staging%')`)
        const env = { PRODUCTION_URL: uri(production.url), STAGING_URL: uri(staging.url), STAGING_APP: app.name }
        const { code, text } = yield* Restores.unchanged(staging.admin, example("refresh-staging", env))
        assert.strictEqual(code, 1, text)
        assert.include(text, "SqlError")
      })
    )

    it.effect("backs up by night: connects when the server is back, and keeps as many dumps as asked", () =>
      Effect.gen(function* () {
        const source = yield* journal
        const cwd = yield* Restores.folder
        const { host, port } = source.url
        /** Refuses the first connections. */
        let refused = 0
        const server = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const proxy = createServer((socket) => {
              if (refused < 2) {
                refused++
                return void socket.destroy()
              }
              const up = connect(port, host)
              socket.pipe(up)
              up.pipe(socket)
              socket.on("error", () => up.destroy())
              up.on("error", () => socket.destroy())
            }).listen(0, "127.0.0.1", () => resume(Effect.succeed(proxy)))
          }),
          (proxy) => Effect.sync(() => void proxy.close())
        )
        const address = server.address()
        assert.isTrue(typeof address === "object" && address !== null)
        const behind = { ...source.url, host: "127.0.0.1", port: (address as { readonly port: number }).port }
        const env = { DATABASE_URL: uri(behind), KEEP: "2" }
        const first = yield* example("nightly", env, cwd)
        assert.strictEqual(first.code, 0, first.text)
        assert.strictEqual(refused, 2)
        for (let night = 2; night <= 3; night++) yield* example("nightly", env, cwd)
        assert.lengthOf(dumpsIn(cwd), 2)
        assert.lengthOf(
          readdirSync(join(cwd, "dumps")).filter((name) => name.startsWith("db_dump_")),
          4
        )
        const nowhere = { ...env, DATABASE_URL: uri({ ...source.url, database: "nowhere" }) }
        const { code, text } = yield* example("nightly", nowhere, cwd)
        assert.strictEqual(code, 1, text)
        assert.lengthOf(text.match(/WARN.*There is no database "nowhere"/g) ?? [], 1)
      })
    )

    it.effect("ships a dump by a task of one's own, without which no older dump goes", () =>
      Effect.gen(function* () {
        const source = yield* journal
        const [cwd, vault] = [yield* Restores.folder, yield* Restores.folder]
        const env = { DATABASE_URL: uri(source.url), VAULT: vault }
        for (let run = 1; run <= 3; run++) {
          const { code, text } = yield* example("custom-task", env, cwd)
          assert.strictEqual(code, 0, text)
          assert.match(text, /Done: Dump the database, .*Ship the dump, Keep the newest dumps\./)
        }
        assert.sameMembers(
          readdirSync(vault).filter((name) => name.endsWith(".sql")),
          dumpsIn(cwd)
        )
        // The example asks for the pg_dump that is in the package.
        for (const name of dumpsIn(cwd)) {
          assert.match(readFileSync(join(cwd, "dumps", `${name}.manifest.json`), "utf8"), /"kind": *"wasm"/)
        }
        const closed = yield* example("custom-task", { ...env, VAULT: join(vault, "no such folder") }, cwd)
        assert.strictEqual(closed.code, 1, closed.text)
        assert.include(closed.text, "VaultClosed")
        assert.lengthOf(dumpsIn(cwd), 4)
        yield* example("custom-task", env, cwd)
        assert.lengthOf(dumpsIn(cwd), 3)
      })
    )
  })
})
