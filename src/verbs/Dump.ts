/** The verb dump: a database into a file, proven while it is written. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { DiskFull, DumpDamaged, DumpUnsafe, FolderUnusable } from "../dumps/DumpError.ts"
import * as Compression from "../dumps/Compression.ts"
import * as DumpLabel from "../dumps/DumpLabel.ts"
import type { Contents } from "../dumps/DumpReading.ts"
import { DumpStore, type StoredDump } from "../dumps/DumpStore.ts"
import type { Provenance } from "../dumps/DumpWriting.ts"
import { Version } from "../dumps/Version.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import * as Plan from "../pipeline/Plan.ts"
import { note, progress } from "../pipeline/RunEvent.ts"
import * as RunMetrics from "../pipeline/RunMetrics.ts"
import * as Task from "../pipeline/Task.ts"
import { listed, plural } from "../pipeline/Words.ts"
import * as CatalogFacts from "../postgres/CatalogFacts.ts"
import * as Checksums from "../postgres/Checksums.ts"
import { type DatabaseError, StatementFailed } from "../postgres/DatabaseError.ts"
import { objectKey } from "../postgres/ObjectName.ts"
import { quote } from "../postgres/Identifier.ts"
import {
  PgDump,
  type PgDumpFailed,
  type PgDumpOptions,
  type PgDumpProgram,
  type PgDumpSettings
} from "../postgres/PgDump.ts"
import * as Retrying from "../postgres/Retrying.ts"
import { Session, type SessionService } from "../postgres/Session.ts"
import * as Snapshot from "../postgres/Snapshot.ts"
import { fromSqlError } from "../postgres/Sqlstate.ts"
import { readServer } from "../postgres/survey/Server.ts"
import type { ToolMissing } from "../postgres/ToolMissing.ts"
import { tableKey } from "./Apply.ts"
import { explain, refusedConnection } from "./DumpFailure.ts"
import * as DumpRights from "./DumpRights.ts"
import * as DumpSequences from "./DumpSequences.ts"
import {
  LabelInvalid,
  noSuchSchema,
  type PatternInvalid,
  type SchemaMissing,
  TargetChanged,
  VersionMismatch
} from "./VerbError.ts"

/** What of the database goes into the dump: all of it unless told. Patterns are those of pg_dump. */
export interface DumpOptions extends Partial<Omit<PgDumpOptions, "rowSecurity" | "snapshot">> {
  /** Take what policies show of tables whose rows they hide from the role; without it such tables stop the dump. */
  readonly allowPartialRows?: boolean
  /** How the SQL is packed; not at all unless told. */
  readonly compression?: Compression.Compression
  /** Short, to ask for the dump by, and a line about it; both go into its manifest. For their rules see `DumpLabel`. */
  readonly name?: string
  readonly note?: string
  /** Add up the rows of each table, for verifications to compare; not unless told, as it reads everything twice. */
  readonly checksums?: boolean
}

/** Options with nothing left open. */
interface Settled
  extends Omit<PgDumpOptions, "rowSecurity" | "snapshot">, Pick<DumpOptions, "checksums" | "name" | "note"> {
  readonly allowPartialRows: boolean
  readonly compression: Compression.Compression
}

export type DumpError =
  | DatabaseError
  | DiskFull
  | DumpDamaged
  | DumpUnsafe
  | FolderUnusable
  | LabelInvalid
  | PatternInvalid
  | PgDumpFailed
  | SchemaMissing
  | TargetChanged
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

/** In words, what a dump has only in part. */
const partialWords = (tables: ReadonlyArray<string>, role: string): string =>
  `take only the rows that ${quote(role)} sees of ${plural(tables.length, "table")}: ${listed(tables, 6).join(", ")}`

const sourceTask = (options: Settled) =>
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
        const readable = yield* DumpRights.survey(options, server.database)
        const denied = DumpRights.denial(readable, role.name, options.allowPartialRows)
        if (denied !== undefined) return yield* denied
        return {
          ...server,
          role: role.name,
          schemas: options.schemas.length === 0 ? names : options.schemas,
          partialRows: readable.filtered.map(({ table }) => table)
        }
      }),
      rows: ({ partialRows, role }: { readonly partialRows: ReadonlyArray<string>; readonly role: string }) =>
        partialRows.length === 0
          ? []
          : [
              Plan.row(partialWords(partialRows, role), {
                why: "row-level security hides the others, and --allow-partial-rows lets the dump go on without them"
              })
            ]
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

/** The schemas that alone are dumped; undefined where all are. */
const narrowed = ({ schemas }: Pick<Settled, "schemas">): ReadonlyArray<string> | undefined =>
  schemas.length === 0 ? undefined : schemas

/** What the manifest says of a dump that is not of the whole database. */
const narrowing = ({
  schemas,
  excludeTables,
  excludeTableData
}: Settled): Partial<Pick<Provenance, "excluded" | "onlySchemas">> => ({
  ...(schemas.length === 0 ? {} : { onlySchemas: schemas }),
  ...(excludeTables.length + excludeTableData.length === 0
    ? {}
    : { excluded: { tables: excludeTables, data: excludeTableData } })
})

/** What pg_dump is told. It is to show only what policies show just where that is known, and to fail elsewhere. */
const forPgDump = (options: Settled, { partialRows }: Writing["source"]): PgDumpOptions => ({
  ...options,
  rowSecurity: partialRows.length > 0
})

interface Writing {
  readonly session: SessionService
  readonly source: Task.Planned<ReturnType<typeof sourceTask>>
  readonly tool: PgDumpProgram
  readonly options: Settled
}

/** Adds what is read to the metrics and tells how far it is. */
const observed = () => {
  let [bytes, doing] = [0, "written"]
  return {
    onLine: (line: string) =>
      Effect.suspend(() => {
        const what = step.exec(line)?.[1]
        if (what === undefined) return note(line)
        doing = what
        return progress(doing, bytes, "bytes")
      }),
    onBytes: (length: number) =>
      Effect.andThen(
        RunMetrics.add(RunMetrics.bytes, length),
        Effect.suspend(() => progress(doing, (bytes += length), "bytes"))
      )
  }
}

/** What the source says of what is in the dump. */
const findings = Effect.fnUntraced(function* (
  { creates, tables }: Contents,
  schemas: ReadonlyArray<string> | undefined,
  checksums: boolean
) {
  const created = new Set(creates.map(objectKey))
  const states = yield* CatalogFacts.readStates({
    schemas,
    eventTriggers: schemas === undefined,
    within: (schema, name) => created.has(objectKey({ kind: "TABLE", schema, name }))
  })
  if (!checksums) return { states }
  const answers = yield* Checksums.read(tables)
  const unread = answers.findIndex((answer) => "unknown" in answer)
  const answer = answers[unread]
  if (answer !== undefined && "unknown" in answer) {
    return yield* new StatementFailed({
      message: `The rows of ${tableKey(tables[unread]!)} cannot be added up: ${answer.unknown}`,
      suggestion: "Dump without --checksums, or as a role that may read all rows.",
      state: "untouched"
    })
  }
  return { states, checksums: answers.map((answer) => ("value" in answer ? answer.value : "")) }
})

/** Fails where row-level security hides rows of other tables than before, so that the manifest would name wrong ones. */
const stillHidden = Effect.fnUntraced(function* (options: Settled, { database, partialRows }: Writing["source"]) {
  if (partialRows.length === 0) return
  const { filtered } = yield* DumpRights.survey(options, database)
  const now = filtered.map(({ table }) => table)
  if (now.length === partialRows.length && now.every((table) => partialRows.includes(table))) return
  return yield* new TargetChanged({
    message: "Row-level security was changed while the database was dumped.",
    suggestion: "Dump again. No file was left.",
    state: "untouched"
  })
})

/** Writes the dump and what the catalogue says beside it, both of one moment. */
const written = Effect.fnUntraced(function* ({ session, source, tool, options }: Writing) {
  const store = yield* DumpStore
  const { url } = session
  const { host, port, user } = url
  const { checksums = false, compression, name, note: remark } = options
  const what = forPgDump(options, source)
  const { partialRows } = source
  if (partialRows.length > 0) yield* note(`The dump will ${partialWords(partialRows, source.role)}.`)
  // Should pg_dump be killed, its backend ends too, with its locks, and not only when a statement ends.
  const settings: PgDumpSettings = source.versionNumber >= 140000 ? { client_connection_check_interval: "500" } : {}
  const { onBytes, onLine } = observed()
  // Outside of the snapshot's transaction, which would keep a lock on each of them to its end.
  const before = yield* DumpSequences.read()
  let complete: StoredDump | undefined
  const dump = yield* Snapshot.share(session, (snapshot) =>
    Effect.flatMap(CatalogFacts.read(), (catalog) =>
      store.write(
        {
          pgark: Version,
          source: { host, port, user, database: source.database, serverVersion: source.version },
          tool: { name: "pg_dump", version: tool.tool.version, kind: tool.tool.kind },
          schemas: source.schemas,
          catalog: { ...catalog, states: [], snapshot: snapshot === undefined ? "separate" : "shared" },
          compression,
          ...(name === undefined ? {} : { name }),
          ...(remark === undefined ? {} : { note: remark }),
          ...(partialRows.length === 0 ? {} : { partialRows }),
          ...narrowing(options)
        },
        (append) =>
          Stream.runForEach(
            tool.dump(url, snapshot === undefined ? what : { ...what, snapshot }, { settings, onLine }),
            (chunk) => Effect.andThen(append(chunk), onBytes(chunk.length))
          ),
        (contents) =>
          stillHidden(options, source).pipe(
            Effect.andThen(DumpSequences.read()),
            Effect.flatMap((after) => DumpSequences.check(contents, before, after)),
            Effect.andThen(findings(contents, narrowed(options), checksums))
          )
      )
    ).pipe(
      Effect.tap((dump) => Effect.sync(() => (complete = dump))),
      Effect.catchTags({
        PgDumpFailed: (failure) => explain(failure, options, source),
        PermissionDenied: (failure) => explain(failure, options, source),
        ConnectionFailed: (failure) => Effect.fail(refusedConnection(failure))
      })
    )
  ).pipe(
    // A dump that has its name is whole, even if the server goes away before the transaction that it read has ended.
    Effect.catch((failure) => (complete === undefined ? Effect.fail(failure) : Effect.succeed(complete)))
  )
  yield* RunMetrics.add(
    RunMetrics.rows,
    (dump.manifest?.tables ?? []).reduce((sum, { rows }) => sum + rows, 0)
  )
  return dump
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
      const { compression, name, note: remark } = options
      yield* Compression.check(compression.method)
      const problem = DumpLabel.problem(options)
      if (problem !== undefined) {
        return yield* new LabelInvalid({
          message: problem,
          suggestion: "Choose another, for example before-upgrade.",
          state: "untouched"
        })
      }
      const store = yield* DumpStore
      const { url } = yield* Session
      return {
        value: undefined,
        rows: [
          Plan.row(`dump ${url.database} into ${store.directory}/`, {
            argv: tool.argv(forPgDump(options, source)),
            why: `pg_dump ${describe(tool)} can read a server of version ${source.version}`
          }),
          ...(compression.method === "none" ? [] : [Plan.row(`pack it: ${Compression.show(compression)}`)]),
          Plan.row("prove what was written and put a manifest beside it"),
          ...(name === undefined ? [] : [Plan.row(`name it ${name}`)]),
          ...(remark === undefined ? [] : [Plan.row(`note of it: ${remark}`)])
        ],
        run: () => Effect.flatMap(Session, (session) => written({ session, source, tool, options }))
      }
    })
  })

/** Everything that a dump does, as a graph of tasks. */
export const pipeline = (asked: DumpOptions = {}) => {
  const options: Settled = {
    compression: { method: "none" },
    schemas: [],
    excludeTables: [],
    excludeTableData: [],
    allowPartialRows: false,
    ...asked
  }
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
 * Fails with PermissionDenied, naming them all, where something cannot be read or policies hide rows; nothing is left in the store after any
 * failure.
 */
export const dump = Effect.fn("Dump.dump")(function* (
  options: DumpOptions = {}
): Effect.fn.Return<StoredDump, DumpError, DumpStore | PgDump | Session | SqlClient.SqlClient> {
  const { results } = yield* Pipeline.run(pipeline(options))
  return results.write
})
