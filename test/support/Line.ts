/** The program in this process: a line that needs no database, and what it prints. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { program } from "../../src/cli/Cli.ts"

export interface Printed {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a line that the parser itself answers. */
export const line = (...argv: ReadonlyArray<string>): Effect.Effect<Printed> =>
  Effect.suspend(() => {
    const said = { stdout: "", stderr: "" }
    const to =
      (stream: "stdout" | "stderr") =>
      (...words: ReadonlyArray<unknown>) => {
        said[stream] += `${words.join(" ")}\n`
      }
    const console: Console.Console = Object.assign(Object.create(globalThis.console), {
      log: to("stdout"),
      error: to("stderr")
    })
    return program(argv).pipe(
      Effect.provideService(Console.Console, console),
      Effect.provide(NodeServices.layer),
      Effect.orDie,
      Effect.map((code) => ({ code, ...said }))
    )
  })
