/**
 * The bundled program on a given Node: dump, damage, `restore --clean`, verify, and a mistyped flag.
 *
 *     node test/smoke/restore.ts PATH_OF_NODE
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as EmbeddedServer from "../../src/demo/EmbeddedServer.ts"
import * as JournalDatabase from "../../src/demo/JournalDatabase.ts"
import * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { Session } from "../../src/postgres/Session.ts"

const node = resolve(process.argv[2] ?? process.execPath)
const main = resolve(import.meta.dirname, "../../dist/main.js")

const smoke = Effect.gen(function* () {
  const server = yield* EmbeddedServer.start()
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "pgark-smoke-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const pgark = (...args: ReadonlyArray<string>) => {
    const { status, stdout, stderr } = spawnSync(node, [main, ...args], {
      cwd: folder,
      encoding: "utf8",
      // Prisma's parameter stands in it: pg_dump must never see it.
      env: {
        PATH: process.env["PATH"],
        DATABASE_URL: `${Redacted.value(DatabaseUrl.toUri(server.superuser))}&schema=public`
      }
    })
    return { status, stdout, stderr, all: `${stdout}${stderr}` }
  }
  const ok = (...args: ReadonlyArray<string>) => {
    const result = pgark(...args)
    assert.equal(result.status, 0, result.all)
    return result
  }
  yield* Effect.gen(function* () {
    yield* JournalDatabase.create({ events: 500 })
    ok("dump", "--pg-dump", "wasm")
    const session = yield* Session
    yield* session.execute(`DELETE FROM public."JournalEntry"; DROP VIEW public."DayOverview"`)
    assert.equal(pgark("verify").status, 3)
    const mistyped = pgark("restore", "--claen", "--yes")
    assert.equal(mistyped.status, 2, mistyped.all)
    assert.match(mistyped.stderr, /--clean/)
    assert.equal(mistyped.stdout, "")
    ok("restore", "--clean", "--yes")
    ok("verify")
    const { dumps } = JSON.parse(ok("list", "--json").stdout) as { dumps: ReadonlyArray<{ proven: boolean }> }
    assert.deepEqual(
      dumps.map(({ proven }) => proven),
      [true]
    )
  }).pipe(Effect.provide(Session.layer(server.superuser)))
  process.stdout.write("1 passed, 0 failed\n")
})

NodeRuntime.runMain(Effect.scoped(smoke).pipe(Effect.provide(NodeServices.layer)))
