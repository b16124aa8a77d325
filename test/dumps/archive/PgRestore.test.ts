/** Which pg_restore reads an archive, and what is said where none can. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DumpStore } from "../../../src/dumps/DumpStore.ts"
import { forArchive, neededMajor } from "../../../src/postgres/pgrestore/PgRestore.ts"
import * as Archives from "../../support/Archives.ts"
import * as Restores from "../../support/Restores.ts"

/** The header of a custom archive in a format that no pg_restore before 19 reads. */
const archive = Effect.fnUntraced(function* () {
  const file = join(yield* Restores.folder, "new.dump")
  writeFileSync(file, Buffer.concat([Buffer.from("PGDMP"), Buffer.of(1, 99, 0, 4, 8, 1)]))
  return file
})

const sql = (lines: string) => `${lines}\n\n--\n-- PostgreSQL database dump complete\n--\n\n`

const prove = (file: string) =>
  Effect.flatMap(DumpStore, (store) => Effect.flatMap(store.find(file), store.prove)).pipe(
    Effect.provide(Layer.provide(DumpStore.layer("."), NodeServices.layer))
  )

describe("pg_restore", () => {
  it("is needed in the major that came with the archive's format", () => {
    assert.deepStrictEqual([12, 13, 14, 15, 16, 17].map(neededMajor), [12, 12, 12, 16, 17, 19])
  })

  it.live("that is not there is asked for, with the way to do without", () =>
    Effect.gen(function* () {
      yield* Archives.pathIs(yield* Restores.folder)
      const error = yield* Effect.flip(forArchive("my.dump", 15))
      assert.deepInclude(error, { _tag: "ToolMissing", state: "untouched", tool: "pg_restore" })
      assert.match(error.message, /pg_restore 16 or later, and there is none on PATH/)
      assert.match(error.suggestion ?? "", /postgresql-client-16.*pg_restore -f dump\.sql my\.dump/)
    }).pipe(
      // No folder can be read, so that what is installed beside PATH does not count.
      Effect.provideService(FileSystem.FileSystem, FileSystem.makeNoop({})),
      Effect.provide(NodeServices.layer)
    )
  )

  it.live("that is too old is not run", () =>
    Effect.gen(function* () {
      const folder = yield* Archives.pgRestoreIs(`touch "$(dirname "$0")/run"`, "14.2")
      const error = yield* Effect.flip(prove(yield* archive()))
      assert.deepInclude(error, { _tag: "ToolMissing", state: "untouched" })
      assert.match(
        error.message,
        /format 1\.99\): reading it needs pg_restore 19 or later, and the newest here is 1\d\./
      )
      assert.isFalse(existsSync(join(folder, "run")))
    })
  )

  it.live("whose SQL is not what its list promises, or that fails at its end, proves nothing", () =>
    Effect.gen(function* () {
      const file = yield* archive()
      const entry = (name: string) => `-- Data for Name: ${name}; Type: TABLE DATA; Schema: public; Owner: me`
      const table = (name: string) => `--\n${entry(name)}\n--\n\nCOPY public.${name} (id) FROM stdin;\n1\n\\.\n`
      const fake = (listed: ReadonlyArray<string>, text: string, code: number) =>
        Effect.gen(function* () {
          const folder = yield* Restores.folder
          const lines = listed.map((name, index) => `${index + 7}; 0 99 TABLE DATA public ${name} me`)
          writeFileSync(join(folder, "list"), `;\n${lines.join("\n")}\n`)
          writeFileSync(join(folder, "sql"), sql(text))
          yield* Archives.pgRestoreIs(
            `case "$1" in --list) cat ${folder}/list;; --help) ;; *) cat ${folder}/sql; echo bad luck >&2; exit ${code};; esac`
          )
          return yield* Effect.result(prove(file))
        }).pipe(Effect.scoped)
      const whole = yield* fake(["a", "b c"], table("a") + table("b c"), 0)
      assert.strictEqual(whole._tag, "Success")
      const less = yield* fake(["a", "b c"], table("a"), 0)
      assert.match(less._tag === "Failure" ? less.failure.message : "", /1 times \(public b c me\), and it is there 0/)
      const swallowed = yield* fake(["a", "b c"], table("a").replace("1\n\\.\n", "") + table("b c"), 0)
      assert.match(swallowed._tag === "Failure" ? swallowed.failure.message : "", /table of contents/)
      const failed = yield* fake(["a", "b c"], table("a") + table("b c"), 1)
      assert.deepInclude(failed._tag === "Failure" ? failed.failure : {}, { _tag: "DumpDamaged", detail: "bad luck" })
    })
  )

  it.live("ends when nobody reads on", () =>
    Effect.gen(function* () {
      const folder = yield* Archives.pgRestoreIs(
        `case "$1" in --help) ;; *) echo $$ > "$(dirname "$0")/pid"; while :; do echo "SELECT 1;"; done;; esac`
      )
      const restore = yield* forArchive("x", 99)
      const reading = yield* Effect.forkChild(Stream.runDrain(restore.sql("x")))
      const pid = join(folder, "pid")
      yield* Restores.until(
        Effect.sync(() => existsSync(pid) && readFileSync(pid, "utf8") !== ""),
        Boolean,
        "20 seconds"
      )
      yield* Fiber.interrupt(reading)
      const alive = Effect.sync(() => existsSync(`/proc/${readFileSync(pid, "utf8").trim()}`))
      yield* Restores.until(alive, (is) => !is, "5 seconds")
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
