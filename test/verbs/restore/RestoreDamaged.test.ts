/**
 * A restore of a dump to which anything has happened: it is refused (exit code 4) before a single statement is sent,
 * and the target is as it was. `test/cli/Damaged.test.ts` does the same by the program.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../../src/cli/ExitCode.ts"
import type { Method } from "../../../src/dumps/Compression.ts"
import * as DatabaseUrl from "../../../src/postgres/DatabaseUrl.ts"
import * as Session from "../../../src/postgres/Session.ts"
import * as Restore from "../../../src/verbs/Restore.ts"
import * as Chance from "../../support/Chance.ts"
import { DamagedDumps, lay, ofMethod, sourceMajor } from "../../support/DamagedDumps.ts"
import * as Damages from "../../support/Damages.ts"
import * as NativePgDump from "../../support/NativePgDump.ts"
import * as Restores from "../../support/Restores.ts"
import { isLong, long, ofRun } from "../../support/Tier.ts"
import * as WasmPgDump from "../../support/WasmPgDump.ts"

/** Places by chance. */
const count = isLong(process.env) ? 300 : 40
/** Of the structural borders so many, all in the long run. */
const borders = isLong(process.env) ? undefined : 60
const packings = Damages.methods.filter((method) => method !== "none")

/** What the sessions of a database have last done, besides taking and giving back the lock against other pgarks. */
const activity = ({ sql }: Session.SessionService, database: string) =>
  Effect.map(
    sql`SELECT pid, backend_start::text, state, CASE WHEN query LIKE '%pg_advisory_unlock%' THEN 'SELECT 1' ELSE query END AS query
      FROM pg_stat_activity WHERE datname = ${database} AND backend_type = 'client backend' ORDER BY pid`,
    (rows) => JSON.stringify(rows)
  )

/** Each is refused and the target is as it was; the same dump undamaged is restored. */
const refuses = Effect.fnUntraced(function* (whole: Damages.Stored, damages: ReadonlyArray<Damages.Damage>) {
  const { target } = yield* DamagedDumps
  const directory = yield* Restores.folder
  const restore = (file: string) => Restore.restore({ ...Restores.restoreOptions, clean: true, file })
  yield* Effect.gen(function* () {
    // The session is there, and has been used.
    yield* (yield* Session.Session).execute("SELECT 1")
    const onlooker = yield* Session.open(DatabaseUrl.withDatabase(target.admin, "postgres"))
    const look = activity(onlooker, target.admin.database)
    yield* Restores.unchanged(
      target.admin,
      Effect.gen(function* () {
        const before = yield* look
        assert.match(before, /SELECT 1/)
        for (const { bytes, manifest, name } of damages) {
          const file = lay(directory, { bytes: bytes(), manifest })
          const where = `${name} (seed ${Chance.seed})`
          const code = yield* Effect.match(restore(file), { onFailure: exitCodeOf, onSuccess: () => 0 })
          assert.strictEqual(code, 4, where)
          assert.strictEqual(yield* look, before, where)
        }
      })
    )
    const restored = yield* restore(lay(directory, whole))
    assert.strictEqual(restored.against, whole.manifest === undefined ? "structure" : "manifest")
  }).pipe(Effect.provide(Restores.restoreLayer(target.url, directory)))
})

/** Long on a machine that is busy with others. */
const timeout = { timeout: 300_000 }

const packedBy = (method: Method) => (method === "none" ? "" : `, packed by ${method}`)

const programs = {
  wasm: { suite: describe, dump: WasmPgDump.dump },
  native: {
    suite: (title: string, body: () => void) => NativePgDump.suite(title, sourceMajor, body),
    dump: NativePgDump.dump
  }
}
type Kind = keyof typeof programs

layer(DamagedDumps.layer, { excludeTestServices: true })((it) => {
  /** All that may happen to it; its SQL is cut at all structural borders, or at so many of them. */
  const withManifest = (method: Method, borders?: number) =>
    it.effect(
      `with its manifest, cut or changed${packedBy(method)}`,
      () =>
        Effect.gen(function* () {
          const [whole, other] = yield* ofMethod(method)
          const lost = Damages.lostBlocks(whole)
          assert.strictEqual(lost.length, 2 * 18)
          yield* refuses(whole, [
            ...Damages.cuts(whole, count),
            ...Damages.borderCuts(whole, borders),
            ...Damages.flips(whole, count),
            ...lost,
            ...Damages.mixed(whole, other)
          ])
        }),
      timeout
    )

  /** Cuts of what pg_dump alone has made. */
  const withoutManifest = (kind: Kind, method: Method, borders?: number) =>
    programs[kind].suite(`of pg_dump alone (${kind})`, () =>
      it.effect(
        `without a manifest, cut anywhere${packedBy(method)}`,
        () =>
          Effect.gen(function* () {
            const { source } = yield* DamagedDumps
            const whole = { method, bytes: Damages.pack(method, yield* programs[kind].dump(source)) }
            yield* refuses(whole, [...Damages.cuts(whole, count), ...Damages.borderCuts(whole, borders)])
          }),
        timeout
      )
    )

  describe("a restore refuses a dump", () => {
    withManifest("none", borders)
    for (const method of ofRun(packings, [])) withManifest(method, 0)
    withoutManifest("wasm", "none", borders)
    withoutManifest("native", "none", 0)
  })

  long("a restore refuses a dump that is cut at any border", () => {
    for (const method of packings) withManifest(method)
    withoutManifest("native", "none")
    for (const kind of ["wasm", "native"] as const) for (const method of packings) withoutManifest(kind, method)
  })
})
