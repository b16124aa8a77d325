import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { attend, program, teardown } from "./cli/Cli.ts"

// Each read of a socket makes garbage outside of V8's heap, for which it would mark all of the heap again and again: some
// 60 times for a gigabyte of rows, a tenth of the processor's time. It is small, and quickly marked when need be.
setFlagsFromString("--no-incremental-marking")
attend()
NodeRuntime.runMain(program(process.argv.slice(2)).pipe(Effect.provide(NodeServices.layer)), {
  disableErrorReporting: true,
  teardown
})
