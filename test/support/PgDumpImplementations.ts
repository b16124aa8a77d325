/** Both ways to pg_dump, for tests that hold one against the other. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as DatabaseUrl from "../../src/postgres/DatabaseUrl.ts"
import { PgDump, type PgDumpKind, type PgDumpOptions, type PgDumpRun } from "../../src/postgres/PgDump.ts"

export const everything: PgDumpOptions = { schemas: [], excludeTables: [], excludeTableData: [] }

/** The program of that kind for a server of this major. */
export const program = (kind: PgDumpKind, serverMajor: number) =>
  Effect.flatMap(PgDump, ({ choose }) => choose(serverMajor)).pipe(
    Effect.provide(Layer.provide(PgDump.layer(kind), NodeServices.layer))
  )

/** The whole dump. */
export const dump = Effect.fnUntraced(function* (
  kind: PgDumpKind,
  serverMajor: number,
  url: DatabaseUrl.DatabaseUrl,
  options: Partial<PgDumpOptions> = {},
  run: PgDumpRun = {}
) {
  const { dump } = yield* program(kind, serverMajor)
  return Buffer.concat(yield* Stream.runCollect(dump(url, { ...everything, ...options }, run)))
})
