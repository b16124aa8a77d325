/** Restores in several transactions whose process is killed, at steps where somebody else's lock makes them wait. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { endAt, nothingLeft, restoreArgs, type Stop, undone } from "../support/Killing.ts"
import * as Pgark from "../support/Pgark.ts"
import { prepare, SmallServer } from "../support/SmallServer.ts"
import * as Several from "../support/Several.ts"
import { snapshot } from "../support/Snapshot.ts"
import { each, long } from "../support/Tier.ts"

const unbegun: ReadonlyArray<Stop> = [
  {
    way: "aside",
    name: "aside, before the first COMMIT",
    before: "LOCK TABLE public.t5 IN ACCESS SHARE MODE",
    waits: "LOCK TABLE%ACCESS EXCLUSIVE%"
  },
  {
    way: "batches",
    name: "batches, before the first COMMIT",
    before: "LOCK TABLE public.t5 IN ROW EXCLUSIVE MODE",
    waits: "LOCK TABLE%"
  }
]

const between: ReadonlyArray<Stop> = (["aside", "batches"] as const).flatMap((way) => [
  ...(way === "aside"
    ? [
        {
          way,
          name: "aside, in the last transaction",
          meanwhile: "COMMENT ON SCHEMA public IS 'mine'",
          waits: "%ON SCHEMA%"
        }
      ]
    : [
        {
          way,
          name: "batches, while the old things are dropped",
          before: "LOCK TABLE public.t5 IN ACCESS SHARE MODE",
          waits: "DROP TABLE%"
        }
      ]),
  { way, name: `${way}, in the middle of the dump`, waits: "CREATE INDEX%" },
  {
    way,
    name: `${way}, while verifying`,
    meanwhile: "LOCK TABLE public.t0 IN ACCESS EXCLUSIVE MODE",
    waits: "%t0%"
  }
])

/** One of the other way is in {@link file://./KilledLarge.test.ts}. */
const usual = (stop: Stop) => stop.name.includes("old things")

/** When the new state is complete. */
const dropping: Stop = {
  way: "aside",
  name: "aside, while the old schemas are dropped",
  meanwhile: "LOCK TABLE pgark_aside_2200.t5 IN ACCESS SHARE MODE",
  waits: "DROP TABLE%"
}

layer(SmallServer.layer, { excludeTestServices: true, timeout: 60_000 })("a restore that is killed", (it) => {
  each(
    between,
    between.filter(usual),
    ({ name }) => name,
    (stop) => {
      it.effect(
        "is told of, and what was there comes back with undo",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(stop.way)
            const { options, url } = target
            const { code } = yield* endAt(target, restoreArgs(target), stop)
            assert.strictEqual(code, null)
            assert.notStrictEqual(yield* snapshot(url), target.before)
            const again = restoreArgs(target)
            for (const args of [again, [...again, "--dry-run"]]) {
              const refused = yield* Pgark.run(args, options)
              assert.strictEqual(refused.code, 8, refused.stderr)
              assert.match(refused.stderr, /was cut short: the target is between its old and its new state/)
              assert.match(refused.stderr, /^ {2}next .*`pgark undo`/m)
            }
            const dumped = yield* Pgark.run(["dump", "--dir", "dumps"], options)
            assert.strictEqual(dumped.code, 0, dumped.stderr)
            assert.match(dumped.stderr, /^WARNING: .* was cut short/m)
            yield* undone(target)
            nothingLeft(target)
            const twice = yield* Pgark.run(["undo", "--yes"], options)
            assert.strictEqual(twice.code, 4, twice.stderr)
          }),
        120_000
      )
    }
  )

  each(
    unbegun,
    [],
    ({ name }) => name,
    (stop) => {
      it.effect(
        "has changed nothing, and leaves nothing to be undone",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(stop.way)
            yield* endAt(target, restoreArgs(target), stop)
            assert.strictEqual(yield* snapshot(target.url), target.before)
            const undo = yield* Pgark.run(["undo", "--yes"], target.options)
            assert.strictEqual(undo.code, 4, undo.stderr)
            nothingLeft(target)
          }),
        120_000
      )
    }
  )

  each(
    [...unbegun, ...between],
    [],
    ({ name }) => name,
    (stop) => {
      for (const end of ["SIGINT", "pg_terminate_backend"] as const) {
        it.effect(
          `is taken back by itself where it is ended by ${end}`,
          () =>
            Effect.gen(function* () {
              const target = yield* prepare(stop.way)
              const { code, stderr } = yield* endAt(target, restoreArgs(target), stop, end)
              assert.strictEqual(code, end === "SIGINT" ? 130 : 6, stderr)
              assert.match(stderr, /^ {2}state {3}(rolled back|the target is as it was)/m)
              assert.strictEqual(yield* snapshot(target.url), target.before)
              nothingLeft(target)
            }),
          120_000
        )
      }
    }
  )

  each(
    [
      ...(["aside", "batches"] as const).map((way) => ({
        way,
        name: `${way}, and whose undo is killed while it drops`,
        before: "LOCK TABLE public.t0 IN ACCESS SHARE MODE",
        waits: "DROP TABLE%"
      })),
      {
        way: "aside",
        name: "aside, and whose undo is killed before it renames",
        before: "GRANT USAGE ON SCHEMA pgark_aside_2200 TO PUBLIC",
        waits: "%ALTER SCHEMA%"
      },
      { way: "batches", name: "batches, and whose undo is killed in the middle", waits: "CREATE INDEX%" }
    ] satisfies ReadonlyArray<Stop>,
    [],
    ({ name }) => name,
    (stop) => {
      it.effect(
        "is undone by the next undo",
        () =>
          Effect.gen(function* () {
            const target = yield* prepare(stop.way)
            yield* endAt(target, restoreArgs(target), { waits: "CREATE INDEX%" })
            yield* endAt(target, ["undo", "--yes"], stop)
            yield* undone(target)
            nothingLeft(target)
          }),
        120_000
      )
    }
  )

  long("in the long run,", () => {
    it.effect(
      `${dropping.name}, has happened, and the next restore tidies up`,
      () =>
        Effect.gen(function* () {
          const target = yield* prepare(dropping.way)
          const { options, url } = target
          yield* endAt(target, restoreArgs(target), dropping)
          assert.deepStrictEqual(yield* Several.asides(url), ["pgark_aside_2200"])
          const next = yield* Pgark.run([...restoreArgs(target).slice(0, 4), "--no-analyze"], options)
          assert.strictEqual(next.code, 0, next.stderr)
          assert.match(next.stderr, /^note {2}.*"pgark_aside_2200" are dropped now/m)
          assert.deepStrictEqual(yield* Several.asides(url), [])
        }),
      120_000
    )
  })

  long(`${dropping.name}, by a signal that is heeded`, () => {
    it.effect(
      "has happened, and can be undone",
      () =>
        Effect.gen(function* () {
          const target = yield* prepare(dropping.way)
          const { code, stderr } = yield* endAt(target, restoreArgs(target), dropping, "SIGINT")
          assert.strictEqual(code, 8, stderr)
          assert.match(
            stderr,
            /^pgark: Interrupted: the restore was committed; only "Drop what was set aside" was cut short/m
          )
          assert.deepStrictEqual(yield* Several.asides(target.url), ["pgark_aside_2200"])
          const undo = yield* undone(target)
          assert.match(undo.stderr, /pgark_aside_2200/)
        }),
      120_000
    )
  })
})
