/** What a command's flags say about database, folder and tools, as layers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DumpStore } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type * as Task from "../pipeline/Task.ts"
import * as Connecting from "../postgres/Connecting.ts"
import * as DatabaseUrl from "../postgres/DatabaseUrl.ts"
import { isSystemSchema } from "../postgres/Identifier.ts"
import { PgDump, type PgDumpChoice } from "../postgres/PgDump.ts"
import { open, Session } from "../postgres/Session.ts"
import * as Tls from "../postgres/connecting/Tls.ts"
import { permitted, type Use } from "./config/Choice.ts"
import * as Config from "./config/Chosen.ts"
import { NamedBy } from "./config/DatabaseFlags.ts"
import * as Protected from "./config/Protected.ts"
import { AllowPoolerFlag, ConnectTimeoutFlag } from "./Flags.ts"
import type { CommandResult } from "./Handler.ts"
import { PlanInvalid } from "../verbs/SavedPlan.ts"
import * as Leftover from "../verbs/restore/several/Leftover.ts"
import type { OutputService } from "./output/Output.ts"
import { renderMermaid } from "./render/RenderMermaid.ts"
import { renderPlan } from "./render/RenderPlan.ts"

/** What the flags say of a connection beats the URL. Fails where its words for TLS cannot be followed. */
const settled = Effect.fnUntraced(function* (url: DatabaseUrl.DatabaseUrl) {
  const timeout = yield* ConnectTimeoutFlag
  const told = Option.isNone(timeout) ? url : Connecting.withTimeout(url, timeout.value)
  yield* Tls.check(told)
  return told
})

/** Tells which database it is where that does not go without saying: by a name, or against the file's default. */
const tellDatabase = Effect.fnUntraced(function* ({ choice, file }: Config.Choosing, url: DatabaseUrl.DatabaseUrl) {
  const { named, passedOver, why } = choice
  if (named === undefined && (passedOver === undefined || why === "--database-url")) return
  const by = yield* NamedBy
  const from = why === "--database" ? by : Config.because(choice, file)
  const value = DatabaseUrl.describe(url)
  const told = named === undefined ? value : `${named.name}, ${value}`
  yield* Config.tell({ setting: by.replace(/^--/, ""), value: told, from })
})

/**
 * The database that the flags, the environment and the configuration file name, where one is named. One that is broken
 * is a failure all the same, and one that the file keeps from what the command will do.
 */
export const databaseUrlIfNamed = Effect.fnUntraced(function* (use: Use) {
  const choosing = yield* Config.chosen
  yield* Effect.fromResult(permitted(choosing.choice, use, choosing.file))
  const url = yield* Effect.flatMap(Config.urlOf(choosing.choice), DatabaseUrl.configured)
  if (Option.isNone(url)) return Option.none<DatabaseUrl.DatabaseUrl>()
  yield* Protected.refuse(choosing, use, url.value)
  yield* tellDatabase(choosing, url.value)
  return Option.some(yield* settled(url.value))
})

/** The same where there has to be one. */
export const databaseUrl = Effect.fnUntraced(function* (use: Use) {
  const url = yield* databaseUrlIfNamed(use)
  return Option.isSome(url) ? url.value : yield* DatabaseUrl.missing()
})

/**
 * The schemas that a command works on, each once: those of the flag or of the configuration, else the URL's, else
 * public. Fails where the URL names one of the server's own; of the others {@link file://./Flags.ts} and the file's Schema
 * have seen to it.
 */
export const schemas = Effect.fnUntraced(function* (
  given: ReadonlyArray<string>,
  url: DatabaseUrl.DatabaseUrl | undefined
): Effect.fn.Return<ReadonlyArray<string>, DatabaseUrl.DatabaseUrlInvalid> {
  if (given.length > 0) return [...new Set(given)]
  const schema = url?.schema ?? "public"
  if (!isSystemSchema(schema)) return [schema]
  return yield* new DatabaseUrl.DatabaseUrlInvalid({
    message: `schema=${schema} in the database URL is a system schema, which belongs to the server.`,
    suggestion: "Name the app's schema there, or with --schema.",
    state: "untouched"
  })
})

/**
 * Commands of one connection, in a transaction of which all is put back that they set: a pooler in session mode does
 * not matter to them.
 */
const unpooled = new Set(["grant", "verify"])

const sessionOptions = (command: string) =>
  Effect.map(AllowPoolerFlag, (allowed) => ({
    application: `${Connecting.defaultApplication} ${command}`,
    allowPooler: allowed || unpooled.has(command)
  }))

/** A session on that database, for as long as the command runs, under the command's name. */
export const session = (url: DatabaseUrl.DatabaseUrl, command: string) =>
  Layer.unwrap(Effect.map(sessionOptions(command), (options) => Session.layer(url, options)))

/** The same on a database that the command only reads, beside its target. */
export const beside = (url: DatabaseUrl.DatabaseUrl, command: string) =>
  Effect.flatMap(sessionOptions(command), (options) => open(url, options))

/** Fails where something is asked for that goes with `--clean` alone. */
export const checkCascade = Effect.fn("Target.checkCascade")(function* ({
  cascadeOutside,
  clean
}: {
  readonly cascadeOutside: boolean
  readonly clean: boolean
}): Effect.fn.Return<void, PlanInvalid> {
  if (!cascadeOutside || clean) return
  return yield* new PlanInvalid({
    message: "--cascade-outside is about what --clean empties, and there is no --clean.",
    suggestion: "Add --clean, or leave it away.",
    state: "untouched"
  })
})

/** The database as people write it: of several servers that the URL names the one that answered. */
export const reached = Effect.map(Session, ({ url }) => DatabaseUrl.describe(url))

/** The folder of dumps. */
export const store = (directory: string) => DumpStore.layer(directory)

/** Everything a verb may need. */
export const layer = (
  url: DatabaseUrl.DatabaseUrl,
  command: string,
  directory: string,
  pgDump: PgDumpChoice = "auto"
) => Layer.mergeAll(session(url, command), store(directory), PgDump.layer(pgDump))

/** Tells what a restore has left that was cut short; what cannot be found out about that stops no command. */
export const leftover = (output: OutputService, directory: string) =>
  Leftover.found().pipe(
    Effect.flatMap((text) => (text === undefined ? Effect.void : output.alert(`WARNING: ${text}`))),
    Effect.catch(({ message }) => output.info(`note  Whether a restore was cut short is not known: ${message}`)),
    Effect.provide(DumpStore.layer(directory))
  )

/** The flags of a command that can be run dry. */
export interface DryRun {
  readonly dryRun: boolean
  /** The form of the plan, as `--plan` says it. */
  readonly plan: Option.Option<"text" | "json" | "mermaid">
}

/** Whether only the plan is wanted. Fails where a form of it is, and not the plan. */
export const isDryRun = Effect.fn("Target.isDryRun")(function* ({
  dryRun,
  plan
}: DryRun): Effect.fn.Return<boolean, PlanInvalid> {
  if (dryRun || Option.isNone(plan)) return dryRun
  return yield* new PlanInvalid({
    message: `--plan ${plan.value} is about a plan, and this would be a run.`,
    suggestion: "Add --dry-run.",
    state: "untouched"
  })
})

/** A dry run: the plan is the result. `more` stands in the document beside it. */
export const dryRun = Effect.fnUntraced(function* <T extends Task.Any, More extends object = {}>(
  pipeline: Pipeline.Pipeline<T>,
  url: DatabaseUrl.DatabaseUrl,
  { plan: form }: DryRun,
  more: (planned: Pipeline.PlannedPipeline<T>["planned"]) => More = () => ({}) as More
) {
  const { plan, planned } = yield* Pipeline.plan(pipeline)
  const database = yield* reached
  // What a kept plan is held against before a connection is opened.
  const document = { database: DatabaseUrl.describe(url), ...more(planned), plan }
  const forms = {
    text: () => renderPlan(plan, database),
    json: () => JSON.stringify(document, undefined, 2),
    mermaid: () => renderMermaid(plan)
  }
  const result: CommandResult<typeof document> = {
    text: forms[Option.getOrElse(form, () => "text" as const)](),
    document,
    planned: true
  }
  return result
})
