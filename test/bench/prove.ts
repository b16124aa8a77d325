/** Proves the dump that is named: the program whose seconds and memory `dump.ts` measures. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { dirname } from "node:path"
import { DumpStore } from "../../src/dumps/DumpStore.ts"

const file = process.argv[2] ?? ""

const run = Effect.gen(function* () {
  const store = yield* DumpStore
  const { against } = yield* store.prove(yield* store.find(file))
  if (against !== "manifest") return yield* Effect.die(new Error(`${file} has no manifest`))
})

NodeRuntime.runMain(run.pipe(Effect.provide(DumpStore.layer(dirname(file)).pipe(Layer.provide(NodeServices.layer)))))
