/** Damaged dumps through the program: exit code 4, and the target as it was. See `test/verbs/RestoreDamaged.test.ts`. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chance from "../support/Chance.ts"
import { DamagedDumps, lay, ofMethod } from "../support/DamagedDumps.ts"
import * as Damages from "../support/Damages.ts"
import * as Pgark from "../support/Pgark.ts"
import * as Restores from "../support/Restores.ts"
import { long } from "../support/Tier.ts"
import * as WasmPgDump from "../support/WasmPgDump.ts"

/** Places by chance, for cuts and for changed bytes. */
const count = 300
/** Borders of packed dumps: the same as of one that is not. */
const some = 100
/** How many are tried in every run. */
const few = 10

/** All of them, of dumps with a manifest in every form and of one without. */
const all = Effect.gen(function* () {
  const { source } = yield* DamagedDumps
  const alone = { method: "none", bytes: yield* WasmPgDump.dump(source) } as const
  const found = yield* Effect.forEach(Damages.methods, (method) =>
    Effect.map(ofMethod(method), ([whole, other]) =>
      [
        ...Damages.cuts(whole, count),
        ...Damages.borderCuts(whole, method === "none" ? undefined : some),
        ...Damages.flips(whole, count),
        ...Damages.lostBlocks(whole),
        ...Damages.mixed(whole, other)
      ].map((damage) => ({ ...damage, name: `${method}, ${damage.name}` }))
    )
  )
  return [...found.flat(), ...Damages.cuts(alone, count), ...Damages.borderCuts(alone)]
})

/** Each is refused by a program of its own; the last thing tried is a whole dump, which is restored. */
const refused = Effect.fnUntraced(function* (damages: ReadonlyArray<Damages.Damage>) {
  const { target } = yield* DamagedDumps
  const restore = Effect.fnUntraced(function* (dump: Parameters<typeof lay>[1]) {
    const cwd = yield* Restores.folder
    return yield* Pgark.run(["restore", lay(cwd, dump), "--clean", "--yes", "--quiet", "--wait"], {
      cwd,
      env: { DATABASE_URL: Pgark.uri(target.url) }
    })
  }, Effect.scoped)
  yield* Restores.unchanged(
    target.admin,
    Effect.forEach(
      damages,
      ({ bytes, manifest, name }) =>
        Effect.map(restore({ bytes: bytes(), manifest }), ({ code, stderr, stdout }) => {
          const where = `${name} (seed ${Chance.seed}): ${stderr}`
          assert.deepStrictEqual({ code, stdout }, { code: 4, stdout: "" }, where)
          assert.match(stderr, /^ {2}state {3}nothing was changed$/m, where)
        }),
      { concurrency: 2, discard: true }
    )
  )
  const [whole] = yield* ofMethod("none")
  const { code, stderr } = yield* restore(whole)
  assert.strictEqual(code, 0, stderr)
})

layer(DamagedDumps.layer, { excludeTestServices: true })((it) => {
  describe("a damaged dump is refused by the program", () => {
    it.effect("for some, by chance", () => Effect.flatMap(all, (damages) => refused(Chance.sample(5, few, damages))), {
      timeout: 300_000
    })
  })

  long("a damaged dump is refused by the program, whatever has happened to it", () => {
    it.effect("for all", () => Effect.flatMap(all, refused), { timeout: 7_200_000 })
  })
})
