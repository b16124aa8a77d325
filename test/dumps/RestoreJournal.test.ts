import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type Journal, journalVersion, within } from "../../src/dumps/RestoreJournal.ts"
import { folder } from "../support/Restores.ts"

const journal = (minute: number): Journal => ({
  version: journalVersion,
  at: DateTime.makeUnsafe(`2026-01-02T03:${String(minute).padStart(2, "0")}:05.678Z`),
  target: { system: "7", oid: "5", database: `with "quotes"`, host: "::1", port: 5432 },
  by: "restore",
  file: "dumps/ü.sql",
  way: "transaction",
  state: "begun",
  backup: "db_dump_2026-01-02T03-04-05-678Z.sql",
  replaces: true,
  clean: false,
  schemas: ["public", ""],
  newSchemas: [],
  creates: [
    { kind: "TABLE", schema: "public", name: "t" },
    { kind: "PUBLICATION", name: "p" }
  ],
  leaves: [{ kind: "FUNCTION", schema: "public", name: "f" }],
  tables: [{ schema: "public", name: "t" }],
  newExtensions: ["hstore"],
  largeObjects: ["1000"],
  grantees: ["app"],
  rights: [{ schema: "public", grantee: null, grantor: "me", privilege: "USAGE", grantable: false }]
})

const make = Effect.gen(function* () {
  const directory = join(yield* folder, "before-restore")
  return { directory, journals: within(yield* FileSystem.FileSystem, directory) }
}).pipe(Effect.provide(NodeServices.layer))

describe("journals of restores", () => {
  it.live("are read as they were written, the newest first, by nobody else", () =>
    Effect.gen(function* () {
      const { directory, journals } = yield* make
      assert.deepStrictEqual(yield* journals.list, [])
      assert.isFalse(existsSync(directory))
      for (const minute of [7, 30, 4]) yield* journals.write(journal(minute))
      yield* journals.write({ ...journal(7), state: "done", xid: "12345678901" })
      const found = yield* journals.list
      assert.deepStrictEqual(found, [journal(30), { ...journal(7), state: "done", xid: "12345678901" }, journal(4)])
      const file = journals.path(journal(4))
      assert.strictEqual(file, join(directory, "restore_2026-01-02T03-04-05-678Z_5.json"))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      yield* journals.remove(journal(4))
      yield* journals.remove(journal(4))
      assert.lengthOf(yield* journals.list, 2)
      // Of the same moment, and of another database.
      yield* journals.write({ ...journal(7), target: { ...journal(7).target, oid: "6" } })
      assert.lengthOf(yield* journals.list, 3)
    })
  )

  it.live("that cannot be read are told, and what is none is passed over", () =>
    Effect.gen(function* () {
      const { directory, journals } = yield* make
      yield* journals.write(journal(4))
      const file = journals.path(journal(4))
      const text = readFileSync(file, "utf8")
      // What a killed run was about to write, and dumps.
      writeFileSync(`${file}.partial`, "{")
      writeFileSync(join(directory, "db_dump_2026-01-02T03-04-05-678Z.sql"), "")
      mkdirSync(join(directory, "restore"))
      // It is gone when it is to be read: another pgark has removed it.
      symlinkSync("nowhere", journals.path(journal(5)))
      assert.lengthOf(yield* journals.list, 1)
      for (const broken of [
        "",
        "{",
        text.replace(`"version": ${journalVersion}`, `"version": 99`),
        text.slice(0, -20),
        text.replace(`"backup": "`, `"backup": "../`)
      ]) {
        writeFileSync(file, broken)
        const error = yield* Effect.flip(journals.list)
        assert.strictEqual(error._tag, "DumpDamaged")
        assert.include(error.message, file)
      }
      assert.lengthOf(readdirSync(directory), 5)
    })
  )
})
