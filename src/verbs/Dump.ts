/** The verb dump: a database into a file, proven while it is written. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Compression from "../dumps/Compression.ts"
import type {
  DiskFull,
  DumpDamaged,
  DumpMissing,
  DumpUnreadable,
  DumpUnsafe,
  FolderUnusable
} from "../dumps/DumpError.ts"
import * as DumpLabel from "../dumps/DumpLabel.ts"
import { DumpStore, type WrittenDump } from "../dumps/DumpStore.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import * as Task from "../pipeline/Task.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { PgDump, PgDumpFailed } from "../postgres/PgDump.ts"
import type { PoolerInBetween } from "../postgres/Pooler.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { quote } from "../postgres/Identifier.ts"
import { Session } from "../postgres/Session.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import { readServer } from "../postgres/survey/Server.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import { checkJobs, type DumpOptions, type Settled, settled } from "./dump/DumpOptions.ts"
import * as DumpPlan from "./dump/DumpPlan.ts"
import * as DumpRights from "./dump/DumpRights.ts"
import { partialWords } from "./dump/DumpSource.ts"
import { written } from "./dump/DumpWrite.ts"
import { isAside } from "./restore/several/SetAside.ts"
import * as Tool from "./dump/Tool.ts"
import {
  type JobsInvalid,
  LabelInvalid,
  noSuchSchema,
  type PatternInvalid,
  type SchemaMissing,
  type TargetChanged,
  type VersionMismatch
} from "./VerbError.ts"

export type { DumpOptions } from "./dump/DumpOptions.ts"

export type DumpError =
  | DatabaseError
  | DiskFull
  | DumpDamaged
  | DumpMissing
  | DumpUnreadable
  | DumpUnsafe
  | FolderUnusable
  | JobsInvalid
  | LabelInvalid
  | PatternInvalid
  | PgDumpFailed
  | PoolerInBetween
  | SchemaMissing
  | TargetChanged
  | ToolMissing
  | VersionMismatch

/** Schemas of people: neither the system's nor an extension's. */
export const userSchemas = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    select nspname::text as "name"
    from pg_namespace n
    where nspname !~ '^pg_' and nspname <> 'information_schema'
      and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid
        and d.deptype = 'e')
    order by 1`.pipe(Effect.mapError(fromSqlError))
  return rows.map(({ name }) => name)
})

interface Found {
  readonly aside: ReadonlyArray<string>
  readonly partialRows: ReadonlyArray<string>
  readonly role: string
}

/** The options, less what is never dumped. */
export const without = (options: Settled, { aside }: Pick<Found, "aside">): Settled =>
  aside.length === 0 ? options : { ...options, excludeSchemas: aside }

/** Looks at what a dump with these options would be of. Fails where something of it cannot be read. */
export const look = Effect.fn("Dump.look")(function* (options: Settled) {
  const { server, role } = yield* readServer()
  const names = yield* userSchemas
  const missing = options.schemas.find((schema) => !names.includes(schema))
  if (missing !== undefined) return yield* noSuchSchema(missing, server.database)
  const readable = yield* DumpRights.survey(options, server.database)
  const denied = DumpRights.denial(readable, role.name, options.allowPartialRows)
  if (denied !== undefined) return yield* denied
  // What a restore has set aside is the past of what is there under its own name, or will be again.
  const aside = options.schemas.length === 0 ? names.filter(isAside) : []
  return {
    ...server,
    role: role.name,
    aside,
    schemas: options.schemas.length === 0 ? names.filter((name) => !isAside(name)) : options.schemas,
    partialRows: readable.filtered.map(({ table }) => table)
  }
})

const sourceTask = (options: Settled) =>
  Task.withLimits(
    Task.read("source", {
      title: "Look at the source",
      session: "source",
      scope: () =>
        options.schemas.length === 0 ? ["the whole database"] : options.schemas.map((schema) => `schema ${schema}`),
      plan: () => look(options),
      rows: ({ aside, partialRows, role }: Found) => [
        ...aside.map((name) => Plan.row(`leave schema ${quote(name)} out: a restore has set it aside`)),
        ...(partialRows.length === 0
          ? []
          : [
              Plan.row(partialWords(partialRows, role), {
                why: "row-level security hides the others, and --allow-partial-rows lets the dump go on without them"
              })
            ])
      ]
    }),
    { retry: Retrying.reads }
  )

const toolTask = (source: ReturnType<typeof sourceTask>) =>
  Task.read("tool", {
    title: "Choose pg_dump",
    needs: { source },
    plan: ({ source }) => Tool.chosen(source.versionNumber)
  })

const writeTask = (
  needs: { readonly source: ReturnType<typeof sourceTask>; readonly tool: ReturnType<typeof toolTask> },
  options: Settled
) =>
  Task.make("write", {
    title: "Write the dump",
    session: "source",
    needs,
    plan: Effect.fnUntraced(function* ({ source, tool }) {
      yield* Compression.check(options.compression.method)
      yield* checkJobs(options)
      const problem = DumpLabel.problem(options)
      if (problem !== undefined) {
        return yield* new LabelInvalid({
          message: problem,
          suggestion: "Choose another, for example before-upgrade.",
          state: "untouched"
        })
      }
      const store = yield* DumpStore
      const asked = without(options, source)
      return {
        value: undefined,
        rows: yield* DumpPlan.rows(asked, source, tool, store.directory),
        run: () => Effect.flatMap(Session, (session) => written({ session, source, tool, options: asked }))
      }
    })
  })

/** Everything that a dump does, as a graph of tasks. */
export const pipeline = (asked: DumpOptions = {}) => {
  const options = settled(asked)
  const source = sourceTask(options)
  const tool = toolTask(source)
  return Pipeline.make("dump", [source, tool, writeTask({ source, tool }, options)])
}

/** The whole verb as one task of another pipeline. What needs it is given the dump when it is written. */
export const task = (options: DumpOptions = {}) =>
  Pipeline.asTask("dump", {
    title: "Dump the database",
    session: "source",
    needs: [],
    pipeline: pipeline(options),
    around: (run) => Effect.map(run, ({ write }) => write)
  })

/**
 * Dumps the database of the session into the store.
 *
 * Fails with PermissionDenied, naming them all, where something cannot be read or policies hide rows; nothing is left
 * in the store after any failure.
 */
export const dump = Effect.fn("Dump.dump")(function* (
  options: DumpOptions = {}
): Effect.fn.Return<WrittenDump, DumpError, DumpStore | PgDump | Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.write
})
