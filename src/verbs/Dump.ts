/** The verb dump: a database into a file, proven while it is written. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { DiskFull, DumpDamaged, DumpUnsafe, FolderUnusable } from "../dumps/DumpError.ts"
import { DumpStore, type Provenance, type StoredDump } from "../dumps/DumpStore.ts"
import { Version } from "../dumps/Version.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { note, progress } from "../pipeline/RunEvent.ts"
import * as RunMetrics from "../pipeline/RunMetrics.ts"
import * as Task from "../pipeline/Task.ts"
import { ConnectionFailed, type DatabaseError, type PermissionDenied, withFields } from "../postgres/DatabaseError.ts"
import * as Connecting from "../postgres/Connecting.ts"
import {
  PgDump,
  type PgDumpFailed,
  type PgDumpOptions,
  type PgDumpProgram,
  type PgDumpSettings
} from "../postgres/PgDump.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { Session } from "../postgres/Session.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import { readServer } from "../postgres/survey/Server.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import * as DumpRights from "./DumpRights.ts"
import { noSuchSchema, type PatternInvalid, type SchemaMissing, VersionMismatch } from "./VerbError.ts"

/** What of the database goes into the dump: all of it unless told. Patterns are those of pg_dump. */
export interface DumpOptions extends Partial<PgDumpOptions> {}

export type DumpError =
  | DatabaseError
  | DiskFull
  | DumpDamaged
  | DumpUnsafe
  | FolderUnusable
  | PatternInvalid
  | PgDumpFailed
  | SchemaMissing
  | ToolMissing
  | VersionMismatch

/** Schemas of people: neither the system's nor an extension's. */
const userSchemas = Effect.gen(function* () {
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

const sourceTask = (options: PgDumpOptions) =>
  Task.withLimits(
    Task.read("source", {
      title: "Look at the source",
      session: "source",
      scope: () =>
        options.schemas.length === 0 ? ["the whole database"] : options.schemas.map((schema) => `schema ${schema}`),
      plan: Effect.fnUntraced(function* () {
        const { server, role } = yield* readServer()
        const names = yield* userSchemas
        const missing = options.schemas.find((schema) => !names.includes(schema))
        if (missing !== undefined) return yield* noSuchSchema(missing, server.database)
        const denied = yield* DumpRights.denial(options, server.database, role.name)
        if (denied !== undefined) return yield* denied
        return { ...server, role: role.name, schemas: options.schemas.length === 0 ? names : options.schemas }
      })
    }),
    { retry: Retrying.reads }
  )

const toolTask = (source: ReturnType<typeof sourceTask>) =>
  Task.read("tool", {
    title: "Choose pg_dump",
    needs: { source },
    plan: Effect.fnUntraced(function* ({ source }) {
      const pgDump = yield* PgDump
      const major = Math.floor(source.versionNumber / 10000)
      const program = yield* pgDump.choose(major)
      if (program.tool.major < major) {
        return yield* new VersionMismatch({
          message: `The server is PostgreSQL ${major}, but the newest pg_dump here is ${describe(program)}: it refuses newer servers.`,
          suggestion: `Install the client programs of PostgreSQL ${major} or later, and use --pg-dump auto or native.`,
          state: "untouched"
        })
      }
      return program
    })
  })

/** Which pg_dump it is, for people. */
const describe = ({ tool }: PgDumpProgram): string =>
  `${tool.version} (${tool.kind === "wasm" ? "WebAssembly" : tool.name})`

/** What pg_dump tells of its steps begins so; what it warns of has another word before it. */
const step = /^pg_dump: (?!warning:|error:|detail:|hint:)(.+)$/

/** SQLSTATE of a server, a database or a role that has no connection left. */
const tooManyConnections = "53300"

/** pgark has its own connection, but pg_dump gets none. */
const noSecond = (error: DatabaseError, details: ReadonlyArray<string | undefined>): ConnectionFailed => {
  const detail = [...new Set(details)].filter((text) => text !== undefined).join("\n")
  return new ConnectionFailed({
    message: "The server refuses pg_dump the connection that it needs beside pgark's own.",
    ...(detail === "" ? {} : { detail }),
    suggestion:
      "A dump needs two connections: raise the limit (ALTER ROLE … CONNECTION LIMIT, ALTER DATABASE … CONNECTION " +
      "LIMIT, max_connections), close others, or try again later.",
    state: "untouched",
    ...(error.sqlstate === undefined ? {} : { sqlstate: error.sqlstate })
  })
}

/**
 * Why pg_dump failed, as far as this session can tell: the server went away, or something was closed to the role while
 * pg_dump was at work.
 */
const explain = Effect.fnUntraced(function* (
  failure: PgDumpFailed | PermissionDenied,
  options: PgDumpOptions,
  { database, role }: { readonly database: string; readonly role: string }
) {
  const session = yield* Session
  const detail = failure.detail === undefined ? {} : { detail: failure.detail }
  yield* session.execute("SELECT 1").pipe(
    Effect.mapError(
      () =>
        new ConnectionFailed({
          message: "The server went away while it was being dumped.",
          ...detail,
          suggestion: "Dump again when the server is back. No file was left.",
          state: "untouched"
        })
    )
  )
  // A native pg_dump does not say what kept it from connecting.
  yield* Effect.scoped(Connecting.acquire(session.url)).pipe(
    Effect.mapError((error) => noSecond(error, [failure.detail, error.detail]))
  )
  const denied = yield* DumpRights.denial(options, database, role)
  if (denied === undefined) return yield* failure
  return yield* withFields(denied, {
    detail: [failure.detail, denied.detail].filter((text) => text !== undefined).join("\n")
  })
})

/** What the manifest says of a dump that is not of the whole database. */
const narrowing = ({
  schemas,
  excludeTables,
  excludeTableData
}: PgDumpOptions): Pick<Provenance, "excluded" | "onlySchemas"> => ({
  ...(schemas.length === 0 ? {} : { onlySchemas: schemas }),
  ...(excludeTables.length + excludeTableData.length === 0
    ? {}
    : { excluded: { tables: excludeTables, data: excludeTableData } })
})

const writeTask = (
  needs: { readonly source: ReturnType<typeof sourceTask>; readonly tool: ReturnType<typeof toolTask> },
  options: PgDumpOptions
) =>
  Task.make("write", {
    title: "Write the dump",
    session: "source",
    needs,
    plan: Effect.fnUntraced(function* ({ source, tool }) {
      const store = yield* DumpStore
      const { url } = yield* Session
      return {
        value: undefined,
        rows: [
          Plan.row(`dump ${url.database} into ${store.directory}/`, {
            argv: tool.argv(options),
            why: `pg_dump ${describe(tool)} can read a server of version ${source.version}`
          }),
          Plan.row("prove what was written and put a manifest beside it")
        ],
        run: () => {
          const { host, port, user } = url
          // Should pg_dump be killed, its backend ends too, with its locks, and not only when a statement ends.
          const settings: PgDumpSettings =
            source.versionNumber >= 140000 ? { client_connection_check_interval: "500" } : {}
          let [bytes, doing] = [0, "written"]
          const onLine = (line: string) =>
            Effect.suspend(() => {
              const what = step.exec(line)?.[1]
              if (what === undefined) return note(line)
              doing = what
              return progress(doing, bytes, "bytes")
            })
          return store
            .write(
              {
                pgark: Version,
                source: { host, port, user, database: source.database, serverVersion: source.version },
                tool: { name: "pg_dump", version: tool.tool.version, kind: tool.tool.kind },
                schemas: source.schemas,
                ...narrowing(options)
              },
              (append) =>
                Stream.runForEach(tool.dump(url, options, { settings, onLine }), (chunk) =>
                  Effect.andThen(
                    Effect.andThen(append(chunk), RunMetrics.add(RunMetrics.bytes, chunk.length)),
                    Effect.suspend(() => progress(doing, (bytes += chunk.length), "bytes"))
                  )
                )
            )
            .pipe(
              Effect.tap(({ manifest }) =>
                RunMetrics.add(
                  RunMetrics.rows,
                  (manifest?.tables ?? []).reduce((sum, { rows }) => sum + rows, 0)
                )
              ),
              Effect.catchTags({
                PgDumpFailed: (failure) => explain(failure, options, source),
                PermissionDenied: (failure) => explain(failure, options, source),
                ConnectionFailed: (failure) =>
                  Effect.fail(failure.sqlstate === tooManyConnections ? noSecond(failure, [failure.detail]) : failure)
              })
            )
        }
      }
    })
  })

/** Everything that a dump does, as a graph of tasks. */
export const pipeline = (narrowed: DumpOptions = {}) => {
  const options: PgDumpOptions = { schemas: [], excludeTables: [], excludeTableData: [], ...narrowed }
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
 * Fails with PermissionDenied, naming them all, where tables cannot be read; nothing is left in the store after any
 * failure.
 */
export const dump = Effect.fn("Dump.dump")(function* (
  options: DumpOptions = {}
): Effect.fn.Return<StoredDump, DumpError, DumpStore | PgDump | Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.write
})
