/** What a command's flags say about database, folder and tools, as layers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DumpStore } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type * as Task from "../pipeline/Task.ts"
import * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import { PgDump, type PgDumpChoice } from "../postgres/PgDump.ts"
import { Session } from "../postgres/Session.ts"
import { DatabaseUrlFlag } from "./Flags.ts"
import type { CommandResult } from "./Handler.ts"
import { renderPlan } from "./RenderPlan.ts"

/** The database that the flags and the environment name. */
export const databaseUrl = Effect.flatMap(DatabaseUrlFlag, DatabaseUrl.fromConfig)

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
