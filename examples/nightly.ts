/**
 * For cron: dumps a database, reads the dump back, holds the database against it, and keeps the newest dumps. Tries
 * again where the server cannot be reached, for about a minute.
 *
 *     DATABASE_URL=… KEEP=7 node nightly.ts
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Database, Dump, DumpStore, PgDump, Verify } from "pgark"

const nightly = Effect.gen(function* () {
  const store = yield* DumpStore.DumpStore
  const dump = yield* Dump.dump()
  const expected = yield* store.prove(dump)
  // Where the app is at work by night, rows will differ: look only at what must be the same, or leave this away.
  const { tables, rows } = yield* Verify.verify({ expected, file: dump.file })
  const { removed } = yield* store.keep(yield* Config.Int("KEEP").pipe(Config.withDefault(7)))
  yield* Effect.log(`${dump.file} holds ${rows} rows in ${tables} tables; older dumps removed: ${removed.length}.`)
})

const again = Schedule.exponential("500 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 7 }))

const attempt = Effect.provide(nightly, Database.layerConfig()).pipe(
  Effect.tapError((error) => Effect.logWarning(error.message)),
  // Each attempt connects anew. What will be no better in a second is not tried again.
  Effect.retry({ schedule: again, while: ({ _tag }) => _tag === "ConnectionFailed" })
)

const services = Layer.mergeAll(DumpStore.layer("dumps"), PgDump.layer()).pipe(Layer.provideMerge(NodeServices.layer))

NodeRuntime.runMain(Effect.provide(attempt, services))
