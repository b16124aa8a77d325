/** What a command's flags say about database, folder and tools, as layers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DumpStore } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type * as Task from "../pipeline/Task.ts"
import * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import { isSystemSchema } from "../postgres/Identifier.ts"
import { PgDump, type PgDumpChoice } from "../postgres/PgDump.ts"
import { Session } from "../postgres/Session.ts"
import { DatabaseUrlFlag } from "./Flags.ts"
import type { CommandResult } from "./Handler.ts"
import { renderPlan } from "./RenderPlan.ts"

/** The database that the flags and the environment name. */
export const databaseUrl = Effect.flatMap(DatabaseUrlFlag, DatabaseUrl.fromConfig)

/** The same where a command can do without: none where none is named. One that is broken is a failure all the same. */
export const databaseUrlIfNamed = Effect.flatMap(DatabaseUrlFlag, DatabaseUrl.configured)

/**
 * The schemas that a command works on, each once: those of the flag, else the URL's, else public. Fails where the URL
 * names one of the server's own; of the flag's {@link file://./Flags.ts} has seen to it.
 */
export const schemas = Effect.fnUntraced(function* (
  flag: ReadonlyArray<string>,
  url: DatabaseUrl.DatabaseUrl | undefined
): Effect.fn.Return<ReadonlyArray<string>, DatabaseUrl.DatabaseUrlInvalid> {
  if (flag.length > 0) return [...new Set(flag)]
  const schema = url?.schema ?? "public"
  if (!isSystemSchema(schema)) return [schema]
  return yield* new DatabaseUrl.DatabaseUrlInvalid({
    message: `schema=${schema} in the database URL is a system schema, which belongs to the server.`,
    suggestion: "Name the app's schema there, or with --schema.",
    state: "untouched"
  })
})

/** A session on that database, for as long as the command runs. */
export const session = (url: DatabaseUrl.DatabaseUrl) => Session.layer(url)

/** The folder of dumps. */
export const store = (directory: string) => DumpStore.layer(directory)

/** Everything a verb may need. */
export const layer = (url: DatabaseUrl.DatabaseUrl, directory: string, pgDump: PgDumpChoice = "auto") =>
  Layer.mergeAll(session(url), store(directory), PgDump.layer(pgDump))

/** A dry run: the plan is the result. */
export const dryRun = <T extends Task.Any>(pipeline: Pipeline.Pipeline<T>, url: DatabaseUrl.DatabaseUrl) =>
  Effect.map(Pipeline.plan(pipeline), ({ plan }): CommandResult => {
    const database = DatabaseUrl.describe(url)
    return { text: renderPlan(plan, database), document: { database, plan } }
  })
