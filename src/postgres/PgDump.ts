/**
 * `pg_dump`, the one program that knows every corner of PostgreSQL's DDL, behind a service.
 *
 * It comes from the machine, or as WebAssembly with pgark.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { mostFitting } from "./ClientProgram.ts"
import * as NativePgDump from "./pgdump/NativePgDump.ts"
import type { PgDumpProgram } from "./pgdump/PgDumpProgram.ts"
import * as WasmPgDump from "./pgdump/WasmPgDump.ts"
import type { ToolMissing } from "./ToolMissing.ts"

export {
  type PgDumpError,
  PgDumpFailed,
  type PgDumpKind,
  type PgDumpOptions,
  type PgDumpProgram,
  type PgDumpRun,
  type PgDumpSection,
  type PgDumpSettings,
  type PgDumpTool
} from "./pgdump/PgDumpProgram.ts"

/** `auto` takes a program of the machine where one is new enough for the server, else the one as WebAssembly. */
export const pgDumpChoices = ["auto", "native", "wasm"] as const
export type PgDumpChoice = (typeof pgDumpChoices)[number]

export interface PgDumpService {
  /**
   * The pg_dump for a server of this major version, `15` for example. Where none that may be chosen is new enough it
   * is the newest; `tool.major` tells.
   */
  readonly choose: (serverMajor: number) => Effect.Effect<PgDumpProgram, ToolMissing>
}

/** The way to a dump's SQL text. */
export class PgDump extends Context.Service<PgDump, PgDumpService>()("pgark/postgres/PgDump") {
  /** Looks for programs at its first use, once. */
  static readonly layer = (
    choice: PgDumpChoice = "auto"
  ): Layer.Layer<PgDump, never, ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem> =>
    Layer.effect(
      PgDump,
      Effect.gen(function* () {
        const context = yield* Effect.context<ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem>()
        const wasm = yield* Effect.cached(WasmPgDump.make)
        const tools = yield* Effect.cached(NativePgDump.find)
        const choose = Effect.fn("PgDump.choose")(function* (serverMajor: number) {
          if (choice === "wasm") return yield* wasm
          const tool = mostFitting(yield* tools, serverMajor)
          const fits = tool !== undefined && tool.major >= serverMajor
          if (choice === "auto" && !fits) return yield* wasm
          if (tool === undefined) return yield* NativePgDump.missing()
          return yield* NativePgDump.make(tool)
        }, Effect.provideContext(context))
        return PgDump.of({ choose })
      })
    )
}

/** Dumps by pg_dump: that of the machine where it is new enough, else the one that comes with pgark, unless told. */
export const { layer } = PgDump
