/** Writes a dump as it comes from pg_dump, with what the catalogue says beside it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import type { DiskFull, FolderUnusable } from "../../dumps/DumpError.ts"
import type { Contents } from "../../dumps/DumpReading.ts"
import { DumpStore, type WrittenDump } from "../../dumps/DumpStore.ts"
import type { Provenance } from "../../dumps/DumpWriting.ts"
import { Version } from "../../dumps/Version.ts"
import * as Progress from "../../pipeline/Progress.ts"
import { note } from "../../pipeline/RunEvent.ts"
import * as RunMetrics from "../../pipeline/RunMetrics.ts"
import { listed, plural } from "../../pipeline/Words.ts"
import * as CatalogFacts from "../../postgres/CatalogFacts.ts"
import * as Checksums from "../../postgres/Checksums.ts"
import { type DatabaseError, StatementFailed } from "../../postgres/DatabaseError.ts"
import { qualified, quote } from "../../postgres/Identifier.ts"
import { objectKey } from "../../postgres/ObjectName.ts"
import type { PgDumpOptions, PgDumpProgram, PgDumpSettings } from "../../postgres/PgDump.ts"
import type { Session, SessionService } from "../../postgres/Session.ts"
import * as Snapshot from "../../postgres/Snapshot.ts"
import * as TableParts from "../../postgres/TableParts.ts"
import { explain, refusedConnection } from "./DumpFailure.ts"
import type { Settled } from "./DumpOptions.ts"
import * as DumpProgress from "./DumpProgress.ts"
import * as DumpRights from "./DumpRights.ts"
import * as DumpSequences from "./DumpSequences.ts"
import * as TableEstimates from "./TableEstimates.ts"
import * as TableSteps from "../TableSteps.ts"
import { TargetChanged } from "../VerbError.ts"

/** What is known of the source. */
export interface Source {
  readonly database: string
  readonly version: string
  /** `server_version_num`. */
  readonly versionNumber: number
  readonly role: string
  readonly schemas: ReadonlyArray<string>
  /** Tables of which policies hide rows, qualified and quoted. */
  readonly partialRows: ReadonlyArray<string>
}

/** In words, what a dump has only in part. */
export const partialWords = (tables: ReadonlyArray<string>, role: string): string =>
  `take only the rows that ${quote(role)} sees of ${plural(tables.length, "table")}: ${listed(tables, 6).join(", ")}`

/** What pg_dump tells of its steps begins so; what it warns of has another word before it. */
const step = /^pg_dump: (?!warning:|error:|detail:|hint:)(.+)$/

/** The schemas that alone are looked at; undefined where all are. */
const narrowed = (
  { excludeSchemas = [], schemas }: Pick<Settled, "excludeSchemas" | "schemas">,
  source: Source
): ReadonlyArray<string> | undefined => (schemas.length + excludeSchemas.length === 0 ? undefined : source.schemas)

/** What the manifest says of a dump that is not of the whole database. */
const narrowing = (
  { schemas, excludeSchemas = [], excludeTables, excludeTableData }: Settled,
  source: Source
): Partial<Pick<Provenance, "excluded" | "onlySchemas">> => ({
  ...(schemas.length + excludeSchemas.length === 0 ? {} : { onlySchemas: source.schemas }),
  ...(excludeTables.length + excludeTableData.length === 0
    ? {}
    : { excluded: { tables: excludeTables, data: excludeTableData } })
})

/** What pg_dump is told. It is to show only what policies show just where that is known, and to fail elsewhere. */
export const forPgDump = (options: Settled, { partialRows }: Source): PgDumpOptions => ({
  ...options,
  rowSecurity: partialRows.length > 0
})

export interface Writing {
  readonly session: SessionService
  readonly source: Source
  readonly tool: PgDumpProgram
  readonly options: Settled
  /** The session is in a transaction that has exported this snapshot, which is dumped; one is made for it otherwise. */
  readonly snapshot?: string
  /** Run before anything is written, with the path that the dump will have. */
  readonly begun?: (
    file: string
  ) => Effect.Effect<void, DatabaseError | DiskFull | FolderUnusable, Session | SqlClient.SqlClient>
}

/** Hears what pg_dump says: its steps are what is told of the dump while it is written, all else is noted. */
const hearing = () => {
  let doing = "written"
  return {
    doing: () => doing,
    onLine: (line: string) =>
      Effect.suspend(() => {
        const what = step.exec(line)?.[1]
        if (what === undefined) return note(line)
        doing = what
        return Effect.void
      })
  }
}

/** What the source says of what is in the dump. */
const findings = Effect.fnUntraced(function* (
  { creates, tables }: Contents,
  schemas: ReadonlyArray<string> | undefined,
  checksums: boolean
) {
  const created = new Set(creates.map(objectKey))
  const within = (schema: string, name: string) => created.has(objectKey({ kind: "TABLE", schema, name }))
  const states = yield* CatalogFacts.readStates({ schemas, eventTriggers: schemas === undefined, within })
  const parts = (yield* TableParts.read(schemas)).filter(({ name, schema }) => within(schema, name))
  const catalog = { parts, states }
  if (!checksums) return { catalog }
  const answers = yield* TableSteps.telling("added up", tables, tables, Checksums.read)
  const unread = answers.findIndex((answer) => "unknown" in answer)
  const answer = answers[unread]
  if (answer !== undefined && "unknown" in answer) {
    return yield* new StatementFailed({
      message: `The rows of ${qualified(tables[unread]!.schema, tables[unread]!.name)} cannot be added up: ${answer.unknown}`,
      suggestion: "Dump without --checksums, or as a role that may read all rows.",
      state: "untouched"
    })
  }
  return { catalog, checksums: answers.map((answer) => ("value" in answer ? answer.value : "")) }
})

/** Fails where row-level security hides rows of other tables than before, so that the manifest would name wrong ones. */
const stillHidden = Effect.fnUntraced(function* (options: Settled, { database, partialRows }: Source) {
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
export const written = Effect.fnUntraced(function* ({
  session,
  source,
  tool,
  options,
  snapshot: given,
  begun = () => Effect.void
}: Writing) {
  const store = yield* DumpStore
  const { url } = session
  const { host, port, user } = url
  const { checksums = false, compression, name, note: remark } = options
  const what = forPgDump(options, source)
  const { partialRows } = source
  if (partialRows.length > 0) yield* note(`The dump will ${partialWords(partialRows, source.role)}.`)
  // Should pg_dump be killed, its backend ends too, with its locks, and not only when a statement ends. Of a pooler it
  // is one of many, and PgBouncer refuses who brings settings with him.
  const settings: PgDumpSettings =
    source.versionNumber >= 140000 && session.pooler === undefined ? { client_connection_check_interval: "500" } : {}
  const { doing, onLine } = hearing()
  const within = narrowed(options, source)
  // Outside of the snapshot's transaction, which would keep a lock on each of them to its end.
  const before = yield* DumpSequences.read(within)
  const told = DumpProgress.make(yield* TableEstimates.read(what, source.database), yield* Clock.Clock)
  let complete: WrittenDump | undefined
  const shared: typeof Snapshot.share = (session, use) =>
    given === undefined ? Snapshot.share(session, use) : use(given)
  const dump = yield* shared(session, (snapshot) =>
    Effect.flatMap(CatalogFacts.read(), (catalog) =>
      store.write(
        {
          pgark: Version,
          source: { host, port, user, database: source.database, serverVersion: source.version },
          tool: { name: "pg_dump", version: tool.tool.version, kind: tool.tool.kind },
          schemas: source.schemas,
          catalog: { ...catalog, parts: [], states: [], snapshot: snapshot === undefined ? "separate" : "shared" },
          compression,
          ...(name === undefined ? {} : { name }),
          ...(remark === undefined ? {} : { note: remark }),
          ...(partialRows.length === 0 ? {} : { partialRows }),
          ...narrowing(options, source)
        },
        (append, file, position) =>
          Effect.andThen(
            begun(file),
            Stream.runForEach(
              tool.dump(url, snapshot === undefined ? what : { ...what, snapshot }, { settings, onLine }),
              (chunk) => Effect.andThen(append(chunk), RunMetrics.add(RunMetrics.bytes, chunk.length))
            ).pipe(Progress.telling(() => told(position(), doing())))
          ),
        (contents) =>
          stillHidden(options, source).pipe(
            Effect.andThen(DumpSequences.read(within)),
            Effect.flatMap((after) => DumpSequences.check(contents, before, after)),
            Effect.andThen(findings(contents, within, checksums))
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
    dump.manifest.tables.reduce((sum, { rows }) => sum + rows, 0)
  )
  return dump
})
